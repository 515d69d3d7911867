"""Looks at what is used, vouches for it, and asks about, reminds of and gives back what is not."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..core.clock import Clock
from ..gpus.model import Device, DeviceReading, DeviceStatus, GpuProcess
from ..gpus.ports import Kernel
from ..gpus.sampler import Pass
from .idle import IdleRules, Look, Memory, Step, idle_for, judge, release_in
from .ports import Announcer
from .standing import ACTIVE, gpus, named
from .wire import IdleAnswer

if TYPE_CHECKING:
    from ..leases.bindings import Held
    from ..leases.desk import LeaseDesk
    from ..leases.model import Lease

STALE = 60.0
"""Seconds after which a sample says nothing of now; at full rest there is one every ten."""
_BUSY = "busy"


def look_at(
    lease: Lease, found: Pass | None, kernels: Sequence[Kernel], owner: str, *, fresh: bool
) -> Look:
    """What is seen of an active lease. Pure.

    ``kernels`` are those of this server, which is ``owner``'s. Processes on a simulated device
    are made up, so there the state of kernels alone counts.
    """
    mine = lease.owner == owner
    here = {kernel.kernel_id: kernel for kernel in kernels} if mine else {}
    ours = mine and (lease.kernel_id is None or lease.kernel_id in here)
    busy = {kernel.kernel_id for kernel in here.values() if kernel.state == _BUSY}
    readings = _readings(lease, found) if found is not None else None
    if lease.kernel_id in busy:
        return Look(in_use=True, ours=ours)
    if readings is None or not fresh:
        return Look(unknown=True, ours=ours)
    in_use = owner_there = anyone_there = False
    for device, reading in readings:
        if device.simulated:
            continue
        if reading.status is not DeviceStatus.OK:
            return Look(unknown=True, ours=ours)
        processes = reading.processes or ()
        theirs = [p for p in processes if p.owner is not None and p.owner.user == lease.owner]
        anyone_there = anyone_there or bool(processes)
        owner_there = owner_there or bool(theirs)
        in_use = in_use or _works(lease, reading, theirs, here, busy)
    return Look(
        in_use=in_use, owner_there=owner_there, anyone_there=anyone_there or owner_there, ours=ours
    )


def _readings(lease: Lease, found: Pass) -> list[tuple[Device, DeviceReading]] | None:
    """The devices of ``lease`` in a sample; ``None``: one of them is not in it."""
    devices = {device.uuid: device for device in found.devices}
    readings = {reading.uuid: reading for reading in found.sample.devices}
    if any(uuid not in devices or uuid not in readings for uuid in lease.devices):
        return None
    return [(devices[uuid], readings[uuid]) for uuid in lease.devices]


def _works(
    lease: Lease,
    reading: DeviceReading,
    theirs: Sequence[GpuProcess],
    here: Collection[str],
    busy: Collection[str],
) -> bool:
    """Whether a device works for the lease's owner."""
    on_it = {process.owner.kernel_id for process in theirs if process.owner is not None}
    if lease.kernel_id is None and on_it & set(busy):
        return True
    if reading.utilization is None:
        # MIG instances don't tell. What is no kernel of ours may well be at work.
        return bool(on_it - set(here))
    return reading.utilization > 0 and bool(theirs)


class Reclaimer:
    """Lives on the event loop; one look a beat. What it remembers ends with the server."""

    def __init__(
        self,
        desk: LeaseDesk,
        rules: IdleRules,
        *,
        owner: str,
        announcer: Announcer,
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._desk = desk
        self._rules = rules
        self._owner = owner
        self._announcer = announcer
        self._clock = clock
        self._log = log
        self._memories: dict[str, Memory] = {}
        self._answers: dict[str, IdleAnswer] = {}
        self._seq: int | None = None
        self._seen_at = 0.0

    def answers(self, user: str, _now: float) -> tuple[IdleAnswer, ...]:
        """The idle leases of ``user``. From memory."""
        return tuple(self._answers.values()) if user == self._owner else ()

    async def beat(self, held: Held, found: Pass | None, kernels: Sequence[Kernel]) -> None:
        """Look at all active leases, and do what is due.

        Raises:
            Unavailable: the store of leases is away.
        """
        now = self._clock.monotonic()
        fresh = self._fresh(found, now)
        leases = {x.id: x for x in held.leases if x.status == ACTIVE}
        self._memories = {k: v for k, v in self._memories.items() if k in leases}
        steps, used, answers = [], {}, {}
        for lease in leases.values():
            look = look_at(lease, found, kernels, self._owner, fresh=fresh)
            vouched = held.now - _vouched_at(lease)
            memory = self._memories.get(lease.id, Memory())
            memory, step = judge(memory, look, vouched, now, self._rules)
            self._memories[lease.id] = memory
            if look.in_use and lease.owner == self._owner and vouched >= self._rules.after / 4:
                used[lease.id] = held.now
            if memory.asked_at is not None and lease.owner == self._owner:
                answers[lease.id] = self._answer(lease, look, memory, vouched, now, held.now)
            if step is not None:
                steps.append((lease, step))
        self._answers = answers
        if used and self._rules.after > 0:
            await self._desk.ask(lambda authority: authority.bindings.used(used))
        for lease, step in steps:
            await self._act(lease, step, kernels)

    async def _act(self, lease: Lease, step: Step, kernels: Sequence[Kernel]) -> None:
        answer = self._answers.get(lease.id)
        if step is Step.RELEASE:
            since = _vouched_at(lease)
            if not await self._desk.ask(lambda a: a.bindings.give_back_idle(lease.id, since)):
                return  # Somebody has vouched for it, or it ended, in this very moment.
            self._memories.pop(lease.id, None)
            self._answers.pop(lease.id, None)
            self._log.info("gpuctl: lease %s was idle, and is given back", lease.id)
        if lease.owner != self._owner:
            return
        notebook = next((k.notebook for k in kernels if k.kernel_id == lease.kernel_id), None)
        ended = f"Your lease of {gpus(len(lease.devices))} was idle, and was given back."
        text = ended if answer is None or step is Step.RELEASE else answer.message
        self._announcer.announce(
            f"idle.{step}",
            f"{named(notebook)}: {text}" if notebook else text,
            kernel_id=lease.kernel_id,
            lease_id=lease.id,
            detail={"release_at": None, "holds_memory": False}
            if answer is None
            else {
                "release_at": answer.release_at.isoformat() if answer.release_at else None,
                "holds_memory": answer.holds_memory,
            },
        )

    def _answer(
        self, lease: Lease, look: Look, memory: Memory, vouched: float, now: float, time: float
    ) -> IdleAnswer:
        idle = idle_for(memory, vouched, now)
        left = None if look.owner_there else release_in(memory, now, self._rules)
        text = f"Nothing has run on your {gpus(len(lease.devices))} for {_minutes(idle)}"
        if look.owner_there:
            text += ", though memory is held there. Keep or release?"
        elif left is None:
            text += ". Keep or release?"
        else:
            text += f": keep or release? Released in {_minutes(left)} if you don't say."
        return IdleAnswer(
            lease_id=lease.id,
            since=datetime.fromtimestamp(time - idle, UTC),
            holds_memory=look.owner_there,
            release_at=None if left is None else datetime.fromtimestamp(time + left, UTC),
            message=text,
        )

    def _fresh(self, found: Pass | None, now: float) -> bool:
        """Whether the newest sample tells of now, by when it was first seen."""
        seq = None if found is None else found.sample.seq
        if seq != self._seq:
            self._seq, self._seen_at = seq, now
        return found is not None and now - self._seen_at <= STALE


def _vouched_at(lease: Lease) -> float:
    return max(lease.started_at or 0.0, lease.used_at or 0.0)


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
