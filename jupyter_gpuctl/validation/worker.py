"""The process that holds one notebook to its limits, and leaves nothing of it behind.

Started by the validator as ``python -m jupyter_gpuctl.validation.worker``, in a session of its
own. The job is the first line of its standard input; when that input ends, the validator wants no
more of it or is gone, however it died: all is killed. Events go to standard output, the last of
them is ``Ended``. It runs no code of the notebook and imports nothing heavy:

    validator ── worker (limits, subreaper) ── engine (nbconvert) ── kernel ── its children
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

from .events import (
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
    Refused,
    from_line,
    to_line,
    with_measures,
)
from .limits import Guard, Reading, census, guard_for
from .model import CellStatus, PeakMeter, ProcessMemory
from .tree import Tree, adopt_orphans, die_with_parent, read_process, resident

_TICK, _SHORT_TICK = 0.05, 0.01
"""Seconds between readings: ordinarily, and where the limit may be reached before the next."""
_START = 120.0
"""Seconds that the engine has to import Jupyter and read the notebook."""
_WHOLE_GRACE = 1.0
"""Seconds beyond the notebook's limit, for a kernel's last words."""
_ENGINE_MEMORY = 2 * 1024**3
"""Bytes that the engine may hold: outputs that pass through it are the notebook's doing too."""
_SHUTDOWN = 10.0
"""Seconds for the kernel's own clean-up, after its last cell."""
_TAIL = 8192
"""Bytes kept of what kernel and engine write past Jupyter."""


class Worker:
    """One run of one notebook. Everything happens in :meth:`run`, in one thread."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._tree = Tree(os.getpid())
        self._meter = PeakMeter()
        self._cause: str | None = None
        self._over_at: float | None = None
        self._deadline = time.monotonic() + _START
        self._deadline_cause = "start"
        self._whole: float | None = None
        self._kernel: int | None = None
        self._running: CellStarted | None = None
        self._cpu_at_mark = 0.0
        self._reaped_cpu = 0.0
        self._engine_status: int | None = None
        self._census: tuple[ProcessMemory, ...] = ()
        self._census_at = 0
        self._last = (time.monotonic(), 0)
        self._tail = b""
        self._partial = b""
        self._spared: set[int] = set()
        self._guard: Guard = guard_for(
            job.tier, job.group, job.limits.memory, self._tree, self._spared
        )

    def run(self) -> None:
        """Run the engine to its end or to its limits, then kill and remove all that is left."""
        try:
            engine, events, output = self._start_engine()
            self._watch(events, output)
        finally:
            self._clean_up()
        engine.returncode = self._engine_status  # It was waited for, though not by Popen.
        send(self._ended())

    def _start_engine(self) -> tuple[subprocess.Popen[bytes], int, int]:
        events, events_in = os.pipe()
        output, output_in = os.pipe()
        # Connection files go where they can be taken away, whoever is killed.
        environment = {**os.environ, "JUPYTER_RUNTIME_DIR": self._job.scratch}
        engine = subprocess.Popen(
            [sys.executable, "-P", "-m", "jupyter_gpuctl.validation.start_engine", str(events_in)],
            stdin=subprocess.PIPE,
            stdout=output_in,
            stderr=output_in,
            pass_fds=(events_in,),
            env=environment,
            preexec_fn=die_with_parent,  # Safe: this process has one thread.
        )
        os.close(events_in)
        os.close(output_in)
        self._engine = engine.pid
        self._spared.add(engine.pid)
        assert engine.stdin is not None
        with contextlib.suppress(BrokenPipeError), engine.stdin:
            engine.stdin.write(to_line(replace(self._job, entrances=self._guard.entrances)))
        return engine, events, output

    def _watch(self, events: int, output: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop("stopped"))
        with selectors.DefaultSelector() as selector:
            for descriptor, take in ((0, self._hear), (events, self._take), (output, self._keep)):
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, take)
            wait, due = _TICK, time.monotonic()
            while self._cause is None and self._engine_status is None:
                for key, _ in selector.select(max(0.0, due - time.monotonic())):
                    if not key.data(_read(key.fd)):
                        selector.unregister(key.fd)
                if time.monotonic() >= due:
                    wait = self._measure()
                    due = time.monotonic() + wait
                self._reap()
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
        """The validator says nothing more: the end of the line is the word to stop."""
        if data == b"":
            self._stop("stopped")
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
            case KernelReady(_, pid):
                self._kernel = pid
            case CellStarted():
                self._measure()
                self._meter.mark()
                self._running, self._cpu_at_mark = event, self._cpu()
                self._set_deadline(event)
            case CellEnded():
                self._measure()
                cpu = max(0.0, self._cpu() - self._cpu_at_mark)
                event = with_measures(event, round(cpu, 2), self._meter.since_mark)
                self._running = None
                self._set_deadline(None)
        if isinstance(event, Finished | KernelDied | Refused) or (
            isinstance(event, CellEnded)
            and event.status in (CellStatus.ERROR, CellStatus.TIMED_OUT)
        ):
            self._deadline, self._deadline_cause = time.monotonic() + _SHUTDOWN, "shutdown"
        send(event)

    def _set_deadline(self, cell: CellStarted | None) -> None:
        self._deadline_cause = "time"
        self._deadline = float("inf") if self._whole is None else self._whole
        if cell is not None and cell.deadline is not None:
            self._deadline = min(self._deadline, cell.deadline)

    def _measure(self) -> float:
        """Read memory and the clock, decide; seconds until it should be done again."""
        reading, now = self._guard.read(), time.monotonic()
        self._meter.add(reading.used, reading.cache, reading.watermark, fresh=reading.fresh)
        if reading.over:
            self._count(reading)
            self._stop(reading.over)
        elif resident(self._engine) > _ENGINE_MEMORY:
            self._stop("outputs")
        elif now >= self._deadline:
            self._stop(self._deadline_cause)
        limit = self._job.limits.memory
        if limit is None:
            return _TICK
        before, used_before = self._last
        growth = max(0.0, (reading.used - used_before) / max(now - before, 0.001))
        self._last = (now, reading.used)
        # A new census for each tenth of the limit: the last before the end tells who held it.
        if reading.used > max(limit / 4, self._census_at + limit / 10):
            self._count(reading)
        near = reading.used + growth * 2 * _TICK > limit or reading.used > limit * 0.8
        return _SHORT_TICK if near else _TICK

    def _count(self, reading: Reading) -> None:
        members = [process for process in self._tree.members() if process.pid != self._engine]
        found = census(members, self._kernel)
        # After the kernel's killer has been here, those who held the memory are gone.
        if sum(process.memory for process in found) >= sum(p.memory for p in self._census):
            self._census, self._census_at = found, reading.used

    def _cpu(self) -> float:
        """Seconds so far of the kernel and all below it, the engine's own work left out."""
        total = self._reaped_cpu
        for process in self._tree.members():
            total += process.waited_cpu_seconds
            total += process.cpu_seconds if process.pid != self._engine else 0.0
        return total

    def _reap(self) -> None:
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
            if process is not None:
                own = process.cpu_seconds if ended.si_pid != self._engine else 0.0
                self._reaped_cpu += own + process.waited_cpu_seconds
            if ended.si_pid == self._engine:
                self._engine_status = os.waitstatus_to_exitcode(status)

    def _clean_up(self) -> None:
        self._guard.kill()
        deadline = time.monotonic() + 5.0
        while self._tree.members() and time.monotonic() < deadline:
            self._tree.kill(1.0)
            self._reap()
        reading = self._guard.read()
        self._meter.add(reading.used, reading.cache, reading.watermark, fresh=reading.fresh)
        if reading.over and self._cause in (None, "time"):
            self._cause = reading.over
        self._guard.close()
        shutil.rmtree(self._job.scratch, ignore_errors=True)

    def _ended(self) -> Ended:
        running = self._running is not None
        total = self._reaped_cpu
        return Ended(
            at=self._over_at or time.monotonic(),
            cause=self._cause,
            engine_status=self._engine_status,
            cpu_seconds=round(total, 2),
            peak_memory=self._meter.total,
            cell_cpu_seconds=round(max(0.0, total - self._cpu_at_mark), 2) if running else None,
            cell_peak_memory=self._meter.since_mark if running else None,
            enforced_by=self._guard.tier,
            processes=self._census,
            output=self._tail.decode(errors="replace"),
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


def main() -> None:
    """Run the job that standard input names."""
    adopt_orphans()
    try:
        Worker(from_line(_first_line())).run()
    except Exception as error:
        send(Broken(f"{type(error).__name__}: {error}"))
        raise


if __name__ == "__main__":
    main()
