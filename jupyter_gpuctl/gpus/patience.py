"""Blocking calls with a deadline: what hangs is left behind, the rest goes on.

A driver call can block for seconds or for ever and can't be cancelled. The calls of one tick run
one after another on one thread, since that costs least. When one of them overstays, its thread is
abandoned and a new one takes the rest; the call is not tried again until it has come back.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Overdue:
    """In place of a result: the call has not come back for ``seconds``."""

    seconds: float


class _Shift:
    """One thread's run through the jobs that are left."""

    def __init__(self, jobs: deque[tuple[Hashable, Callable[[], Any]]]) -> None:
        self._jobs = jobs
        self.results: dict[Hashable, Any] = {}
        self.current: Hashable = None
        self.since = time.monotonic()
        self.cpu = 0.0
        self._abandoned = False
        self.finished = threading.Event()
        self.thread = threading.Thread(target=self._run, name="gpuctl-reader", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        began = time.thread_time()
        while self._jobs and not self._abandoned:
            self.current, job = self._jobs.popleft()
            self.since = time.monotonic()
            try:
                result = job()
            except Exception as error:
                result = error
            if self._abandoned:
                break
            self.results[self.current] = result
        self.cpu = time.thread_time() - began
        self.finished.set()

    def abandon(self) -> deque[tuple[Hashable, Callable[[], Any]]]:
        """Stop this thread after the call that it hangs in; the jobs that are left."""
        self._abandoned = True
        left, self._jobs = self._jobs, deque()
        return left


class PatientCaller:
    """Runs blocking calls, each named by a key, and waits ``deadline`` seconds for each at most.

    Used from one thread at a time (the sampling thread).
    """

    def __init__(self, deadline: float = 1.0) -> None:
        self._deadline = deadline
        self._stuck: dict[Hashable, _Shift] = {}
        self.cpu_seconds = 0.0
        """Processor time of all calls that have come back."""

    def hanging(self, source: Hashable) -> bool:
        """Whether a call whose key is ``(source, …)`` has not come back yet."""
        return any(
            isinstance(key, tuple) and key[0] == source and not shift.finished.is_set()
            for key, shift in self._stuck.items()
        )

    def call(self, jobs: Iterable[tuple[Hashable, Callable[[], Any]]]) -> dict[Hashable, Any]:
        """Results by key: what the call returned, the exception it raised, or :class:`Overdue`."""
        results: dict[Hashable, Any] = {}
        todo: deque[tuple[Hashable, Callable[[], Any]]] = deque()
        for key, job in jobs:
            stuck = self._stuck.get(key)
            if stuck is not None and not stuck.finished.is_set():
                results[key] = Overdue(time.monotonic() - stuck.since)
                continue
            self._stuck.pop(key, None)
            todo.append((key, job))
        while todo:
            shift = _Shift(todo)
            while not shift.finished.wait(self._deadline):
                waited = time.monotonic() - shift.since
                if waited >= self._deadline:
                    todo = shift.abandon()
                    self._stuck[shift.current] = shift
                    results[shift.current] = Overdue(waited)
                    break
            else:
                todo = deque()
            # The abandoned thread adds nothing after this: it checks before it writes.
            results = dict(shift.results) | results
            self.cpu_seconds += shift.cpu
        return results
