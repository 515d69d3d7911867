"""Step 8 of a cycle: how it stands with those who go on waiting, and when to look again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from .cycle import Cycle
from .entitlement import Scope
from .forecast import Budget, Forecast, Room
from .model import LeaseStatus, Limit, Offer, Outlook, Reclaim, Standing, Start
from .ordering import Entry
from .policy import GpuQuota, HoursQuota
from .reasons import Reasons

_ROLLING_LOOK = 60.0
"""Seconds after which to look again at a limit in a rolling window, from which use drops out."""


def outlook(cycle: Cycle) -> Outlook:
    """What ``cycle`` has decided, and what follows from it."""
    waiting = in_line(cycle)
    standings: dict[str, Standing] = {}
    if waiting:
        times = Estimates(cycle).of(waiting)
        reasons = Reasons(cycle)
        for position, entry in enumerate(waiting, 1):
            time = times[position - 1]
            verdict = reasons.of(entry)
            standings[entry.lease.id] = Standing(position, None if time == inf else time, verdict)
    return Outlook(tuple(cycle.decisions), standings, _wake_at(cycle, waiting))


def in_line(cycle: Cycle) -> list[Entry]:
    """Who still waits: those whose own limits forbid it now behind all others."""
    line = [entry for entry in cycle.nominal + cycle.borrowing if entry.started is None]
    able = [entry for entry in line if entry.limit is None]
    return able + [entry for entry in line if entry.limit is not None] + cycle.passed


class Estimates:
    """When each of those who wait starts, about."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._now = cycle.now
        self._forecast = Forecast(cycle.board, cycle.now)
        self._rooms: dict[Scope, Room] = {}
        self._budgets: dict[Scope, Budget] = {}
        self._held: dict[Scope, list[tuple[float, int]]] = {}
        ledger = cycle.ledger
        started = [entry for entry in cycle.nominal + cycle.borrowing if entry.started is not None]
        for lease, end in zip(cycle.held, cycle.ends, strict=False):
            bound = ledger.terms(lease.owner, lease.request.group)
            for scope in (bound.user, bound.group):
                if scope is not None:
                    self._held.setdefault(scope, []).append((end, lease.request.milli))
        for entry in started:
            for scope in (entry.bound.user, entry.bound.group):
                if scope is not None:
                    end = self._now + entry.occupancy
                    self._held.setdefault(scope, []).append((end, entry.milli))

    def of(self, waiting: list[Entry]) -> list[float]:
        """In the same order; infinite: there is no basis for saying."""
        times = [inf] * len(waiting)
        for place, entry in enumerate(waiting):
            if entry.plan is not None:
                devices, start = entry.plan.devices, entry.plan.start
                want = entry.want
                memory = want.memory if want.shared else 0
                end = start + entry.duration
                self._forecast.book(devices, start, end, want.milli, memory)
                self._spend(entry, start)
                times[place] = start
        for place, entry in enumerate(waiting):
            if entry.plan is None:
                times[place] = self._one(entry)
        return times

    def _one(self, entry: Entry) -> float:
        if entry.duration > entry.bound.longest or not entry.want.places:
            return inf
        after = self._now
        for scope, gpus, hours in self._limits(entry):
            if gpus is not None:
                after = max(after, self._room(scope, gpus).when(entry.milli))
            if hours is not None:
                budget = self._budget(scope, hours)
                after = max(after, budget.when(entry.milli, entry.duration, self._now))
        if after == inf:
            return inf
        closed = self._cycle.bookings.closed(entry.others)
        start = self._forecast.start(entry.want, float(entry.duration), after, closed)
        if start < inf:
            self._spend(entry, start)
        return start

    def _spend(self, entry: Entry, start: float) -> None:
        """What ``entry`` will hold and use of limits."""
        for scope, gpus, hours in self._limits(entry):
            if gpus is not None:
                self._room(scope, gpus).add(start + entry.duration, entry.milli)
            if hours is not None:
                self._budget(scope, hours).spend(entry.milli, start, entry.duration)

    def _limits(self, entry: Entry) -> Iterator[tuple[Scope, GpuQuota | None, HoursQuota | None]]:
        bound = entry.bound
        yield bound.user, bound.user_limits.gpus, bound.user_limits.gpu_hours
        if bound.group is not None:
            yield bound.group, bound.group_limits.gpus, bound.group_limits.gpu_hours

    def _room(self, scope: Scope, quota: GpuQuota) -> Room:
        room = self._rooms.get(scope)
        if room is None:
            room = Room(quota.limit, self._held.get(scope, []), self._now)
            self._rooms[scope] = room
        return room

    def _budget(self, scope: Scope, quota: HoursQuota) -> Budget:
        budget = self._budgets.get(scope)
        if budget is None:
            budget = self._budgets[scope] = Budget(self._cycle.ledger.tally(scope, quota))
        return budget


def _wake_at(cycle: Cycle, waiting: list[Entry]) -> float | None:
    """When time alone next changes something."""
    times = [inf]
    reclaimed = {d.lease_id: d.expires_at for d in cycle.decisions if isinstance(d, Reclaim)}
    for lease in cycle.held:
        if lease.expires_at is not None:
            times.append(reclaimed.get(lease.id, lease.expires_at))
        if lease.status is LeaseStatus.OFFERED and lease.offer_expires_at is not None:
            times.append(lease.offer_expires_at)
    for decision in cycle.decisions:
        if isinstance(decision, Start):
            times.append(decision.expires_at)
        elif isinstance(decision, Offer):
            times.append(decision.offer_expires_at)
    if waiting:
        times += [booking.end for booking in cycle.bookings.all]
    seen = set()
    for entry in waiting:
        if (id(entry.bound), entry.limit) not in seen:
            seen.add((id(entry.bound), entry.limit))
            times.append(_reset(cycle, entry))
    soonest = min(times)
    return None if soonest == inf else soonest


def _reset(cycle: Cycle, entry: Entry) -> float:
    """When the GPU-hours that ``entry`` waits for are counted anew."""
    bound = entry.bound
    if entry.limit is Limit.USER_GPU_HOURS and bound.user_limits.gpu_hours is not None:
        use = cycle.ledger.tally(bound.user, bound.user_limits.gpu_hours)
    elif entry.limit is Limit.GROUP_GPU_HOURS and bound.group and bound.group_limits.gpu_hours:
        use = cycle.ledger.tally(bound.group, bound.group_limits.gpu_hours)
    else:
        return inf
    return cycle.now + _ROLLING_LOOK if use.rolling else use.reset
