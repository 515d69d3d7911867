"""What holds a kernel, with all that it starts, to its limits: a control group, or a watcher.

A confinement is used from one thread at a time, none of them the event loop's: :class:`Supervisor`
and who finishes with it take turns by its lock.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ...host.limited_groups import LimitedGroup
from ...host.model import ProcessInfo
from ...host.trees import Families, SharedMemory, kill_all
from ..model import DeathReason, KernelLimits
from .deaths import Over

MARK = "GPUCTL_KERNEL"
"""The variable by which the watcher knows a kernel's processes, wherever they went."""
CALM, NEAR = 0.1, 0.02
"""Seconds between two looks of the watcher: ordinarily, and where a limit may soon be reached."""
GROUP_LOOK = 0.25
"""Seconds between two looks at a group, which the kernel holds by itself."""
PERSISTENT = 4
"""Looks that see starts of processes refused while a kernel stays at its limit: then it is no slip
but a bomb. Shells wait seconds before they try again."""
MISSED = 20
"""Looks after which a kernel that was never seen in its group won't enter it any more: seconds, in
which a shell becomes the kernel even on a busy machine.
"""
_TRIES = 3
"""Times that killing is tried."""


class Confinement(Protocol):
    """One start of a kernel."""

    tier: str
    limits: KernelLimits
    """Those of the wanted ones that are held."""
    entrances: tuple[str, ...]
    prefix: tuple[str, ...]
    env: dict[str, str]
    lock: threading.Lock
    wait: float
    """Seconds until the next look."""

    @property
    def refused(self) -> bool:
        """A process was not started because there were too many, as of the last look."""
        ...

    @property
    def missed(self) -> bool:
        """It runs, but not in what was to hold it."""
        ...

    def begin(self, pid: int) -> None:
        """It runs now."""
        ...

    def look(self) -> Over | None:
        """Whether all of it is to end."""
        ...

    def kill(self) -> None:
        """Leave no process of it alive."""
        ...

    def over(self) -> Over | None:
        """After its end: the limit that ended it."""
        ...

    def close(self) -> None:
        """Kill what is left of it, and take away what was set up."""
        ...


class GroupConfinement:
    """A control group: nothing gets past it."""

    prefix: tuple[str, ...] = ()
    wait = GROUP_LOOK

    def __init__(self, group: LimitedGroup, wanted: KernelLimits) -> None:
        self.group = group
        self.tier = f"cgroup v{group.version}"
        self.limits = replace(wanted, cpu=wanted.cpu if group.limits_cpu else None)
        self.entrances = group.entrances
        self.env: dict[str, str] = {}
        self.lock = threading.Lock()
        self.refused = False
        self._pid: int | None = None
        self._outside = 0
        """Looks that have not found it in its group; -1: it is in."""
        self._counted = wanted.pids is not None and not group.limits_pids
        self._forks = 0
        self._streak = 0
        self._peak = 0
        self._over: Over | None = None

    def begin(self, pid: int) -> None:
        """It puts itself in; whether it has is looked at."""
        self._pid = pid

    @property
    def missed(self) -> bool:
        return self._outside >= MISSED

    def look(self) -> Over | None:
        if self._pid is not None and 0 <= self._outside < MISSED:
            self._outside = -1 if self.group.pids() else self._outside + 1
        if self._over is None:
            self._over = self._memory() or self._processes()
        return self._over

    def kill(self) -> None:
        self.group.kill()

    def over(self) -> Over | None:
        return self._over or self._memory()

    def close(self) -> None:
        self.group.close()

    def _memory(self) -> Over | None:
        memory = self.group.memory()
        self._peak = max(self._peak, memory.used, memory.watermark or 0)
        # Version 1 kills one process and lets the rest go on: half a kernel is none.
        if self.group.oom_kills() == 0:
            return None
        if self.limits.memory is None or not self.group.reached_limit():
            return Over(DeathReason.MACHINE_OUT_OF_MEMORY, peak=self._peak)
        return Over(DeathReason.OUT_OF_MEMORY, self.limits.memory, self._peak)

    def _processes(self) -> Over | None:
        limit = self.limits.pids
        if limit is None:
            return None
        if self._counted:
            tasks = _tasks(self.group.pids())
            return Over(DeathReason.TOO_MANY_PROCESSES, limit, tasks) if tasks > limit else None
        forks = self.group.forks_refused()
        if forks > self._forks:
            self._streak += 1
        elif (self.group.tasks() or 0) < limit * 0.9:
            self._streak = 0
        self._forks = forks
        self.refused = forks > 0
        if self._streak < PERSISTENT:
            return None
        return Over(DeathReason.TOO_MANY_PROCESSES, limit, limit)


class WatchedConfinement:
    """No help from the kernel: looked at often, and killed when over."""

    tier = "watcher"
    entrances: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    refused = False
    missed = False

    def __init__(self, name: str, wanted: KernelLimits, families: Families) -> None:
        self.limits = replace(wanted, cpu=None)
        self.env = {MARK: name}
        self.lock = threading.Lock()
        self.wait = CALM
        self.members: Sequence[ProcessInfo] = ()
        """As of the supervisor's listing, which serves all kernels."""
        self.crowd = 0
        """Processes in the group of processes that it leads, as of the supervisor's count."""
        self._name = name
        self._families = families
        self._pid: int | None = None
        self._memory = SharedMemory(wanted.memory)
        self._peak = 0
        self._last = (0.0, 0)
        self._over: Over | None = None

    @property
    def root(self) -> int | None:
        """Its first process."""
        return self._pid

    @property
    def crowded(self) -> bool:
        """There are too many, whatever a listing, which takes longer, would find beside them."""
        most = self.limits.pids
        return self._over is None and most is not None and self.crowd > most

    def begin(self, pid: int) -> None:
        self._pid = pid
        self._families.follow(pid, self._name)

    def look(self) -> Over | None:
        if self._over is not None:
            return self._over
        if self.crowded:
            self._over = Over(DeathReason.TOO_MANY_PROCESSES, self.limits.pids, self.crowd)
            return self._over
        pids = [process.pid for process in self.members]
        memory, most = self.limits.memory, self.limits.pids
        tasks = _tasks(pids)
        if most is not None and tasks > most:
            # Before anything that takes longer the more of them there are.
            self._over = Over(DeathReason.TOO_MANY_PROCESSES, most, tasks)
            return self._over
        used = self._memory.read(pids)
        self._peak = max(self._peak, used)
        if memory is not None and used > memory:
            self._over = Over(DeathReason.OUT_OF_MEMORY, memory, self._peak)
        self.wait = NEAR if self._near(used, tasks) else CALM
        return self._over

    def kill(self) -> None:
        if self._pid is not None:
            # A signal to a group reaches all of it at once: no fork gets away, however fast. The
            # kernel leads the group that most of what it starts is in.
            _kill_group(self._pid)
        self._sweep()

    def _sweep(self) -> None:
        pid = self._pid
        if pid is None:
            return
        for _ in range(_TRIES):
            for group in _groups(self._families.members(pid)):
                _kill_group(group)
            if not kill_all(lambda: self._families.members(pid)):
                return

    def over(self) -> Over | None:
        return self._over

    def close(self) -> None:
        # Its own number may be another's by now.
        self._sweep()
        if self._pid is not None:
            self._families.leave(self._pid)

    def _near(self, used: int, tasks: int) -> bool:
        memory, most = self.limits.memory, self.limits.pids
        now, (before, used_before) = time.monotonic(), self._last
        self._last = (now, used)
        growth = max(0.0, (used - used_before) / max(now - before, 0.001)) if before else 0.0
        if memory is not None and (used > memory * 0.7 or used + growth * 2 * CALM > memory):
            return True
        return most is not None and tasks > most * 0.5


def _groups(members: Sequence[ProcessInfo]) -> set[int]:
    groups = set()
    for process in members:
        with contextlib.suppress(ProcessLookupError):
            groups.add(os.getpgid(process.pid))
    return groups - {os.getpgrp(), 0, 1}


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _tasks(pids: Sequence[int]) -> int:
    """Processes and threads."""
    count = 0
    for pid in pids:
        try:
            # A folder's links are itself, its parent, and those inside.
            count += os.stat(f"/proc/{pid}/task").st_nlink - 2
        except OSError:
            continue
    return count
