"""What is sent to the validations' routes: JSON read, or one line that says what is wrong. Pure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidInput
from ..core.quantities import format_bytes, parse_bytes, parse_duration
from .wire import ReportFormat

MOST_PATHS = 100
LONGEST_PATH = 4096
LONGEST_NAME = 200
LEAST_MEMORY = 16 * 1024**2
"""Bytes: no kernel of any language starts in less."""
_FIELDS = (
    "paths",
    "time_limit",
    "cell_time_limit",
    "memory_limit",
    "gpu_memory_limit",
    "kernel",
    "cold",
    "cache",
)
_HINT = 'Send such as {"paths": ["lectures"], "memory_limit": "2GiB"}.'
_NONE = "none"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A validation that is asked for."""

    paths: tuple[str, ...]
    """Below the root of the contents, not looked at yet."""
    options: tuple[str, ...] = ()
    """What the command line says for the rest; what isn't here is as the settings have it."""


def parse_wanted(body: Mapping[str, Any]) -> Wanted:
    """What the body of ``POST validations`` asks for.

    Raises:
        InvalidInput: names the field and the value, with the mend.
    """
    for name in body:
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The fields are: {', '.join(_FIELDS)}."
            raise _invalid(name[:40], f"{name[:40]!r} is not a field of this request.", hint)
    options = [
        *_quantity(body, "time_limit", parse_duration, 0),
        *_quantity(body, "cell_time_limit", parse_duration, 0),
        *_quantity(body, "memory_limit", parse_bytes, LEAST_MEMORY),
        *_quantity(body, "gpu_memory_limit", parse_bytes, LEAST_MEMORY),
    ]
    kernel = body.get("kernel")
    if kernel is not None:
        if not _is_text(kernel, LONGEST_NAME) or not kernel.strip():
            hint = "Name one as jupyter kernelspec list has it."
            raise _invalid("kernel", f"kernel={_show(kernel)} is not the name of a kernel.", hint)
        options.append(f"--kernel={kernel.strip()}")
    options += ["--cold"] if _flag(body, "cold") else []
    options += ["--no-cache"] if _flag(body, "cache") is False else []
    return Wanted(_paths(body.get("paths")), tuple(options))


def parse_format(text: str | None) -> ReportFormat:
    """The format of ``GET validations/{id}/report``.

    Raises:
        InvalidInput: there is no such format.
    """
    try:
        return ReportFormat(text or ReportFormat.HTML)
    except ValueError:
        known = ", ".join(ReportFormat)
        raise _invalid(
            "format", f"format={_show(text)} is not a format.", f"There are: {known}."
        ) from None


def _paths(value: Any) -> tuple[str, ...]:
    if value is None:
        raise _invalid("paths", "paths is missing.", _HINT)
    if not isinstance(value, list) or not value:
        raise _invalid("paths", f"paths={_show(value)} is not a list of paths.", _HINT)
    if len(value) > MOST_PATHS:
        hint = "Name the folder that they are in."
        raise _invalid("paths", f"paths has {len(value)} paths, more than {MOST_PATHS}.", hint)
    return tuple(dict.fromkeys(_path(one) for one in value))


def _path(value: Any) -> str:
    if not _is_text(value, LONGEST_PATH) or "\0" in value:
        raise _invalid("paths", f"{_show(value)} in paths is not a path.", _HINT)
    hint = "Write it from the root of the file browser on, such as lectures/01-intro.ipynb."
    if value.startswith("/"):
        raise _invalid("paths", f"{_show(value)} in paths begins with a slash.", hint)
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _invalid("paths", f"{_show(value)} in paths leads upwards.", hint)
    return "/".join(parts)


def _quantity(
    body: Mapping[str, Any], name: str, parse: Callable[..., float], least: float
) -> list[str]:
    value = body.get(name)
    if value is None:
        return []
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, str) and value.strip().lower() == _NONE:
        return [f"{option}={_NONE}"]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _invalid(name, f"{name}={_show(value)} is not a quantity.", _HINT)
    if not isinstance(value, str) and value < 0:
        raise _invalid(name, f"{name}={value} is negative.", "Give more, or none for no limit.")
    quantity = parse(value, name=name)
    if quantity < least or quantity <= 0 or not math.isfinite(quantity):
        message = f"{name}={_show(value)} leaves nothing to run in."
        enough = f"at least {format_bytes(int(least))}" if least else "more"
        raise _invalid(name, message, f"Give {enough}, or none for no limit.")
    return [f"{option}={quantity}"]


def _flag(body: Mapping[str, Any], name: str) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _invalid(name, f"{name}={_show(value)} is neither true nor false.", "Send one.")
    return value


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _show(value: Any) -> str:
    return repr(value)[:80]


def _invalid(name: str, message: str, hint: str) -> InvalidInput:
    return InvalidInput("request.invalid", message, hint=hint, detail={"name": name})
