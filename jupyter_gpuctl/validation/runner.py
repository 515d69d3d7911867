"""The validator's side of its workers: starts one for each notebook, hears it, ends it.

Whatever happens to a worker, nothing of its notebook is left: its processes carry a mark in their
environment, and its control group a name, by which they are found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from ..core.errors import Unavailable
from ..host.cgroups import Cgroups
from ..host.limited_groups import LimitedGroup, can_limit, find, own_prefix, remove_stale
from .events import Broken, Ended, Event, Job, from_line, stopped, to_line
from .model import Limits, Tier

MARK = "GPUCTL_VALIDATION"
"""Environment variable that every process of a notebook inherits."""
_PATIENCE = 15.0
"""Seconds that a worker has to kill and remove everything when told to stop."""


class WorkerRunner:
    """The :class:`~jupyter_gpuctl.validation.ports.NotebookRunner` of this machine.

    ``wanted``: ``auto``, ``cgroup`` or ``watcher``.

    Raises:
        Unavailable: ``cgroup`` is wanted and can't be had; the message says why.
    """

    def __init__(self, wanted: str = "auto") -> None:
        self._cgroups = Cgroups()
        self._id = uuid.uuid4().hex
        self._numbers = count(1)
        self._live: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        remove_stale(self._cgroups)
        self.tier = _choose(self._cgroups, wanted)

    def run(
        self, path: str, limits: Limits, kernel: str | None, on_event: Callable[[Event], None]
    ) -> Sequence[Event]:
        if self._stopping:
            return [stopped(time.monotonic())]
        mark = f"{self._id}.{next(self._numbers)}"
        job = Job(
            path=os.path.abspath(path),
            limits=limits,
            kernel=kernel,
            tier=self.tier,
            group=f"{own_prefix(self._cgroups)}{mark.rpartition('.')[2]}",
            scratch=tempfile.mkdtemp(prefix="gpuctl-validate-"),
        )
        try:
            return self._run(job, mark, on_event)
        finally:
            shutil.rmtree(job.scratch, ignore_errors=True)

    def _run(self, job: Job, mark: str, on_event: Callable[[Event], None]) -> Sequence[Event]:
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "jupyter_gpuctl.validation.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, MARK: mark},
            start_new_session=True,
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        self._live.add(worker)
        events: list[Event] = []
        try:
            with contextlib.suppress(BrokenPipeError, ValueError):
                worker.stdin.write(to_line(job))
                worker.stdin.flush()
            if self._stopping:
                _hang_up(worker)
            for line in worker.stdout:
                event = from_line(line)
                events.append(event)
                on_event(event)
        finally:
            _hang_up(worker)
            told = worker.stderr.read().decode(errors="replace").strip()
            worker.wait()
            self._live.discard(worker)
            worker.stdout.close()
            worker.stderr.close()
        if not events or not isinstance(events[-1], Ended):
            _sweep(mark)
            group = find(self._cgroups, job.group)
            events += _lost(worker.returncode, told, group)
        return events

    def stop(self) -> None:
        self._stopping = True
        for worker in list(self._live):
            _hang_up(worker)
            # Should the worker itself hang, it is killed, and what it leaves is swept.
            timer = threading.Timer(_PATIENCE, worker.kill)
            timer.daemon = True
            timer.start()


def _choose(cgroups: Cgroups, wanted: str) -> Tier:
    if wanted == "watcher":
        return Tier.WATCHER
    support = can_limit(cgroups)
    if support.version is not None:
        return Tier.CGROUP_V2 if support.version == 2 else Tier.CGROUP_V1
    if wanted == "cgroup":
        raise Unavailable(
            "validation.cgroup",
            f"No control group can be limited here: {support.reason}.",
            hint="Leave out --limit-tier: the watcher needs no rights.",
        )
    return Tier.WATCHER


def _hang_up(worker: subprocess.Popen[bytes]) -> None:
    """Close the worker's input: the word to stop. May be said twice."""
    if worker.stdin is not None:
        with contextlib.suppress(OSError):
            worker.stdin.close()


def _lost(status: int, told: str, group: LimitedGroup | None) -> list[Event]:
    """What can still be said of a run whose worker was killed or never worked."""
    now, oom = time.monotonic(), False
    if group is not None:
        oom = group.oom_kills() > 0
        group.close()
    ended = replace(stopped(now), cause="memory" if oom else None, engine_status=status)
    if status < 0:
        return [ended]
    last = told.splitlines()[-1] if told else f"exit status {status}"
    return [Broken(f"its worker ended early: {last}"), ended]


def _sweep(mark: str, patience: float = 5.0) -> None:
    """SIGKILL to every process that carries ``mark``, until none is left."""
    needle = f"{MARK}={mark}".encode()
    deadline = time.monotonic() + patience
    while (pids := _marked(needle)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _marked(needle: bytes) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if needle in file.read().split(b"\0"):
                found.append(int(name))
    return found
