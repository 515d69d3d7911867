"""The beat of the kernels' wing: kernels are told, idle leases judged, the guard shown samples."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.errors import GpuCtlError
from ..gpus.sampler import Pass
from .reclaim import Reclaimer
from .service import KernelService

if TYPE_CHECKING:
    from ..leases.bindings import Held
    from ..leases.desk import LeaseDesk

TICK = 1.0
"""Seconds between two beats."""
AWAY = 10.0
"""Seconds between two attempts while the store is away."""


class KernelRunner:
    """Lives on the event loop. Rests until there is a database, or somebody asks for leases.

    ``guard`` is called on a worker thread with each new sample; ``None``: nobody guards.
    """

    def __init__(
        self,
        service: KernelService,
        reclaimer: Reclaimer,
        desk: LeaseDesk,
        *,
        newest: Callable[[], Pass | None],
        guard: Callable[[Pass, Held], None] | None,
        exists: Callable[[], bool],
        log: logging.Logger,
        tick: float = TICK,
    ) -> None:
        self._service = service
        self._reclaimer = reclaimer
        self._desk = desk
        self._newest = newest
        self._guard = guard
        self._exists = exists
        self._log = log
        self._tick = tick
        self._task: asyncio.Task[None] | None = None
        self._guarded: Pass | None = None
        self._away = False

    def start(self) -> None:
        """Begin; call on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="gpuctl-kernels")

    async def stop(self) -> None:
        """End; what a thread has begun is waited for."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        if not await asyncio.to_thread(self._exists):
            await self._desk.asked.wait()
        while True:
            pause = self._tick
            try:
                await self._beat()
                self._away = False
            except asyncio.CancelledError:
                raise
            except GpuCtlError as error:
                pause = AWAY  # The runner of the leases says so in the log.
                self._log.debug("gpuctl: kernels are not told: %s", error)
            except Exception:
                # A defect of ours must not end this for good, nor fill the log.
                pause = AWAY
                if not self._away:
                    self._log.exception("gpuctl: the beat of the kernels failed")
                self._away = True
            await asyncio.sleep(pause)

    async def _beat(self) -> None:
        seen = await self._service.beat()
        if seen is None:
            return
        held, kernels = seen
        found = self._newest()
        await self._reclaimer.beat(held, found, kernels)
        if self._guard is not None and found is not None and found is not self._guarded:
            self._guarded = found
            await asyncio.to_thread(self._guard, found, held)
