"""The bodies and the answers of the lease routes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .model import EndReason, LeaseStatus, Verdict
from .policy import Strength, WindowKind

_DOCUMENTED = {"use_attribute_docstrings": True}
_BODY = {"use_attribute_docstrings": True, "extra": "forbid"}


@dataclass(frozen=True, slots=True)
class LeaseRequestBody:
    """``POST leases``. Read by :func:`.requests.parse_request`, which checks more than types."""

    __pydantic_config__ = _BODY

    gpus: float
    """Whole devices, or a share below 1 (at most three decimals) with ``gpu_memory``."""
    duration: str | float
    """Seconds, or such as ``2h`` or ``1h30m``."""
    gpu_model: str | None = None
    """Within the device's name, in any case of letters; ``|`` between several."""
    gpu_memory: str | float | None = None
    """Bytes, or such as ``8GiB``: the cap within a shared device, or the least that each whole
    device must have."""
    kernel_id: str | None = None
    note: str = ""
    """For people; at most 500 characters."""
    group: str | None = None
    """Charge this group; left out: the first that the caller is a member of."""
    interactive: bool = True
    """After a wait: offer it for acceptance; ``false``: start it at once."""
    dry_run: bool = False
    """Only say what would become of it."""


@dataclass(frozen=True, slots=True)
class LeasePatchBody:
    """``PATCH leases/{id}``: one of the three."""

    __pydantic_config__ = _BODY

    extend: str | float | None = None
    """By how much longer: seconds, or such as ``1h``."""
    accept: bool | None = None
    """``true`` accepts an offer. To decline it, ``DELETE`` the lease."""
    keep: bool | None = None
    """``true`` keeps a lease on which nothing runs: it counts as used now."""


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """One lease, as the caller may see it."""

    __pydantic_config__ = _DOCUMENTED

    id: str
    """Of others' leases it is shown to administrators only; empty where it is not."""
    status: LeaseStatus
    reason: EndReason | None
    """Why it ended, or why it will end early (``expires_at`` tells when)."""
    owner: str | None
    """``null`` where the policy hides names."""
    mine: bool
    group: str | None
    gpus: float
    """Whole devices, or a share below 1."""
    gpu_memory: int | None
    """Bytes: the cap within a shared device, or the least that was asked for."""
    gpu_model: str | None
    devices: tuple[str, ...]
    """UUIDs."""
    duration: int
    """Seconds asked for, extensions included."""
    created_at: datetime
    started_at: datetime | None
    expires_at: datetime | None
    offer_expires_at: datetime | None
    ended_at: datetime | None
    position: int | None
    """In the queue; 1 is the head."""
    estimated_start: datetime | None
    """``null`` while queued: there is no basis for saying."""
    kernel_id: str | None
    """The kernel that it is attached to."""
    note: str
    remark: str
    """What an administrator said when revoking, or whom a borrowed lease gives way to."""
    interactive: bool
    strength: Strength
    """How strongly it is enforced."""
    borrowed: bool
    """Beyond the nominal quota: it gives way when an owner of nominal quota waits."""
    gpu_hours: float
    """Charged so far."""
    problem: str
    """Of one's own: that devices of it are not there any more, and what to do; else empty."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class LeasesAnswer:
    """``GET leases``: all live leases, queue order after the held ones; or ended ones."""

    __pydantic_config__ = _DOCUMENTED

    items: tuple[LeaseAnswer, ...]
    next: str | None
    time: datetime
    """The authority's clock: countdowns are against this."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One limit that has a use: a bar in the panel."""

    __pydantic_config__ = _DOCUMENTED

    scope: str
    """``user`` or ``group``."""
    name: str
    """Of the user or the group."""
    kind: str
    """``gpus``, ``gpu_hours`` or ``queued``."""
    used: float
    allowed: float | None
    """``null``: not limited."""
    nominal: float | None
    """Of ``gpus``: how many are guaranteed; the rest is borrowed."""
    left: float | None
    window: WindowKind | None
    window_seconds: int | None
    """Of a rolling window."""
    resets_at: datetime | None
    """When a calendar window begins anew; of a rolling one, when the oldest use drops out."""


@dataclass(frozen=True, slots=True)
class ReservationAnswer:
    """A booked time that has not ended."""

    __pydantic_config__ = _DOCUMENTED

    group: str
    gpus: int
    gpu_model: str | None
    start: datetime
    end: datetime
    mine: bool
    """The caller is a member of the group."""


@dataclass(frozen=True, slots=True)
class QuotaAnswer:
    """``GET quota``: the caller's limits, what is used, what is left, when it resets."""

    __pydantic_config__ = _DOCUMENTED

    user: str
    groups: tuple[str, ...]
    admin: bool
    """Sees all, and may revoke."""
    known: bool
    """``false``: the quotas could not be read, and nothing is granted until they can be."""
    gauges: tuple[Gauge, ...]
    max_lease: int
    """Seconds."""
    models: tuple[str, ...] | None
    """Allowed; ``null``: all."""
    available_models: tuple[str, ...]
    """Of the devices here."""
    largest: int
    """The most whole devices that one lease could ever get here: on one host, of one model."""
    offer_window: int
    """Seconds."""
    names_hidden: bool
    reservations: tuple[ReservationAnswer, ...]
    problem: str | None
    """What is wrong with the quota file; where quotas are ``known``, an older reading holds."""
    time: datetime


@dataclass(frozen=True, slots=True)
class PreviewAnswer:
    """``POST leases`` with ``dry_run``: what would become of it; nothing is stored."""

    __pydantic_config__ = _DOCUMENTED

    verdict: Verdict
    devices: tuple[str, ...]
    """That it would get now."""
    expires_at: datetime | None
    position: int | None
    estimated_start: datetime | None
    gpu_hours: float
    """That it would cost if used to its end."""
    time: datetime


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """One row of the audit."""

    __pydantic_config__ = _DOCUMENTED

    id: int
    time: datetime
    actor: str
    action: str
    lease_id: str | None
    owner: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditsAnswer:
    """``GET audit``: newest first."""

    __pydantic_config__ = _DOCUMENTED

    items: tuple[AuditAnswer, ...]
    next: str | None
