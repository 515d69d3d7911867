"""The one place where errors become HTTP statuses and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tornado.web import HTTPError

from ..core.errors import (
    Conflict,
    Forbidden,
    GpuCtlError,
    InvalidConfig,
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """What every refused or failed call answers."""

    __pydantic_config__ = {"use_attribute_docstrings": True}

    code: str
    """Stable, for programs: ``gpus.since_in_future``."""
    message: str
    """One line for people; names the thing and the value."""
    detail: dict[str, Any]
    """The values as data."""
    hint: str
    """What to do about it."""


STATUS: dict[type[GpuCtlError], int] = {
    InvalidInput: 400,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Refused: 422,
    Unavailable: 503,
    InvalidConfig: 503,
}

_OF_SERVER = {
    400: ("request.invalid", "The request can't be understood.", ""),
    401: ("auth.required", "You are not logged in.", "Log in, or send the server's token."),
    403: (
        "auth.forbidden",
        "You are not logged in, or not allowed to do this.",
        "Log in or send the server's token; if you did, ask the server's administrator.",
    ),
    404: ("request.not_found", "There is nothing here, or not for requests from that origin.", ""),
    405: ("request.method_not_allowed", "This address doesn't take that method.", ""),
}


def describe(error: BaseException | None, status: int) -> tuple[int, ErrorAnswer]:
    """The status and the body for ``error``; anything unforeseen is a 500 without its text."""
    if isinstance(error, GpuCtlError):
        answer = ErrorAnswer(error.code, error.message, error.detail, error.hint)
        return next((STATUS[k] for k in type(error).__mro__ if k in STATUS), 500), answer
    if isinstance(error, HTTPError):
        status = error.status_code
        code, message, hint = _OF_SERVER.get(
            status, ("request.failed", error.reason or "The request failed.", "")
        )
        return status, ErrorAnswer(code, error.log_message or message, {}, hint)
    if error is None and status in _OF_SERVER:
        code, message, hint = _OF_SERVER[status]
        return status, ErrorAnswer(code, message, {}, hint)
    return 500, ErrorAnswer(
        "internal",
        "Something went wrong in jupyter-gpuctl.",
        {},
        "The server's log has the details; please report them.",
    )
