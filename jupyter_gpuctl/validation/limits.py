"""Memory limits that hold for a whole tree of processes, by the kernel or by watching.

A guard measures and kills; when, is the worker's business.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..host.cgroups import Cgroups
from ..host.limited_groups import GroupMemory, LimitedGroup, create
from ..host.model import ProcessInfo
from ..host.trees import SharedMemory, Tree, anonymous, proportional, resident, same_program
from ..host.watermarks import Watermarks
from .model import ProcessMemory, Tier

TASKS = max(512, 32 * (os.cpu_count() or 1))
"""Processes and threads at once in a notebook's group: far above any course. What a fork bomb costs
until all of it is dead grows faster than their square: forked processes share what the kernel must
take apart for each (4096 took minutes on two cores).
"""
_LEAST = 8 * 1024**2
_STEP = 1024**2
"""Bytes of inherited memory that are copied before the group's limit is raised by them."""
_MUCH_COPIED = 256 * 1024
"""Bytes by which inherited memory falls at once; to ask for less costs more than it tells."""
_ROUNDED = 4 * 1024**2
"""Bytes by which the two accounts may differ: the kernel keeps them in batches."""
_CROWD = 32
"""Processes above which what each shares with others isn't asked any more."""
_SHARES_EVERY = 0.5
"""Seconds between two looks at what is shared, which walk the page tables."""
OVER_LIMIT = "memory"
OVER_MACHINE = "machine"
OVER_TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class Reading:
    """Memory of the tree at one time, in bytes. See ``PeakMeter.add`` for the last three."""

    used: int
    over: str | None
    """``memory``: the limit was reached; ``machine``: the kernel killed for want of memory
    elsewhere; ``tasks``: there are more processes than may be; else ``None``."""
    cache: int = 0
    watermark: int | None = None
    fresh: bool = False
    shared: int | None = None
    """Of it, shared memory and files in memory; ``None``: not told apart."""
    hurry: bool = False
    """What ends before the next reading wouldn't be seen: it should be soon."""


class Guard(Protocol):
    """Holds one notebook to its memory. The worker calls it from one thread."""

    tier: Tier
    entrances: tuple[str, ...]
    """Files to which the kernel writes "0" before it becomes the kernel."""

    def read(self) -> Reading:
        """Called every 10 to 50 ms."""
        ...

    def mark(self) -> bool:
        """A cell begins: the notebook does nothing. ``True``: the watermark begins anew too."""
        ...

    def kill(self) -> None:
        """Leave no process of the tree alive, but those spared."""
        ...

    def close(self) -> None:
        """Take away whatever was set up. Called once, after the last process is gone."""
        ...


class Inherited:
    """What a forked kernel holds of the warm process' memory without a copy of its own.

    A kernel that imports the same by itself would hold it, so it counts; but no control group has
    it on its account. It is what the process has mapped beyond what its group was charged for.
    While the kernel has children, whose memory is in the same account, the last figure stands: it
    can only fall, as pages are written to and copied.

    Pages that are being freed are unmapped first, and taken off the account up to 40 MiB later
    (Linux frees them in batches), which looks like copied ones. So where much seems to have been
    copied, the process' pages are asked how many of them are shared; those that it had written to
    before it was in its group are as many as at first.
    """

    def __init__(self, pid: int, mapped: int, shared: Callable[[], int]) -> None:
        """``mapped``: as for :meth:`add`; ``shared``: bytes of it, slow to ask."""
        self.pid = pid
        self.at_first = self.now = mapped
        self._shared = shared
        self._written = max(0, mapped - shared())

    def add(self, mapped: int, charged: int | None) -> int:
        """Bytes now, from one reading of each.

        ``mapped``: anonymous memory of the kernel. ``charged``: anonymous memory on its group's
        account, for the kernel alone; ``None``: not known.
        """
        if mapped == 0:
            self.now = 0
        elif charged is not None and (found := max(0, mapped - charged)) < self.now - _MUCH_COPIED:
            self.now = min(self.now, max(found, self._shared() + self._written))
        return self.now


class CgroupGuard:
    """The kernel's own limit: nothing gets past it, and memory that no process maps counts too.

    What is inherited counts for the limit too: so the group's own is lower by that.
    """

    def __init__(
        self, group: LimitedGroup, limit: int | None, inherited: Inherited | None = None
    ) -> None:
        self._group = group
        self._limit, self._inherited = limit, inherited
        self._set = inherited.at_first if inherited else 0
        self._entered = False
        self.tier = Tier.CGROUP_V2 if group.version == 2 else Tier.CGROUP_V1
        self.entrances = group.entrances

    def read(self) -> Reading:
        memory = self._group.memory()
        # Version 1 kills one process and lets the rest go on: for us one killed is the end.
        over = None
        if self._group.oom_kills() > 0:
            over = OVER_LIMIT if self._group.reached_limit() else OVER_MACHINE
        more = self._inherited_now(memory)
        used = memory.used + more
        if more and self._limit is not None and used > self._limit + _ROUNDED:
            over = over or OVER_LIMIT
        watermark = None if memory.watermark is None else memory.watermark + more
        shared = max(0, memory.anon_and_shmem - memory.anonymous)
        return Reading(used, over, memory.cache, watermark, shared=shared)

    def _inherited_now(self, memory: GroupMemory) -> int:
        inherited = self._inherited
        if inherited is None:
            return 0
        pids = self._group.pids()
        self._entered = self._entered or inherited.pid in pids
        if not self._entered:
            return 0
        alone = pids == [inherited.pid]
        inherited.add(anonymous(inherited.pid), memory.anonymous if alone else None)
        if self._limit is not None and self._set - inherited.now > _STEP:
            # Copied pages are on the group's own account now.
            with contextlib.suppress(OSError):
                self._group.limit_memory(self._limit - inherited.now)
                self._set = inherited.now
        return inherited.now

    def mark(self) -> bool:
        return self._group.set_watermark_back()

    def kill(self) -> None:
        # Before a fork bomb can be killed it must go off no more.
        self._group.start_no_more()
        self._group.kill()

    def close(self) -> None:
        self._group.close()


class _Shares:
    """How the watcher counts what a forked kernel shares with the warm process and its children.

    A proportional reading gives each process its share of a page: with ``n`` processes that have
    it, of which ``k`` are the notebook's, ``k / n`` are found where the whole page belongs. The
    worker is a child of the warm process too, and has hardly anything else: what it finds of its
    own memory is ``1 / n``.
    """

    def __init__(self) -> None:
        self._whole = 0.0
        self._look_at = 0.0

    def look(self, pid: int, used: int) -> None:
        """The kernel, which holds ``used`` bytes, is alone: see how many of them it shares."""
        now = time.monotonic()
        if now >= self._look_at:
            share = self._share()
            self._whole = max(0, used - proportional(pid)) / (1 - share) if share < 1 else 0.0
            self._look_at = now + _SHARES_EVERY

    def of_others(self, pids: Sequence[int]) -> int:
        """Bytes that the proportional readings of these leave to the processes outside."""
        program = same_program(os.getpid())
        sharers = sum(same_program(pid) == program for pid in pids)
        return max(0, int(self._whole * (1 - sharers * self._share())))

    def _share(self) -> float:
        return proportional(os.getpid()) / max(1, resident(os.getpid()))


class Watcher:
    """No help from the kernel: measure often, kill when over."""

    tier = Tier.WATCHER
    entrances: tuple[str, ...] = ()

    def __init__(
        self,
        tree: Tree,
        limit: int | None,
        spared: Collection[int],
        inherited: Inherited | None = None,
    ) -> None:
        self._tree, self._limit, self._spared = tree, limit, spared
        self._shares = None if inherited is None else _Shares()
        beside = (lambda pids: 0) if self._shares is None else self._shares.of_others
        self._memory = SharedMemory(limit, beside)
        self._watermarks = Watermarks()
        self._used = 0

    def read(self) -> Reading:
        members = [one for one in self._tree.members() if one.pid not in self._spared]
        if sum(one.threads for one in members if not one.zombie) > TASKS:
            # To read the memory of each would give a fork bomb the time to double.
            return Reading(self._used, OVER_TASKS)
        pids = [one.pid for one in members]
        used = self._used = self._memory.read(pids)
        if self._shares is not None and len(pids) == 1:
            self._shares.look(pids[0], used)
        highest = used + self._watermarks.read(self._memory.held)
        over = self._limit is not None and highest > self._limit
        # Of a child that has ended nothing can be asked any more.
        return Reading(
            used, OVER_LIMIT if over else None, 0, highest, fresh=True, hurry=len(pids) > 1
        )

    def mark(self) -> bool:
        self._watermarks.set_back()
        return True

    def kill(self) -> None:
        """Nothing beyond what the worker does with the whole tree."""

    def close(self) -> None:
        """Nothing was set up."""


def guard_for(
    tier: Tier,
    name: str,
    limit: int | None,
    tree: Tree,
    spared: Collection[int],
    inherited: Inherited | None = None,
) -> Guard:
    """The guard of the wanted tier; the watcher where a group can't be had after all."""
    if tier is not Tier.WATCHER:
        own = limit
        if limit is not None and inherited is not None:
            own = max(_LEAST, limit - inherited.at_first)
        try:
            return CgroupGuard(create(Cgroups(), name, own, TASKS), limit, inherited)
        except OSError:
            pass
    return Watcher(tree, limit, spared, inherited)


def census(
    members: Collection[ProcessInfo], kernel: int | None, whole: int | None, used: int
) -> tuple[ProcessMemory, ...]:
    """Who holds the ``used`` bytes, the largest first; at most the twenty largest.

    ``whole``: the process whose pages are its own, though it shares them: a forked kernel. Of a
    crowd it isn't asked who shares what with whom: each such answer waits for the process, and
    those of a fork bomb are always busy. There ``used`` is shared out by what each has mapped.
    """
    living = [process for process in members if not process.zombie]
    crowd = len(living) > _CROWD
    sizes = [
        ((resident if crowd or process.pid == whole else proportional)(process.pid), process)
        for process in living
    ]
    if crowd and (mapped := sum(size for size, _ in sizes)) > used:
        sizes = [(size * used // mapped, process) for size, process in sizes]
    held = [
        ProcessMemory(process.pid, process.name, size, process.pid == kernel)
        for size, process in sizes
        if size > 0
    ]
    return tuple(sorted(held, key=lambda process: (-process.memory, process.pid))[:20])
