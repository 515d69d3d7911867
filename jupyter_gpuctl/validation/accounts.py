"""What a notebook used, and who held it: kept by the worker while the notebook runs."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..host.model import ProcessInfo
from ..host.procfs import read_process
from ..host.trees import Tree
from .limits import Reading, census
from .model import PeakMeter, ProcessMemory


class Accounts:
    """Adds up the tree of one notebook; the engine's own work and memory are left out."""

    def __init__(self, tree: Tree) -> None:
        self.meter = PeakMeter()
        self.engine: int | None = None
        """Where it is a child of the worker."""
        self.kernel: int | None = None
        self.kernel_status: int | None = None
        """Of its process, where it is a child of the worker and has ended; negative: a signal."""
        self.holders: tuple[ProcessMemory, ...] = ()
        """Who held the memory when it was last worth a census."""
        self._tree = tree
        self._counted_at = 0
        self._reaped_cpu = 0.0
        self._cpu_at_mark = 0.0
        self._forked: int | None = None
        self._on_engine_end: Callable[[int], None] = lambda status: None

    def on_engine_end(self, pid: int, then: Callable[[int], None]) -> None:
        """The engine is a child of the worker; ``then`` hears its exit status."""
        self.engine, self._on_engine_end = pid, then

    def watch_kernel(self, pid: int) -> None:
        """The kernel is a child of the worker, forked from what was forked before."""
        self.kernel = self._forked = pid

    def mark(self, *, anew: bool) -> None:
        """A cell begins here. See ``PeakMeter.mark``."""
        self.meter.mark(anew=anew)
        self._cpu_at_mark = self.cpu_seconds()

    def cpu_seconds(self) -> float:
        """So far, of the kernel and all below it, living or reaped."""
        return self._reaped_cpu + sum(map(self._cpu_of, self._tree.members()))

    def cell_cpu_seconds(self) -> float:
        """Since the last mark."""
        return round(max(0.0, self.cpu_seconds() - self._cpu_at_mark), 2)

    def _cpu_of(self, process: ProcessInfo) -> float:
        own = process.cpu_seconds if process.pid != self.engine else 0.0
        return own + process.waited_cpu_seconds

    def count_holders(self, reading: Reading, limit: int) -> None:
        """A new census for each tenth of the limit: the last before the end tells who held it."""
        if reading.over or reading.used > max(limit / 4, self._counted_at + limit / 10):
            found = self._census(reading.used)
            # After the kernel's killer has been here, those who held the memory are gone.
            if _sum(found) >= _sum(self.holders):
                self.holders, self._counted_at = found, reading.used

    def _census(self, used: int) -> tuple[ProcessMemory, ...]:
        members = [process for process in self._tree.members() if process.pid != self.engine]
        return census(members, self.kernel, self._forked, used)

    def exit_code(self) -> int | None:
        """Of the kernel, once it has ended; ``None``: not known."""
        self.reap()
        return self.kernel_status

    def reap(self) -> None:
        """Wait for children that have ended: the engine, and orphans that became ours."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            process = read_process(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            self._reaped_cpu += self._cpu_of(process) if process is not None else 0.0
            if ended.si_pid == self.engine:
                self._on_engine_end(os.waitstatus_to_exitcode(status))
            elif ended.si_pid == self.kernel:
                self.kernel_status = os.waitstatus_to_exitcode(status)


def _sum(holders: tuple[ProcessMemory, ...]) -> int:
    return sum(process.memory for process in holders)
