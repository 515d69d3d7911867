"""Leases, what is asked for, what is decided: frozen values. No I/O, no clock, no HTTP.

Inside this wing times are seconds since the epoch in UTC (``float``), durations whole seconds,
sizes bytes, and amounts of devices thousandths of one device (``milli``: 1000 is a whole device,
2000 two, 250 a quarter), so that sums are exact. ``wire`` turns them into what people read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from .policy import Policy

WHOLE = 1000
"""Thousandths in a whole device."""


class LeaseStatus(StrEnum):
    """Where a lease stands. Changes only along :data:`TRANSITIONS`."""

    QUEUED = "queued"
    OFFERED = "offered"
    """Devices are held for somebody who has waited and must accept within a window."""
    ACTIVE = "active"
    ENDED = "ended"


TRANSITIONS: Mapping[LeaseStatus, frozenset[LeaseStatus]] = {
    LeaseStatus.QUEUED: frozenset({LeaseStatus.OFFERED, LeaseStatus.ACTIVE, LeaseStatus.ENDED}),
    LeaseStatus.OFFERED: frozenset({LeaseStatus.ACTIVE, LeaseStatus.ENDED}),
    LeaseStatus.ACTIVE: frozenset({LeaseStatus.ENDED}),
    LeaseStatus.ENDED: frozenset(),
}


class EndReason(StrEnum):
    """Why a lease is over."""

    RELEASED = "released"
    """Given back by its owner before its time."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Withdrawn by its owner while it waited."""
    DECLINED = "declined"
    LAPSED = "lapsed"
    """Offered, and not accepted in time."""
    REVOKED = "revoked"
    """Ended by an administrator, who gave a reason."""
    RECLAIMED = "reclaimed"
    """Borrowed, and given way to an owner of nominal quota."""
    IDLE = "idle"
    """Nothing ran on it for long, and nobody wanted to keep it."""
    LOST = "lost"
    """Its devices were not there any more when it ended: over since they were gone."""


class Outcome(StrEnum):
    """What becomes of a request."""

    ADMITTED = "admitted"
    QUEUED = "queued"
    REFUSED = "refused"


class Limit(StrEnum):
    """What decided against a request, or makes it wait. Stable: programs and docs know them."""

    USER_GPUS = "user.gpus"
    """Devices that the user may hold at once."""
    GROUP_GPUS = "group.gpus"
    USER_GPU_HOURS = "user.gpu_hours"
    GROUP_GPU_HOURS = "group.gpu_hours"
    MAX_LEASE = "max_lease"
    """The longest lease."""
    MAX_QUEUED = "max_queued"
    """Requests that a user may have waiting."""
    MODELS = "models"
    """Models that the user or the group may use."""
    CAPACITY = "capacity"
    """No host of this system has what is asked for, even when all is free."""
    DEVICES = "devices"
    """What is asked for exists, and others have it now."""
    OUTSIDE = "outside"
    """Devices would be free, were it not for processes that no lease covers."""
    RESERVATION = "reservation"
    """A group has booked devices for a time that the lease would run into."""
    TURN = "turn"
    """Devices are free, and another request's turn comes first."""
    BORROWED = "borrowed"
    """An extension would keep borrowed devices from their owner, who waits."""


@dataclass(frozen=True, slots=True)
class LeasableDevice:
    """A device that can be leased: a whole GPU that is not split, or a MIG instance."""

    uuid: str
    host: str
    model: str
    """As the driver names it; a MIG instance's carries its profile."""
    memory: int | None
    """Bytes; ``None``: not known, and then nothing that asks for memory goes there."""
    index: int
    """For a stable order, and for people's eyes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for, checked for form but not yet for limits."""

    milli: int
    """A multiple of 1000 for whole devices, or below 1000 for a share of one."""
    duration: int
    """Seconds."""
    memory: int | None = None
    """Bytes: the cap within a shared device; for whole devices the least that each must have."""
    model: str | None = None
    """Models wanted, ``|`` between them; each stands in the device's name as whole words,
    in any case of letters. ``None``: any, but all of one lease are of one model and on one host."""
    group: str | None = None
    """Charged to this group; ``None``: to the first that the owner is a member of, or to none."""
    interactive: bool = True
    """Somebody sits in front of it: after a wait it is offered, not started."""
    kernel_id: str | None = None
    """The kernel that it is asked for: given back when that one is shut down."""
    note: str = ""

    @property
    def count(self) -> int:
        """Devices that it touches: a share touches one."""
        return max(1, self.milli // WHOLE)

    @property
    def shared(self) -> bool:
        """Whether it is a share of one device."""
        return self.milli < WHOLE


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use devices for a time, from the request for it to its end."""

    id: str
    owner: str
    request: Request
    status: LeaseStatus
    created_at: float
    devices: tuple[str, ...] = ()
    """UUIDs; held while offered or active, kept for the record when ended."""
    started_at: float | None = None
    """When it became active: charging begins."""
    expires_at: float | None = None
    """When it ends unless it is extended; moves earlier when it is to be given back."""
    offer_expires_at: float | None = None
    ending: EndReason | None = None
    """Why it will end at ``expires_at``, where that is not its own time: it was told so."""
    ended_at: float | None = None
    end_reason: EndReason | None = None
    remark: str = ""
    """What an administrator said when revoking, or whom a borrowed lease gives way to."""
    kernel_id: str | None = None
    """The kernel that it is attached to by now."""
    used_at: float | None = None
    """When it was last vouched for: something ran on it, or its owner wanted to keep it. Written
    now and then only; ``None``: not since it began."""
    lost_at: float | None = None
    """Since when all its devices are not there any more: from then on nothing is charged.
    ``None``: some are, as far as is known. A lease goes on without devices until somebody ends it,
    as they may come back."""
    gives_way_to: str | None = None
    """Where it is to end because it was borrowed: the id of the request that waits for it."""

    @property
    def holds(self) -> bool:
        """Whether devices are held for it."""
        return self.status in (LeaseStatus.OFFERED, LeaseStatus.ACTIVE)

    @property
    def group(self) -> str | None:
        """The group that it is charged to."""
        return self.request.group

    def charged(self, now: float) -> float:
        """Milli-device-seconds charged so far: from start to end, nothing while offered."""
        if self.started_at is None:
            return 0.0
        end = now if self.ended_at is None else self.ended_at
        if self.lost_at is not None:
            end = min(end, self.lost_at)
        return self.request.milli * max(0.0, end - self.started_at)


@dataclass(frozen=True, slots=True)
class Account:
    """What *ended* leases of one user or group have used; live ones are added by the rules."""

    spent: float = 0.0
    """Milli-device-seconds within the present window of the account's GPU-hour limit."""
    decayed: float = 0.0
    """Milli-device-seconds, halved every :data:`.rules.accounting.HALF_LIFE`; as of
    ``decayed_at``."""
    decayed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a decision rests on, at one time."""

    devices: tuple[LeasableDevice, ...]
    leases: tuple[Lease, ...]
    """The live ones: queued, offered, active. In any order: decisions don't depend on it."""
    policy: Policy
    users: Mapping[str, Account] = field(default_factory=dict)
    groups: Mapping[str, Account] = field(default_factory=dict)
    outside: Mapping[str, frozenset[str | None]] = field(default_factory=dict)
    """Devices in use by processes or containers that no lease covers: by UUID, by whom
    (``None``: not known). Such a device counts as taken, except for a whole-device request of
    the one user whose processes these all are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a request, with the limit that decided. Also a wire type."""

    __pydantic_config__ = {"use_attribute_docstrings": True}

    outcome: Outcome
    limit: Limit | None = None
    """What decided; ``None`` where nothing stands in the way."""
    used: float | None = None
    """Of the limit, in its own unit: devices, GPU-hours, seconds, requests."""
    allowed: float | None = None
    message: str = ""
    """One sentence for people: what is so."""
    hint: str = ""
    """One sentence: what would help."""


@dataclass(frozen=True, slots=True)
class Start:
    """A queued lease becomes active."""

    lease_id: str
    devices: tuple[str, ...]
    expires_at: float


@dataclass(frozen=True, slots=True)
class Offer:
    """A queued lease is offered; not charged until accepted."""

    lease_id: str
    devices: tuple[str, ...]
    offer_expires_at: float


@dataclass(frozen=True, slots=True)
class End:
    """A live lease ends. ``at`` may lie in the past: when it should have ended."""

    lease_id: str
    reason: EndReason
    at: float


@dataclass(frozen=True, slots=True)
class Reclaim:
    """A borrowed, active lease is told that it ends at ``expires_at``, after the grace."""

    lease_id: str
    expires_at: float
    remark: str
    """For whom."""
    gives_way_to: str
    """The id of the request that waits for it."""


Decision: TypeAlias = Start | Offer | End | Reclaim


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with a lease that goes on waiting."""

    position: int
    """1 is the head of the queue."""
    estimated_start: float | None
    """``None``: there is no basis for saying."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one cycle has decided, and what follows from it."""

    decisions: tuple[Decision, ...]
    """In the order in which they are to be carried out."""
    standings: Mapping[str, Standing]
    """Of every lease that is still queued afterwards, by id."""
    wake_at: float | None
    """When time alone next changes something; ``None``: only when somebody acts."""
