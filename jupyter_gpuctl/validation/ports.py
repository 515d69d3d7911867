"""What the validation wing needs of the outside: who calls each method, when, on which thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from .events import Event
from .model import Limits, NotebookResult, Tier


class NotebookRunner(Protocol):
    """Runs notebooks, each by itself. The service calls :meth:`run` on worker threads."""

    tier: Tier
    """What will hold the limits, as far as can be told before."""

    def run(
        self, path: str, limits: Limits, kernel: str | None, on_event: Callable[[Event], None]
    ) -> Sequence[Event]:
        """Run one notebook to its end; all that was seen, ``Ended`` last.

        ``on_event`` hears each event as it comes. Several may run at once, each on its thread.
        Nothing of the run is left when this returns. Raises nothing for what a notebook does.
        """
        ...

    def stop(self) -> None:
        """End all runs now, and those to come at once. Returns without waiting for them.

        Called from any thread, and from signal handlers.
        """
        ...


class Listener(Protocol):
    """Who follows a validation. Called from several threads, but never twice at once."""

    def planned(self, paths: Sequence[str], limits: Limits, jobs: int, tier: Tier) -> None:
        """Once, before anything runs."""
        ...

    def started(self, path: str) -> None: ...

    def event(self, path: str, event: Event) -> None: ...

    def finished(self, result: NotebookResult) -> None: ...


class Deaf:
    """A listener that nothing moves."""

    def planned(self, paths: Sequence[str], limits: Limits, jobs: int, tier: Tier) -> None:
        pass

    def started(self, path: str) -> None:
        pass

    def event(self, path: str, event: Event) -> None:
        pass

    def finished(self, result: NotebookResult) -> None:
        pass
