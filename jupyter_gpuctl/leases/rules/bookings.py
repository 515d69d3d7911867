"""Devices booked for a group in a time window, kept from the leases of others. Pure.

A reservation says how many devices, not which. At each decision as many are chosen, in a fixed
order: those that members hold anyway, then those that are free by the beginning, whole cells
first, then those that are free soonest. Others start on a chosen device only what ends before the
window begins. So at any time of the window enough devices remain that others don't hold, if there
were enough to begin with; what others hold already is not taken from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import inf

from ..model import Lease, Snapshot
from .catalogue import alternatives, matches
from .placement import NONE_BARRED, Board


@dataclass(frozen=True, slots=True)
class Booking:
    """A reservation, and the devices chosen for it."""

    group: str
    members: frozenset[str]
    start: float
    end: float
    devices: frozenset[int]
    late: int
    """Devices of it that others hold beyond its beginning, or that there aren't."""


class Bookings:
    """All that have not ended."""

    def __init__(self, snapshot: Snapshot, board: Board, held: Sequence[Lease], now: float) -> None:
        """``held``: leases by the numbers under which the board knows them."""
        self.all: list[Booking] = []
        reservations = sorted(
            (r for r in snapshot.policy.reservations if r.end > now and r.gpus > 0),
            key=lambda r: (r.start, r.end, r.group, r.model or "", r.gpus),
        )
        for reservation in reservations:
            group = snapshot.policy.groups.get(reservation.group)
            members = frozenset() if group is None else group.members
            start = max(now, reservation.start)
            taken = {
                device
                for other in self.all
                if other.start < reservation.end and start < other.end
                for device in other.devices
            }
            chosen, late = _choose(
                board, held, members, reservation.model, reservation.gpus, start, taken
            )
            self.all.append(
                Booking(reservation.group, members, start, reservation.end, chosen, late)
            )
        self._others: dict[str, int] = {}
        self._met: dict[tuple[int, float], int] = {}
        self._barred: dict[int, frozenset[int]] = {0: NONE_BARRED}
        self._closed: dict[int, dict[int, list[tuple[float, float]]]] = {0: {}}

    def others(self, owner: str) -> int:
        """The bookings that are not ``owner``'s, as bits."""
        found = self._others.get(owner)
        if found is None:
            found = sum(1 << n for n, each in enumerate(self.all) if owner not in each.members)
            self._others[owner] = found
        return found

    def met(self, others: int, end: float) -> int:
        """Those of ``others`` that a lease from now to ``end`` runs into."""
        if not others:
            return 0
        found = self._met.get((others, end))
        if found is None:
            met = (n for n, b in enumerate(self.all) if others >> n & 1 and b.start < end)
            found = self._met[others, end] = sum(1 << n for n in met)
        return found

    def barred(self, met: int) -> frozenset[int]:
        """The devices of these bookings."""
        found = self._barred.get(met)
        if found is None:
            chosen = (b.devices for n, b in enumerate(self.all) if met >> n & 1)
            found = self._barred[met] = frozenset().union(*chosen)
        return found

    def closed(self, others: int) -> dict[int, list[tuple[float, float]]]:
        """When each device is booked by these, in order of time."""
        found = self._closed.get(others)
        if found is None:
            found = self._closed[others] = {}
            for n, booking in enumerate(self.all):
                if others >> n & 1:
                    for device in booking.devices:
                        found.setdefault(device, []).append((booking.start, booking.end))
            for times in found.values():
                times.sort()
        return found


def _choose(
    board: Board,
    held: Sequence[Lease],
    members: frozenset[str],
    model: str | None,
    count: int,
    start: float,
    taken: set[int],
) -> tuple[frozenset[int], int]:
    """``count`` devices for ``members``, and how many of them come late or not at all."""
    chosen = nsmallest(count, _ranked(board, held, members, model, start, taken))
    late_ones = sum(twice or late > start for twice, _, late, _, _, _ in chosen)
    return frozenset(each[5] for each in chosen), late_ones + count - len(chosen)


def _ranked(
    board: Board,
    held: Sequence[Lease],
    members: frozenset[str],
    model: str | None,
    start: float,
    taken: set[int],
) -> Iterator[tuple[bool, bool, float, int, int, int]]:
    """Devices, with what is to be the least: those of others come last, and those that are late."""
    catalogue, patterns = board.catalogue, alternatives(model)
    free_at, shut = board.free_at, board.shut
    shared_with = _held_by(board, held, members)
    fitting = [patterns is None or matches(patterns, model) for model in catalogue.models]
    theirs = set()
    for cell, devices in enumerate(catalogue.cells):
        if not fitting[catalogue.kind_of[cell]]:
            continue
        times = []
        for device in devices:
            late = free_at[device]
            if device in shared_with:
                late, members_end = shared_with[device]
                # A device that a member shares with somebody else is not theirs to count on.
                if late <= start < members_end:
                    theirs.add(device)
            if shut[device] and device not in theirs:
                late = inf
            times.append(late if late > start else -inf)
        whole = times.count(-inf)
        # What is booked for another group too only where there is nothing else.
        for device, late in zip(devices, times, strict=True):
            yield (device in taken, device not in theirs, late, -whole, cell, device)


def _held_by(
    board: Board, held: Sequence[Lease], members: frozenset[str]
) -> dict[int, tuple[float, float]]:
    """The devices that ``members`` hold: the last end of others there, and of members."""
    number = board.catalogue.number
    uuids = {uuid for lease in held if lease.owner in members for uuid in lease.devices}
    found = {}
    for device in (number[uuid] for uuid in uuids if uuid in number):
        others = mine = -inf
        for hold in board.holds[device] or ():
            if held[hold.holder].owner in members:
                mine = max(mine, hold.end)
            else:
                others = max(others, hold.end)
        found[device] = (others, mine)
    return found


def end_of_windows(times: Sequence[tuple[float, float]], start: float, duration: float) -> float:
    """The first time from ``start`` at which ``duration`` fits between booked ``times``."""
    for begin, end in times:
        if start < end and start + duration > begin:
            start = end
    return start
