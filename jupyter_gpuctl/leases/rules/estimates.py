"""When each of those who wait may start, by devices and by its own limits. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from math import inf

from ..policy import GpuQuota
from .accounting import SLACK, Tally
from .cycle import Cycle
from .forecast import Forecast
from .ordering import Entry
from .terms import Holding, Terms


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
        self._rooms: dict[int, Room | None] = {}
        self._budgets: dict[int, Budget | None] = {}
        self._limits: dict[int, list[Room | Budget]] = {}
        self._asked: dict[int, int] = defaultdict(int)
        """By limit: what all who wait ask for, of devices at once or of time on them."""
        self._add_up(waiting)

    def _add_up(self, waiting: Iterable[Entry]) -> None:
        each: dict[int, tuple[Terms, list[Entry]]] = {}
        for entry in waiting:
            alike = each.get(id(entry.bound))
            if alike is None:
                alike = each[id(entry.bound)] = (entry.bound, [])
            alike[1].append(entry)
        asked = self._asked
        for bound, entries in each.values():
            milli = sum([entry.milli for entry in entries])
            for holding, _ in bound.scopes:
                asked[id(holding)] += milli
            time = sum([entry.milli * entry.duration for entry in entries])
            for use in (bound.user_hours, bound.group_hours):
                if use is not None:
                    asked[id(use)] += time

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
        limits = self._limits.get(id(entry.bound))
        if limits is None:
            limits = self._limits_of(entry.bound)
        for limit in limits:
            time = limit.when(entry.milli, entry.duration)
            if time > after:
                after = time
        if after == inf:
            return inf
        closed = self._cycle.bookings.closed(entry.others)
        start = self._forecast.start(entry.want, entry.duration, after, closed)
        if start < inf:
            for limit in limits:
                limit.spend(entry.milli, start, start + entry.duration)
        return start

    def _spend(self, entry: Entry, start: float) -> None:
        """What ``entry`` will hold and use of limits."""
        for limit in self._limits_of(entry.bound):
            limit.spend(entry.milli, start, start + entry.duration)

    def _limits_of(self, bound: Terms) -> list[Room | Budget]:
        """Those that can make somebody wait: that don't allow all that is asked for."""
        rooms = [
            self._room(holding, limits.gpus)
            for holding, limits in bound.scopes
            if limits.gpus is not None
        ]
        hours = (bound.user_hours, bound.group_hours)
        budgets = [self._budget(use) for use in hours if use is not None]
        found = [limit for limit in (*rooms, *budgets) if limit is not None]
        self._limits[id(bound)] = found
        return found

    def _room(self, holding: Holding, quota: GpuQuota) -> Room | None:
        key = id(holding)
        if key not in self._rooms:
            room = None
            if holding.held + self._asked[key] > quota.limit:
                held = zip(holding.holders, holding.leases, strict=True)
                ends = [(self._cycle.ends[holder], lease.request.milli) for holder, lease in held]
                ends += [(self._now + lasts, milli) for milli, _, lasts in holding.started]
                room = Room(quota.limit, ends, self._now)
            self._rooms[key] = room
        return self._rooms[key]

    def _budget(self, use: Tally) -> Budget | None:
        key = id(use)
        if key not in self._budgets:
            self._budgets[key] = Budget(use, self._now) if self._asked[key] > use.left else None
        return self._budgets[key]
