"""Leases and the kernels of this server: attach, detach, and telling kernels what has changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ..core.clock import Clock, SystemClock
from ..core.errors import Conflict, NotFound, Refused
from ..gpus.ports import Kernel, KernelDirectory
from ..leases.policy import Policy, Strength
from . import wire
from .answers import ON_GATEWAY, Try, answer, how
from .endings import Endings
from .environment import live_variables, share_of
from .model import Applied, Enforcement, GuardMode, KernelRecord
from .mps import mps_runs
from .ports import Announcer, LiveKernel, Told
from .records import Records
from .standing import Standing, message, standing

if TYPE_CHECKING:
    from ..leases.answers import Actor
    from ..leases.bindings import Held
    from ..leases.desk import LeaseDesk

_KINDS = {
    Applied.LIVE: "kernel.told",
    Applied.UNTOUCHED: "kernel.told",
    Applied.WHEN_IDLE: "kernel.waiting",
    Applied.RESTART: "kernel.restart",
    Applied.UNSUPPORTED: "kernel.unsupported",
}


class Findings(Protocol):
    """What the guard has found by now on processes of ``user``; ``None``: on everybody's."""

    def __call__(
        self, user: str | None, now: float, /, *, asker: str | None = None
    ) -> tuple[wire.FindingAnswer, ...]: ...


class KernelService:
    """Lives on the event loop. Leases are asked for through the desk, kernels told one by one.

    ``exists`` says whether anybody leases here: where nobody does, the authority isn't opened.
    ``idle`` and ``findings`` give what others have found, for :meth:`kernels`; ``simulated`` says
    of a device that the guard stops nobody there.
    """

    def __init__(
        self,
        records: Records,
        desk: LeaseDesk,
        kernels: KernelDirectory,
        live: LiveKernel,
        *,
        exists: Callable[[], bool],
        owner: str,
        enforcement: Enforcement,
        guard_mode: GuardMode,
        strength: Strength,
        announcer: Announcer,
        log: logging.Logger,
        gateway: bool = False,
        idle: Callable[[str, float], tuple[wire.IdleAnswer, ...]] = lambda _user, _now: (),
        findings: Findings = lambda _user, _now, *, asker=None: (),
        simulated: Callable[[str], bool] = lambda _uuid: False,
        clock: Clock | None = None,
    ) -> None:
        self._records = records
        self._desk = desk
        self._directory = kernels
        self._live = live
        self._exists = exists
        self._owner = owner
        self._enforcement = enforcement
        self._guard_mode = guard_mode
        self._strength = strength
        self._announcer = announcer
        self._log = log
        self._gateway = gateway
        self._idle = idle
        self._findings = findings
        self._simulated = simulated
        self._clock = clock or SystemClock()
        self._tries: dict[str, Try] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._endings = Endings()

    # --- what users ask -----------------------------------------------------------------------

    async def kernels(self, actor: Actor) -> wire.KernelsAnswer:
        """The kernels of this server; with what ``actor`` may know of leases on them.

        Raises:
            Unavailable: the store of leases is away.
        """
        held = await self._look()
        kernels = await self._directory.kernels()
        time = self._clock.now() if held is None else datetime.fromtimestamp(held.now, UTC)
        now = time.timestamp()
        return wire.KernelsAnswer(
            items=tuple(self._answer(kernel, held, actor) for kernel in kernels),
            next=None,
            strength=self._strength,
            guard_mode=self._guard_mode,
            idle=() if actor.guest else self._idle(actor.user, now),
            findings=self._findings(None if actor.admin else actor.user, now, asker=actor.user),
            time=time,
        )

    async def attach(self, actor: Actor, kernel_id: str, lease_id: str) -> wire.KernelAnswer:
        """Attach a live lease of the actor's to a kernel of this server, and tell the kernel.

        A lease that waits may be attached too, and counts once it has started. The kernel that
        had it before is told as well.

        Raises:
            Forbidden: a guest, or somebody else's lease, even for an administrator.
            NotFound: no such kernel here, or no such lease of the actor's.
            Conflict: the lease has ended, or the kernel ends meanwhile.
            Refused: this server's kernels run on a gateway.
            Unavailable: the store of leases is away.
        """
        await self._may_act(actor, kernel_id)
        held = await self._look()
        if held is None:
            from ..leases.refusals import seen_by

            seen_by(actor, None, lease_id)  # Asking the authority would make a database.
        leases = () if held is None else held.leases
        before = next((x.kernel_id for x in leases if x.id == lease_id), None)
        await self._desk.ask(lambda a: a.bindings.attach(actor, lease_id, kernel_id))
        if before == kernel_id:
            self._tries.pop(kernel_id, None)
        try:
            kernel = await self._kernel(kernel_id)
        except NotFound:
            await self._bind_back(actor, lease_id, before)
            raise Conflict(
                "kernel.gone",
                f"The kernel {kernel_id[:40]} has ended meanwhile: the lease is as it was before.",
                hint="Start a kernel, and attach the lease to that one.",
                detail={"kernel_id": kernel_id[:40]},
            ) from None
        return await self._told(actor, kernel, before)

    async def detach(self, actor: Actor, kernel_id: str) -> wire.KernelAnswer:
        """Detach all leases of the actor from a kernel of this server; they stay.

        Raises:
            Forbidden: a guest.
            NotFound: no such kernel here.
            Refused: this server's kernels run on a gateway.
            Unavailable: the store of leases is away.
        """
        await self._may_act(actor, kernel_id)
        held = await self._look()
        leases = () if held is None else standing(held.leases, actor.user, kernel_id).leases
        for lease in leases:
            lease_id = lease.id
            try:
                await self._desk.ask(lambda a, i=lease_id: a.bindings.detach(actor, i))  # type: ignore[misc]
            except (Conflict, NotFound):
                pass  # It has ended meanwhile: it is attached to nothing.
        return await self._told(actor, await self._kernel(kernel_id))

    # --- what the server does by itself -------------------------------------------------------

    async def beat(self) -> tuple[Held, Sequence[Kernel]] | None:
        """Tell kernels what has changed for them. What was seen, for others who beat along.

        ``None``: nobody leases here.

        Raises:
            Unavailable: the store of leases is away.
        """
        held = await self._look()
        if held is None:
            return None
        kernels = await self._directory.kernels()
        known = {kernel.kernel_id for kernel in kernels}
        self._live.retain(known)
        self._endings.retain(known)
        self._endings.see(held.leases, self._owner)
        self._tries = {k: v for k, v in self._tries.items() if k in known}
        self._locks = {k: v for k, v in self._locks.items() if k in known or v.locked()}
        await asyncio.gather(*(self._tell(kernel, held) for kernel in kernels))
        return held, kernels

    async def _tell(self, kernel: Kernel, held: Held) -> None:
        """Tell one kernel the devices that it may use now, if it doesn't know."""
        if self._enforcement is Enforcement.OFF or self._gateway:
            return
        kernel_id = kernel.kernel_id
        async with self._locks.setdefault(kernel_id, asyncio.Lock()):
            found = standing(held.leases, self._owner, kernel_id)
            wanted = found.wanted(held.policy)
            record = self._records.get(kernel_id)
            if wanted == record.devices and not self._live.waits(kernel_id):
                self._tries.pop(kernel_id, None)
                return
            tried = self._tries.get(kernel_id)
            if tried is not None and tried.in_vain(wanted, kernel.pid):
                return
            mps = bool(found.active) and await asyncio.to_thread(mps_runs)
            env = live_variables(
                found.active, held, before=dict.fromkeys(record.variables, ""), mps=mps
            )
            told = await self._live.set_devices(kernel_id, env)
            after = self._records.get(kernel_id)
            if (after.devices, after.applied) != (record.devices, record.applied):
                return  # It was started anew meanwhile, and told so at its start.
            if told.applied is Applied.LIVE:
                applied = Applied.LIVE if wanted is not None else Applied.UNTOUCHED
                names = tuple(name for name, value in env.items() if value is not None)
                self._records.change(kernel_id, devices=wanted, applied=applied, variables=names)
                self._tries.pop(kernel_id, None)
                self._announce(kernel, found, held.policy, Told(applied))
                return
            self._tries[kernel_id] = Try(wanted, kernel.pid, told)
            if tried is None or (tried.wanted, tried.told) != (wanted, told):
                self._announce(kernel, found, held.policy, told)

    def _announce(self, kernel: Kernel, found: Standing, policy: Policy, told: Told) -> None:
        if told.applied is Applied.UNSUPPORTED and not found.active:
            return
        said = message(found, policy, told.applied, why=told.why, notebook=kernel.notebook)
        self._announcer.announce(
            _KINDS[told.applied],
            said,
            kernel_id=kernel.kernel_id,
            lease_id=found.active[0].id if found.active else None,
            detail={"devices": list(found.devices)},
        )

    # --- what both need -----------------------------------------------------------------------

    async def _look(self) -> Held | None:
        """What is leased; ``None``: nobody leases here."""
        if not await asyncio.to_thread(self._exists):
            return None
        return await self._desk.ask(lambda authority: authority.bindings.look())

    async def _may_act(self, actor: Actor, kernel_id: str) -> None:
        from ..leases.refusals import may_act

        may_act(actor)
        await self._kernel(kernel_id)
        if self._gateway:
            raise Refused(
                "kernel.on_gateway",
                "The kernels of this server run on a gateway: leases can't reach them there.",
                hint="Attach the lease where the kernels run, or set CUDA_VISIBLE_DEVICES there.",
            )

    async def _kernel(self, kernel_id: str) -> Kernel:
        for kernel in await self._directory.kernels():
            if kernel.kernel_id == kernel_id:
                return kernel
        raise NotFound(
            "kernel.unknown",
            f"This server has no kernel {kernel_id[:40]!r}.",
            hint="GET kernels lists them; kernels of other servers are attached there.",
            detail={"kernel_id": kernel_id[:40]},
        )

    async def _bind_back(self, actor: Actor, lease_id: str, kernel_id: str | None) -> None:
        """As it was before an attachment that has come to nothing."""
        try:
            if kernel_id is None:
                await self._desk.ask(lambda a: a.bindings.detach(actor, lease_id))
            else:
                await self._desk.ask(lambda a: a.bindings.attach(actor, lease_id, kernel_id))
        except (Conflict, NotFound):
            pass  # It ended with the kernel.

    async def _told(self, actor: Actor, kernel: Kernel, *also: str | None) -> wire.KernelAnswer:
        """The answer about ``kernel`` once it, and those of the ids ``also``, were told."""
        held = await self._look()
        if held is not None:
            kernels = await self._directory.kernels()
            ids = {kernel.kernel_id, *also}
            await asyncio.gather(*(self._tell(k, held) for k in kernels if k.kernel_id in ids))
        return self._answer(kernel, held, actor)

    def _answer(self, kernel: Kernel, held: Held | None, actor: Actor) -> wire.KernelAnswer:
        record = self._records.get(kernel.kernel_id)
        policy = Policy(strength=self._strength) if held is None else held.policy
        found = standing(() if held is None else held.leases, self._owner, kernel.kernel_id)
        told, over, share = Told(record.applied), None, None
        if self._gateway:
            told = ON_GATEWAY
        elif held is not None:
            tried = self._tries.get(kernel.kernel_id)
            told = how(kernel, found, policy, record, tried, self._enforcement)
            over = self._over(kernel, record, held, told)
            share = share_of(found, held.devices)
        return answer(
            kernel, found, policy, record, told, over=over, share=share, guest=actor.guest
        )

    def _over(
        self, kernel: Kernel, record: KernelRecord, held: Held, told: Told
    ) -> wire.OverAnswer | None:
        """The end of a lease that the kernel has not heard of, and doesn't hear of in a moment."""
        mine = self._endings.see(held.leases, self._owner)
        over = self._endings.of(kernel.kernel_id, record.devices, mine, held.now)
        waits = told.applied is Applied.WHEN_IDLE and kernel.state == "busy"
        if over is None or not (waits or told.applied is Applied.RESTART):
            return None
        stops_at = None
        if held.policy.strength is Strength.GUARDED and not all(map(self._simulated, over.devices)):
            stops_at = datetime.fromtimestamp(over.ended_at + held.policy.expiry_grace, UTC)
        ended_at = datetime.fromtimestamp(over.ended_at, UTC)
        return wire.OverAnswer(over.lease_id, over.devices, ended_at, stops_at)
