"""Leases, quotas and audit rows as their callers may see them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .model import (
    WHOLE,
    LeasableDevice,
    Lease,
    LeaseStatus,
    Limit,
    Outcome,
    Outlook,
    Request,
    Snapshot,
    Standing,
    Verdict,
)
from .policy import Policy
from .ports import AuditEntry
from .rules import accounting, scheduler
from .rules.catalogue import matches
from .sentences import ended_because, without_devices
from .wire import (
    AuditAnswer,
    LeaseAnswer,
    PreviewAnswer,
    QuotaAnswer,
    ReservationAnswer,
)

_HOUR = 3600 * WHOLE
"""Milli-device-seconds in a GPU-hour."""


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf something is asked."""

    user: str
    admin: bool = False
    """Sees all, and may revoke."""
    guest: bool = False
    """May look, not act: somebody else's server."""


def when(time: float | None) -> datetime | None:
    """Seconds since the epoch as people's time, in UTC."""
    return None if time is None else datetime.fromtimestamp(time, UTC)


def at(time: float) -> datetime:
    """As :func:`when`, for a time that is known."""
    return datetime.fromtimestamp(time, UTC)


@dataclass(frozen=True, slots=True)
class Picture:
    """All live leases and how it stands with them, at one time."""

    snapshot: Snapshot
    outlook: Outlook
    now: float
    borrowed: frozenset[str]
    problem: str = ""
    """Why nothing can start."""
    hint: str = ""
    gone: Mapping[str, str] = field(default_factory=dict)
    """Devices that are not there any more: what people call them, by UUID."""

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        outlook: Outlook,
        now: float,
        problem: str,
        hint: str,
        gone: Mapping[str, str],
    ) -> Picture:
        """With the borrowed leases worked out."""
        return cls(snapshot, outlook, now, scheduler.borrowed(snapshot, now), problem, hint, gone)

    def lease(self, lease: Lease, actor: Actor, verdict: Verdict | None = None) -> LeaseAnswer:
        """``lease`` as ``actor`` may see it; ``verdict`` in place of what follows from it."""
        mine = lease.owner == actor.user
        theirs = not (mine or actor.admin)
        request = lease.request
        standing = self.outlook.standings.get(lease.id)
        said = verdict or self._verdict(lease, standing)
        waiting = lease.status is LeaseStatus.QUEUED and standing is not None
        start = standing.estimated_start if standing and waiting and not self.problem else None
        return LeaseAnswer(
            id="" if theirs else lease.id,
            status=lease.status,
            reason=lease.end_reason or lease.ending,
            owner=None if theirs and self.snapshot.policy.hide_names else lease.owner,
            mine=mine,
            group=lease.group,
            gpus=gpus(request),
            gpu_memory=request.memory,
            gpu_model=request.model,
            devices=lease.devices,
            duration=request.duration,
            created_at=at(lease.created_at),
            started_at=when(lease.started_at),
            expires_at=when(lease.expires_at),
            offer_expires_at=when(lease.offer_expires_at),
            ended_at=when(lease.ended_at),
            position=standing.position if waiting and standing else None,
            estimated_start=None if start is None else at(start),
            kernel_id=None if theirs else lease.kernel_id,
            note="" if theirs else request.note,
            remark="" if theirs else lease.remark,
            interactive=request.interactive,
            strength=self.snapshot.policy.strength,
            borrowed=lease.id in self.borrowed,
            gpu_hours=lease.charged(self.now) / _HOUR,
            problem="" if theirs else without_devices(lease, self.gone),
            # What is said of a limit is for whom it binds.
            verdict=Verdict(said.outcome) if theirs else said,
        )

    def _verdict(self, lease: Lease, standing: Standing | None) -> Verdict:
        if lease.status is LeaseStatus.ENDED:
            began = lease.started_at is not None
            outcome = Outcome.ADMITTED if began else Outcome.QUEUED
            return Verdict(outcome, message=ended_because(lease))
        if lease.status is not LeaseStatus.QUEUED:
            return Verdict(Outcome.ADMITTED)
        if self.problem:
            return Verdict(
                Outcome.QUEUED,
                Limit.DEVICES,
                message=f"Nothing can start now: {self.problem}",
                hint=self.hint,
            )
        return Verdict(Outcome.QUEUED) if standing is None else standing.verdict

    def in_order(self) -> list[Lease]:
        """Those that hold devices by their start, then the queue in its order."""
        standings = self.outlook.standings

        def key(lease: Lease) -> tuple[bool, float, float, str]:
            standing = standings.get(lease.id)
            position = standing.position if standing is not None else 0
            return (not lease.holds, position, lease.started_at or lease.created_at, lease.id)

        return sorted(self.snapshot.leases, key=key)


def gpus(request: Request) -> float:
    """Whole devices, or a share below 1."""
    return request.milli / WHOLE


def preview(found: scheduler.Assessment, request: Request, now: float) -> PreviewAnswer:
    """What would become of a request."""
    refused = found.verdict.outcome is Outcome.REFUSED
    return PreviewAnswer(
        verdict=found.verdict,
        devices=found.devices,
        expires_at=when(found.expires_at),
        position=found.position,
        estimated_start=when(found.estimated_start),
        gpu_hours=0.0 if refused else request.milli * request.duration / _HOUR,
        time=at(now),
    )


def quota(snapshot: Snapshot, actor: Actor, now: float, problem: str | None) -> QuotaAnswer:
    """The caller's limits and their use."""
    policy = snapshot.policy
    groups = policy.groups_of(actor.user)
    limits = policy.limits_of(actor.user, groups[0].name if groups else None)
    pool = policy.pool_of(groups[0].name if groups else None)
    longest = [each.max_lease for each in (limits, pool) if each.max_lease is not None]
    return QuotaAnswer(
        user=actor.user,
        groups=tuple(group.name for group in groups),
        admin=actor.admin,
        known=not policy.unread,
        gauges=() if policy.unread else tuple(accounting.gauges(snapshot, actor.user, now)),
        max_lease=min(longest, default=policy.max_lease),
        models=_allowed(limits.models, pool.models),
        available_models=tuple(sorted({device.model for device in snapshot.devices})),
        largest=largest(snapshot.devices),
        offer_window=policy.offer_window,
        names_hidden=policy.hide_names and not actor.admin,
        reservations=reservations(policy, actor, now),
        problem=problem,
        time=at(now),
    )


def _allowed(own: tuple[str, ...] | None, pool: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Models that both allow, as far as they are written alike; each alone where one is silent."""
    if own is None or pool is None:
        return pool if own is None else own
    return tuple(model for model in own if matches(pool, model) or model in pool)


def largest(devices: tuple[LeasableDevice, ...]) -> int:
    """The most whole devices that one lease could get: on one host, of one model."""
    return max(Counter((d.host, d.model) for d in devices).values(), default=0)


def reservations(policy: Policy, actor: Actor, now: float) -> tuple[ReservationAnswer, ...]:
    """Booked times that have not ended, the next first."""
    mine = {group.name for group in policy.groups_of(actor.user)}
    return tuple(
        ReservationAnswer(r.group, r.gpus, r.model, at(r.start), at(r.end), r.group in mine)
        for r in sorted(policy.reservations, key=lambda r: (r.start, r.group))
        if r.end > now
    )


def audit(entry: AuditEntry) -> AuditAnswer:
    """One row."""
    detail: Mapping[str, object] = entry.detail
    return AuditAnswer(
        id=entry.id,
        time=at(entry.time),
        actor=entry.actor,
        action=entry.action,
        lease_id=entry.lease_id,
        owner=entry.owner,
        detail=dict(detail),
    )
