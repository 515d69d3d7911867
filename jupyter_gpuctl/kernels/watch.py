"""The guard within a server: made when there is first something to guard, and asked about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..api.checks import Check, CheckStatus
from ..gpus.sampler import Pass
from ..leases.policy import Strength
from .model import Enforcement, GuardMode, strength
from .wire import FindingAnswer

if TYPE_CHECKING:
    from ..leases.bindings import Held
    from .guard.service import Guard


class Watch:
    """Called on worker threads and on the event loop.

    What judges is loaded with the first sample that is looked at while somebody leases.
    """

    def __init__(
        self, make: Callable[[], Guard], *, enforcement: Enforcement, mode: GuardMode
    ) -> None:
        self._make = make
        self._enforcement = enforcement
        self._mode = mode
        self._making = threading.Lock()
        self._guard: Guard | None = None

    def look(self, found: Pass, held: Held) -> None:
        """Show it a sample; on a worker thread."""
        with self._making:
            if self._guard is None:
                self._guard = self._make()
        self._guard.look(found, held)

    def findings(
        self, user: str | None, now: float, *, asker: str | None = None
    ) -> tuple[FindingAnswer, ...]:
        """What is found by now on processes of ``user``; ``None``: everybody's, for ``asker``."""
        return () if self._guard is None else self._guard.findings(user, now, asker=asker)

    def stopped(self, kernel_id: str) -> str | None:
        """Why the guard has just ended this kernel's process; ``None``: it hasn't."""
        return None if self._guard is None else self._guard.stopped(kernel_id)

    def check(self, now: float) -> Check:
        """For ``GET health``: what is really done, and how much there is to do."""
        done = strength(self._enforcement, self._mode)
        count = len(self.findings(None, now))
        detail = {"mode": self._mode, "strength": done, "findings": count}
        if self._enforcement is Enforcement.OFF:
            return Check(CheckStatus.OFF, "Leases are not enforced: kernels are left as they are.")
        if self._enforcement is Enforcement.ISOLATED:
            return Check(
                CheckStatus.WARNING,
                f"Kernels of this server don't run in containers: leases are {done}, not isolated.",
                "Set GpuCtl.enforcement to guarded, which is what is done.",
                detail,
            )
        does = "stops, after a warning," if done is Strength.GUARDED else "only reports"
        found = f"{count} now" if count else "none now"
        return Check(
            CheckStatus.OK,
            f"It {does} processes on GPUs that they don't hold: {found}.",
            detail=detail,
        )
