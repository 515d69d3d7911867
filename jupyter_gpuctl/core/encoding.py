"""Frozen values to JSON, without a library that start-up would have to pay for.

The values of ``model.py`` and ``wire.py`` *are* the wire types: pydantic reads the same classes
to write the OpenAPI document (``api.openapi``) and is loaded only then.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def encode(value: Any) -> bytes:
    """``value`` as compact JSON text.

    Times become ISO 8601 in UTC with milliseconds, enums their values.

    Raises:
        ValueError: a number that JSON doesn't know (not a number, infinite).
    """
    return _ENCODER.encode(value).encode()


def to_json(value: Any) -> Any:
    """``value`` as dicts, lists and scalars, as :func:`encode` would write it."""
    return json.loads(encode(value))


def _plain(value: Any) -> Any:
    """What :mod:`json` asks about: it goes down dicts and tuples by itself, in C."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {name: getattr(value, name) for name in _field_names(value.__class__)}


_ENCODER = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False, default=_plain
)
