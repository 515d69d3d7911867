"""The one exception tree. HTTP statuses are added in ``api.errors``, exit codes in ``cli``."""

from __future__ import annotations

from typing import Any


class GpuCtlError(Exception):
    """Something a person has to know.

    ``code`` is stable and for programs, ``message`` names the thing and the value, ``hint`` is
    the mend, ``detail`` carries the values as data.
    """

    def __init__(
        self, code: str, message: str, *, hint: str = "", detail: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.detail = detail or {}

    def __str__(self) -> str:
        """One line: the message and its mend."""
        return f"{self.message} {self.hint}".strip()


class InvalidInput(GpuCtlError):
    """What was asked can't be understood (HTTP 400, exit status 2)."""


class InvalidConfig(GpuCtlError):
    """The configuration can't be understood (HTTP 503, exit status 2)."""


class Forbidden(GpuCtlError):
    """Who asks is not known, or not allowed (HTTP 403)."""


class NotFound(GpuCtlError):
    """Not there, or not yours (HTTP 404)."""


class Conflict(GpuCtlError):
    """It contradicts what is so by now (HTTP 409)."""


class Refused(GpuCtlError):
    """Understood, and refused by policy (HTTP 422); ``detail`` carries the verdict."""


class Unavailable(GpuCtlError):
    """A backend is away (HTTP 503, exit status 3)."""
