"""When each of those who wait may start, by devices and by its own limits. Pure."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

from .accounting import SLACK, Tally
from .cycle import Cycle, planned_end
from .entitlement import Holding, Terms
from .forecast import Forecast
from .model import Reclaim
from .ordering import Entry
from .policy import GpuQuota


class Room:
    """When the devices-at-once limit of a user or group allows more, as its leases end."""

    __slots__ = ("_ends", "_floor", "_limit", "_used")

    def __init__(self, limit: int, held: list[tuple[float, int]], now: float) -> None:
        """``held``: ends and amounts of what is held."""
        self._ends = held
        heapify(self._ends)
        self._used = sum(milli for _, milli in held)
        self._limit = limit
        self._floor = now

    def when(self, milli: int, duration: float) -> float:
        """The first time at which ``milli`` more may be held, not before the last answer."""
        if milli > self._limit:
            return inf
        while self._used + milli > self._limit:
            if not self._ends:
                return inf
            end, gone = heappop(self._ends)
            self._used -= gone
            self._floor = max(self._floor, end)
        return self._floor

    def spend(self, milli: int, start: float, end: float) -> None:
        """So much will be held until ``end``."""
        heappush(self._ends, (end, milli))
        self._used += milli


class Budget:
    """When the GPU-hours of a user or group allow more: now, after a calendar reset, or unknown."""

    __slots__ = ("_left", "_next", "_now", "_tally", "_window")

    def __init__(self, tally: Tally, now: float) -> None:
        self._tally = tally
        self._now = now
        self._window = tally.reset - now
        self._left = tally.left + SLACK
        self._next = -inf if tally.rolling else tally.limit - tally.carried + SLACK

    def when(self, milli: int, duration: float) -> float:
        """The first time at which a lease can be paid for."""
        if milli * min(duration, self._window) <= self._left:
            return self._now
        return self._tally.reset if milli * duration <= self._next else inf

    def spend(self, milli: int, start: float, end: float) -> None:
        """A lease will start then."""
        cost = self._tally.cost(milli, start, end)
        self._left -= cost
        self._next -= milli * (end - start) - cost


class Estimates:
    """When each of those who wait starts, about."""

    def __init__(self, cycle: Cycle, waiting: list[Entry]) -> None:
        """``waiting``: those who wait, in order."""
        self._cycle = cycle
        self._waiting = waiting
        self._now = cycle.now
        self._forecast = Forecast(cycle.board, (entry.want for entry in waiting), cycle.now)
        self._rooms: dict[int, Room] = {}
        self._budgets: dict[int, Budget] = {}
        self._limits: dict[int, list[Room | Budget]] = {}
        self._reclaimed = {
            decision.lease_id: decision.expires_at
            for decision in cycle.decisions
            if isinstance(decision, Reclaim)
        }

    def times(self, upto: int | None = None) -> list[float]:
        """Of those who wait, or of the first ``upto``; infinite: there is no basis for saying.

        Whose start is planned has that; the others come after these, in order.
        """
        times = [inf] * len(self._waiting[:upto])
        for place, entry in enumerate(self._waiting):
            if entry.plan is not None:
                start = entry.plan.start
                self._forecast.book(entry.plan.devices, entry.want, start, start + entry.duration)
                self._spend(entry, start)
                if place < len(times):
                    times[place] = start
        for place, entry in enumerate(self._waiting[:upto]):
            if entry.plan is None:
                times[place] = self._time(entry)
        return times

    def _time(self, entry: Entry) -> float:
        if entry.duration > entry.bound.longest or not entry.want.places:
            return inf
        after = self._now
        for limit in self._limits_of(entry.bound):
            time = limit.when(entry.milli, entry.duration)
            if time > after:
                after = time
        if after == inf:
            return inf
        closed = self._cycle.bookings.closed(entry.others)
        start = self._forecast.start(entry.want, entry.duration, after, closed)
        if start < inf:
            self._spend(entry, start)
        return start

    def _spend(self, entry: Entry, start: float) -> None:
        """What ``entry`` will hold and use of limits."""
        for limit in self._limits_of(entry.bound):
            limit.spend(entry.milli, start, start + entry.duration)

    def _limits_of(self, bound: Terms) -> list[Room | Budget]:
        found = self._limits.get(id(bound))
        if found is None:
            found = self._limits[id(bound)] = [
                self._room(holding, limits.gpus)
                for holding, limits in bound.scopes
                if limits.gpus is not None
            ]
            tallies = (bound.user_hours, bound.group_hours)
            found += [self._budget(use) for use in tallies if use is not None]
        return found

    def _room(self, holding: Holding, quota: GpuQuota) -> Room:
        room = self._rooms.get(id(holding))
        if room is None:
            ends = [
                (self._reclaimed.get(lease.id, planned_end(lease)), lease.request.milli)
                for lease in holding.leases
            ]
            ends += [(self._now + lasts, milli) for milli, _, lasts in holding.started]
            room = self._rooms[id(holding)] = Room(quota.limit, ends, self._now)
        return room

    def _budget(self, use: Tally) -> Budget:
        budget = self._budgets.get(id(use))
        if budget is None:
            budget = self._budgets[id(use)] = Budget(use, self._now)
        return budget
