"""Where a list goes on: what ``next`` of an answer says. Pure."""

from __future__ import annotations

import math

from ..core.errors import InvalidInput
from .model import Lease


def write_end(lease: Lease) -> str:
    """Of the list of ended leases: after ``lease``."""
    return f"{lease.ended_at!r}_{lease.id}"


def parse_end(cursor: str | None) -> tuple[float, str] | None:
    """When it ended, and its id.

    Raises:
        InvalidInput: not of :func:`write_end`.
    """
    if cursor is None:
        return None
    time, _, lease_id = cursor.partition("_")
    try:
        ended_at = float(time)
    except ValueError:
        raise _invalid(cursor) from None
    if not lease_id or not math.isfinite(ended_at):
        raise _invalid(cursor)
    return ended_at, lease_id


def parse_row(cursor: str | None) -> int | None:
    """The number of an audit row.

    Raises:
        InvalidInput: not a number that fits.
    """
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise _invalid(cursor)
    return int(cursor)


def _invalid(cursor: str) -> InvalidInput:
    return InvalidInput(
        "request.invalid",
        f"cursor={cursor[:60]!r} is not one that an answer gave.",
        hint="Leave it out to begin at the newest.",
        detail={"name": "cursor", "value": cursor[:60]},
    )
