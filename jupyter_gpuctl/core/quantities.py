"""Bytes and durations: read as people write them, written as people read them.

Inside, sizes are bytes (``int``) and durations are seconds (``float``); these functions stand at
the edge.
"""

from __future__ import annotations

import math
import re

from .errors import InvalidInput

_BYTE_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", start=1):
    _BYTE_UNITS[f"{_letter}b"] = 1000**_power
    _BYTE_UNITS[_letter] = _BYTE_UNITS[f"{_letter}i"] = _BYTE_UNITS[f"{_letter}ib"] = 1024**_power

_SECOND_UNITS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", re.ASCII)
_DURATION_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", re.ASCII)


def parse_bytes(text: str | float, *, name: str = "size") -> int:
    """Bytes of ``"2GiB"``, ``"512M"``, ``"1.5 GB"`` or a plain number of bytes.

    ``K M G T P`` alone are powers of 1024, as in Docker and systemd; ``KB`` … are powers of 1000.

    Raises:
        InvalidInput: not a size, negative, or not finite; names ``name`` and the value.
    """
    match = _QUANTITY.fullmatch(str(text)) if not isinstance(text, float) else None
    if isinstance(text, float) and math.isfinite(text) and text >= 0:
        return int(text)
    if match is None or match[2].lower() not in _BYTE_UNITS:
        raise InvalidInput(
            "quantity.invalid",
            f"{name}={text!r} is not a size.",
            hint="Write a number with a unit, such as 512MiB or 2GiB.",
            detail={"name": name, "value": text},
        )
    number, unit = match[1], _BYTE_UNITS[match[2].lower()]
    return int(number) * unit if number.isdigit() else int(float(number) * unit)


def parse_duration(text: str | float, *, name: str = "duration") -> float:
    """Seconds of ``"90m"``, ``"1h30m"``, ``"2 h"``, ``"500ms"`` or a plain number of seconds.

    Raises:
        InvalidInput: not a duration, negative, or not finite; names ``name`` and the value.
    """
    seconds, rest = 0.0, str(text)
    while match := _DURATION_PART.match(rest):
        unit = _SECOND_UNITS.get(match[2].lower())
        if unit is None:
            break
        seconds, rest = seconds + float(match[1]) * unit, rest[match.end() :]
    if rest.strip() or not str(text).strip() or not math.isfinite(seconds):
        raise InvalidInput(
            "quantity.invalid",
            f"{name}={text!r} is not a duration.",
            hint="Write a number with a unit, such as 90s, 10m or 1h30m.",
            detail={"name": name, "value": text},
        )
    return seconds


def format_bytes(size: float | None) -> str:
    """``68.0 GiB``: three or four digits and a binary unit; ``n/a`` for ``None``."""
    if size is None:
        return "n/a"
    if size < 1024:
        return f"{size:.0f} B"
    units = ["KiB", "MiB", "GiB", "TiB", "PiB"]
    size /= 1024
    while size >= 1023.95 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.0f} {units[0]}" if size >= 99.95 else f"{size:.1f} {units[0]}"


def format_duration(seconds: float | None) -> str:
    """``3.1 s``, ``1:52`` (minutes), ``1:02:03`` (hours); ``n/a`` for ``None``."""
    if seconds is None:
        return "n/a"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
