"""The least memory limit under which a notebook passes: bisection, and who drives it.

The rule is pure (:class:`Search`); :class:`LimitFinder` runs notebooks by the port.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from .model import NotebookResult, Verdict
from .needs import FoundLimit
from .plan import OWN
from .ports import NotebookRunner
from .verdicts import judge

_MIB = 1024**2
LEAST = 16 * _MIB
"""Bytes: what no kernel starts in."""
_NEAR = 16 * _MIB
_NEAR_SHARE = 0.05
_ABOVE = 1.02
"""Times its peak: where a notebook ought to pass."""
_GROWTH = 1.25
_MOST_RUNS = 8
"""That don't pass, with ever more memory, up to five times the peak: then it isn't memory."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is known of one notebook. All in bytes."""

    peak: int
    """Of the run before."""
    most: int | None
    """The limit under which it passed before; ``None``: it had none."""
    fails_at: int | None = None
    passes_at: int | None = None
    runs: int = 0

    def next(self) -> int | None:
        """The limit to try; ``None``: the two are within 16 MiB or 5 % of each other.

        First a little above the peak, where it should pass, then as far below as is near enough,
        where it should not: two runs for most. Otherwise up by a quarter, or halfway.
        """
        high, low = self.passes_at, self.fails_at
        if high is None:
            if low is None:
                wanted = max(LEAST, _whole(self.peak * _ABOVE))
            else:
                wanted = _whole(low * _GROWTH)
            if self.runs >= _MOST_RUNS:
                return None
            if self.most is None or wanted < self.most:
                return wanted
            # That passed already, in the run before.
            return replace(self, passes_at=self.most).next()
        near = max(_NEAR, int(high * _NEAR_SHARE))
        if high <= LEAST or (low is not None and high - low <= near):
            return None
        if low is None and self.runs <= 1:
            return max(LEAST, high - near)
        return max(LEAST, _whole(((low or 0) + high) / 2))

    def told(self, limit: int, passed: bool) -> Search:
        """After a run under ``limit``."""
        runs = self.runs + 1
        if passed:
            return replace(self, runs=runs, passes_at=min(limit, self.passes_at or limit))
        passes_at = self.passes_at
        if passes_at is None and self.most is not None and limit * _GROWTH >= self.most:
            passes_at = self.most
        return replace(
            self, runs=runs, passes_at=passes_at, fails_at=max(limit, self.fails_at or 0)
        )

    def found(self, path: str) -> FoundLimit:
        """As far as it is known."""
        complete = self.next() is None
        return FoundLimit(path, self.peak, self.passes_at, self.fails_at, self.runs, complete)


class LimitFinder:
    """Runs notebooks that passed again and again, each under other limits.

    ``told`` hears of each run before it: the path and its limit in bytes.
    """

    def __init__(
        self, runner: NotebookRunner, told: Callable[[str, int], None] = lambda path, limit: None
    ) -> None:
        self._runner, self._told = runner, told
        self._lock = threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        """End what runs and start no more; safe in a signal handler."""
        self._stopped = True
        self._runner.stop()

    def find(
        self,
        passed: Sequence[NotebookResult],
        kernel_of: Callable[[str], str | None],
        jobs: int,
        room: int | None,
    ) -> list[FoundLimit]:
        """For each of ``passed``, which must be files as they lie, in their order.

        At most ``jobs`` at a time, and no more than ``room`` bytes hold. Time limits are those of
        the run before.
        """
        wanted = [one for one in passed if one.peak_memory is not None]
        if not wanted:
            return []
        largest = max(one.peak_memory or 0 for one in wanted) * _GROWTH + OWN
        at_once = jobs if room is None else max(1, min(jobs, int(room // largest)))
        with ThreadPoolExecutor(at_once, thread_name_prefix="find-limit") as pool:
            return list(pool.map(lambda one: self._one(one, kernel_of(one.path)), wanted))

    def _one(self, result: NotebookResult, kernel: str | None) -> FoundLimit:
        limits = result.limits
        assert limits is not None
        assert result.peak_memory is not None
        search = Search(result.peak_memory, limits.memory)
        while (limit := search.next()) is not None and not self._stopped:
            with self._lock:
                self._told(result.path, limit)
            under = replace(limits, memory=limit)
            events = self._runner.run(result.path, under, kernel, lambda event: None)
            again = judge(result.path, under, events)
            if self._stopped:
                break
            search = search.told(limit, again.verdict is Verdict.PASSED)
        return search.found(result.path)


def _whole(size: float) -> int:
    """Up to a whole MiB: that is how people give limits."""
    return math.ceil(size / _MIB) * _MIB
