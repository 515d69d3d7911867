"""The process that holds one notebook to its limits, and leaves nothing of it behind.

Started by the validator as ``python -m jupyter_gpuctl.validation.worker``, or forked from the warm
process, in a session of its own. The job is the first line of its standard input; when that input
ends, the validator wants no more of it or is gone, however it died: all is killed. Events go to
standard output, the last of them is ``Ended``. It runs no code of the notebook and imports nothing
heavy:

    validator ── worker (limits, subreaper) ── engine (nbconvert) ── kernel ── its children

    where kernels are forked (docs/validation.md):
    validator ── warm process ─┬─ worker (limits, subreaper) ── kernel ── its children
                               └─ engine (nbconvert)
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import sys
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.errors import GpuCtlError
from ..host.trees import Tree, adopt_orphans, anonymous, resident, shared
from .accounts import Accounts
from .curve import Curve
from .engine_process import EngineProcess, ForkedEngine, StartedEngine
from .events import (
    GPU_WORD,
    Broken,
    CellEnded,
    CellStarted,
    Ended,
    Event,
    Finished,
    Job,
    KernelDied,
    KernelReady,
    KernelStarting,
    KernelWanted,
    Refused,
    from_line,
    to_line,
    with_measures,
)
from .leftovers import Leftovers
from .limits import Guard, Inherited, Reading, guard_for
from .model import CellStatus

if TYPE_CHECKING:
    from .containers.guard import ContainerGuard
    from .containers.model import Container

_TICK, _SHORT_TICK, _SHORTEST_TICK = 0.05, 0.01, 0.005
"""Seconds between readings: ordinarily; where the limit may be reached, or a process end unseen,
before the next; and while such a process grows fast."""
_MUCH = 16 * 1024**2
"""Bytes in an ordinary tick."""
_START = 120.0
"""Seconds that the engine has to import Jupyter and read the notebook."""
_WHOLE_GRACE = 1.0
"""Seconds beyond the notebook's limit, for a kernel's last words."""
_ENGINE_MEMORY = 2 * 1024**3
"""Bytes that the engine may hold: outputs that pass through it are the notebook's doing too."""
_SHUTDOWN = 10.0
"""Seconds for the kernel's own clean-up, after its last cell."""
LINK_TO_ENGINE = (3, 4, 5, 6)
"""Descriptors of a forked worker: the link, the engine's input, its events, its output."""
KERNEL_WORD = 4
"""The engine's descriptor for what the process to become the kernel waits for."""
_TAIL = 8192
"""Bytes kept of what kernel and engine write past Jupyter."""


class Worker:
    """One run of one notebook. Everything happens in :meth:`run`, in one thread."""

    def __init__(self, job: Job, seed: int | None = None) -> None:
        """``seed``: the process that waits to become the kernel, where that is forked."""
        self._job = job
        self._seed = seed
        self._tree = Tree(os.getpid())
        self._accounts = Accounts(self._tree)
        self._curve = Curve()
        self._shared: int | None = None
        self._cause: str | None = None
        self._over_at: float | None = None
        self._deadline = time.monotonic() + _START
        self._deadline_cause = "start"
        self._whole: float | None = None
        self._running: CellStarted | None = None
        self._last = (time.monotonic(), 0)
        self._tail = b""
        self._partial = b""
        self._spared: set[int] = set()
        self._leftovers = Leftovers(
            lambda: {process.pid for process in self._tree.members()} - self._spared
        )
        inherited = None
        if seed is not None:
            inherited = Inherited(seed, anonymous(seed), lambda: shared(seed))
        self._guard: Guard
        self._contained: ContainerGuard | None = None
        if job.container is not None:
            self._contain(job.container)
        else:
            self._guard = guard_for(
                job.tier, job.group, job.limits.memory, self._tree, self._spared, inherited
            )

    def _contain(self, container: Container) -> None:
        # Only here: it takes longer to load than all that the others need.
        from .containers.guard import ContainerAccounts, ContainerGuard

        self._guard = self._contained = ContainerGuard(self._job, container)
        self._accounts = ContainerAccounts(self._tree, self._contained)

    def run(self) -> None:
        """Run the engine to its end or to its limits, then kill and remove all that is left."""
        try:
            self._engine = self._find_engine()
            self._watch(self._engine.events, self._engine.output)
        finally:
            self._clean_up()
        send(self._ended())

    def _find_engine(self) -> EngineProcess:
        engine: EngineProcess
        job = replace(self._job, entrances=self._guard.entrances)
        if self._seed is None:
            engine = started = StartedEngine(self._job.scratch)
            self._accounts.on_engine_end(engine.pid, started.reaped)
        else:
            engine = ForkedEngine(*LINK_TO_ENGINE)
            job = replace(job, seed=(self._seed, KERNEL_WORD))
            self._accounts.watch_kernel(self._seed)
        self._spared.add(engine.pid)
        engine.tell(to_line(job))
        return engine

    def _watch(self, events: int, output: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop("stopped"))
        with selectors.DefaultSelector() as selector:
            for descriptor, take in ((0, self._hear), (events, self._take), (output, self._keep)):
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, take)
            wait, due = _TICK, time.monotonic()
            while self._cause is None and not self._engine.ended:
                for key, _ in selector.select(max(0.0, due - time.monotonic())):
                    if not key.data(_read(key.fd)):
                        selector.unregister(key.fd)
                if time.monotonic() >= due:
                    wait = self._measure()
                    due = time.monotonic() + wait
                self._accounts.reap()
                self._engine.look()
            # What the engine said before it ended is still in the pipes.
            for descriptor, take in ((events, self._take), (output, self._keep)):
                while data := _read(descriptor):
                    take(data)
        self._over_at = self._over_at or time.monotonic()
        self._measure()

    def _stop(self, cause: str) -> None:
        if self._cause is None:
            self._cause, self._over_at = cause, time.monotonic()

    def _hear(self, data: bytes | None) -> bool:
        """The validator's only word is that the GPUs' memory is over; its silence is to stop."""
        if data == b"":
            self._stop("stopped")
        elif data is not None and GPU_WORD in data:
            self._stop("gpu-memory")
        return data != b""

    def _keep(self, data: bytes | None) -> bool:
        self._tail = (self._tail + (data or b""))[-_TAIL:]
        return data != b""

    def _take(self, data: bytes | None) -> bool:
        *lines, self._partial = (self._partial + (data or b"")).split(b"\n")
        for line in lines:
            self._on_event(from_line(line))
        return data != b""

    def _on_event(self, event: Event) -> None:
        match event:
            case KernelStarting(at):
                limit = self._job.limits.time
                self._whole = None if limit is None else at + limit + _WHOLE_GRACE
                self._set_deadline(None)
            case KernelWanted():
                self._engine.tell(json.dumps(self._start(event)).encode() + b"\n")
                return
            case KernelReady(_, pid):
                self._accounts.kernel = pid
            case CellStarted():
                self._measure()
                self._accounts.mark(anew=self._guard.mark())
                self._running = event
                self._set_deadline(event)
                # Told before it runs: its first act may be to kill this process.
                send(event)
                self._engine.tell(b"\n")
                return
            case CellEnded():
                self._measure()
                cpu, peak = self._accounts.cell_cpu_seconds(), self._accounts.meter.since_mark
                event = with_measures(event, cpu, peak)
                self._curve.keep_peak()
                self._running = None
                self._set_deadline(None)
            case KernelDied(_, None):
                event = replace(event, exit_code=self._accounts.exit_code())
        if isinstance(event, Finished):
            self._leftovers.look()
        if isinstance(event, Finished | KernelDied | Refused) or (
            isinstance(event, CellEnded)
            and event.status in (CellStatus.ERROR, CellStatus.TIMED_OUT)
        ):
            self._deadline, self._deadline_cause = time.monotonic() + _SHUTDOWN, "shutdown"
            if isinstance(event, Finished | CellEnded):
                # It is measured: the kernel may end.
                self._engine.tell(b"\n")
        send(event)

    def _start(self, wanted: KernelWanted) -> dict[str, Any]:
        try:
            assert self._contained is not None
            return {"pid": self._contained.start(wanted)}
        except GpuCtlError as error:
            return {"error": error.message}

    def _set_deadline(self, cell: CellStarted | None) -> None:
        self._deadline_cause = "time"
        self._deadline = float("inf") if self._whole is None else self._whole
        if cell is not None and cell.deadline is not None:
            self._deadline = min(self._deadline, cell.deadline)

    def _read(self) -> Reading:
        reading = self._guard.read()
        peak = self._accounts.meter.add(
            reading.used, reading.cache, reading.watermark, fresh=reading.fresh
        )
        self._curve.add(time.monotonic(), peak)
        if reading.shared is not None:
            self._shared = max(self._shared or 0, reading.shared)
        return reading

    def _measure(self) -> float:
        """Read memory and the clock, decide; seconds until it should be done again."""
        reading, now, limit = self._read(), time.monotonic(), self._job.limits.memory
        self._leftovers.look()
        if limit is not None or reading.over:
            self._accounts.count_holders(reading, limit or 0)
        if reading.over:
            self._stop(reading.over)
        elif resident(self._engine.pid) > _ENGINE_MEMORY:
            self._stop("outputs")
        elif now >= self._deadline:
            self._stop(self._deadline_cause)
        before, used_before = self._last
        growth = max(0.0, (reading.used - used_before) / max(now - before, 0.001))
        self._last = (now, reading.used)
        if reading.hurry and growth * _TICK > _MUCH:
            return _SHORTEST_TICK
        expected = reading.used + growth * 2 * _TICK
        near = limit is not None and (expected > limit or reading.used > limit * 0.8)
        return _SHORT_TICK if near or reading.hurry else _TICK

    def _clean_up(self) -> None:
        self._leftovers.look()
        self._guard.kill()
        self._engine.kill()
        deadline = time.monotonic() + 5.0
        while self._tree.members() and time.monotonic() < deadline:
            self._tree.kill(1.0)
            self._accounts.reap()
        reading = self._read()
        if reading.over and self._cause in (None, "time"):
            self._cause = reading.over
        if self._contained is not None:
            self._keep(self._contained.output())
        self._guard.close()
        self._leftovers.remove()
        shutil.rmtree(self._job.scratch, ignore_errors=True)

    def _ended(self) -> Ended:
        accounts, running = self._accounts, self._running is not None
        return Ended(
            at=self._over_at or time.monotonic(),
            cause=self._cause,
            engine_status=self._engine.status,
            cpu_seconds=round(accounts.cpu_seconds(), 2),
            peak_memory=accounts.meter.total,
            cell_cpu_seconds=accounts.cell_cpu_seconds() if running else None,
            cell_peak_memory=accounts.meter.since_mark if running else None,
            enforced_by=self._guard.tier,
            processes=accounts.holders,
            output=self._tail.decode(errors="replace"),
            memory=self._curve.points(),
            peak_shared=self._shared,
        )


def send(event: Any) -> None:
    """One event to the validator; when that is gone, its end of the input tells us too."""
    data = to_line(event)
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[os.write(1, data) :]


def _read(descriptor: int) -> bytes | None:
    """``b""``: the end; ``None``: nothing there now."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _first_line() -> bytes:
    """The job, byte by byte: what follows on standard input is for the selector to see."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def main(seed: int | None = None) -> None:
    """Run the job that standard input names."""
    adopt_orphans()
    try:
        Worker(from_line(_first_line()), seed).run()
    except Exception as error:
        send(Broken(f"{type(error).__name__}: {error}"))
        raise


def main_forked(seed: int) -> None:
    """In a child of the warm process, whose own child waits to become the kernel."""
    try:
        main(seed)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
