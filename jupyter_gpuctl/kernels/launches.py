"""Each start of a kernel: the GPUs of its leases, its limits, and how it ends.

The :class:`.ports.Broker` of a server. Lives on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..api.checks import Check
from ..gpus.ports import KernelDirectory
from ..host.trees import Families
from .cells import Cells
from .leased import Leased, Leases
from .limits import deaths
from .limits.check import limits_check
from .limits.confinement import MARK, Confinement
from .limits.supervisor import Supervisor
from .limits.tiers import TIERS, Tiers
from .model import Applied, DeathReason, Enforcement, KernelLimits
from .ports import Announcer, Launch
from .records import Records

if TYPE_CHECKING:
    from ..leases.desk import LeaseDesk

PATIENCE = 3.0
"""Seconds that the machine has to make a group."""


@dataclass(slots=True)
class _Start:
    """One start of a kernel."""

    confinement: Confinement | None
    machine_kills: int
    session: str | None
    """The notebook's path as Jupyter named it when it started the kernel."""


class Launches:
    """``exists`` says whether anybody leases here: where nobody does, the authority isn't opened.

    ``kernels`` knows which notebook a kernel belongs to; ``stopped`` says, as a sentence, why the
    guard has just ended one. ``tiers`` leaves out ways of limiting, for tests.
    """

    def __init__(
        self,
        records: Records,
        desk: LeaseDesk,
        *,
        exists: Callable[[], bool],
        owner: str,
        enforcement: Enforcement,
        limits: KernelLimits,
        announcer: Announcer,
        log: logging.Logger,
        kernels: KernelDirectory | None = None,
        stopped: Callable[[str], str | None] = lambda _kernel_id: None,
        tiers: Collection[str] = TIERS,
    ) -> None:
        self._records = records
        self._leases = Leases(desk, exists=exists, owner=owner, log=log)
        self._enforcement = enforcement
        self._limits = limits
        self._announcer = announcer
        self._log = log
        self._directory = kernels
        self._stopped = stopped
        self._closed = False
        self._starts: dict[str, _Start] = {}
        self._endings: dict[str, asyncio.Task[None]] = {}
        self._deaths: set[str] = set()
        """Kernels whose last end was not asked for, and may still have to be told."""
        self._live: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cells = Cells(records, log)
        families = Families(MARK)
        self._tiers = Tiers(families, log, allowed=tiers)
        self._supervisor = Supervisor(families, refused=self._refused, missed=self._missed, log=log)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="gpuctl-limits")
        self._found: Future[None] | None = None
        if limits.any:
            self._found = self._pool.submit(self._tiers.find)

    # --- the broker ---------------------------------------------------------------------------

    async def before_launch(
        self, kernel_id: str, env: Mapping[str, str], *, command: Sequence[str] = ()
    ) -> Launch:
        """Before each start and restart."""
        self._loop = asyncio.get_running_loop()
        if kernel_id in self._deaths:
            await self._finished(kernel_id)
        # Neither waits for the other.
        leased, confinement = await asyncio.gather(
            self._gpus(kernel_id, env, command), self._confine(kernel_id)
        )
        self._starts[kernel_id] = _Start(
            confinement, self._tiers.machine_kills(), env.get("JPY_SESSION_NAME")
        )
        self._records.change(
            kernel_id,
            devices=leased.devices,
            applied=Applied.UNTOUCHED if leased.devices is None else Applied.LAUNCH,
            variables=tuple(leased.variables),
            share=leased.share,
            limits=self._limits if confinement is None else confinement.limits,
            enforced_by=None if confinement is None else confinement.tier,
            execution_count=None,
        )
        if confinement is None:
            return Launch(env=leased.variables)
        return Launch(leased.variables | confinement.env, confinement.entrances, confinement.prefix)

    def launched(self, kernel_id: str, pid: int, *, manager: Any = None) -> None:
        """It runs."""
        self._live.add(kernel_id)
        start = self._starts.get(kernel_id)
        if start is not None and start.confinement is not None:
            start.confinement.begin(pid)
            self._supervisor.add(kernel_id, start.confinement)
        died = self._records.get(kernel_id).death is not None
        if manager is not None and not self._closed and (self._limits.any or died):
            self._cells.watch(kernel_id, manager, once=not self._limits.any)

    def ended(self, kernel_id: str, exit_code: int | None, *, asked: bool) -> None:
        """Its process has ended."""
        self._supervisor.remove(kernel_id)
        start = self._starts.pop(kernel_id, None)
        if asked:
            self._cells.leave(kernel_id)
        if start is None:
            return
        if not asked:
            self._deaths.add(kernel_id)
        ending = self._end(kernel_id, start, exit_code, time.time(), asked=asked)
        self._endings[kernel_id] = asyncio.get_running_loop().create_task(ending)

    async def gone(self, kernel_id: str) -> None:
        """It was shut down for good: what was leased for it is given back."""
        await self._finished(kernel_id)
        self._cells.leave(kernel_id)
        start = self._starts.pop(kernel_id, None)
        if start is not None and start.confinement is not None:
            # It was to be started, and never was.
            await self._in_pool(self._finish, start.confinement, None)
        if kernel_id in self._live:
            self._live.discard(kernel_id)
            await self._give_back((kernel_id,))
        self._records.forget(kernel_id)

    # --- the server ---------------------------------------------------------------------------

    async def give_back(self) -> None:
        """The server ends, and its kernels with it: give back what was leased for them."""
        kernel_ids, self._live = tuple(self._live), set()
        await self._give_back(kernel_ids)

    def close(self) -> None:
        """Tell nothing any more. Kernels that still run are held until they end."""
        self._closed = True
        self._cells.close()

    def check(self) -> Check:
        """What holds the limits of kernels, for ``GET health``."""
        done = self._found is not None and self._found.done()
        return limits_check(self._limits, self._tiers.tier, self._tiers.reason, done=done)

    # --- before -------------------------------------------------------------------------------

    async def _gpus(self, kernel_id: str, env: Mapping[str, str], command: Sequence[str]) -> Leased:
        if self._enforcement is Enforcement.OFF or self._closed:
            return Leased()
        return await self._leases.of(kernel_id, env, command)

    async def _confine(self, kernel_id: str) -> Confinement | None:
        if self._found is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait({asyncio.wrap_future(self._found)})
                confinement: Confinement | None = await self._in_pool(
                    self._tiers.confine, self._limits
                )
        except Exception as error:
            said = str(error) or "the machine doesn't answer"
            self._log.warning("gpuctl: kernel %s starts without limits: %s", kernel_id, said)
            return None
        if confinement is None:
            self._log.warning("gpuctl: kernel %s: nothing here can hold its limits", kernel_id)
        return confinement

    # --- after --------------------------------------------------------------------------------

    async def _end(
        self, kernel_id: str, start: _Start, exit_code: int | None, at: float, *, asked: bool
    ) -> None:
        over = None
        if start.confinement is not None:
            over = await self._in_pool(self._finish, start.confinement, exit_code)
        if asked:
            return
        # What the kernel said last has come by now, or never will.
        self._cells.leave(kernel_id)
        if self._closed:
            return
        stopped = self._stopped(kernel_id)
        if over is None and stopped is None and exit_code == deaths.KILLED:
            killed = await self._in_pool(self._tiers.machine_kills) - start.machine_kills
            over = deaths.Over(DeathReason.MACHINE_OUT_OF_MEMORY) if killed > 0 else None
        death = deaths.death(
            at,
            exit_code,
            notebook=await self._notebook(kernel_id) or start.session,
            over=over,
            stopped=stopped,
            cell=self._cells.current(kernel_id),
        )
        self._records.change(kernel_id, death=death)
        self._log.warning("gpuctl: kernel %s: %s", kernel_id, death.message)
        self._announcer.announce(
            "kernel.died",
            death.message,
            kernel_id=kernel_id,
            detail={
                "reason": death.reason.value,
                "limit": death.limit,
                "peak": death.peak,
                "execution_count": death.execution_count,
                "exit_code": death.exit_code,
            },
        )

    def _finish(self, confinement: Confinement, exit_code: int | None) -> deaths.Over | None:
        """On the worker thread; a look that has begun is waited for."""
        with confinement.lock:
            over = confinement.over()
            confinement.close()
        self._tiers.ended(confinement, exit_code)
        return over

    async def _finished(self, kernel_id: str) -> None:
        """What its last end has set off is done."""
        self._deaths.discard(kernel_id)
        ending = self._endings.pop(kernel_id, None)
        if ending is not None:
            await asyncio.wait({ending}, timeout=PATIENCE)

    def _refused(self, kernel_id: str) -> None:
        """On the supervisor's thread."""
        if self._loop is not None and not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._tell_refused(kernel_id), self._loop)

    def _missed(self, kernel_id: str) -> None:
        """On the supervisor's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._unheld, kernel_id)

    def _unheld(self, kernel_id: str) -> None:
        """Its group was gone when it was to enter it; it runs, and nobody says that it is held."""
        start = self._starts.get(kernel_id)
        if start is None or start.confinement is None or not start.confinement.missed:
            return
        self._records.change(kernel_id, limits=KernelLimits(), enforced_by=None)
        self._log.warning(
            "gpuctl: kernel %s runs without limits: its control group was gone. Restart it.",
            kernel_id,
        )

    async def _tell_refused(self, kernel_id: str) -> None:
        start, limit = self._starts.get(kernel_id), self._limits.pids
        if self._closed or start is None or limit is None:
            return
        cell = self._cells.current(kernel_id)
        notebook = await self._notebook(kernel_id) or start.session
        self._announcer.announce(
            "kernel.at_limit",
            deaths.refused(limit, notebook=notebook, cell=cell),
            kernel_id=kernel_id,
            detail={"limit": limit, "execution_count": cell.execution_count if cell else None},
        )

    async def _notebook(self, kernel_id: str) -> str | None:
        if self._directory is None:
            return None
        try:
            kernels = await self._directory.kernels()
        except Exception:  # The session's database is away, or the kernel just gone.
            return None
        return next((k.notebook for k in kernels if k.kernel_id == kernel_id), None)

    async def _give_back(self, kernel_ids: Sequence[str]) -> None:
        if self._closed or not kernel_ids:
            return
        await self._leases.give_back(kernel_ids)

    async def _in_pool(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *args)
