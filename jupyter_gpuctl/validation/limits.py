"""Memory limits that hold for a whole tree of processes, by the kernel or by watching.

A guard measures and kills; when, is the worker's business.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from ..host.cgroups import Cgroups
from ..host.limited_groups import LimitedGroup, create
from ..host.model import ProcessInfo
from ..host.trees import SharedMemory, Tree, proportional
from .model import ProcessMemory, Tier

TASKS = 4096
"""Processes and threads at once in a notebook's group: far above any course, below a fork bomb."""
OVER_LIMIT = "memory"
OVER_MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Reading:
    """Memory of the tree at one time, in bytes. See ``PeakMeter.add`` for the last three."""

    used: int
    over: str | None
    """``memory``: the limit was reached; ``machine``: the kernel killed for want of memory
    elsewhere; else ``None``."""
    cache: int = 0
    watermark: int | None = None
    fresh: bool = False


class Guard(Protocol):
    """Holds one notebook to its memory. The worker calls it from one thread."""

    tier: Tier
    entrances: tuple[str, ...]
    """Files to which the kernel writes "0" before it becomes the kernel."""

    def read(self) -> Reading:
        """Called every 10 to 50 ms."""
        ...

    def kill(self) -> None:
        """Leave no process of the tree alive, but those spared."""
        ...

    def close(self) -> None:
        """Take away whatever was set up. Called once, after the last process is gone."""
        ...


class CgroupGuard:
    """The kernel's own limit: nothing gets past it, and memory that no process maps counts too."""

    def __init__(self, group: LimitedGroup) -> None:
        self._group = group
        self.tier = Tier.CGROUP_V2 if group.version == 2 else Tier.CGROUP_V1
        self.entrances = group.entrances

    def read(self) -> Reading:
        memory = self._group.memory()
        # Version 1 kills one process and lets the rest go on: for us one killed is the end.
        over = None
        if self._group.oom_kills() > 0:
            over = OVER_LIMIT if self._group.reached_limit() else OVER_MACHINE
        return Reading(memory.used, over, memory.cache, memory.watermark, memory.fresh)

    def kill(self) -> None:
        self._group.kill()

    def close(self) -> None:
        self._group.close()


class Watcher:
    """No help from the kernel: measure often, kill when over."""

    tier = Tier.WATCHER
    entrances: tuple[str, ...] = ()

    def __init__(self, tree: Tree, limit: int | None, spared: Collection[int]) -> None:
        self._tree, self._limit, self._spared = tree, limit, spared
        self._memory = SharedMemory(limit)

    def read(self) -> Reading:
        pids = [process.pid for process in self._tree.members() if process.pid not in self._spared]
        used = self._memory.read(pids)
        over = self._limit is not None and used > self._limit
        return Reading(used, OVER_LIMIT if over else None)

    def kill(self) -> None:
        """Nothing beyond what the worker does with the whole tree."""

    def close(self) -> None:
        """Nothing was set up."""


def guard_for(
    tier: Tier, name: str, limit: int | None, tree: Tree, spared: Collection[int]
) -> Guard:
    """The guard of the wanted tier; the watcher where a group can't be had after all."""
    if tier is not Tier.WATCHER:
        try:
            return CgroupGuard(create(Cgroups(), name, limit, TASKS))
        except OSError:
            pass
    return Watcher(tree, limit, spared)


def census(members: Collection[ProcessInfo], kernel: int | None) -> tuple[ProcessMemory, ...]:
    """Who holds the memory, the largest first; at most the twenty largest."""
    sizes = [(proportional(process.pid), process) for process in members if not process.zombie]
    held = [
        ProcessMemory(process.pid, process.name, size, process.pid == kernel)
        for size, process in sizes
        if size > 0
    ]
    return tuple(sorted(held, key=lambda process: (-process.memory, process.pid))[:20])
