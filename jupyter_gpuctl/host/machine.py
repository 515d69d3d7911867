"""The machine's own figures, by psutil (imported here only, when first read)."""

from __future__ import annotations

import os
from collections.abc import Callable

from .model import CgroupLimits, DiskUse, HostReading

LIMITS_EVERY = 30
"""Readings between two looks for limits where there were none."""


class Machine:
    """Reads processor, memory and limits. Cheap enough for every tick."""

    def __init__(self, limits: Callable[[], CgroupLimits | None] = lambda: None) -> None:
        self._ask_limits = limits
        self._limits_wait = 0
        self._asked_before = False

    def read(self, home: DiskUse | None = None) -> HostReading:
        """One reading; the processor's is ``None`` the first time, when there is no span yet."""
        import psutil

        memory = psutil.virtual_memory()
        cpu = psutil.cpu_percent(None)
        cpu, self._asked_before = (cpu if self._asked_before else None), True
        return HostReading(
            cpu_utilization=cpu,
            cpu_count=os.cpu_count() or 1,
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            limits=self._limits(),
            home=home,
        )

    def _limits(self) -> CgroupLimits | None:
        """Where there are none, they are looked for again only now and then."""
        if self._limits_wait > 0:
            self._limits_wait -= 1
            return None
        found = self._ask_limits()
        self._limits_wait = 0 if found else LIMITS_EVERY
        return found


def disk_use(path: str) -> DiskUse:
    """Use of the file system that holds ``path``. Blocks while a network disk is away.

    Raises:
        OSError: the path can't be asked about.
    """
    import psutil

    usage = psutil.disk_usage(path)
    return DiskUse(path, used=usage.used, total=usage.used + usage.free, free=usage.free)
