"""What the kernels' wing needs of the outside: who calls each method, when, and on which thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .model import Applied


@dataclass(frozen=True, slots=True)
class Launch:
    """How a kernel is to be started."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Variables to set; nothing else of its environment is touched."""
    entrances: tuple[str, ...] = ()
    """Files to which the new process writes "0" before it becomes the kernel: its control group."""
    prefix: tuple[str, ...] = ()
    """Words that go before the kernel's own command line."""


class Broker(Protocol):
    """What the provisioner asks of this server, on the event loop. Never raises: a kernel starts as
    it would without us when we are away.
    """

    async def before_launch(
        self, kernel_id: str, env: Mapping[str, str], *, command: Sequence[str] = ()
    ) -> Launch:
        """Before each start and restart; ``env`` and ``command`` are what it would be started
        with.
        """
        ...

    def launched(self, kernel_id: str, pid: int, *, manager: Any = None) -> None:
        """It runs, as the process ``pid``; ``manager`` is Jupyter's, which knows its channels."""
        ...

    def ended(self, kernel_id: str, exit_code: int | None, *, asked: bool) -> None:
        """Its process has ended; ``asked``: it was told to. Called once for each start."""
        ...

    async def gone(self, kernel_id: str) -> None:
        """It was shut down for good, and is not to be restarted."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling a running kernel its devices."""

    applied: Applied
    why: str = ""
    """One sentence, where it was not told."""


class LiveKernel(Protocol):
    """A running kernel that can be told something between two cells. Called on the event loop."""

    async def set_devices(self, kernel_id: str, env: Mapping[str, str | None]) -> Told:
        """Set (``None``: remove) variables in the kernel itself, if it has not touched CUDA.

        ``LIVE``: done; ``WHEN_IDLE``: it is busy, ask again; ``RESTART``: it has used CUDA, or its
        language can't be told; ``UNSUPPORTED``: not ours to tell. Never raises.
        """
        ...

    def waits(self, kernel_id: str) -> bool:
        """Whether it was asked something that it has not answered, and may still do."""
        ...

    def retain(self, kernel_ids: Collection[str]) -> None:
        """All others are gone."""
        ...


class Announcer(Protocol):
    """Tells what happens on the server's event bus. May be called on any thread; never raises."""

    def announce(
        self,
        kind: str,
        message: str,
        *,
        kernel_id: str | None = None,
        lease_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """``kind`` is such as ``kernel.died``, ``guard.warned``, ``idle.asked``."""
        ...
