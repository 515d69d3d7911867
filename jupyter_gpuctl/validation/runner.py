"""The validator's side of its workers: has one for each notebook, hears it, ends it.

Whatever happens to a worker, nothing of its notebook is left: its processes carry a mark in their
environment, and its control group a name, by which they are found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import Unavailable
from ..host.cgroups import Cgroups
from ..host.limited_groups import LimitedGroup, can_limit, find, own_prefix, remove_stale
from . import forking
from .events import (
    GPU_WORD,
    Broken,
    Chosen,
    Ended,
    Event,
    Job,
    KernelReady,
    from_line,
    stopped,
    to_line,
)
from .gpu_watch import GpuWatch
from .imports import hidden_by
from .marks import mark_of, sweep
from .model import Limits, Started, Tier
from .nurseries import Nurseries
from .outputs import OutputChecks
from .ports import GpuMeter
from .warm_process import Gone, Unforkable, WarmProcess
from .workers import ForkedWorker, StartedWorker, WorkerProcess

if TYPE_CHECKING:
    from .containers.containers import Containers

_PATIENCE = 15.0
"""Seconds that a worker has to kill and remove everything when told to stop."""


class WorkerRunner:
    """The :class:`~jupyter_gpuctl.validation.ports.NotebookRunner` of this machine.

    ``wanted``: ``auto``, ``cgroup`` or ``watcher``. ``cold``: start each kernel from nothing.
    ``preload``: modules for every forked kernel, instead of those that its notebook imports.
    ``gpus``: tells who holds GPU memory. ``containers``: each kernel runs in one of these, and
    starts anew; then ``wanted``, ``preload`` and ``gpus`` mean nothing.

    Raises:
        Unavailable: ``cgroup`` is wanted and can't be had; the message says why.
    """

    def __init__(
        self,
        wanted: str = "auto",
        *,
        cold: bool = False,
        preload: Sequence[str] | None = None,
        gpus: GpuMeter | None = None,
        containers: Containers | None = None,
    ) -> None:
        self._cgroups = Cgroups()
        self._id = uuid.uuid4().hex
        self._numbers = count(1)
        self._live: set[WorkerProcess] = set()
        self._stopping = False
        self._preload = preload
        self._needs: dict[str, tuple[tuple[str, ...], str]] = {}
        self._order: list[str] = []
        self._containers = containers
        self._nurseries = None if cold or containers else Nurseries(self._id)
        self._gpus = None if gpus is None or containers else GpuWatch(gpus)
        self.image = None if containers is None else containers.image
        """That in which the kernels run."""
        self._scratch = None if containers is None else containers.scratch()
        if containers is None:
            remove_stale(self._cgroups)
            self.tier = _choose(self._cgroups, wanted)
        else:
            self.tier = containers.tier

    def expect(self, paths: Sequence[str]) -> None:
        if self._nurseries is None or not paths:
            return
        self._nurseries.start()
        self._needs = {path: forking.needs(path) for path in paths}
        self._order = forking.shared([modules for modules, _ in self._needs.values()])
        commonest = Counter(self._wanted(modules) for modules, _ in self._needs.values())
        # While the engines' warm process, which knows of kernels, is not even ready.
        self._nurseries.prepare(commonest.most_common(1)[0][0], forking.usual_flags())

    def _wanted(self, modules: Sequence[str]) -> tuple[str, ...]:
        """Those of a notebook's modules that it finds imported."""
        if self._preload is not None:
            return tuple(self._preload)
        return tuple(module for module in self._order if module in modules)

    def run(
        self,
        path: str,
        limits: Limits,
        kernel: str | None,
        on_event: Callable[[Event], None],
        *,
        instead: bytes | None = None,
        check_outputs: OutputChecks | None = None,
    ) -> Sequence[Event]:
        if self._stopping:
            return [stopped(time.monotonic())]
        number = next(self._numbers)
        mark = mark_of(self._id, number)
        job = Job(
            path=os.path.abspath(path),
            limits=limits,
            kernel=kernel,
            tier=self.tier,
            group=f"{own_prefix(self._cgroups)}{number}",
            scratch=tempfile.mkdtemp(prefix="gpuctl-validate-", dir=self._scratch),
            check_outputs=check_outputs,
        )
        try:
            if instead is not None:
                source = Path(job.scratch, "instead.ipynb")
                source.write_bytes(instead)
                job = replace(job, source=str(source))
            if self._containers is not None:
                container = self._containers.prepare(path, job.scratch, number, limits)
                job = replace(job, container=container)
            worker, chosen = self._worker(path, job, mark)
            if worker is None:
                return [stopped(time.monotonic())]
            on_event(chosen)
            return [chosen, *self._run(worker, job, mark, on_event)]
        finally:
            shutil.rmtree(job.scratch, ignore_errors=True)

    def _worker(self, path: str, job: Job, mark: str) -> tuple[WorkerProcess | None, Chosen]:
        """``None``: all was stopped while a warm process was waited for."""
        if self._nurseries is None:
            why = "it runs in a container" if self._containers is not None else ""
            return StartedWorker(mark), Chosen(Started.COLD, why)
        try:
            warmth, left_out = self._warmth(self._nurseries, path, job)
            forked = ForkedWorker(self._nurseries.engines(), warmth, mark, job.scratch)
            return forked, Chosen(Started.FORKED, left_out=left_out)
        except Unforkable as error:
            if isinstance(error, Gone):
                self._nurseries.lost(error.control)
            worker = None if self._stopping else StartedWorker(mark)
            return worker, Chosen(Started.COLD, str(error))

    def _warmth(
        self, nurseries: Nurseries, path: str, job: Job
    ) -> tuple[WarmProcess, tuple[str, ...]]:
        """The warm process for a notebook, and what that leaves out.

        Raises:
            Unforkable: its kernel must be started anew; the message says why.
        """
        nurseries.start()
        modules, named = self._needs.get(path) or forking.needs(path)
        spec = nurseries.engines().ask(job.kernel or named)
        flags = forking.flags_of(spec.get("argv", ()))
        if spec:
            unlike = forking.unlike_ours(spec["argv"], spec["env"], spec["metadata"])
            if unlike is not None:
                raise Unforkable(unlike)
        warmth, left_out = nurseries.kernels(self._wanted(modules), flags)
        hidden = hidden_by(Path(job.path).parent, warmth.loaded)
        if hidden is not None:
            raise Unforkable(f"{hidden} in its folder hides a module that others import")
        limit = job.limits.memory
        if limit is not None and limit < forking.ROOM * warmth.memory:
            raise Unforkable("its memory limit is near to what its imports take")
        return warmth, left_out

    def _run(
        self, worker: WorkerProcess, job: Job, mark: str, on_event: Callable[[Event], None]
    ) -> list[Event]:
        self._live.add(worker)
        events: list[Event] = []
        use = None
        try:
            with contextlib.suppress(BrokenPipeError, ValueError):
                worker.stdin.write(to_line(job))
                worker.stdin.flush()
            if self._stopping:
                worker.hang_up()
            if self._gpus is not None:
                over = partial(_say, worker, GPU_WORD)
                use = self._gpus.follow(worker.pid, job.limits.gpu_memory, over)
            for line in worker.stdout:
                event = from_line(line)
                events.append(event)
                on_event(event)
        finally:
            worker.hang_up()
            told = worker.stderr.read().decode(errors="replace").strip()
            status = worker.wait()
            self._live.discard(worker)
            most = None if self._gpus is None or use is None else self._gpus.leave(use)
        if not events or not isinstance(events[-1], Ended):
            sweep(mark)
            if self._containers is not None and job.container is not None:
                self._containers.remove(job.container.name)
            group = find(self._cgroups, job.group)
            events += _lost(status, told, group)
        if use is not None and isinstance(ended := events[-1], Ended):
            held = ended.processes
            if ended.cause == "gpu-memory":
                ready = {event.pid for event in events if isinstance(event, KernelReady)}
                held = tuple(replace(one, kernel=one.pid in ready) for one in use.holders)
            events[-1] = replace(ended, peak_gpu_memory=most, processes=held)
        return events

    def stop(self) -> None:
        self._stopping = True
        if self._nurseries is not None:
            self._nurseries.give_up()
        for worker in list(self._live):
            worker.hang_up()
            # Should the worker itself hang, it is killed, and what it leaves is swept.
            timer = threading.Timer(_PATIENCE, worker.kill)
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        if self._nurseries is not None:
            self._nurseries.close()
        if self._gpus is not None:
            self._gpus.close()
        if self._containers is not None:
            self._containers.close()


def _say(worker: WorkerProcess, word: bytes) -> None:
    """One word to a worker, unless it has ended or was hung up on."""
    with contextlib.suppress(BrokenPipeError, ValueError):
        worker.stdin.write(word)
        worker.stdin.flush()


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


def _lost(status: int | None, told: str, group: LimitedGroup | None) -> list[Event]:
    """What can still be said of a run whose worker was killed or never worked."""
    now, oom = time.monotonic(), False
    if group is not None:
        oom = group.oom_kills() > 0
        group.close()
    ended = replace(stopped(now), cause="memory" if oom else None, engine_status=status)
    if status is None or status < 0:
        return [ended]
    last = told.splitlines()[-1] if told else f"exit status {status}"
    return [Broken(f"its worker ended early: {last}"), ended]
