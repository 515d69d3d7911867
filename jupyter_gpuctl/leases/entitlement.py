"""Who may hold and spend how much, what is held and spent, and which limit forbids more. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .accounting import GPU_HOUR, Tally, decayed_use, tally
from .model import Lease, Limit, Snapshot
from .policy import GpuQuota, HoursQuota, Limits, Policy

_SLACK = 1e-3
"""Milli-device-seconds that sums of fractions may be off."""

USER_LIMITS = frozenset({Limit.USER_GPUS, Limit.USER_GPU_HOURS})
GROUP_LIMITS = frozenset({Limit.GROUP_GPUS, Limit.GROUP_GPU_HOURS})
OWN_LIMITS = USER_LIMITS | GROUP_LIMITS | {Limit.MAX_LEASE, Limit.MODELS, Limit.CAPACITY}
"""Those that the asker's own acts or a reset resolve, or nothing does: not a matter of waiting
for others."""


class Scope(NamedTuple):
    """A user or a group, as what uses are added up for."""

    group: bool
    name: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What binds the leases of one user that are charged to one group, or to none."""

    user: Scope
    group: Scope | None
    user_limits: Limits
    group_limits: Limits
    longest: int
    """Seconds."""
    priority: int

    @property
    def pool(self) -> Scope:
        """Whose nominal quota it counts against, and whose fair share it is."""
        return self.group or self.user

    @property
    def pool_quota(self) -> GpuQuota | None:
        """Devices at once of the pool; ``None``: not limited, and then nothing is borrowed."""
        return (self.user_limits if self.group is None else self.group_limits).gpus


def terms(policy: Policy, owner: str, group: str | None) -> Terms:
    """What binds ``owner`` when charged to ``group``.

    The longest lease is the least that the owner's and the group's limits name, or the policy's
    where they name none. The priority is the nearest that is set: the user's own, that of the
    group's members, the group's, the default.
    """
    own, pool = policy.limits_of(owner, group), policy.pool_of(group)
    lengths = [each.max_lease for each in (own, pool) if each.max_lease is not None]
    nearest = [policy.users.get(owner, Limits()).priority]
    if group is not None and group in policy.groups:
        nearest += [policy.groups[group].each.priority, pool.priority]
    nearest.append(policy.default.priority)
    return Terms(
        user=Scope(False, owner),
        group=None if group is None else Scope(True, group),
        user_limits=own,
        group_limits=pool,
        longest=min(lengths, default=policy.max_lease),
        priority=next((p for p in nearest if p is not None), 0),
    )


@dataclass(slots=True)
class Kept:
    """What the heads of the queue will need of one user's or group's limits."""

    milli: int
    until: float
    """Leases that end by then take nothing from them."""
    nominal: bool
    """They are within the pool's nominal quota, and are to stay so."""


class Ledger:
    """What is held and spent, and by whom; goes along as a cycle starts leases."""

    def __init__(self, snapshot: Snapshot, held: Iterable[Lease], now: float) -> None:
        """``held``: the leases that hold devices, in an order that depends on nothing."""
        self.now = now
        self.held: dict[Scope, int] = defaultdict(int)
        """Milli-devices."""
        self.leases: dict[Scope, list[Lease]] = defaultdict(list)
        self._snapshot = snapshot
        self._terms: dict[tuple[str, str | None], Terms] = {}
        self._tallies: dict[Scope, dict[int, Tally]] = defaultdict(dict)
        self._started: dict[Scope, list[tuple[int, float]]] = defaultdict(list)
        self._kept: dict[Scope, Kept] = {}
        self._shares: dict[Scope, float] = {}
        for lease in held:
            bound = self.terms(lease.owner, lease.request.group)
            self._add(bound.user, lease)
            if bound.group is not None:
                self._add(bound.group, lease)

    def _add(self, scope: Scope, lease: Lease) -> None:
        self.held[scope] += lease.request.milli
        self.leases[scope].append(lease)

    def terms(self, owner: str, group: str | None) -> Terms:
        """As :func:`terms`, remembered."""
        found = self._terms.get((owner, group))
        if found is None:
            found = self._terms[owner, group] = terms(self._snapshot.policy, owner, group)
        return found

    def tally(self, scope: Scope, quota: HoursQuota) -> Tally:
        """The GPU-hours of ``scope``."""
        # A policy's quotas live as long as it does, and hashing them by value takes long.
        found = self._tallies[scope].get(id(quota))
        if found is None:
            accounts = self._snapshot.groups if scope.group else self._snapshot.users
            found = tally(quota, accounts.get(scope.name), self.leases[scope], self.now)
            for milli, duration in self._started[scope]:
                found.commit(milli, self.now, self.now + duration)
            self._tallies[scope][id(quota)] = found
        return found

    def share(self, scope: Scope, weight: float | None) -> float:
        """Use that fades, of ended and live leases, by weight: less goes first."""
        found = self._shares.get(scope)
        if found is None:
            accounts = self._snapshot.groups if scope.group else self._snapshot.users
            use = decayed_use(accounts.get(scope.name), self.leases[scope], self.now)
            found = self._shares[scope] = use / (weight or 1.0)
        return found

    def obstacle(self, bound: Terms, milli: int, duration: float) -> Limit | None:
        """The first limit that forbids to hold ``milli`` more, from now for ``duration``."""
        if duration > bound.longest:
            return Limit.MAX_LEASE
        gpus = bound.user_limits.gpus
        if gpus is not None and self.held[bound.user] + milli > gpus.limit:
            return Limit.USER_GPUS
        if bound.group is not None:
            gpus = bound.group_limits.gpus
            if gpus is not None and self.held[bound.group] + milli > gpus.limit:
                return Limit.GROUP_GPUS
        hours = bound.user_limits.gpu_hours
        if hours is not None and self._spends(bound.user, hours, milli, duration):
            return Limit.USER_GPU_HOURS
        if bound.group is not None:
            hours = bound.group_limits.gpu_hours
            if hours is not None and self._spends(bound.group, hours, milli, duration):
                return Limit.GROUP_GPU_HOURS
        return None

    def never(self, bound: Terms, milli: int, duration: float) -> Limit | None:
        """The limit that forbids it even to somebody who holds nothing and has used nothing."""
        if duration > bound.longest:
            return Limit.MAX_LEASE
        for scope, limits, gpus, hours in (
            (bound.user, bound.user_limits, Limit.USER_GPUS, Limit.USER_GPU_HOURS),
            (bound.group, bound.group_limits, Limit.GROUP_GPUS, Limit.GROUP_GPU_HOURS),
        ):
            if scope is None:
                continue
            if limits.gpus is not None and milli > limits.gpus.limit:
                return gpus
            if limits.gpu_hours is not None:
                use = self.tally(scope, limits.gpu_hours)
                if use.cost(milli, use.start, use.start + duration) > use.limit + _SLACK:
                    return hours
        return None

    def _spends(self, scope: Scope, quota: HoursQuota, milli: int, duration: float) -> bool:
        """Whether it would be more than is left."""
        use = self.tally(scope, quota)
        return use.cost(milli, self.now, self.now + duration) > use.left + _SLACK

    def start(self, bound: Terms, milli: int, duration: float) -> None:
        """``milli`` more are held, from now for ``duration``."""
        self.held[bound.user] += milli
        scopes = [bound.user]
        if bound.group is not None:
            self.held[bound.group] += milli
            scopes.append(bound.group)
        for scope in scopes:
            self._started[scope].append((milli, duration))
            for use in self._tallies[scope].values():
                use.commit(milli, self.now, self.now + duration)

    def keep(self, bound: Terms, milli: int, start: float, end: float, *, nominal: bool) -> None:
        """A head of the queue is going to hold ``milli`` from ``start``: leave it its limits."""
        for scope, limits in ((bound.user, bound.user_limits), (bound.group, bound.group_limits)):
            if scope is None:
                continue
            kept = self._kept.get(scope)
            within = nominal and scope == bound.pool
            if kept is None:
                self._kept[scope] = Kept(milli, start, within)
            else:
                kept.milli += milli
                kept.until = min(kept.until, start)
                kept.nominal = kept.nominal or within
            if limits.gpu_hours is not None:
                use = self.tally(scope, limits.gpu_hours)
                use.kept += use.cost(milli, start, end)

    def in_the_way(self, bound: Terms, milli: int, duration: float, end: float) -> bool:
        """Whether what a head of the queue needs of limits would be missing; it ends at ``end``."""
        if not self._kept:
            return False
        for scope, limits in ((bound.user, bound.user_limits), (bound.group, bound.group_limits)):
            kept = None if scope is None else self._kept.get(scope)
            if scope is None or kept is None:
                continue
            if limits.gpus is not None and end > kept.until:
                nominal = kept.nominal and scope == bound.pool
                most = limits.gpus.nominal if nominal else limits.gpus.limit
                if self.held[scope] + kept.milli + milli > most:
                    return True
            if limits.gpu_hours is not None:
                use = self.tally(scope, limits.gpu_hours)
                cost = use.cost(milli, self.now, self.now + duration)
                if cost > use.left - use.kept + _SLACK:
                    return True
        return False


def hours_left(use: Tally) -> float:
    """GPU-hours that can still be asked for."""
    return max(0.0, use.left) / GPU_HOUR
