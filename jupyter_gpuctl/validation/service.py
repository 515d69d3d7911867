"""One validation: paths in, verdicts out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from ..core.clock import Clock, SystemClock
from .events import Event
from .model import SCHEMA, Limits, NotebookResult, Validation, Verdict, unrun
from .paths import Found, find_notebooks
from .ports import Deaf, Listener, NotebookRunner
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


class Validator:
    """Runs validations, one at a time."""

    def __init__(self, runner: NotebookRunner, clock: Clock | None = None) -> None:
        self._runner = runner
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._stopped = False

    def validate(self, request: Request, listener: Listener | None = None) -> Validation:
        """Run all notebooks that the request means; results in the order of the paths.

        After :meth:`stop` it returns soon, with what was done.

        Raises:
            InvalidInput: a path is not there, can't be read, or holds no notebook.
        """
        heard = listener or Deaf()
        found = find_notebooks(request.paths)
        started_at, begun = self._clock.now(), self._clock.monotonic()
        paths = [one.path for one in found]
        heard.planned(paths, request.limits, request.jobs, self._runner.tier)
        with ThreadPoolExecutor(request.jobs, thread_name_prefix="validate") as pool:
            futures = [pool.submit(self._one, one, request, heard) for one in found]
            wait(futures)
        return Validation(
            schema=SCHEMA,
            started_at=started_at,
            duration=round(self._clock.monotonic() - begun, 3),
            limits=request.limits,
            interrupted=self._stopped,
            notebooks=tuple(future.result() for future in futures),
        )

    def stop(self) -> None:
        """End what runs and start no more. Returns at once; safe in a signal handler."""
        self._stopped = True
        self._runner.stop()

    def _one(self, found: Found, request: Request, heard: Listener) -> NotebookResult:
        path = found.path
        if found.problem:
            hint = "Check its mode and owner."
            result = unrun(path, Verdict.INVALID, found.problem, hint)
        elif self._stopped:
            result = unrun(path, Verdict.SKIPPED, "interrupted before it began")
        else:
            with self._lock:
                heard.started(path)

            def on_event(event: Event) -> None:
                with self._lock:
                    heard.event(path, event)

            events = self._runner.run(path, request.limits, request.kernel, on_event)
            result = judge(path, request.limits, events)
        with self._lock:
            heard.finished(result)
        return result
