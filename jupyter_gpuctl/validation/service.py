"""One validation: paths in, verdicts out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from ..core.clock import Clock, SystemClock
from .changes import changed_since
from .course import CourseChecks, Version, explained, findings_of, only_checked, versions_of
from .events import Event
from .model import SCHEMA, Limits, NotebookResult, Validation, Verdict, place, unrun
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
    checks: CourseChecks = field(default_factory=CourseChecks)
    below: str | None = None
    """Only notebooks that lie in this folder, wherever links lead."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A notebook in one of its versions, and what holds for it."""

    found: Found
    version: Version
    limits: Limits
    kernel: str | None
    checks: CourseChecks

    @property
    def name(self) -> str:
        """The path in its result."""
        return self.version.name if self.version.problem is None else self.version.problem.path

    @property
    def remembered(self) -> bool:
        """Whether earlier runs say something of it, and later ones may."""
        return self.version.learner is None

    @property
    def also(self) -> str:
        """What its verdict rests on beside code, kernel, files and limits."""
        return "" if self.checks.outputs is None else repr(self.checks.outputs)


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
        found = find_notebooks(request.paths, request.ignore, request.below)
        everything, since = len(found), ""
        if request.since is not None:
            found, since = changed_since(found, request.since)
        started_at, begun = self._clock.now(), self._clock.monotonic()
        jobs = [job for one in found for job in self._jobs(one, request)]
        paths = [job.name for job in jobs]
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

    def _jobs(self, found: Found, request: Request) -> list[_Job]:
        limits, kernel = options_of(found.path, request.limits, request.kernel, request.overrides)
        checks = request.checks
        versions = [Version(found.path)]
        if not found.problem and checks.run:
            versions = versions_of(found.path, checks.variant)
        return [_Job(found, version, limits, kernel, checks) for version in versions]

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
            queue = [jobs[task.number] for task in tasks]
            self._past.prepare([job.found.path for job in queue if job.remembered])
            self._runner.expect(list(dict.fromkeys(job.found.path for job in queue)))
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
        if job.version.problem is not None:
            return job.version.problem
        if not job.checks.run:
            return only_checked(job.found.path)
        if self._stopped or not job.remembered:
            return None
        return self._past.recall(job.found.path, job.limits, job.kernel, job.also)

    def _task(self, number: int, job: _Job, at_once: int, room: int | None) -> Task:
        expected = self._past.expected(job.found.path)
        memory = reserve(expected.memory, job.limits.memory, at_once, room)
        return Task(number, expected.seconds, expected.cells, memory)

    def _one(self, job: _Job, heard: Listener) -> NotebookResult:
        path, name = job.found.path, job.name
        if self._stopped:
            return self._tell(
                heard, job, unrun(name, Verdict.SKIPPED, "interrupted before it began")
            )
        with self._lock:
            heard.started(name)

        def on_event(event: Event) -> None:
            with self._lock:
                heard.event(name, event)

        past = self._past if job.remembered else NoPast()
        past.begin(path, job.limits, job.kernel, job.also)
        events = self._runner.run(
            path,
            job.limits,
            job.kernel,
            on_event,
            instead=job.version.instead(),
            check_outputs=job.checks.outputs,
        )
        result = judge(name, job.limits, events)
        past.end(path, job.kernel, result, job.also)
        return self._tell(heard, job, explained(result, job.version))

    def _tell(self, heard: Listener, job: _Job, result: NotebookResult) -> NotebookResult:
        found = findings_of(job.version, job.checks, job.kernel)
        findings = tuple(sorted((*found, *result.findings), key=place))
        result = replace(result, limits=job.limits, findings=findings)
        with self._lock:
            heard.finished(result)
        return result
