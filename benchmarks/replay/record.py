"""What is measured of a replay.

Averages over time are taken in the window of the trace; waits over all tasks.

*Devices in use*: what is allocated, as a part of what there is.

*Idle while somebody waits*: what is left free after a cycle that leaves at least one task
waiting, as a part of what there is; 0 while nobody waits. Each policy starts what its rules let
it start, so this is what is of no use, under the policy's own rules, to any waiting task: free
pieces that fit nobody, what stands behind a blocked head, and what is held back for somebody.

*Of it, fits nobody*: on devices on which no waiting task could be placed even if it were first:
no waiting share is small enough, and no waiting request for whole devices finds the number that it
asks for on this host, or this device is not wholly free.

*Fragments for the trace's mix*: the measure of Weng et al. (USENIX ATC 2023, section 3.2), which
looks at the kinds of all tasks instead of those waiting: for a kind of task all that is free on a
node that can't host it, and on one that can, what is free on devices that have too little left for
it; averaged over the kinds by how many tasks are of them. Processor and memory are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jupyter_gpuctl.leases.model import WHOLE

from ..measure import percentile
from .trace import Task

if TYPE_CHECKING:
    from .loop import Ledger

BINS = 120
"""Of the window, for the plot."""
Kinds = tuple[tuple[int, float], ...]
"""Milli-devices asked for, and which part of the tasks ask for them."""


@dataclass(frozen=True, slots=True)
class Run:
    """One policy on one cluster."""

    policy: str
    devices: int
    waits: Mapping[str, int]
    """Seconds, by task."""
    large: frozenset[str]
    """The tasks that ask for more than one device."""
    end: int
    """When the last task ended."""
    in_use: float
    idle: float
    unfit: float
    fragments: float
    waiting: float
    """The part of the window in which somebody waited."""
    series: tuple[tuple[float, float, float], ...]
    """Devices in use, idle while somebody waits, and fragments, in each bin of the window."""

    @property
    def mean_wait(self) -> float:
        return sum(self.waits.values()) / len(self.waits)

    @property
    def large_wait(self) -> float:
        """The mean of tasks that ask for more than one device."""
        return sum(self.waits[name] for name in self.large) / max(1, len(self.large))

    def wait(self, percent: float) -> float:
        return percentile(list(self.waits.values()), percent)

    @property
    def at_once(self) -> float:
        """The part of the tasks that did not wait."""
        return sum(wait == 0 for wait in self.waits.values()) / len(self.waits)


class Record:
    """Integrates over time while a replay goes on."""

    def __init__(
        self, policy: str, ledger: Ledger, tasks: Sequence[Task], window: tuple[int, int]
    ) -> None:
        self.waits: dict[str, int] = {}
        self._policy, self._ledger, self._window = policy, ledger, window
        self._large = frozenset(each.name for each in tasks if each.milli > WHOLE)
        counts = Counter(each.milli for each in tasks)
        self._kinds: Kinds = tuple((kind, n / len(tasks)) for kind, n in sorted(counts.items()))
        self._of_node = dict.fromkeys(ledger.free, 0.0)
        self._fragments = 0.0
        ledger.changed.update(ledger.free)
        self._sums = [[0.0] * 5 for _ in range(BINS)]
        self._last = self._end = 0

    def started(self, task: Task, now: int) -> None:
        self.waits[task.name] = now - task.arrival
        self._end = max(self._end, now + task.duration)

    def until(self, now: int, waiting: Counter[tuple[int, tuple[str, ...]]]) -> None:
        """Things have stood as the ledger says since the last call, and do until ``now``."""
        low, high = max(self._last, self._window[0]), min(now, self._window[1])
        self._last = now
        if high <= low:
            return
        ledger = self._ledger
        for host in ledger.changed:
            new = _fragments(tuple(sorted(ledger.free[host])), self._kinds)
            self._fragments += new - self._of_node[host]
            self._of_node[host] = new
        ledger.changed.clear()
        idle = unfit = waited = 0.0
        if waiting:
            waited, idle = 1.0, float(ledger.capacity - ledger.used)
            unfit = float(_unfit(ledger, waiting))
        # Sums of differences: what is nothing may be a hair less.
        values = (float(ledger.used), idle, max(0.0, self._fragments), unfit, waited)
        width = (self._window[1] - self._window[0]) / BINS
        start, end = (at - self._window[0] for at in (low, high))
        first = min(BINS - 1, int(start / width))
        for bin_ in range(first, min(BINS - 1, int(end / width)) + 1):
            # At the border of two bins what is nothing may be a hair less.
            seconds = max(0.0, min(end, (bin_ + 1) * width) - max(start, bin_ * width))
            for at, value in enumerate(values):
                self._sums[bin_][at] += value * seconds

    def run(self) -> Run:
        seconds = self._window[1] - self._window[0]
        whole = self._ledger.capacity * seconds
        used, idle, fragments, unfit, waited = (
            sum(column) for column in zip(*self._sums, strict=True)
        )
        part = whole / BINS
        return Run(
            self._policy,
            self._ledger.capacity // WHOLE,
            self.waits,
            self._large,
            self._end,
            used / whole,
            idle / whole,
            unfit / whole,
            fragments / whole,
            waited / seconds,
            tuple((each[0] / part, each[1] / part, each[2] / part) for each in self._sums),
        )


@lru_cache(maxsize=100_000)
def _fragments(free: tuple[int, ...], kinds: Kinds) -> float:
    """Of one node, whose devices have ``free`` left, ascending."""
    total, wholly = sum(free), free.count(WHOLE)
    found = 0.0
    for kind, part in kinds:
        need = min(kind, WHOLE)
        fits = wholly >= kind // WHOLE if kind >= WHOLE else free[-1] >= need
        found += part * (sum(left for left in free if left < need) if fits else total)
    return found


def _unfit(ledger: Ledger, waiting: Counter[tuple[int, tuple[str, ...]]]) -> int:
    """What is free where no waiting task could be placed."""
    least: dict[str, tuple[int, int]] = {}
    found = 0
    for node in ledger.nodes:
        if node.model not in least:
            here = [
                milli
                for milli, models in waiting
                if not models or any(name.casefold() in node.model.casefold() for name in models)
            ]
            least[node.model] = (
                min((milli for milli in here if milli < WHOLE), default=WHOLE + 1),
                min((milli // WHOLE for milli in here if milli >= WHOLE), default=1 << 30),
            )
        share, count = least[node.model]
        free = ledger.free[node.name]
        whole = free.count(WHOLE) >= count
        found += sum(left for left in free if left < share and not (whole and left == WHOLE))
    return found
