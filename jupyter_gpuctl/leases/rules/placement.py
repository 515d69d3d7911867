"""Which devices are free, and which of them a request gets. Pure, and changed as a cycle goes on.

Whole devices are left whole and big holes big, as in best fit: a share goes to the device that is
already shared and has the least left that is enough, else to a device of the cell with the fewest
free ones; whole devices come from the cell with the fewest free ones that are enough. Devices with
less memory are tried first, and of kinds with as much the one with the tightest room; where that is
the same, the one that the fewest ask for by name (:mod:`.catalogue`). This keeps what is free
useful to the requests that are hardest to serve; Weng et al., "Beware of Fragmentation" (USENIX ATC
2023), measure why.

Everything is kept sorted as it changes, so that a search looks at few cells.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterable, Mapping
from itertools import groupby
from math import inf
from typing import NamedTuple, TypeAlias

from ..model import WHOLE, Lease
from .catalogue import Catalogue, Want

NONE_BARRED: frozenset[int] = frozenset()
Places: TypeAlias = tuple[tuple[int, int], ...]


class Hold(NamedTuple):
    """What one lease has of one device."""

    end: float
    milli: int
    memory: int
    holder: int
    """A number that the caller gives to the lease."""


class Board:
    """What is free of the devices of a catalogue."""

    def __init__(self, catalogue: Catalogue, outside: Mapping[str, frozenset[str | None]]) -> None:
        devices = catalogue.devices
        self.catalogue = catalogue
        self.left = [WHOLE] * len(devices)
        """Thousandths of each device that no lease holds."""
        self.memory_left = [device.memory or 0 for device in devices]
        self.holds: list[tuple[Hold, ...]] = [()] * len(devices)
        self.free_at = [-inf] * len(devices)
        """When no lease holds the device any more; the past: it is free."""
        self.shut = bytearray(len(devices))
        """1: in use by processes that no lease covers."""
        self.own: dict[str, dict[int, list[int]]] = {}
        """By user and cell: such devices that only this user's processes are on."""
        for uuid in sorted(outside):
            self._shut(uuid, outside[uuid])
        self._in_use = [device for device, shut in enumerate(self.shut) if shut]
        self._groups: dict[Places, tuple[Places, ...]] = {}
        self._free = [0] * len(catalogue.cells)
        self._roomy: list[list[list[int]]] = [[[] for _ in range(n + 1)] for n in catalogue.largest]
        """By kind and number of free devices: cells, in order."""
        self._partly: list[list[tuple[int, int]]] = [[] for _ in catalogue.largest]
        """By kind: what is left of shared devices, with the device; least first."""

    def _shut(self, uuid: str, users: frozenset[str | None]) -> None:
        device = self.catalogue.number.get(uuid)
        if device is None or not users:
            return
        self.shut[device] = 1
        if len(users) == 1:
            (user,) = users
            if user is not None:
                cell = self.catalogue.cell_of[device]
                self.own.setdefault(user, {}).setdefault(cell, []).append(device)

    def seat(self, held: Iterable[Lease], ends: Iterable[float]) -> None:
        """Note the leases that hold devices already, by their places, with their ends.

        A device that is gone holds nobody up.
        """
        number = self.catalogue.number.get
        for holder, (lease, end) in enumerate(zip(held, ends, strict=True)):
            request = lease.request
            milli = request.milli
            if milli >= WHOLE:
                hold = Hold(end, WHOLE, 0, holder)
            else:
                hold = Hold(end, milli, request.memory or 0, holder)
            self._occupy(map(number, lease.devices), hold)

    def _occupy(self, devices: Iterable[int | None], hold: Hold) -> None:
        """``None``: a device that is gone."""
        end, milli, memory, _ = hold
        alone = (hold,)
        for device in devices:
            if device is None:
                continue
            self.left[device] -= milli
            if self.left[device] < 0:
                self.left[device] = 0
            self.memory_left[device] -= memory
            self.holds[device] += alone
            if end > self.free_at[device]:
                self.free_at[device] = end

    def open(self) -> None:
        """Sort what is free. Once all that hold devices are seated."""
        left, shut = self.left, self.shut
        for cell, members in enumerate(self.catalogue.cells):
            kind = self.catalogue.kind_of[cell]
            free = 0
            for device in members:
                if shut[device]:
                    continue
                if left[device] == WHOLE:
                    free += 1
                elif left[device]:
                    self._partly[kind].append((left[device], device))
            self._free[cell] = free
            if free:
                self._roomy[kind][free].append(cell)
        for shelf in self._partly:
            shelf.sort()

    def most_free(self, kind: int) -> int:
        """Free whole devices of the cell of ``kind`` that has the most."""
        shelves = self._roomy[kind]
        return next((n for n in range(len(shelves) - 1, 0, -1) if shelves[n]), 0)

    def find(
        self, want: Want, barred: Container[int] = NONE_BARRED, owner: str | None = None
    ) -> list[int] | None:
        """The devices that ``want`` gets now, none of the ``barred``; ``None``: there are none.

        Whole devices on which only ``owner`` computes, outside of leases, come first.
        """
        if want.shared:
            return self._share(want, barred)
        if owner is not None and owner in self.own:
            found = self._beside(want, barred, self.own[owner])
            if found is not None:
                return found
        return self._whole(want, want.count, barred)

    def _whole(self, want: Want, count: int, barred: Container[int]) -> list[int] | None:
        for places in self._alike(want.places):
            most = max(len(self._roomy[kind]) for kind, _ in places)
            for free in range(count, most):
                for kind, first in places:
                    shelves = self._roomy[kind]
                    for cell in shelves[free] if free < len(shelves) else ():
                        found = self.free_in(cell, first, barred)
                        if len(found) >= count:
                            return found[:count]
        return None

    def _alike(self, places: Places) -> tuple[Places, ...]:
        """``places`` in groups of equal memory: of the kinds in one none is more capable."""
        found = self._groups.get(places)
        if found is None:
            memories = self.catalogue.memories
            groups = groupby(places, key=lambda place: memories[place[0]])
            found = self._groups[places] = tuple(tuple(group) for _, group in groups)
        return found

    def _share(self, want: Want, barred: Container[int]) -> list[int] | None:
        for places in self._alike(want.places):
            tightest: tuple[int, int] | None = None
            for kind, _ in places:
                shelf = self._partly[kind]
                for place in range(bisect_left(shelf, (want.milli, -1)), len(shelf)):
                    if tightest is not None and shelf[place] >= tightest:
                        break
                    device = shelf[place][1]
                    if self.memory_left[device] >= want.memory and device not in barred:
                        tightest = shelf[place]
                        break
            if tightest is not None:
                return [tightest[1]]
        return self._whole(want, 1, barred)

    def _beside(
        self, want: Want, barred: Container[int], own: Mapping[int, list[int]]
    ) -> list[int] | None:
        """With as many of the owner's ``own`` devices as possible, and then the tightest."""
        found: list[tuple[int, int, int, list[int]]] = []
        firsts = want.firsts
        for cell, devices in own.items():
            kind = self.catalogue.kind_of[cell]
            if kind not in firsts:
                continue
            fit = self.catalogue.cells[cell][firsts[kind] :]
            mine = [d for d in devices if d in fit and self.left[d] == WHOLE and d not in barred]
            others = self.free_in(cell, firsts[kind], barred)
            if mine and len(mine) + len(others) >= want.count:
                chosen = (mine + others)[: want.count]
                found.append((-min(len(mine), want.count), len(others), cell, chosen))
        return min(found)[3] if found else None

    def free_in(self, cell: int, first: int, barred: Container[int]) -> list[int]:
        """Free whole devices of ``cell``, in order."""
        left, shut = self.left, self.shut
        return [
            device
            for device in self.catalogue.cells[cell][first:]
            if left[device] == WHOLE and not shut[device] and device not in barred
        ]

    def take(self, devices: Iterable[int], hold: Hold) -> None:
        """Give ``devices``, which :meth:`find` has found, to a lease."""
        for device in devices:
            before = self.left[device]
            self._occupy((device,), hold)
            if self.shut[device]:
                continue
            cell = self.catalogue.cell_of[device]
            kind = self.catalogue.kind_of[cell]
            if before == WHOLE:
                free = self._free[cell]
                self._free[cell] = free - 1
                shelves = self._roomy[kind]
                del shelves[free][bisect_left(shelves[free], cell)]
                if free > 1:
                    insort(shelves[free - 1], cell)
            else:
                shelf = self._partly[kind]
                del shelf[bisect_left(shelf, (before, device))]
            if 0 < self.left[device] < WHOLE:
                insort(self._partly[kind], (self.left[device], device))

    def shorten(self, uuids: Iterable[str], holder: int, end: float) -> None:
        """``holder`` will leave its devices at ``end``, earlier than was known."""
        for uuid in uuids:
            device = self.catalogue.number.get(uuid)
            if device is None:
                continue
            holds = tuple(
                [
                    hold._replace(end=end) if hold.holder == holder else hold
                    for hold in self.holds[device]
                ]
            )
            self.holds[device] = holds
            self.free_at[device] = max((hold.end for hold in holds), default=-inf)

    def would_fit(self, want: Want) -> list[int] | None:
        """Devices in use from outside, without which ``want`` would be served now."""
        firsts = want.firsts
        catalogue = self.catalogue
        cells: dict[int, list[int]] = {}
        for device in self._in_use:
            cell = catalogue.cell_of[device]
            first = firsts.get(catalogue.kind_of[cell])
            if first is None or (first and device not in catalogue.cells[cell][first:]):
                continue
            fits = (
                self.left[device] >= want.milli and self.memory_left[device] >= want.memory
                if want.shared
                else self.left[device] == WHOLE
            )
            if fits:
                cells.setdefault(cell, []).append(device)
        for cell, shut in cells.items():
            first = firsts[catalogue.kind_of[cell]]
            missing = want.count - (
                0 if want.shared else len(self.free_in(cell, first, NONE_BARRED))
            )
            if 0 < missing <= len(shut):
                return shut[:missing]
        return None
