"""The authority's time: what every server that shares a database takes as *now*.

The wall clock can be set; leases must neither end early nor last longer for that. So time is what
the database's *anchor* says plus what the machine's boot clock has counted since, which nobody
can set and which counts suspended time too. After a reboot it is anchored anew to the wall clock,
but never before a time that has been stored. When somebody has set the wall clock, the anchor is
moved by that step, and so are all times of live leases: what remains of them stays equal. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..host.model import Instant

TOLERANCE = 2.0
"""Seconds that the wall clock may drift from the boot clock before it counts as set. Time servers
slew both alike; a leap second stays below."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """That at ``at`` it was ``time``."""

    at: Instant
    time: float


@dataclass(frozen=True, slots=True)
class Told:
    """What time it is, and what follows."""

    now: float
    """Seconds since the epoch, by the authority."""
    anchor: Anchor
    step: float = 0.0
    """Seconds by which the times of live leases are to be moved, so that what remains of them
    stays equal; 0 nearly always."""


def tell(anchor: Anchor | None, seen: float, instant: Instant) -> Told:
    """What time it is at ``instant``.

    ``seen`` is the newest time that was stored. But for the steps that it reports, time never
    goes back.
    """
    if anchor is None or anchor.at.boot_id != instant.boot_id:
        now = max(instant.wall, seen)
        return Told(now, Anchor(instant, now))
    elapsed = instant.boottime - anchor.at.boottime
    now = max(anchor.time + elapsed, seen)
    set_by = instant.wall - (anchor.at.wall + elapsed)
    if abs(set_by) <= TOLERANCE:
        return Told(now, anchor)
    return Told(instant.wall, Anchor(instant, instant.wall), step=instant.wall - now)
