"""The validations of this server: few at a time, others in a queue, the last ones remembered."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from ..core.clock import Clock
from ..core.errors import Conflict, NotFound, Refused, Unavailable
from .bodies import Wanted
from .following import Following
from .places import Course
from .processes import ValidationProcess
from .wire import (
    Problem,
    ReportFormat,
    RunStatus,
    ValidationAnswer,
    ValidationsAnswer,
    ValidationSummary,
)

MOST_WAITING = 20
MOST_REMEMBERED = 20
"""Validations that have ended; the oldest goes."""
PATIENCE = 10.0
"""Seconds that one has to end when the server does, before it is killed."""
_ENDED = (RunStatus.DONE, RunStatus.CANCELLED, RunStatus.FAILED)


class _Run:
    """One validation. Changed under the lock of :class:`Runs`."""

    def __init__(self, wanted: Wanted, course: Course, user: str, now: datetime) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.wanted, self.course, self.user = wanted, course, user
        self.status = RunStatus.QUEUED
        self.cancelling = False
        self.created_at = now
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.following = Following(course.contents_path)
        self.problem: Problem | None = None
        self.process: ValidationProcess | None = None
        self.thread: threading.Thread | None = None

    def summary(self, position: int | None) -> ValidationSummary:
        following = self.following
        return ValidationSummary(
            id=self.id,
            status=self.status,
            cancelling=self.cancelling and self.status not in _ENDED,
            user=self.user,
            paths=self.wanted.paths,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            position=position,
            limits=following.limits,
            progress=following.progress,
            summary=following.summary,
            problem=self.problem,
            reports=following.formats,
        )


class Runs:
    """All methods may be called on any thread; none but :meth:`close` waits for a validation.

    ``most``: how many run at a time.
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Clock,
        log: logging.Logger,
        start: Callable[[Course, Sequence[str]], ValidationProcess] = ValidationProcess,
    ) -> None:
        self._most, self._clock, self._log, self._start = most, clock, log, start
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._closed = False

    def add(self, wanted: Wanted, course: Course, user: str) -> ValidationAnswer:
        """Begin a validation, or have it wait for its turn.

        Raises:
            Refused: too many wait.
            Unavailable: the server is going down.
        """
        with self._lock:
            if self._closed:
                raise Unavailable("validation.closed", "This Jupyter server is going down.")
            waiting = len(self._waiting())
            if waiting >= MOST_WAITING:
                raise Refused(
                    "validation.queue_full",
                    f"{waiting} validations wait on this server already.",
                    hint="Cancel one, or wait until one has ended.",
                    detail={"waiting": waiting, "allowed": MOST_WAITING},
                )
            run = _Run(wanted, course, user, self._clock.now())
            self._runs[run.id] = run
            self._begin()
            return self._answer(run)

    def list(self, user: str | None) -> ValidationsAnswer:
        """Those of ``user``; ``None``: of everybody."""
        with self._lock:
            mine = [run for run in self._runs.values() if user in (None, run.user)]
            items = tuple(run.summary(self._position(run)) for run in reversed(mine))
            return ValidationsAnswer(items, None, self._most)

    def get(self, user: str | None, run_id: str) -> ValidationAnswer:
        """One of those.

        Raises:
            NotFound: there is none of that id, or it is another's.
        """
        with self._lock:
            return self._answer(self._find(user, run_id))

    def delete(self, user: str | None, run_id: str) -> ValidationAnswer:
        """Stop it; forget it if it has ended. Returns at once.

        Raises:
            NotFound: as for :meth:`get`.
        """
        with self._lock:
            run = self._find(user, run_id)
            if run.status in _ENDED:
                del self._runs[run.id]
            else:
                self._cancel(run)
            return self._answer(run)

    def report(self, user: str | None, run_id: str, name: ReportFormat) -> bytes:
        """A report of it, as UTF-8.

        Raises:
            NotFound: as for :meth:`get`.
            Conflict: it has none, or none yet.
        """
        with self._lock:
            run = self._find(user, run_id)
            following, status = run.following, run.status
        report = following.report(name)
        if report is None:
            ended = status in _ENDED
            raise Conflict(
                "validation.no_report",
                f"The validation {run_id} has no report{'' if ended else ' yet'}: it is {status}.",
                hint="" if ended else "Ask again when it has ended.",
                detail={"status": status},
            )
        return report

    def close(self) -> None:
        """Stop all, and wait until nothing of them is left. Called once; blocks."""
        with self._lock:
            self._closed = True
            live = [run for run in self._runs.values() if run.status not in _ENDED]
            for run in live:
                self._cancel(run)
        for run in live:
            if run.thread is not None:
                run.thread.join(PATIENCE)
            if run.process is not None and run.status not in _ENDED:
                self._log.warning("gpuctl: the validation %s doesn't stop, and is killed", run.id)
                run.process.kill()

    def _find(self, user: str | None, run_id: str) -> _Run:
        run = self._runs.get(run_id)
        if run is None or user not in (None, run.user):
            raise NotFound(
                "validation.not_found",
                f"There is no validation {run_id[:40]!r} of yours on this server.",
                hint="GET validations has those that are remembered.",
                detail={"id": run_id[:40]},
            )
        return run

    def _answer(self, run: _Run) -> ValidationAnswer:
        summary = run.summary(self._position(run))
        values = {name: getattr(summary, name) for name in ValidationSummary.__slots__}
        return ValidationAnswer(**values, notebooks=tuple(run.following.notebooks))

    def _waiting(self) -> Sequence[_Run]:
        return [run for run in self._runs.values() if run.status is RunStatus.QUEUED]

    def _position(self, run: _Run) -> int | None:
        return self._waiting().index(run) + 1 if run.status is RunStatus.QUEUED else None

    def _cancel(self, run: _Run) -> None:
        run.cancelling = True
        if run.status is RunStatus.QUEUED:
            self._end(run, RunStatus.CANCELLED)
        elif run.process is not None:
            run.process.hang_up()

    def _begin(self) -> None:
        """Start what has its turn."""
        running = sum(run.status is RunStatus.RUNNING for run in self._runs.values())
        for run in self._waiting()[: max(0, self._most - running)]:
            run.status, run.started_at = RunStatus.RUNNING, self._clock.now()
            # Not waited for by a server that is killed or ends in haste.
            run.thread = threading.Thread(
                target=self._follow, args=(run,), name=f"validation-{run.id}", daemon=True
            )
            run.thread.start()

    def _follow(self, run: _Run) -> None:
        """From its start to its end, on a thread of its own."""
        try:
            problem = self._hear_out(run)
        except Exception as error:
            self._log.exception("gpuctl: the validation %s failed", run.id)
            problem = f"It could not be run: {error}."
        with self._lock:
            if run.following.interrupted is not None:
                cancelled = run.following.interrupted
                self._end(run, RunStatus.CANCELLED if cancelled else RunStatus.DONE)
            elif run.cancelling:
                self._end(run, RunStatus.CANCELLED)
            else:
                message = problem or "The validator has ended without a word."
                run.problem = Problem("validation.failed", message)
                self._end(run, RunStatus.FAILED)
            if not self._closed:
                self._begin()

    def _hear_out(self, run: _Run) -> str:
        process = self._start(run.course, run.wanted.options)
        try:
            with self._lock:
                run.process = process
                if run.cancelling:
                    process.hang_up()
            for line in process.lines():
                with self._lock:
                    run.following.hear(line)
        finally:
            process.hang_up()
            problem = process.wait()
        return problem

    def _end(self, run: _Run, status: RunStatus) -> None:
        run.status, run.ended_at = status, self._clock.now()
        run.following.ended()
        ended = [one for one in self._runs.values() if one.status in _ENDED]
        for one in ended[: max(0, len(ended) - MOST_REMEMBERED)]:
            self._runs.pop(one.id, None)
