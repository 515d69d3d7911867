"""Times and leases in the words of a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from ..core.quantities import format_bytes

ROUNDED = 600
"""Seconds from which on minutes are rounded to the nearest."""


def span(seconds: float) -> str:
    """``45 s``, ``9 min``, ``1 h 42 min``, ``3 d 4 h``: two units at most.

    The last minutes are rounded down, more to the nearest minute: who asks for two hours reads so.
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60 if whole < ROUNDED else round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def when(time: datetime, now: datetime) -> str:
    """``14:05`` in local time, with the day where it isn't today."""
    local = (time + timedelta(seconds=30)).astimezone()  # to the nearest minute
    today = now.astimezone()
    clock = f"{local:%H:%M}"
    days = (local.date() - today.date()).days
    if days == 0:
        return clock
    if days == 1:
        return f"tomorrow {clock}"
    return f"{local:%a} {clock}" if 0 < days < 7 else f"{local:%Y-%m-%d} {clock}"


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOMENT = re.compile(rf"(?:(\d{{4}}-\d\d-\d\d) |({'|'.join(_WEEKDAYS)}) )?(\d\d):(\d\d) UTC")


def local_times(text: str, now: datetime) -> str:
    """``text`` with its times, which the rules write in UTC, on the reader's clock.

    They look as ``leases/rules/phrases.py`` writes them: ``14:20 UTC``, ``Monday 00:00 UTC``,
    ``2027-01-11 10:00 UTC``.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    def local(found: re.Match[str]) -> str:
        date, weekday, hours, minutes = found.groups()
        time = timedelta(hours=int(hours), minutes=int(minutes))
        if date:
            then = datetime.fromisoformat(f"{date}T00:00+00:00") + time
        elif weekday:
            then = today + timedelta(days=(_WEEKDAYS.index(weekday) - today.weekday()) % 7) + time
            then += timedelta(days=7 if then < now else 0)
        else:  # of yesterday, today and tomorrow, the day that a time without one means
            near = (today + time + timedelta(days=day) for day in (0, 1, -1))
            hour, half = timedelta(hours=1), timedelta(hours=12)
            then = next((then for then in near if -hour < then - now < half), today + time)
        return when(then, now)

    return _MOMENT.sub(local, text)


def gpus(lease: dict[str, Any]) -> str:
    """``2``, ``2 H100``, or ``0.25 (8.0 GiB)``."""
    text = f"{lease['gpus']:g}"
    if lease["gpu_model"]:
        text += f" {lease['gpu_model']}"
    if lease["gpu_memory"] and lease["gpus"] < 1:
        text += f" ({format_bytes(lease['gpu_memory'])})"
    return text


def short(lease_id: str) -> str:
    """An id without the zeros that it begins with: nobody wants to type them."""
    return lease_id.lstrip("0") or lease_id


def plural(count: float, noun: str) -> str:
    """``1 GPU``, ``2 GPUs``, ``0.5 GPU``, ``0 GPUs``."""
    return f"{count:g} {noun}" if 0 < count <= 1 else f"{count:g} {noun}s"


def until(lease: dict[str, Any], now: datetime) -> str:
    """What comes next for a lease, and when: ``1 h 42 min left``, ``2nd in line, …``."""
    match lease["status"]:
        case "active":
            left = _seconds(lease["expires_at"], now)
            early = f", {REASONS.get(lease['reason'], lease['reason'])}" if lease["reason"] else ""
            return f"{span(left)} left{early}"
        case "offered":
            left = _seconds(lease["offer_expires_at"], now)
            return f"offered: accept within {span(left)}"
        case "queued":
            return f"{ordinal(lease['position'])} in line, {start(lease, now)}"
    ago = span(-_seconds(lease["ended_at"], now)) if lease["ended_at"] else "?"
    ended = "taken back" if lease["reason"] == "reclaimed" else REASONS.get(lease["reason"])
    return f"{ended or lease['reason']} {ago} ago"


def start(lease: dict[str, Any], now: datetime) -> str:
    """When a queued lease is expected to start."""
    if not lease["estimated_start"]:
        return "start unknown"
    ahead = _seconds(lease["estimated_start"], now)
    return "starts soon" if ahead < 60 else f"starts in about {span(ahead)}"


def ordinal(position: int | None) -> str:
    """``1st``, ``2nd``, ``13th``."""
    if position is None:
        return "?"
    tail = {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{'th' if 11 <= position % 100 <= 13 else tail}"


def read_time(text: str) -> datetime:
    """A time as our JSON has it."""
    return datetime.fromisoformat(text)


def _seconds(time: str, now: datetime) -> float:
    return (read_time(time) - now) / timedelta(seconds=1)


REASONS = {
    "released": "given back",
    "expired": "expired",
    "cancelled": "withdrawn",
    "declined": "declined",
    "lapsed": "offer lapsed",
    "revoked": "revoked",
    "reclaimed": "to be given back",
    "idle": "not used",
    "lost": "GPU gone",
}
