"""Who uses a device in a way that leases don't allow: one sample beside what is leased. Pure.

A lease belongs to its owner: any process of the owner may use its devices. What a driver doesn't
tell makes nobody guilty: a device that can't be read, processes that are not named, memory that is
not known. Simulated devices are there to be looked at, and a GPU that is split is not leased, its
MIG instances are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ...gpus.attribution import GONE
from ...gpus.model import Device, DeviceReading, DeviceStatus, GpuProcess
from ...gpus.sampler import Pass
from ...leases.bindings import Held
from ...leases.model import Lease, LeaseStatus
from ..wire import FindingKind

MOST_ENDED = 1024
"""Ended leases of devices that are remembered at most, the newest."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A device that somebody held, and doesn't hold any more."""

    owner: str
    device: str
    lease_id: str
    at: float
    """Seconds since the epoch."""
    pids: frozenset[int] | None = None
    """The owner's processes on it since then; ``None``: it could not be read yet."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the samples before this one have left behind."""

    active: Mapping[tuple[str, str], Lease] = field(default_factory=dict)
    """By owner and device: the lease that ends last."""
    ended: tuple[Ended, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A process that uses a device in a way that leases don't allow."""

    pid: int
    name: str | None
    device: str
    """UUID."""
    label: str
    """The device's, for people: ``GPU 0``."""
    kind: FindingKind
    user: str | None
    """``None``: not known, and then ``unattributed`` says why."""
    unattributed: str | None = None
    container: str | None = None
    kernel_id: str | None = None
    notebook: str | None = None
    lease_id: str | None = None
    holders: tuple[str, ...] = ()
    """Others who hold the device."""
    ended_at: float | None = None
    spare_until: float | None = None
    """Seconds since the epoch: until then nothing is done to it."""
    used: int | None = None
    """Bytes that all processes of its user hold there."""
    allowed: int | None = None
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one sample shows."""

    findings: tuple[Finding, ...]
    """In the order of the devices; those of one device by pid."""
    readable: frozenset[str]
    """Devices of which the sample says who uses them."""


def judge(found: Pass, held: Held, past: Past, *, only: str | None = None) -> Judgement:
    """Who of ``found`` uses what ``held`` doesn't give.

    ``past`` is what :func:`remember` made of this sample. ``only``: of processes whose user is
    known, only this user's are judged, because others go by other names in leases.
    """
    holders = _holders(held)
    ended = {(each.owner, each.device): each for each in past.ended}
    readable, findings = set(), []
    for device, reading in _leasable(found):
        if reading.status is not DeviceStatus.OK or reading.processes is None:
            continue
        readable.add(device.uuid)
        if not reading.processes:
            continue
        court = _Court(device, _label(device, found.devices), held, holders, ended)
        verdicts = [
            *court.strangers(reading.processes),
            *court.hogs(reading.processes),
        ]
        findings += sorted(
            (each for each in verdicts if only is None or each.user in (None, only)),
            key=lambda each: (each.pid, each.kind),
        )
    return Judgement(tuple(findings), frozenset(readable))


def remember(past: Past, found: Pass, held: Held) -> Past:
    """What has to be known of this sample when the next one is judged."""
    active: dict[tuple[str, str], Lease] = {}
    now_active = [lease for lease in held.leases if lease.status is LeaseStatus.ACTIVE]
    for lease in sorted(now_active, key=lambda each: (each.expires_at or 0.0, each.id)):
        active |= {(lease.owner, device): lease for device in lease.devices}
    over = [
        Ended(owner, device, lease.id, min(held.now, lease.expires_at or held.now))
        for (owner, device), lease in past.active.items()
        if (owner, device) not in active
    ]
    known = {(each.owner, each.device): each for each in (*past.ended, *over)}
    left = {key: each for key, each in known.items() if key not in active}
    running = _running(found) if left else {}
    grace = held.policy.expiry_grace
    kept = []
    for each in left.values():
        on_it = running.get(each.device)
        if on_it is not None:
            mine = frozenset(on_it.get(each.owner, ()))
            each = replace(each, pids=mine if each.pids is None else each.pids & mine)
        if each.pids or each.at + grace > held.now or each.pids is None:
            kept.append(each)
    newest = sorted(kept, key=lambda each: (each.at, each.owner, each.device))[-MOST_ENDED:]
    return Past(active, tuple(newest))


class _Court:
    """Judges the processes of one device."""

    def __init__(
        self,
        device: Device,
        label: str,
        held: Held,
        holders: Mapping[str, tuple[Lease, ...]],
        ended: Mapping[tuple[str, str], Ended],
    ) -> None:
        self._device = device.uuid
        self._label = label
        self._held = held
        self._leases = holders.get(device.uuid, ())
        self._owners = {lease.owner for lease in self._leases}
        self._ended = ended

    def strangers(self, processes: tuple[GpuProcess, ...]) -> Iterator[Finding]:
        """Those whose user holds nothing here."""
        if not self._leases and self._held.policy.unleased_devices:
            return
        for process in processes:
            if process.owner is None:
                # It may well be the holder's: where nobody holds the device nothing is said, nor
                # of what can't be seen and may have ended.
                if self._leases and process.unattributed != GONE:
                    yield self._finding(process, FindingKind.NOT_HELD)
            elif process.owner.user not in self._owners:
                yield self._of_nobodys(process, process.owner.user)

    def _of_nobodys(self, process: GpuProcess, user: str) -> Finding:
        ended = self._ended.get((user, self._device))
        if ended is not None:
            spare_until = ended.at + self._held.policy.expiry_grace
            ran_on_it = ended.pids is None or process.pid in ended.pids
            if ran_on_it or spare_until > self._held.now:
                return replace(
                    self._finding(process, FindingKind.ENDED),
                    lease_id=ended.lease_id,
                    ended_at=ended.at,
                    spare_until=spare_until,
                )
        return self._finding(process, FindingKind.NOT_HELD)

    def hogs(self, processes: tuple[GpuProcess, ...]) -> Iterator[Finding]:
        """Of each owner of shares whose processes hold more than these allow, the largest one."""
        for owner in sorted(self._owners):
            mine = [each for each in processes if each.owner and each.owner.user == owner]
            memories = [each.memory for each in mine if each.memory is not None]
            cap = self._cap(owner)
            if cap is None or len(memories) < len(mine) or sum(memories) <= cap[1]:
                continue
            largest = max(mine, key=lambda each: (each.memory or 0, each.pid))
            yield replace(
                self._finding(largest, FindingKind.OVER_MEMORY),
                lease_id=cap[0],
                used=sum(memories),
                allowed=cap[1],
            )

    def _cap(self, owner: str) -> tuple[str, int] | None:
        """A lease of ``owner`` and the bytes of all of them together; ``None``: not limited."""
        own = [
            lease
            for lease in self._leases
            if lease.owner == owner and lease.status is LeaseStatus.ACTIVE
        ]
        caps = [lease.request.memory for lease in own if lease.request.shared]
        known = [cap for cap in caps if cap is not None]
        if not own or len(known) < len(own):
            return None
        return own[-1].id, sum(known)

    def _finding(self, process: GpuProcess, kind: FindingKind) -> Finding:
        owner = process.owner
        user = owner.user if owner else None
        return Finding(
            process.pid,
            process.name,
            self._device,
            self._label,
            kind,
            user,
            unattributed=process.unattributed,
            container=process.container,
            kernel_id=owner.kernel_id if owner else None,
            notebook=owner.notebook if owner else None,
            holders=tuple(sorted(self._owners - {user})),
        )


def _leasable(found: Pass) -> Iterator[tuple[Device, DeviceReading]]:
    readings = {reading.uuid: reading for reading in found.sample.devices}
    for device in found.devices:
        reading = readings.get(device.uuid)
        if reading is not None and not device.simulated and not device.mig_enabled:
            yield device, reading


def _running(found: Pass) -> dict[str, dict[str, set[int]]]:
    """By device that can be read, by user: the pids on it."""
    running = {}
    for device, reading in _leasable(found):
        if reading.status is DeviceStatus.OK and reading.processes is not None:
            users: dict[str, set[int]] = defaultdict(set)
            for process in reading.processes:
                if process.owner is not None:
                    users[process.owner.user].add(process.pid)
            running[device.uuid] = users
    return running


def _holders(held: Held) -> dict[str, tuple[Lease, ...]]:
    """By device, in the order in which the leases were made."""
    found: dict[str, list[Lease]] = defaultdict(list)
    holding = [lease for lease in held.leases if lease.holds]
    for lease in sorted(holding, key=lambda each: (each.created_at, each.id)):
        for device in lease.devices:
            found[device].append(lease)
    return {device: tuple(leases) for device, leases in found.items()}


def _label(device: Device, devices: tuple[Device, ...]) -> str:
    if device.index is None:
        return device.uuid
    if device.mig_parent is None:
        return f"GPU {device.index}"
    parent = next((each for each in devices if each.uuid == device.mig_parent), None)
    where = f" of GPU {parent.index}" if parent is not None and parent.index is not None else ""
    return f"MIG {device.index}{where}"
