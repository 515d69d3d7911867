"""The machine's clocks that leases are measured by."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from .model import Instant


class MachineClocks:
    """Of the machine that this runs on."""

    def __init__(self) -> None:
        try:
            self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            self._boot_id = ""

    def read(self) -> Instant:
        """Now.

        Where the system has no clock that nobody can set (macOS), the wall clock stands for it: a
        step of that clock is then not told from time that has passed.
        """
        clock = getattr(time, "CLOCK_BOOTTIME", None)
        if clock is None:
            wall = time.time()
            return Instant(wall, wall, self._boot_id)
        while True:
            before = time.clock_gettime(clock)
            wall = time.time()
            boottime = time.clock_gettime(clock)
            # A process can be stopped between two lines; that is not to look like a clock set.
            if boottime - before < 0.1:
                return Instant(wall, boottime, self._boot_id)


class ManualClocks:
    """Clocks that stand still until told to move; for tests and simulations."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self._now = Instant(wall, 1000.0, "boot-1")
        self._boots = 1

    def read(self) -> Instant:
        """Now."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Time passes."""
        now = self._now
        self._now = replace(now, wall=now.wall + seconds, boottime=now.boottime + seconds)

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock by ``seconds``; no time passes."""
        self._now = replace(self._now, wall=self._now.wall + seconds)

    def reboot(self, wall: float | None = None) -> None:
        """The machine starts anew; ``wall``: what its wall clock says then."""
        self._boots += 1
        wall = self._now.wall if wall is None else wall
        self._now = Instant(wall, 10.0, f"boot-{self._boots}")
