"""What one user or group holds, and what binds a user's leases that are charged to a group."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple, TypeAlias

from ..model import Lease
from ..policy import GpuQuota, Limits, Policy
from .accounting import Tally, Use


class Scope(NamedTuple):
    """A user or a group, as whom uses are added up for."""

    group: bool
    name: str


Held: TypeAlias = tuple[int, Lease, Use]
"""A lease that holds devices: its place among all that do, and its use."""


class Holding:
    """What one user or group holds and spends."""

    __slots__ = (
        "_has",
        "held",
        "kept",
        "pooled",
        "scope",
        "share",
        "started",
        "tallies",
        "used",
        "uses",
    )

    def __init__(self, scope: Scope, has: Sequence[Held] = (), pooled: int | None = None) -> None:
        """``pooled``: of all that it ``has``, where that is not all."""
        self.scope = scope
        self._has = has
        self.uses = [use for _, _, use in has]
        """Of its leases, and of those that have ended in this cycle and are in no account yet."""
        self.held = sum([use[0] for use in self.uses])
        """Milli-devices."""
        self.pooled = self.held if pooled is None else pooled
        """Those that count against its own nominal quota: a user's that no group is charged for."""
        self.used = sum(
            [milli * (last - since) for milli, since, last, _, _ in self.uses if last > since]
        )
        """Milli-device-seconds, by all in ``uses`` so far."""
        self.started: list[tuple[int, float, float]] = []
        """In this cycle: amount, duration, and for how long it occupies devices."""
        self.tallies: dict[int, Tally] = {}
        self.kept: Kept | None = None
        self.share: float | None = None

    @property
    def leases(self) -> list[Lease]:
        """That hold devices."""
        return [lease for _, lease, _ in self._has]

    @property
    def holders(self) -> list[int]:
        """Their places among all that do."""
        return [holder for holder, _, _ in self._has]


class Kept:
    """What the heads of the queue will need of one user's or group's limits."""

    __slots__ = ("milli", "nominal")

    def __init__(self, milli: int, *, nominal: bool) -> None:
        self.milli = milli
        self.nominal = nominal
        """They are within the pool's nominal quota, and are to stay so."""


class Terms:
    """What binds the leases of one user that are charged to one group, or to none."""

    __slots__ = (
        "group",
        "group_hours",
        "group_limits",
        "group_most",
        "longest",
        "member",
        "models",
        "pool",
        "pool_quota",
        "priority",
        "scopes",
        "user",
        "user_hours",
        "user_limits",
        "user_most",
    )

    def __init__(self, policy: Policy, user: Holding, group: Holding | None) -> None:
        owner, name = user.scope.name, None if group is None else group.scope.name
        self.user = user
        self.group = group
        self.user_limits = policy.limits_of(owner, name)
        self.member = name is None or (
            name in policy.groups and owner in policy.groups[name].members
        )
        """Of the group that is charged, still."""
        self.group_limits = policy.pool_of(name)
        self.models = (self.user_limits.models, self.group_limits.models)
        """That it may use; ``None``: any."""
        self.pool = group or user
        """Whose nominal quota it counts against, and whose fair share it is."""
        self.pool_quota: GpuQuota | None = (
            self.user_limits if group is None else self.group_limits
        ).gpus
        """Devices at once of the pool; ``None``: not limited, and then nothing is borrowed."""
        self.user_most = _most(self.user_limits)
        self.group_most = _most(self.group_limits)
        both = (self.user_limits.max_lease, self.group_limits.max_lease)
        self.longest = min((x for x in both if x is not None), default=policy.max_lease)
        """Seconds: the least that the owner's and the group's limits name, or the policy's."""
        self.priority = _priority(policy, owner, name)
        self.user_hours: Tally | None = None
        self.group_hours: Tally | None = None
        self.scopes: tuple[tuple[Holding, Limits], ...] = ((user, self.user_limits),)
        if group is not None:
            self.scopes += ((group, self.group_limits),)


def _most(limits: Limits) -> float:
    """Milli-devices at once."""
    return inf if limits.gpus is None else limits.gpus.limit


def longest_lease(policy: Policy, owner: str, group: str | None) -> int:
    """Seconds: the least that the owner's and the group's limits name, or else the policy's."""
    both = (policy.limits_of(owner, group), policy.pool_of(group))
    return min((x.max_lease for x in both if x.max_lease is not None), default=policy.max_lease)


def _priority(policy: Policy, owner: str, group: str | None) -> int:
    """The nearest that is set: the user's own, that of the group's members, the group's."""
    nearest = [policy.users.get(owner, Limits()).priority]
    if group is not None and group in policy.groups:
        nearest += [policy.groups[group].each.priority, policy.groups[group].pool.priority]
    nearest.append(policy.default.priority)
    return next((priority for priority in nearest if priority is not None), 0)
