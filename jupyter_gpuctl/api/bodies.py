"""The JSON object in a request's body; whose fields mean what is for the wings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tornado.httputil import HTTPServerRequest

from ..core.errors import InvalidInput

MAX_BODY = 64 * 1024
"""Bytes. What people ask for is a hundred."""


def read_object(request: HTTPServerRequest) -> Mapping[str, Any]:
    """The body of ``request`` as a JSON object.

    Raises:
        InvalidInput: empty, too large, not UTF-8, not JSON, or not an object.
    """
    return parse_object(request.body)


def parse_object(body: bytes) -> Mapping[str, Any]:
    """As :func:`read_object`, of bytes.

    A field that is there twice is refused: which of the two was meant, nobody can know.
    """
    if len(body) > MAX_BODY:
        raise _invalid(f"The body has {len(body)} bytes, more than {MAX_BODY}.", size=len(body))
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"The body is not UTF-8: byte {error.start} can't be read.") from None
    if not text.strip():
        raise _invalid("The body is empty.")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        where = (
            f": {error.msg} at character {error.pos}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise _invalid(f"The body is not JSON{where}.") from None
    if not isinstance(value, dict):
        raise _invalid(f"The body is {_KINDS.get(type(value), 'not an object')}, not an object.")
    return value


_KINDS: dict[type, str] = {
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _invalid(f"{name[:40]!r} is there twice.", name=name[:40])
        found[name] = value
    return found


def _constant(name: str) -> Any:
    raise _invalid(f"{name} is not a number that JSON knows.", value=name)


def _invalid(message: str, **detail: Any) -> InvalidInput:
    return InvalidInput(
        "request.invalid", message, hint='Send a JSON object, such as {"gpus": 1}.', detail=detail
    )
