"""The beat of the authority within a server: lets time act, and tells what has happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.errors import GpuCtlError
from .desk import LeaseDesk
from .events import EXPIRING, LeaseEvents

if TYPE_CHECKING:
    from .changes import Change
    from .service import Authority
    from .wire import LeaseAnswer

TICK = 1.0
"""Seconds between two looks at whether another process has changed something."""
SHORTEST = 0.05
AWAY = 10.0
"""Seconds between two attempts while the store is away."""
REREAD = 30
"""Ticks after which the own leases are read again even where no change was heard of."""


class LeaseRunner:
    """Calls :meth:`Authority.cycle` when something is due. Lives on the event loop.

    It rests until there is a database: a server on which nobody leases does nothing here.
    """

    def __init__(
        self,
        desk: LeaseDesk,
        *,
        owner: str,
        exists: Callable[[], bool],
        log: logging.Logger,
    ) -> None:
        self._desk = desk
        self.owner = owner
        self._exists = exists
        self._log = log
        self._events: LeaseEvents | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._mine: tuple[LeaseAnswer, ...] = ()
        self._fresh_for = 0
        self._said: set[tuple[str, int, float]] = set()
        self._away = False

    def start(self, events: LeaseEvents) -> None:
        """Begin; call on the event loop. What happens is told through ``events``."""
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="gpuctl-leases")

    async def stop(self) -> None:
        """End, and close the store."""
        task, self._task, self._loop = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._desk.close()

    def announce(self, change: Change) -> None:
        """Called by the authority after a commit, on whatever thread."""
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._tell, change)
            except RuntimeError:
                pass  # The loop was closed meanwhile: nobody listens.

    def _tell(self, change: Change, left: float | None = None) -> None:
        self._fresh_for = 0
        if self._events is not None:
            try:
                self._events.announce(change, left=left)
            except Exception:
                self._log.exception("gpuctl: the event %s could not be told", change.kind)

    async def _run(self) -> None:
        if not await asyncio.to_thread(self._exists):
            await self._desk.asked.wait()
        while True:
            try:
                pause = await self._desk.ask(self._beat)
                self._away = False
            except asyncio.CancelledError:
                raise
            except GpuCtlError as error:
                pause = AWAY
                if not self._away:
                    self._log.warning("gpuctl: leases are away: %s", error)
                self._away = True
            except Exception:
                # A defect of ours must not end this for good, nor fill the log.
                pause = AWAY
                if not self._away:
                    self._log.exception("gpuctl: the cycle of the leases failed")
                self._away = True
            await asyncio.sleep(pause)

    def _beat(self, authority: Authority) -> float:
        """On a worker thread: let the rules act; seconds until the next beat."""
        wake_in = authority.cycle()
        if self._fresh_for <= 0:
            self._fresh_for = REREAD
            self._mine = self._own_leases(authority)
        self._fresh_for -= 1
        self._warn(authority.now())
        return TICK if wake_in is None else min(TICK, max(SHORTEST, wake_in))

    def _own_leases(self, authority: Authority) -> tuple[LeaseAnswer, ...]:
        from .service import Actor

        answer = authority.leases(Actor(self.owner))
        return tuple(lease for lease in answer.items if lease.mine)

    def _warn(self, now: float) -> None:
        from . import expiry
        from .changes import Change

        notices = expiry.due(self._mine, now)
        for notice in notices:
            if notice.key not in self._said and self._loop is not None:
                change = Change(EXPIRING, notice.lease.id, self.owner, now, notice.message)
                self._loop.call_soon_threadsafe(self._tell, change, notice.left)
        self._said = {notice.key for notice in notices}
