"""When devices will be free for those who wait, about. Pure.

All start in the order of the queue, each as soon as its devices are free, and use all of their
time. Nobody fills the holes that this leaves, and nobody gives back early; so what it says is
possible as things stand, and many will start earlier. What has no basis is not said: requests that
need devices in use from outside, or held without an end.

For speed there is a heap of cells for each number of whole devices, and one of shared devices for
each size of share. Keys are worked out anew only when they come to the top; that is right, because
what is planned makes them later, never earlier. Where many devices are shared and many sizes of
shares wait, shares are foreseen only on devices that all holders have left: of so many one is soon.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Container, Iterable
from heapq import heapify, heappush
from math import inf

from ..model import WHOLE
from .bookings import end_of_windows
from .catalogue import Want
from .heaps import STALE, Heap, first_of
from .placement import Board, Hold
from .plans import Closed
from .slots import Slot, Slots

_EXACT = 4096
"""Shared devices times sizes of shares up to which all of them are looked at."""

_WHOLE = (Hold(inf, WHOLE, 0, -1),)
"""Of a device that is planned to be held whole: nothing more of it is ever asked."""
_SHARED = (Hold(inf, 0, 0, -1),)
"""Of one that is planned to be shared, where not all are looked at."""

_Search = tuple[Heap, Container[int], Callable[[int], float], Callable[[int, float], float]]
"""Of cells, what :func:`.heaps.first_of` takes: the heap, what is booked, and how to get times."""


class Forecast:
    """The devices as they come free, on a copy of the board."""

    def __init__(self, board: Board, waiting: Iterable[Want], now: float) -> None:
        """``waiting``: all wants that will be asked about."""
        self.now = now
        self._catalogue = board.catalogue
        self._free = [
            inf if shut else max(now, free)
            for free, shut in zip(board.free_at, board.shut, strict=True)
        ]
        """When each device is wholly free."""
        self._holds = board.holds.copy()
        self._shut = board.shut
        self._cell_versions = [0] * len(self._catalogue.cells)
        self._versions = [0] * len(self._free)
        self._whole: dict[tuple[int, int], Heap] = {}
        """By places of a want and number of devices: cells."""
        self._sorted = [self._in_order(cell) for cell in range(len(self._catalogue.cells))]
        """By cell: when its devices are free, in order."""
        self._booked: dict[int, frozenset[int]] = {}
        self._searches: dict[tuple[int, int, float, int], _Search] = {}
        self._shared: dict[tuple[int, int, int], Heap] = {}
        """By places and size of a share: devices that are shared, or planned to be."""
        self._slots = Slots()
        sizes = {(want.milli, want.memory) for want in waiting if want.shared}
        shared = sum(1 for holds in self._holds if holds and holds[-1].milli < WHOLE)
        self._exact = shared * len(sizes) <= _EXACT

    def book(self, devices: Iterable[int], want: Want, start: float, end: float) -> None:
        """``want`` is going to hold ``devices`` from ``start`` to ``end``."""
        if want.shared:
            for device in devices:
                self._book_share(device, want, start, end)
            return
        for device in devices:
            if not self._shut[device]:  # else only whose processes are there gets it
                self._holds[device] = _WHOLE
                self._free_from(device, end)

    def _book_share(self, device: int, want: Want, start: float, end: float) -> None:
        if self._shut[device]:
            return
        before = self._holds[device]
        if not self._is_shared(device):
            # Whoever has it whole leaves it before.
            before = (Hold(start, WHOLE, 0, -1),) if start > self.now else ()
            self._share_out(device, want, start)
        if self._exact:
            self._holds[device] = (*before, Hold(end, want.milli, want.memory, -1))
        else:
            self._holds[device] = _SHARED
        self._free_from(device, max(end, self._free[device]))

    def _free_from(self, device: int, time: float) -> None:
        """``device`` is wholly free later than was known, and its holders are others."""
        cell, before = self._catalogue.cell_of[device], self._free[device]
        self._versions[device] += 1
        self._cell_versions[cell] += 1
        if time != before:
            times = self._sorted[cell]
            times.remove(before)
            insort(times, time)
            self._free[device] = time

    def _in_order(self, cell: int) -> list[float]:
        free, catalogue = self._free, self._catalogue
        times = sorted([free[device] for device in catalogue.cells[cell]])
        missing = catalogue.largest[catalogue.kind_of[cell]] - len(times)
        return times + [inf] * missing if missing else times

    def _is_shared(self, device: int) -> bool:
        holds = self._holds[device]
        return bool(holds) and holds[-1].milli < WHOLE

    def _share_out(self, device: int, want: Want, start: float) -> None:
        """From ``start`` on ``device`` is one of those that are shared."""
        if self._exact:
            for heap in self._shared.values():
                heappush(heap, (start, device, STALE))
            return
        memory = (self._catalogue.devices[device].memory or 0) - want.memory
        # It is booked at once, and so of the next version.
        version = self._versions[device] + 1
        self._slots.add(want, Slot(device, start, WHOLE - want.milli, memory, version))

    def start(self, want: Want, duration: float, after: float, closed: Closed) -> float:
        """The time at which ``want`` starts, not before ``after``; books its devices until its end.

        Infinite: there is no basis for saying.
        """
        start, chosen = inf, -1
        slot = None
        if want.shared:
            if self._exact:
                found = self._share(want, duration, after, closed)
                if found is not None:
                    start, chosen = found
            elif not closed:
                slot = self._slots.find(want, self._versions)
                if slot is not None:
                    start = max(after, slot.start)
                    chosen = slot.device
        cell = self._cell(want, duration, after, closed, start)
        if cell is not None:
            start = cell[0]
            devices = self._last_free(cell[1], want, start, duration, closed)
        elif start == inf:
            return inf
        else:
            devices = [chosen]
            if slot is not None:
                slot.fill(want)
        self.book(devices, want, start, start + duration)
        return start

    # --- shares ----------------------------------------------------------------------------------

    def _share(
        self, want: Want, duration: float, after: float, closed: Closed
    ) -> tuple[float, int] | None:
        """The shared device that has room first."""
        milli, memory = want.milli, want.memory
        heap = self._shared.get((want.group, milli, memory))
        if heap is None:
            heap = self._shared[want.group, milli, memory] = self._sharing(want)
        firsts = want.firsts
        catalogue = self._catalogue

        def fresh(device: int) -> float:
            kind = catalogue.kind_of[catalogue.cell_of[device]]
            return self._room_at(device, milli, memory) if kind in firsts else inf

        def later(device: int, start: float) -> float:
            return end_of_windows(closed[device], start, duration)

        return first_of(heap, self._versions, fresh, after, inf, closed, later)

    def _sharing(self, want: Want) -> Heap:
        """A heap for a size, from one for a smaller one: its times are early enough."""
        for (group, milli, memory), heap in self._shared.items():
            if group == want.group and milli <= want.milli and memory <= want.memory:
                return [(time, device, STALE) for time, device, _ in heap]
        heap = [
            (self._room_at(device, want.milli, want.memory), device, self._versions[device])
            for kind, _ in want.places
            for cell in self._catalogue.cells_of[kind]
            for device in self._catalogue.cells[cell]
            if self._is_shared(device)
        ]
        heapify(heap)
        return heap

    def _room_at(self, device: int, want_milli: int, want_memory: int) -> float:
        """When ``device`` first has room for a share, as its holders leave."""
        holds = self._holds[device]
        if not holds or self._shut[device] or holds[-1].milli >= WHOLE:
            return inf  # not shared any more: a whole lease waits for all of it
        milli = want_milli - WHOLE
        memory = want_memory - (self._catalogue.devices[device].memory or 0)
        for hold in holds:
            milli += hold.milli
            memory += hold.memory
        if milli <= 0 >= memory:
            return self.now
        for hold in sorted(holds):
            milli -= hold.milli
            memory -= hold.memory
            if milli <= 0 >= memory:
                return max(self.now, hold.end)
        return inf

    # --- whole devices ---------------------------------------------------------------------------

    def _cell(
        self, want: Want, duration: float, after: float, closed: Closed, than: float
    ) -> tuple[float, int] | None:
        """The cell that has enough whole devices first, if that is earlier ``than`` that."""
        key = (want.group, want.count, duration, id(closed))
        search = self._searches.get(key)
        if search is None:
            search = self._searches[key] = self._search(want, duration, closed)
        heap, booked, fresh, later = search
        return first_of(heap, self._cell_versions, fresh, after, than, booked, later)

    def _search(self, want: Want, duration: float, closed: Closed) -> _Search:
        """The same for all that ask for as much for as long."""
        count, firsts = want.count, want.firsts
        free, cells, kind_of = self._free, self._catalogue.cells, self._catalogue.kind_of
        in_order, versions = self._sorted, self._cell_versions
        heap = self._whole.get((want.group, count))
        if heap is None:
            heap = self._whole[want.group, count] = [
                (self._enough(cell, first, count), cell, versions[cell])
                for kind, first in want.places
                for cell in self._catalogue.cells_of[kind]
            ]
            heapify(heap)
        known: dict[tuple[int, float], tuple[int, float]] = {}

        def fresh(cell: int) -> float:
            first = firsts[kind_of[cell]]
            return self._enough(cell, first, count) if first else in_order[cell][count - 1]

        def later(cell: int, start: float) -> float:
            version, time = known.get((cell, start), (STALE, inf))
            if version != versions[cell]:
                times = sorted(
                    end_of_windows(closed.get(device, ()), max(free[device], start), duration)
                    for device in cells[cell][firsts[kind_of[cell]] :]
                )
                time = times[count - 1] if len(times) >= count else inf
                known[cell, start] = (versions[cell], time)
            return time

        return heap, self._cells_of(closed), fresh, later

    def _enough(self, cell: int, first: int, count: int) -> float:
        """When ``count`` devices of ``cell``, from its ``first`` on, are free."""
        times = self._sorted[cell]
        if first:
            times = sorted([self._free[device] for device in self._catalogue.cells[cell][first:]])
        return times[count - 1] if len(times) >= count else inf

    def _cells_of(self, closed: Closed) -> frozenset[int]:
        """The cells with devices that are booked."""
        found = self._booked.get(id(closed))
        if found is None:
            cell_of = self._catalogue.cell_of
            found = self._booked[id(closed)] = frozenset(cell_of[device] for device in closed)
        return found

    def _last_free(
        self, cell: int, want: Want, start: float, duration: float, closed: Closed
    ) -> list[int]:
        """Of the devices of ``cell`` that are free at ``start`` those that are free last."""
        free, devices = self._free, self._catalogue.cells[cell]
        first = want.firsts[self._catalogue.kind_of[cell]]
        if first:
            devices = devices[first:]
        fit = [device for device in devices if free[device] <= start]
        if cell in self._cells_of(closed):
            fit = [
                device
                for device in fit
                if device not in closed or end_of_windows(closed[device], start, duration) <= start
            ]
        if len(fit) > want.count:
            fit.sort(key=free.__getitem__)
        return fit[-want.count :]
