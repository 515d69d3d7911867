"""Frozen values to JSON, without a library that start-up would have to pay for.

The values of ``model.py`` and ``wire.py`` *are* the wire types: pydantic reads the same classes
to write the OpenAPI document (``api.openapi``) and is loaded only then.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def to_json(value: Any) -> Any:
    """``value`` as dicts, lists and scalars that :mod:`json` takes.

    Times become ISO 8601 in UTC with milliseconds, enums their values.
    """
    if value is None or isinstance(value, (str, int, float, bool)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {name: to_json(getattr(value, name)) for name in _field_names(value.__class__)}


def encode(value: Any) -> bytes:
    """``value`` as compact JSON text."""
    return json.dumps(to_json(value), separators=(",", ":"), allow_nan=False).encode()
