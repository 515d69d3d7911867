"""What is used of quotas: GPU-hours in their windows, fair-share use that fades. Pure.

Amounts are milli-device-seconds: thousandths of a device, times seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import TypeAlias

from ..model import WHOLE, Account, Lease, LeaseStatus, Snapshot
from ..policy import HoursQuota, Limits, Window, WindowKind
from ..wire import Gauge
from .windows import bounds

HALF_LIFE = 7 * 24 * 3600.0
"""Seconds after which use counts half in the fair share."""

SLACK = 1e-3
"""Milli-device-seconds that sums of fractions may be off."""

GPU_HOUR = 3600.0 * WHOLE
"""Milli-device-seconds."""


def decay(value: float, seconds: float) -> float:
    """What ``value`` counts after ``seconds``. Time that runs backwards changes nothing."""
    return float(value * 0.5 ** (seconds / HALF_LIFE)) if seconds > 0 else value


def decayed_use(account: Account | None, live: Iterable[Lease], now: float) -> float:
    """Use for the fair share: of ended leases, halved each half-life, and of ``live`` ones.

    What a lease uses begins to fade when it ends, as it is then that it is added to the account.
    """
    return faded(account, now) + sum(lease.charged(now) for lease in live)


def faded(account: Account | None, now: float) -> float:
    """Of that use, what ended leases count."""
    return 0.0 if account is None else decay(account.decayed, now - account.decayed_at)


@dataclass(slots=True)
class Tally:
    """The GPU-hours of one user or group in the present window."""

    limit: float
    start: float
    reset: float
    """When a calendar window begins anew; of a rolling one, when use of now has dropped out."""
    rolling: bool
    used: float = 0.0
    """Within the window, so far."""
    committed: float = 0.0
    """That live leases will still use before the reset, if they are used to their ends."""
    window: Window | None = None
    later: list[tuple[int, float, float]] = field(default_factory=list)
    """What live leases will use after the reset: amount, from when, until when."""
    kept: float = 0.0
    """For the heads of the queue: what is used beside them must leave it."""
    left: float = field(init=False)
    """What can still be asked for."""
    plain: float = field(init=False)
    """Until when ``left`` is all there is to know: later ends reach into other windows."""

    def __post_init__(self) -> None:
        self.left = self.limit - self.used - self.committed
        self.plain = inf if self.rolling else self.reset

    def cost(self, milli: int, begin: float, end: float) -> float:
        """What a lease of ``milli`` from ``begin`` to ``end`` takes from this window."""
        last = min(self.reset, end)
        return milli * (last - begin) if last > begin else 0.0

    def commit(self, milli: int, begin: float, end: float) -> None:
        """Count a lease of ``milli`` from ``begin`` to ``end`` as if it were used to its end."""
        self.committed += self.cost(milli, begin, end)
        self.left = self.limit - self.used - self.committed
        if end > self.reset:
            self.later.append((milli, max(begin, self.reset), end))

    @property
    def carried(self) -> float:
        """That live leases will use after the reset."""
        return sum(milli * (end - begin) for milli, begin, end in self.later if end < inf)

    def allows(self, milli: int, begin: float, end: float) -> bool:
        """Whether a lease of ``milli`` from ``begin`` to ``end`` stays within the limit.

        In this window beside what is used and set aside, and in each window that it reaches into
        beside what live leases will use there.
        """
        if milli * (end - begin) <= self.left and end <= self.plain:
            return True  # as nearly always
        if self.cost(milli, begin, end) > self.left + SLACK:
            return False
        if end <= self.plain:
            return True
        return self.until(milli, max(begin, self.reset), end) >= end

    def until(self, milli: int, begin: float, end: float) -> float:
        """Until when, ``end`` at most, ``milli`` more keep within the windows after the reset.

        ``begin`` is not before the reset.
        """
        while begin < end and self.window is not None:
            start, reset = bounds(self.window, begin)
            used = sum(
                amount * max(0.0, min(stop, reset) - max(since, start))
                for amount, since, stop in self.later
            )
            last = begin + max(0.0, self.limit - used + SLACK) / milli
            if last < min(end, reset):
                return last
            begin = reset
        return end


Use: TypeAlias = tuple[int, float, float, float, float, float, float]
"""Of one lease: its amount; since when and until when it has been used, and what that makes; what
is still to come of it, from when until when, and what that makes."""


def use_of(lease: Lease, now: float) -> Use:
    """Of one that holds devices, or has ended in this cycle. An offer is as if accepted now.

    One whose devices are gone is not used since then; what is to come of it is as if they came
    back now.
    """
    milli, since, ended = lease.request.milli, lease.started_at, lease.ended_at
    lost = lease.lost_at
    if ended is not None:
        if lost is not None:
            ended = min(ended, lost)
        return _use(milli, ended if since is None else since, ended, now, now)
    if since is None or lease.status is LeaseStatus.OFFERED:
        return _use(milli, now, now, now, now + lease.request.duration)
    end = inf if lease.expires_at is None else lease.expires_at
    if since > now:
        return _use(milli, since, now, since, end)
    return _use(milli, since, now if lost is None else min(now, lost), now, end)


def _use(milli: int, since: float, last: float, begin: float, end: float) -> Use:
    used = milli * (last - since) if last > since else 0.0
    to_come = milli * (end - begin) if end > begin else 0.0
    return (milli, since, last, used, begin, end, to_come)


def tally(quota: HoursQuota, account: Account | None, leases: Iterable[Lease], now: float) -> Tally:
    """How it stands with ``quota``.

    ``leases``: the live ones charged to it that hold devices, and those that have ended without
    being in ``account`` yet.

    The rule: what is used in the window so far, and what the rest of every live lease will use,
    and what a new lease costs, stay within the limit. Of a calendar window only what falls before
    its reset counts; the rest counts in the next ones, and stays within their limits likewise. In
    a rolling window a lease counts whole, up to the length of the window. An offer counts as if it
    were accepted now.
    """
    return tally_of(quota, account, [use_of(lease, now) for lease in leases], now)


def tally_of(quota: HoursQuota, account: Account | None, uses: Iterable[Use], now: float) -> Tally:
    """:func:`tally`, of the uses of the leases."""
    start, reset = bounds(quota.window, now)
    used, committed = 0.0 if account is None else account.spent, 0.0
    later: list[tuple[int, float, float]] = []
    # Thousands in every decision: hence no calls here.
    for milli, since, last, so_far, begin, end, to_come in uses:
        if since >= start:
            used += so_far
        elif last > start:
            used += milli * (last - start)
        if end <= reset:
            committed += to_come
            continue
        if reset > begin:
            committed += milli * (reset - begin)
        later.append((milli, max(begin, reset), end))
    return Tally(
        quota.limit * GPU_HOUR,
        start,
        reset,
        quota.window.kind is WindowKind.ROLLING,
        used,
        committed,
        quota.window,
        later,
    )


def gauges(snapshot: Snapshot, user: str, now: float) -> tuple[Gauge, ...]:
    """The limits of ``user`` and of the groups that it is a member of, each with its use.

    For each: devices at once, GPU-hours where they are limited, and of the user the requests that
    wait. A user's GPU-hours and devices are those of all its leases, whatever group is charged.
    """
    policy = snapshot.policy
    groups = policy.groups_of(user)
    own = policy.limits_of(user, groups[0].name if groups else None)
    mine = sorted((x for x in snapshot.leases if x.owner == user), key=lambda x: x.id)
    waiting = sum(lease.status is LeaseStatus.QUEUED for lease in mine)
    found = _of("user", user, own, snapshot.users.get(user), mine, now)
    allowed = own.max_queued
    left = None if allowed is None else float(max(0, allowed - waiting))
    found.append(
        Gauge("user", user, "queued", float(waiting), allowed, None, left, None, None, None)
    )
    for group in groups:
        charged = sorted((x for x in snapshot.leases if x.group == group.name), key=lambda x: x.id)
        account = snapshot.groups.get(group.name)
        found += _of("group", group.name, group.pool, account, charged, now)
    return tuple(found)


def _of(
    scope: str, name: str, limits: Limits, account: Account | None, leases: list[Lease], now: float
) -> list[Gauge]:
    held = [lease for lease in leases if lease.holds]
    devices = sum(lease.request.milli for lease in held)
    quota = limits.gpus
    found = [
        Gauge(
            scope,
            name,
            "gpus",
            used=devices / WHOLE,
            allowed=None if quota is None else quota.limit / WHOLE,
            nominal=None if quota is None else quota.nominal / WHOLE,
            left=None if quota is None else max(0, quota.limit - devices) / WHOLE,
            window=None,
            window_seconds=None,
            resets_at=None,
        )
    ]
    hours = limits.gpu_hours
    if hours is not None:
        use = tally(hours, account, held, now)
        found.append(
            Gauge(
                scope,
                name,
                "gpu_hours",
                used=use.used / GPU_HOUR,
                allowed=hours.limit,
                nominal=None,
                left=max(0.0, use.left) / GPU_HOUR,
                window=hours.window.kind,
                window_seconds=hours.window.seconds if use.rolling else None,
                resets_at=_resets(use, account, held, now),
            )
        )
    return found


def _resets(use: Tally, account: Account | None, held: list[Lease], now: float) -> datetime | None:
    """Of a rolling window: when its oldest use begins to drop out, where that is known."""
    if not use.rolling:
        return datetime.fromtimestamp(use.reset, UTC)
    begun = [lease.started_at for lease in held if lease.started_at is not None]
    if (account is not None and account.spent > 0) or not begun:
        return None
    return datetime.fromtimestamp(max(use.start, min(begun)) + (now - use.start), UTC)
