"""Devices booked for a group in a time window, kept from the leases of others. Pure.

A reservation says how many devices, not which. At each decision as many are chosen, in a fixed
order: those that members hold anyway, then those that are free by the beginning, whole cells
first, then those that are free soonest. Others start on a chosen device only what ends before the
window begins. So at any time of the window enough devices remain that others don't hold, if there
were enough to begin with; what others hold already is not taken from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import inf

from .catalogue import alternatives, matches
from .model import Lease, Snapshot
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
        self._barred: dict[int, frozenset[int]] = {0: NONE_BARRED}
        self._closed: dict[int, dict[int, list[tuple[float, float]]]] = {0: {}}

    def others(self, owner: str) -> int:
        """The bookings that are not ``owner``'s, as bits."""
        return sum(1 << n for n, each in enumerate(self.all) if owner not in each.members)

    def met(self, others: int, end: float) -> int:
        """Those of ``others`` that a lease from now to ``end`` runs into."""
        if not others:
            return 0
        return sum(1 << n for n, b in enumerate(self.all) if others >> n & 1 and b.start < end)

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
    catalogue, patterns = board.catalogue, alternatives(model)
    ranked: list[tuple[bool, float, int, int, int]] = []
    for cell, devices in enumerate(catalogue.cells):
        kind = catalogue.kind_of[cell]
        if patterns is not None and not matches(patterns, catalogue.models[kind]):
            continue
        found = []
        for device in devices:
            if device not in taken:
                others = max(
                    (
                        hold.end
                        for hold in board.holds[device] or ()
                        if held[hold.holder].owner not in members
                    ),
                    default=-inf,
                )
                # A device that a member shares with somebody else is not theirs to count on.
                theirs = others <= start and any(
                    hold.end > start and held[hold.holder].owner in members
                    for hold in board.holds[device] or ()
                )
                late = inf if board.shut[device] and not theirs else others
                found.append((not theirs, late if late > start else -inf, device))
        whole = sum(late == -inf for _, late, _ in found)
        ranked += [(not_theirs, late, -whole, cell, device) for not_theirs, late, device in found]
    chosen = nsmallest(count, ranked)
    late_ones = sum(late > start for _, late, _, _, _ in chosen)
    return frozenset(each[4] for each in chosen), late_ones + count - len(chosen)


def end_of_windows(times: list[tuple[float, float]], start: float, duration: float) -> float:
    """The first time from ``start`` at which ``duration`` fits between booked ``times``."""
    for begin, end in times:
        if start < end and start + duration > begin:
            start = end
    return start
