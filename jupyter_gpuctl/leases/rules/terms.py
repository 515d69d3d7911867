"""What one user or group holds, and what binds a user's leases that are charged to a group."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from ..model import Lease
from ..policy import GpuQuota, Limits, Policy
from .accounting import Tally, Use


class Scope(NamedTuple):
    """A user or a group, as whom uses are added up for."""

    group: bool
    name: str


class Holding:
    """What one user or group holds and spends."""

    __slots__ = (
        "_live",
        "held",
        "holders",
        "kept",
        "pooled",
        "scope",
        "share",
        "started",
        "tallies",
        "used",
        "uses",
    )

    def __init__(self, scope: Scope, live: Sequence[Lease]) -> None:
        """``live``: all leases that hold devices, whoever has them."""
        self.scope = scope
        self._live = live
        self.holders: list[int] = []
        """Of its leases that hold devices: their places among all that do."""
        self.uses: list[Use] = []
        """Of these, and of those that have ended in this cycle and are in no account yet."""
        self.held = 0
        """Milli-devices."""
        self.pooled = 0
        """Those that count against its own nominal quota: a user's that no group is charged for."""
        self.used = 0.0
        """Milli-device-seconds, by all in ``uses`` so far."""
        self.started: list[tuple[int, float, float]] = []
        """In this cycle: amount, duration, and for how long it occupies devices."""
        self.tallies: dict[int, Tally] = {}
        self.kept: Kept | None = None
        self.share: float | None = None

    @property
    def leases(self) -> list[Lease]:
        """That hold devices."""
        return [self._live[holder] for holder in self.holders]

    def add_up(self) -> None:
        """Once all its uses are known."""
        self.held = sum([use[0] for use in self.uses])
        self.used = sum([use[3] for use in self.uses])


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
        self.longest = _longest(policy, self.user_limits, self.group_limits)
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
    return _longest(policy, policy.limits_of(owner, group), policy.pool_of(group))


def _longest(policy: Policy, user: Limits, group: Limits) -> int:
    both = [x for x in (user.max_lease, group.max_lease) if x is not None]
    return min(both, default=policy.max_lease)


def _priority(policy: Policy, owner: str, group: str | None) -> int:
    """The nearest that is set: the user's own, that of the group's members, the group's."""
    nearest = [policy.users[owner]] if owner in policy.users else []
    if group is not None and group in policy.groups:
        nearest += [policy.groups[group].each, policy.groups[group].pool]
    for limits in (*nearest, policy.default):
        if limits.priority is not None:
            return limits.priority
    return 0
