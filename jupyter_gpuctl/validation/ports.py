"""What the validation wing needs of the outside: who calls each method, when, on which thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .events import Event
from .model import Limits, NotebookResult, Tier
from .outputs import OutputChecks


class NotebookRunner(Protocol):
    """Runs notebooks, each by itself. The service calls :meth:`run` on worker threads."""

    tier: Tier
    """What will hold the limits, as far as can be told before."""

    def expect(self, paths: Sequence[str]) -> None:
        """Once, before the first :meth:`run`: the notebooks that are going to be run.

        What they have in common may be made ready. Runs of others are allowed.
        """
        ...

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
        """Run one notebook to its end; all that was seen, ``Ended`` last.

        ``instead`` is run in the place of what the file at ``path`` holds, in its folder all the
        same. With ``check_outputs`` stored outputs are compared with new ones.
        ``on_event`` hears each event as it comes. Several may run at once, each on its thread.
        Nothing of the run is left when this returns. Raises nothing for what a notebook does.
        """
        ...

    def stop(self) -> None:
        """End all runs now, and those to come at once. Returns without waiting for them.

        Called from any thread, and from signal handlers.
        """
        ...

    def close(self) -> None:
        """Nothing is going to run any more: leave no process. Called once, after the runs."""
        ...


class GpuMeter(Protocol):
    """Tells who holds GPU memory. Called on one thread, and may block in the driver."""

    def open(self) -> str:
        """Once, before the others: why there is nothing to read, or the empty text."""
        ...

    def read(self) -> Mapping[int, int]:
        """Pid to bytes, over all devices. Called a few times a second while notebooks run."""
        ...

    def close(self) -> None:
        """Give the driver back. Called once."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """What a notebook is likely to take. ``None``: it is not known."""

    seconds: float | None = None
    memory: int | None = None
    """Bytes at its peak."""
    cells: int = 0
    """Code cells that it has."""


class PastRuns(Protocol):
    """What earlier validations found out.

    The service calls :meth:`begin` and :meth:`end` on worker threads, several at once, and the
    others on its own. ``also`` stands for whatever a verdict rests on beside code, kernel, files
    and limits, such as how outputs are compared: a run is recalled only for the same, and then only
    if the whole notebook is as it was, prose and outputs too.
    """

    def recall(
        self, path: str, limits: Limits, kernel: str | None, also: str = ""
    ) -> NotebookResult | None:
        """A result that still holds under ``limits``: then the notebook is not run."""
        ...

    def expected(self, path: str) -> Expected:
        """Called for each that will run."""
        ...

    def prepare(self, paths: Sequence[str]) -> None:
        """Called once, before the first of ``paths`` starts."""
        ...

    def begin(self, path: str, limits: Limits, kernel: str | None, also: str = "") -> None:
        """Called right before a run."""
        ...

    def end(self, path: str, kernel: str | None, result: NotebookResult, also: str = "") -> None:
        """Called right after a run that began."""
        ...

    def close(self) -> None:
        """Called when nothing runs any more, also after an interruption."""
        ...


class NoPast:
    """Remembers nothing."""

    def recall(
        self, path: str, limits: Limits, kernel: str | None, also: str = ""
    ) -> NotebookResult | None:
        return None

    def expected(self, path: str) -> Expected:
        return Expected()

    def prepare(self, paths: Sequence[str]) -> None:
        pass

    def begin(self, path: str, limits: Limits, kernel: str | None, also: str = "") -> None:
        pass

    def end(self, path: str, kernel: str | None, result: NotebookResult, also: str = "") -> None:
        pass

    def close(self) -> None:
        pass


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
