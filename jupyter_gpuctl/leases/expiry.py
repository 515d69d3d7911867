"""When to say that a lease will soon be over. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .model import LeaseStatus
from .wire import LeaseAnswer

AHEAD = (300, 60)
"""Seconds before the end at which it is said."""


@dataclass(frozen=True, slots=True)
class Notice:
    """It is to be said, now, that a lease ends."""

    lease: LeaseAnswer
    left: float
    """Seconds."""
    ahead: int
    """Of :data:`AHEAD`: which warning it is."""
    expires_at: float

    @property
    def key(self) -> tuple[str, int, float]:
        """The same for the same warning; another once the lease was extended."""
        return (self.lease.id, self.ahead, self.expires_at)

    @property
    def message(self) -> str:
        """One sentence for the owner."""
        minutes = round(self.left / 60)
        when = f"{minutes} min" if minutes else f"{self.left:.0f} s"
        return f"Your lease ends in {when}. Save your work, or extend it."


def due(leases: Iterable[LeaseAnswer], now: float) -> list[Notice]:
    """The warning that each lease is in reach of: the later one where both are.

    None for a warning that would have come before the lease began.
    """
    notices = []
    for lease in leases:
        if lease.status is not LeaseStatus.ACTIVE or not (lease.expires_at and lease.started_at):
            continue
        end = lease.expires_at.timestamp()
        passed = [
            ahead
            for ahead in AHEAD
            if end - ahead <= now and end - lease.started_at.timestamp() > ahead
        ]
        if passed and now < end:
            notices.append(Notice(lease, end - now, min(passed), end))
    return notices
