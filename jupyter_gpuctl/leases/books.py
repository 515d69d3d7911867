"""The leases as one transaction of the authority sees them: read, decided on, written.

Nothing outside the database is touched here; what follows from the changes is announced by the
service after the commit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .model import (
    TRANSITIONS,
    Account,
    Decision,
    End,
    EndReason,
    Lease,
    LeaseStatus,
    Offer,
    Outlook,
    Reclaim,
    Snapshot,
    Start,
)
from .policy import Policy
from .ports import AuditEntry, DeviceView, LeaseReader, LeaseTransaction
from .rules import scheduler
from .rules.windows import bounds
from .time import Told

RULES = "gpuctl"
"""The actor of what the rules do by themselves."""

_ACTIONS = {
    EndReason.RELEASED: "lease.release",
    EndReason.EXPIRED: "lease.expire",
    EndReason.CANCELLED: "lease.cancel",
    EndReason.DECLINED: "lease.decline",
    EndReason.LAPSED: "lease.lapse",
    EndReason.REVOKED: "lease.revoke",
    EndReason.RECLAIMED: "lease.reclaimed",
    EndReason.IDLE: "lease.idle",
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What decisions rest on besides leases: as of the beginning of a transaction."""

    view: DeviceView
    policy: Policy
    told: Told

    @property
    def now(self) -> float:
        """The authority's time."""
        return self.told.now

    @property
    def problem(self) -> str:
        """Why nothing can start, in one sentence; empty where it can. Leases end all the same."""
        return self.policy.unread or self.view.problem

    @property
    def hint(self) -> str:
        """What would help about the problem."""
        return self.policy.unread_hint if self.policy.unread else self.view.hint


def outside(view: DeviceView, leases: Mapping[str, Lease]) -> dict[str, frozenset[str | None]]:
    """Who uses devices that no lease of theirs covers, by UUID.

    A process whose user is not known is nobody's that holds the device.
    """
    holders: dict[str, set[str | None]] = {}
    for lease in leases.values():
        if lease.holds:
            for device in lease.devices:
                holders.setdefault(device, set()).add(lease.owner)
    found = {uuid: users - holders.get(uuid, set()) for uuid, users in view.processes.items()}
    return {uuid: frozenset(users) for uuid, users in found.items() if users}


def turned(view: DeviceView, lease: Lease) -> bool:
    """Whether all devices of ``lease`` have gone, or some of those that had are back."""
    if lease.status is not LeaseStatus.ACTIVE:
        return False
    if lease.lost_at is None:
        return bool(view.gone) and {device.uuid for device in view.gone}.issuperset(lease.devices)
    return any(device.uuid in lease.devices for device in view.devices)


def accounts(
    reader: LeaseReader, policy: Policy, leases: Mapping[str, Lease], now: float, *asking: str
) -> tuple[Mapping[str, Account], Mapping[str, Account]]:
    """What everybody who matters has spent: owners of live leases, their groups, ``asking``."""
    users = {lease.owner for lease in leases.values()} | set(asking)
    groups = {lease.group for lease in leases.values() if lease.group is not None}
    groups |= {group.name for user in asking for group in policy.groups_of(user)}
    return reader.accounts(
        now,
        {user: _user_window(policy, user, now) for user in users},
        {group: _start(policy.pool_of(group).gpu_hours, now) for group in groups},
    )


def _user_window(policy: Policy, user: str, now: float) -> float:
    groups = policy.groups_of(user)
    return _start(policy.limits_of(user, groups[0].name if groups else None).gpu_hours, now)


def _start(hours: Any, now: float) -> float:
    return math.inf if hours is None else bounds(hours.window, now)[0]


def _due(lease: Lease) -> float:
    """When it ends unless something is done."""
    offered = lease.status is LeaseStatus.OFFERED
    end = lease.offer_expires_at if offered else lease.expires_at
    return math.inf if end is None or not lease.holds else end


class Books:
    """The live leases within one transaction, and the one way to change them.

    ``known`` are the live leases, where they have been read already and nobody has written since.
    """

    def __init__(
        self,
        transaction: LeaseTransaction,
        conditions: Conditions,
        *asking: str,
        known: Mapping[str, Lease] | None = None,
    ) -> None:
        self._transaction = transaction
        self._conditions = conditions
        self._asking = asking
        self._accounts: tuple[Mapping[str, Account], Mapping[str, Account]] | None = None
        told = conditions.told
        self.now = told.now
        transaction.keep_time(told.anchor, told.now)
        if told.step:
            moved = transaction.shift(told.step)
            self.note(RULES, "clock.step", None, {"seconds": told.step, "leases": moved})
        if known is None or told.step:
            known = {lease.id: lease for lease in transaction.live()}
        self.live = dict(known)
        self.outlook: Outlook | None = None

    @property
    def snapshot(self) -> Snapshot:
        """What decisions rest on, as it is by now."""
        view, policy = self._conditions.view, self._conditions.policy
        if self._accounts is None:
            self._accounts = accounts(self._transaction, policy, self.live, self.now, *self._asking)
        users, groups = self._accounts
        return Snapshot(
            devices=view.devices,
            leases=tuple(self.live.values()),
            policy=policy,
            users=users,
            groups=groups,
            outside=outside(view, self.live),
        )

    def overdue(self, lease_id: str | None = None) -> bool:
        """Whether a lease or an offer (``lease_id``: this one) should have ended by now."""
        live = self.live.values()
        looked = live if lease_id is None else [x for x in live if x.id == lease_id]
        return any(_due(lease) <= self.now for lease in looked)

    def settle(self) -> Outlook:
        """Let the rules decide, and carry out what they have decided."""
        for lease in [x for x in self.live.values() if turned(self._conditions.view, x)]:
            self._turn(lease)
        outlook = scheduler.decide(self.snapshot, self.now)
        for decision in outlook.decisions:
            # Without a driver or quotas leases still end; what may start can't be known.
            if not self._conditions.problem or isinstance(decision, End):
                self._carry_out(decision)
        self.outlook = outlook
        return outlook

    def add(self, lease: Lease) -> None:
        """A new request."""
        self._transaction.add(lease)
        self.live[lease.id] = lease
        self._accounts = None

    def activate(self, lease: Lease, devices: tuple[str, ...], expires_at: float) -> Lease:
        """``lease`` begins now."""
        return self.put(
            replace(
                lease,
                status=LeaseStatus.ACTIVE,
                devices=devices,
                started_at=self.now,
                expires_at=expires_at,
                offer_expires_at=None,
            )
        )

    def end(
        self, lease: Lease, reason: EndReason, at: float, actor: str = RULES, remark: str = ""
    ) -> Lease:
        """``lease`` is over, ``at`` which time may have passed; what it used is charged.

        One without devices is over since they were gone, whoever ends it now.
        """
        action = _ACTIONS[reason]
        if lease.lost_at is not None:
            reason, at = EndReason.LOST, min(at, lease.lost_at)
        began = lease.created_at if lease.started_at is None else lease.started_at
        ended = self.put(
            replace(
                lease,
                status=LeaseStatus.ENDED,
                ended_at=max(began, min(at, self.now)),
                end_reason=reason,
                offer_expires_at=None,
                remark=remark or lease.remark,
            )
        )
        self._transaction.charge(ended, ended.ended_at or self.now)
        self._accounts = None
        detail: dict[str, Any] = {"gpu_seconds": ended.charged(self.now) / 1000}
        if remark:
            detail["reason"] = remark
        self.note(actor, action, ended, detail)
        return ended

    def put(self, lease: Lease) -> Lease:
        """Store the new state of a lease."""
        before = self.live[lease.id]
        if lease.status is not before.status and lease.status not in TRANSITIONS[before.status]:
            raise AssertionError(f"{before.status} -> {lease.status} of lease {lease.id}")
        if lease.holds and not before.holds:
            wanted = set(lease.devices)
            devices = [d for d in self._conditions.view.devices if d.uuid in wanted]
            self._transaction.register(devices)
        self._transaction.save(lease)
        if lease.status is LeaseStatus.ENDED:
            del self.live[lease.id]
        else:
            self.live[lease.id] = lease
        return lease

    def note(self, actor: str, action: str, lease: Lease | None, detail: Mapping[str, Any]) -> None:
        """A row of the audit."""
        lease_id, owner = (None, None) if lease is None else (lease.id, lease.owner)
        self.write_down(actor, action, lease_id, owner, detail)

    def write_down(
        self,
        actor: str,
        action: str,
        lease_id: str | None,
        owner: str | None,
        detail: Mapping[str, Any],
    ) -> None:
        """A row of the audit that may be about no lease."""
        self._transaction.audit(AuditEntry(self.now, actor, action, lease_id, owner, detail))

    def _turn(self, lease: Lease) -> None:
        gone = lease.lost_at is None
        self.put(replace(lease, lost_at=self.now if gone else None))
        action = "lease.devices_gone" if gone else "lease.devices_back"
        self.note(RULES, action, lease, {"devices": list(lease.devices)})

    def _carry_out(self, decision: Decision) -> None:
        lease = self.live[decision.lease_id]
        match decision:
            case Start():
                started = self.activate(lease, decision.devices, decision.expires_at)
                detail = {"devices": list(started.devices), "expires_at": started.expires_at}
                self.note(RULES, "lease.start", started, detail)
            case Offer():
                offered = self.put(
                    replace(
                        lease,
                        status=LeaseStatus.OFFERED,
                        devices=decision.devices,
                        offer_expires_at=decision.offer_expires_at,
                    )
                )
                self.note(RULES, "lease.offer", offered, {"devices": list(offered.devices)})
            case End():
                self.end(lease, decision.reason, decision.at)
            case Reclaim():
                told = self.put(
                    replace(
                        lease,
                        ending=EndReason.RECLAIMED,
                        expires_at=decision.expires_at,
                        remark=decision.remark,
                        gives_way_to=decision.gives_way_to,
                    )
                )
                reclaim = {"expires_at": told.expires_at, "remark": told.remark}
                self.note(RULES, "lease.reclaim", told, reclaim)
