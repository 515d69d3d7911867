"""When those who wait will start, about. Pure.

All start in the order of the queue, each as soon as its devices are free, and use all of their
time. Nobody fills the holes that this leaves, and nobody gives back early; so what it says is
possible as things stand, and many will start earlier. What has no basis is not said: requests that
need devices in use from outside, or limits of which it isn't known when they allow more.

For speed each kind of devices has a heap of cells for each size of request. Keys are worked out
anew only when they come to the top; that is right, because what is planned makes them later, never
earlier.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from .accounting import Tally
from .bookings import end_of_windows
from .catalogue import Want
from .model import WHOLE
from .placement import Board, Hold
from .plans import Closed, share_time

_STALE = -1

_Key = tuple[int, int, int, int]
"""Kind, first device, and either the devices needed or (negative) the share, with its memory."""


class Forecast:
    """The devices as they come free, on a copy of the board."""

    def __init__(self, board: Board, now: float) -> None:
        self.now = now
        self._catalogue = board.catalogue
        self._free = [
            inf if shut else max(free, now)
            for free, shut in zip(board.free_at, board.shut, strict=True)
        ]
        """When each device is wholly free."""
        self._holds = board.holds.copy()
        self._left = board.left
        self._shut = board.shut
        self._version = [0] * len(self._catalogue.cells)
        self._heaps: dict[_Key, list[tuple[float, int, int]]] = {}
        self._bases: dict[tuple[int, bool], list[tuple[float, int, int]]] = {}

    def book(
        self, devices: Iterable[int], start: float, end: float, milli: int, memory: int
    ) -> None:
        """Somebody is going to hold ``devices``."""
        hold = Hold(end, milli, memory, -1)
        for device in devices:
            # A whole request waits for all before it; a share goes beside those who stay.
            before = self._holds[device] if milli < WHOLE else None
            self._holds[device] = [hold] if before is None else [*before, hold]
            self._free[device] = max(self._free[device] if milli < WHOLE else 0.0, end)
            self._version[self._catalogue.cell_of[device]] += 1

    def start(self, want: Want, duration: float, after: float, closed: Closed) -> float:
        """The time at which ``want`` starts, not before ``after``; books its devices until its end.

        Infinite: there is no basis for saying.
        """
        best: tuple[float, int, int] | None = None
        place = 0
        for rank, (kind, first) in enumerate(want.places):
            size = -want.milli if want.shared else want.count
            key = (kind, first, size, want.memory if want.shared else 0)
            found = self._top(key, duration, after, closed, inf if best is None else best[0])
            if found is not None and (best is None or (found[0], rank) < best[:2]):
                best, place = (found[0], rank, found[1]), first
        if best is None or best[0] == inf:
            return inf
        start, _, cell = best
        devices = self._devices(cell, place, want, start)
        self.book(devices, start, start + duration, want.milli, want.memory)
        return start

    def _top(
        self, key: _Key, duration: float, after: float, closed: Closed, than: float
    ) -> tuple[float, int] | None:
        """The cell that allows the earliest start, if one is earlier ``than`` that."""
        heap = self._heap(key)
        aside: list[tuple[float, int, int]] = []
        best: tuple[float, int] | None = None
        while heap and heap[0][0] < (than if best is None else best[0]):
            time, cell, version = heap[0]
            if version != self._version[cell]:
                heapreplace(heap, (self._time(key, cell), cell, self._version[cell]))
                continue
            start = max(time, after)
            if closed and any(device in closed for device in self._catalogue.cells[cell]):
                # Where booked times are in the way, the next cell may be earlier.
                aside.append(heappop(heap))
                start = self._between(key, cell, start, duration, closed)
                if start < than and (best is None or (start, cell) < best):
                    best = (start, cell)
                continue
            if best is None or (start, cell) < best:
                best = (start, cell)
            break
        for entry in aside:
            heappush(heap, entry)
        return best

    def _heap(self, key: _Key) -> list[tuple[float, int, int]]:
        heap = self._heaps.get(key)
        if heap is None:
            # A sorted list is a heap, and its keys are early enough for every size.
            heap = self._heaps[key] = self._base(key[0], shared=key[2] < 0).copy()
        return heap

    def _base(self, kind: int, *, shared: bool) -> list[tuple[float, int, int]]:
        """Cells of ``kind`` with a time before which nothing can start there."""
        base = self._bases.get((kind, shared))
        if base is None:
            base = []
            for cell in self._catalogue.cells_of[kind]:
                devices = self._catalogue.cells[cell]
                times = [self._some(d) if shared else self._free[d] for d in devices]
                base.append((min(times), cell, _STALE))
            heapify(base)
            base.sort()
            self._bases[kind, shared] = base
        return base

    def _some(self, device: int) -> float:
        """Before this no more of ``device`` is free than nothing."""
        if self._shut[device]:
            return inf
        if self._left[device]:
            return self.now
        return max(self.now, min((hold.end for hold in self._holds[device] or ()), default=0.0))

    def _time(self, key: _Key, cell: int) -> float:
        """When ``cell`` has what is wanted."""
        _, first, size, memory = key
        devices = self._catalogue.cells[cell]
        if first:
            devices = devices[first:]
        if size < 0:
            return min((self._share(d, -size, memory) for d in devices), default=inf)
        if len(devices) < size:
            return inf
        free = self._free
        if size == 1:
            return min([free[device] for device in devices])
        return sorted([free[device] for device in devices])[size - 1]

    def _share(self, device: int, milli: int, memory: int) -> float:
        holds = self._holds[device]
        if not holds or self._shut[device]:
            return self._free[device]
        if len(holds) == 1 and holds[0].milli >= WHOLE:
            return self._free[device]
        size = self._catalogue.devices[device].memory or 0
        return share_time(holds, size, milli, memory, self.now)

    def _between(
        self, key: _Key, cell: int, after: float, duration: float, closed: Closed
    ) -> float:
        """When ``cell`` has what is wanted, for ``duration``, between booked times."""
        _, first, size, memory = key
        times = []
        for device in self._catalogue.cells[cell][first:]:
            time = self._share(device, -size, memory) if size < 0 else self._free[device]
            time = max(time, after)
            times.append(end_of_windows(closed.get(device, []), time, duration))
        count = max(1, size)
        return sorted(times)[count - 1] if len(times) >= count else inf

    def _devices(self, cell: int, first: int, want: Want, start: float) -> list[int]:
        """Those of ``cell`` to plan for, the ones that are free last."""
        devices = self._catalogue.cells[cell][first:]
        if want.shared:
            times = [(self._share(d, want.milli, want.memory), d) for d in devices]
        else:
            times = [(self._free[d], d) for d in devices]
        fit = sorted(each for each in times if each[0] <= start)
        return [device for _, device in fit[-want.count :]]


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

    def when(self, milli: int) -> float:
        """The first time at which ``milli`` more may be held, not before the last answer."""
        while self._used + milli > self._limit:
            if not self._ends:
                return inf
            end, gone = heappop(self._ends)
            self._used -= gone
            self._floor = max(self._floor, end)
        return self._floor

    def add(self, end: float, milli: int) -> None:
        """So much will be held until ``end``."""
        heappush(self._ends, (end, milli))
        self._used += milli


class Budget:
    """When the GPU-hours of a user or group allow more: now, after a calendar reset, or unknown."""

    __slots__ = ("_left", "_next", "_tally")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._left = tally.left
        self._next = -inf if tally.rolling else tally.limit - tally.carried

    def when(self, milli: int, duration: float, now: float) -> float:
        """The first time at which a lease can be paid for."""
        if self._tally.cost(milli, now, now + duration) <= self._left:
            return now
        return self._tally.reset if milli * duration <= self._next else inf

    def spend(self, milli: int, start: float, duration: float) -> None:
        """A lease will start then."""
        cost = self._tally.cost(milli, start, start + duration)
        self._left -= cost
        self._next -= milli * duration - cost
