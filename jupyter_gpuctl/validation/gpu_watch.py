"""GPU memory of notebooks: the driver is asked a few times a second, and whoever holds it is found
in the trees of the workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..host.trees import Tree
from .model import ProcessMemory
from .ports import GpuMeter

_TICK = 0.2
"""Seconds between readings: one asks seven questions a device."""
_FIRST_ANSWER = 30.0
"""Seconds that a driver may take to begin; without its daemon it loads firmware first."""
_PATIENCE = 2.0
"""Seconds for a driver that hangs; then its thread is left behind, and ends with the process."""


@dataclass(slots=True)
class GpuUse:
    """What one notebook holds. Changed by the watching thread alone."""

    tree: Tree
    limit: int | None
    """Bytes."""
    over: Callable[[], None]
    """Called once, when it holds more than that."""
    peak: int = 0
    """Bytes, the most at once."""
    holders: tuple[ProcessMemory, ...] = ()
    """Who held them then, the largest first; which is the kernel isn't known here."""
    told: bool = False

    def take(self, held: Mapping[int, int]) -> None:
        """A reading of all processes of the machine, pid to bytes."""
        mine = [process for process in self.tree.members() if held.get(process.pid)]
        used = sum(held[process.pid] for process in mine)
        if used > self.peak:
            self.peak = used
            found = [ProcessMemory(one.pid, one.name, held[one.pid], kernel=False) for one in mine]
            self.holders = tuple(sorted(found, key=lambda one: (-one.memory, one.pid))[:20])
        if self.limit is not None and used > self.limit and not self.told:
            self.told = True
            self.over()


class GpuWatch:
    """Asks while notebooks run. All methods may be called from any thread."""

    def __init__(self, meter: GpuMeter) -> None:
        self._meter = meter
        self._lock = threading.Lock()
        self._uses: list[GpuUse] = []
        self._closing = threading.Event()
        self._opened = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: str | None = None

    def follow(self, root: int, limit: int | None, over: Callable[[], None]) -> GpuUse:
        """From now on, all below the process ``root``; ``over`` is called on another thread.

        With a limit the driver's first answer is waited for.
        """
        self._start()
        if limit is not None:
            self._opened.wait(_FIRST_ANSWER)
        use = GpuUse(Tree(root), limit, over)
        with self._lock:
            self._uses.append(use)
        return use

    def leave(self, use: GpuUse) -> int | None:
        """No longer; the most bytes that were held. ``None``: they weren't measured."""
        with self._lock:
            self._uses.remove(use)
        return use.peak if self._problem == "" else None

    def close(self) -> None:
        """Give the driver back."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                # A driver that hangs must not keep the validator.
                self._thread = threading.Thread(target=self._run, name="gpu-memory", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            problem = self._meter.open()
        except Exception as error:
            problem = f"The driver can't be asked: {error}."
        self._problem = problem
        self._opened.set()
        try:
            while not problem and not self._closing.wait(_TICK):
                self._look()
        finally:
            self._meter.close()

    def _look(self) -> None:
        with self._lock:
            uses = tuple(self._uses)
        held = self._meter.read() if uses else {}
        if held:
            for use in uses:
                use.take(held)
