"""One validation: paths in, verdicts out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from ..core.clock import Clock, SystemClock
from .changes import changed_since
from .events import Event
from .model import SCHEMA, Limits, NotebookResult, Validation, Verdict, unrun
from .options import Override, options_of
from .paths import Found, Patterns, find_notebooks
from .plan import Task, choose, order, reserve
from .ports import Deaf, Listener, NoPast, NotebookRunner, PastRuns
from .verdicts import judge


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for."""

    paths: tuple[str, ...]
    limits: Limits
    jobs: int = 1
    """Notebooks at a time."""
    kernel: str | None = None
    """Instead of the kernel that each notebook names."""
    overrides: tuple[Override, ...] = ()
    """Other limits and kernels for some notebooks; what is said later goes before."""
    ignore: Patterns | None = None
    """Notebooks that are left out where folders and globs are searched."""
    since: str | None = None
    """Only notebooks that changed since this git revision; empty: since they left the branch that
    they are meant for."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A notebook, and what holds for it."""

    found: Found
    limits: Limits
    kernel: str | None


class Validator:
    """Runs validations, one at a time.

    ``past`` tells what needn't be run again; ``room`` how many bytes there are for notebooks.
    """

    def __init__(
        self,
        runner: NotebookRunner,
        clock: Clock | None = None,
        past: PastRuns | None = None,
        room: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._runner = runner
        self._clock = clock or SystemClock()
        self._past: PastRuns = past or NoPast()
        self._room = room
        self._lock = threading.Lock()
        self._stopped = False

    def validate(self, request: Request, listener: Listener | None = None) -> Validation:
        """Run all notebooks that the request means; results in the order of the paths.

        After :meth:`stop` it returns soon, with what was done.

        Raises:
            InvalidInput: a path is not there, can't be read, or holds no notebook; or what has
                changed can't be told.
        """
        heard = listener or Deaf()
        found = find_notebooks(request.paths, request.ignore)
        everything, since = len(found), ""
        if request.since is not None:
            found, since = changed_since(found, request.since)
        started_at, begun = self._clock.now(), self._clock.monotonic()
        jobs = [self._job(one, request) for one in found]
        paths = [one.path for one in found]
        heard.planned(paths, request.limits, request.jobs, self._runner.tier)
        try:
            results = self._all(jobs, request.jobs, heard)
        finally:
            self._past.close()
        return Validation(
            schema=SCHEMA,
            started_at=started_at,
            duration=round(self._clock.monotonic() - begun, 3),
            limits=request.limits,
            interrupted=self._stopped,
            notebooks=tuple(results),
            since=since,
            left_out=everything - len(found),
        )

    def stop(self) -> None:
        """End what runs and start no more. Returns at once; safe in a signal handler."""
        self._stopped = True
        self._runner.stop()

    def _job(self, found: Found, request: Request) -> _Job:
        limits, kernel = options_of(found.path, request.limits, request.kernel, request.overrides)
        return _Job(found, limits, kernel)

    def _all(self, jobs: Sequence[_Job], at_once: int, heard: Listener) -> list[NotebookResult]:
        results: dict[int, NotebookResult] = {}
        for number, job in enumerate(jobs):
            result = self._unrun(job)
            if result is not None:
                results[number] = self._tell(heard, job, result)
        waiting = {number: job for number, job in enumerate(jobs) if number not in results}
        if waiting:
            room = self._room()
            tasks = order([self._task(*one, at_once, room) for one in waiting.items()])
            paths = [jobs[task.number].found.path for task in tasks]
            self._past.prepare(paths)
            self._runner.expect(paths)
            with ThreadPoolExecutor(at_once, thread_name_prefix="validate") as pool:
                running: dict[Future[NotebookResult], Task] = {}
                while tasks or running:
                    while task := choose(tasks, running.values(), at_once, room):
                        tasks.remove(task)
                        running[pool.submit(self._one, jobs[task.number], heard)] = task
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        results[running.pop(future).number] = future.result()
        return [results[number] for number in range(len(jobs))]

    def _unrun(self, job: _Job) -> NotebookResult | None:
        """The result of a notebook that can't, or needn't, be run."""
        if job.found.problem:
            hint = "Check its mode and owner."
            return unrun(job.found.path, Verdict.INVALID, job.found.problem, hint)
        if self._stopped:
            return None
        return self._past.recall(job.found.path, job.limits, job.kernel)

    def _task(self, number: int, job: _Job, at_once: int, room: int | None) -> Task:
        expected = self._past.expected(job.found.path)
        memory = reserve(expected.memory, job.limits.memory, at_once, room)
        return Task(number, expected.seconds, expected.cells, memory)

    def _one(self, job: _Job, heard: Listener) -> NotebookResult:
        path = job.found.path
        if self._stopped:
            return self._tell(
                heard, job, unrun(path, Verdict.SKIPPED, "interrupted before it began")
            )
        with self._lock:
            heard.started(path)

        def on_event(event: Event) -> None:
            with self._lock:
                heard.event(path, event)

        self._past.begin(path, job.limits, job.kernel)
        events = self._runner.run(path, job.limits, job.kernel, on_event)
        result = judge(path, job.limits, events)
        self._past.end(path, job.kernel, result)
        return self._tell(heard, job, result)

    def _tell(self, heard: Listener, job: _Job, result: NotebookResult) -> NotebookResult:
        result = replace(result, limits=job.limits)
        with self._lock:
            heard.finished(result)
        return result
