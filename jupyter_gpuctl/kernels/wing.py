"""The parts of this wing, joined: what the server extension makes, starts and stops."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..api.checks import Check
from ..config import GpuCtl
from ..core.clock import SystemClock
from ..gpus.ports import KernelDirectory
from ..gpus.sampler import Pass
from ..host.identity import ServerUser
from ..leases.desk import LeaseDesk
from .events import KernelEvents
from .idle import IdleRules
from .launches import Launches
from .live import ServerLiveKernels
from .model import Enforcement, GuardMode, KernelLimits, strength
from .provisioner import GpuCtlProvisioner, on_gateway
from .reclaim import Reclaimer
from .records import Records
from .runner import KernelRunner
from .service import KernelService
from .touched import on_devices
from .watch import Watch

if TYPE_CHECKING:
    from ..leases.events import EventLogger
    from .guard.service import Guard

WRITTEN_WITHIN = 30.0
"""Seconds in which a row of the audit must be written, or what it is about isn't done."""


class KernelWing:
    """Made and asked on the event loop."""

    def __init__(
        self,
        settings: GpuCtl,
        desk: LeaseDesk,
        kernels: KernelDirectory,
        kernel_manager: Any,
        *,
        newest: Callable[[], Pass | None],
        exists: Callable[[], bool],
        user: ServerUser,
        log: logging.Logger,
    ) -> None:
        enforcement, mode = Enforcement(settings.enforcement), GuardMode(settings.guard_mode)
        clock = SystemClock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._desk, self._clock, self._log = desk, clock, log
        self._user, self._enforcement, self._mode = user, enforcement, mode
        self.events = events = KernelEvents(log)
        records = Records()
        self._watch = watch = Watch(self._make_guard, enforcement=enforcement, mode=mode)
        self.launches = Launches(
            records,
            desk,
            exists=exists,
            owner=user.name,
            enforcement=enforcement,
            limits=_limits(settings.default_limits),
            announcer=events,
            log=log,
            kernels=kernels,
            stopped=watch.stopped,
        )
        self._live = ServerLiveKernels(
            kernel_manager,
            ours=lambda provisioner: isinstance(provisioner, GpuCtlProvisioner),
            on_devices=lambda: on_devices(newest()),
            log=log,
        )
        reclaimer = Reclaimer(
            desk,
            IdleRules(settings.idle_after, settings.idle_grace),
            owner=user.name,
            announcer=events,
            clock=clock,
            log=log,
        )
        self.service = KernelService(
            records,
            desk,
            kernels,
            self._live,
            exists=exists,
            owner=user.name,
            enforcement=enforcement,
            guard_mode=mode,
            strength=strength(enforcement, mode),
            announcer=events,
            log=log,
            gateway=on_gateway(kernel_manager),
            idle=reclaimer.answers,
            findings=watch.findings,
            simulated=lambda uuid: _simulated(newest(), uuid),
            clock=clock,
        )
        self._runner = KernelRunner(
            self.service,
            reclaimer,
            desk,
            newest=newest,
            guard=None if enforcement is Enforcement.OFF else watch.look,
            exists=exists,
            log=log,
        )

    def start(self, logger: EventLogger) -> None:
        """Begin; call on the event loop. What happens is told through ``logger``."""
        self._loop = asyncio.get_running_loop()
        self.events.start(logger)
        self._runner.start()

    async def stop(self) -> None:
        """End; before the desk is closed. Kernels go on as they are."""
        await self._runner.stop()
        await self.launches.give_back()
        self._live.close()
        self.launches.close()
        self.events.stop()

    def checks(self) -> Mapping[str, Check]:
        """Limits and guard, for ``GET health``."""
        now = self._clock.now().timestamp()
        return {"limits": self.launches.check(), "guard": self._watch.check(now)}

    def _make_guard(self) -> Guard:
        """On a worker thread, with the first sample that it is shown."""
        from ..host.cgroups import Cgroups
        from ..host.procfs import ProcFs
        from .guard.service import Guard
        from .guard.signals import Signals

        table, pid = ProcFs(Cgroups().container_id), os.getpid()
        return Guard(
            table,
            Signals(table, server_pid=pid),
            user=self._user,
            server_pid=pid,
            enforcement=self._enforcement,
            mode=self._mode,
            announcer=self.events,
            record=self._record,
            clock=self._clock,
            log=self._log,
        )

    def _record(self, action: str, detail: Mapping[str, Any], **about: Any) -> None:
        """A row of the audit, written before this comes back. On a worker thread.

        Raises:
            GpuCtlError: it can't be written.
            TimeoutError: it has not been written in time.
        """
        assert self._loop is not None, "the guard is called by what was started"
        asking = self._desk.ask(lambda a: a.bindings.record(action, detail, **about))
        asyncio.run_coroutine_threadsafe(asking, self._loop).result(WRITTEN_WITHIN)


def _simulated(found: Pass | None, uuid: str) -> bool:
    return found is not None and any(
        device.simulated for device in found.devices if device.uuid == uuid
    )


def _limits(given: Mapping[str, Any]) -> KernelLimits:
    """Of ``default_limits`` what binds a kernel: disk is for containers."""
    return KernelLimits(given.get("memory"), given.get("pids"), given.get("cpu"))
