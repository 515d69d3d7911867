"""Who may hold and spend how much, what is held and spent, and which limit forbids more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..model import Account, Lease, Limit, Snapshot
from ..policy import GpuQuota, HoursQuota
from .accounting import SLACK, Tally, faded, tally_of, use_of
from .terms import Holding, Kept, Scope, Terms

OWN_LIMITS = frozenset(
    {
        Limit.USER_GPUS,
        Limit.GROUP_GPUS,
        Limit.USER_GPU_HOURS,
        Limit.GROUP_GPU_HOURS,
        Limit.MAX_LEASE,
        Limit.MODELS,
        Limit.CAPACITY,
    }
)
"""Those that the asker's own acts or a reset resolve, or nothing does: not a matter of waiting
for others."""


class Ledger:
    """What is held and spent, and by whom; goes along as a cycle starts leases."""

    def __init__(
        self, snapshot: Snapshot, held: Sequence[Lease], over: Iterable[Lease], now: float
    ) -> None:
        """``held``: the leases that hold devices; ``over``: those that have ended in this cycle.

        Both in an order that depends on nothing.
        """
        self.now = now
        self._snapshot = snapshot
        self._terms: dict[tuple[str, str | None], Terms] = {}
        self._any_kept = False
        self._held = held
        self._users: dict[str, Holding] = {}
        self._groups: dict[str, Holding] = {}
        users, groups = self._users.get, self._groups.get
        for holder, lease in enumerate(held):
            use = use_of(lease, now)
            user = users(lease.owner) or self._user(lease.owner)
            user.holders.append(holder)
            user.uses.append(use)
            name = lease.request.group
            if name is None:
                user.pooled += use[0]
            else:
                group = groups(name) or self._group(name)
                group.holders.append(holder)
                group.uses.append(use)
        for holding in self._users.values():
            holding.add_up()
        for holding in self._groups.values():
            holding.add_up()
            holding.pooled = holding.held
        for lease in over:
            holdings = [self._user(lease.owner)]
            if lease.request.group is not None:
                holdings.append(self._group(lease.request.group))
            for holding in holdings:
                holding.uses.append(use_of(lease, now))
                holding.used += lease.charged(now)

    def _user(self, name: str) -> Holding:
        found = self._users.get(name)
        if found is None:
            found = self._users[name] = Holding(Scope(False, name), self._held)
        return found

    def _group(self, name: str) -> Holding:
        found = self._groups.get(name)
        if found is None:
            found = self._groups[name] = Holding(Scope(True, name), self._held)
        return found

    def terms(self, owner: str, group: str | None) -> Terms:
        """What binds ``owner`` when charged to ``group``; the same object for the same two."""
        found = self._terms.get((owner, group))
        if found is None:
            pool = None if group is None else self._group(group)
            found = Terms(self._snapshot.policy, self._user(owner), pool)
            if found.user_limits.gpu_hours is not None:
                found.user_hours = self.tally(found.user, found.user_limits.gpu_hours)
            if pool is not None and found.group_limits.gpu_hours is not None:
                found.group_hours = self.tally(pool, found.group_limits.gpu_hours)
            self._terms[owner, group] = found
        return found

    def leases_of(self, owner: str) -> Sequence[Lease]:
        """That hold devices."""
        found = self._users.get(owner)
        return () if found is None else found.leases

    def tally(self, holding: Holding, quota: HoursQuota) -> Tally:
        """The GPU-hours of ``holding``."""
        # A policy's quotas live as long as it does, and hashing them by value takes long.
        found = holding.tallies.get(id(quota))
        if found is None:
            found = tally_of(quota, self._account(holding), holding.uses, self.now)
            for milli, duration, _ in holding.started:
                found.commit(milli, self.now, self.now + duration)
            holding.tallies[id(quota)] = found
        return found

    def beyond_nominal(self) -> Iterator[tuple[GpuQuota, Sequence[Lease]]]:
        """Pools that hold more than their nominal quota, with their leases."""
        policy = self._snapshot.policy
        for name, holding in self._groups.items():
            quota = policy.pool_of(name).gpus
            if quota is not None and holding.pooled > quota.nominal:
                yield quota, holding.leases
        for name, holding in self._users.items():
            quota = policy.limits_of(name, None).gpus if holding.pooled else None
            if quota is not None and holding.pooled > quota.nominal:
                yield quota, [lease for lease in holding.leases if lease.request.group is None]

    def _account(self, holding: Holding) -> Account | None:
        scope = holding.scope
        accounts = self._snapshot.groups if scope.group else self._snapshot.users
        return accounts.get(scope.name)

    def share(self, holding: Holding, weight: float | None) -> float:
        """Use that fades, of ended and live leases, by weight: less goes first."""
        if holding.share is None:
            holding.share = faded(self._account(holding), self.now) + holding.used
        return holding.share / (weight or 1.0)

    def obstacle(self, bound: Terms, milli: int, duration: float) -> Limit | None:
        """The first limit that forbids to hold ``milli`` more, from now for ``duration``."""
        if not bound.member:
            return Limit.GROUP_GPUS
        if duration > bound.longest:
            return Limit.MAX_LEASE
        if bound.user.held + milli > bound.user_most:
            return Limit.USER_GPUS
        if bound.group is not None and bound.group.held + milli > bound.group_most:
            return Limit.GROUP_GPUS
        now = self.now
        use, end = bound.user_hours, now + duration
        if use is not None and not use.allows(milli, now, end):
            return Limit.USER_GPU_HOURS
        use = bound.group_hours
        if use is not None and not use.allows(milli, now, end):
            return Limit.GROUP_GPU_HOURS
        return None

    def never(self, bound: Terms, milli: int, duration: float) -> Limit | None:
        """The limit that forbids it even to somebody who holds nothing and has used nothing."""
        if not bound.member:
            return Limit.GROUP_GPUS
        if duration > bound.longest:
            return Limit.MAX_LEASE
        for holding, limits in bound.scopes:
            group = holding.scope.group
            if limits.gpus is not None and milli > limits.gpus.limit:
                return Limit.GROUP_GPUS if group else Limit.USER_GPUS
            if limits.gpu_hours is not None:
                use = self.tally(holding, limits.gpu_hours)
                if use.cost(milli, use.start, use.start + duration) > use.limit + SLACK:
                    return Limit.GROUP_GPU_HOURS if group else Limit.USER_GPU_HOURS
        return None

    def start(self, bound: Terms, milli: int, duration: float, occupancy: float) -> None:
        """``milli`` more are held, from now for ``duration``; an offer may occupy for longer."""
        bound.pool.pooled += milli
        for holding, _ in bound.scopes:
            holding.held += milli
            holding.started.append((milli, duration, occupancy))
            for use in holding.tallies.values():
                use.commit(milli, self.now, self.now + duration)

    def keep(self, bound: Terms, milli: int, start: float, end: float, *, nominal: bool) -> None:
        """A head of the queue is going to hold ``milli`` from ``start``: leave it its limits."""
        self._any_kept = True
        for holding, limits in bound.scopes:
            within = nominal and holding is bound.pool
            kept = holding.kept
            if kept is None:
                holding.kept = Kept(milli, nominal=within)
            else:
                kept.milli += milli
                kept.nominal = kept.nominal or within
            if limits.gpu_hours is not None:
                use = self.tally(holding, limits.gpu_hours)
                use.kept += use.cost(milli, start, end)

    def within_nominal(self, bound: Terms, milli: int) -> bool:
        """Whether ``milli`` more is guaranteed, beside what is held and what heads are left."""
        quota, pool = bound.pool_quota, bound.pool
        kept = pool.kept.milli if pool.kept is not None and pool.kept.nominal else 0
        return quota is not None and pool.pooled + kept + milli <= quota.nominal

    def in_the_way(self, bound: Terms, milli: int, duration: float) -> bool:
        """Whether what a head of the queue needs of limits would be missing.

        Even if it ended before the head starts: until then the head would be passed over, as its
        limits forbid it, or stand with those who would borrow; and others would take its devices.
        """
        if not self._any_kept:
            return False
        for holding, limits in bound.scopes:
            kept = holding.kept
            if kept is None:
                continue
            if limits.gpus is not None:
                if holding.held + kept.milli + milli > limits.gpus.limit:
                    return True
                nominal = kept.nominal and holding is bound.pool
                if nominal and holding.pooled + kept.milli + milli > limits.gpus.nominal:
                    return True
            if limits.gpu_hours is not None:
                use = self.tally(holding, limits.gpu_hours)
                cost = use.cost(milli, self.now, self.now + duration)
                if cost > use.left - use.kept + SLACK:
                    return True
        return False
