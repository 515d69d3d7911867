"""How much memory there is for notebooks."""

from __future__ import annotations

from ..host.cgroups import Cgroups
from ..host.machine import Machine

_LEFT = 0.95
"""The share that we plan with: the rest is for whatever else wants some meanwhile."""


def memory_room() -> int | None:
    """Bytes that can be used now: by the machine, and by the control group that we are in."""
    reading = Machine(Cgroups().limits).read()
    free = []
    if reading.memory_total is not None and reading.memory_used is not None:
        free.append(reading.memory_total - reading.memory_used)
    limits = reading.limits
    if limits is not None and limits.memory_limit is not None:
        free.append(limits.memory_limit - (limits.memory_used or 0))
    return int(max(0, min(free)) * _LEFT) if free else None
