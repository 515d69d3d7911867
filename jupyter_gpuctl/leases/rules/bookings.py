"""Devices booked for a group in a time window, kept from the leases of others. Pure.

A reservation says how many devices, not which. At each decision as many are chosen
(:mod:`.choice`). Others start on a chosen device only what ends before the window begins. So at
any time of the window enough devices remain that others don't hold, if there were enough to begin
with; what others hold already is not taken from them. What members hold beside the chosen devices
stands in for as many of these, as long as they hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model import EndReason, Lease, Snapshot
from .choice import Choice
from .entitlement import Ledger
from .placement import NONE_BARRED, Board


@dataclass(frozen=True, slots=True)
class Booking:
    """What is kept for a group in a time window: for a reservation, or for a part of it."""

    group: str
    members: frozenset[str]
    start: float
    end: float
    devices: frozenset[int]
    late: int = 0
    """Devices of it that others hold beyond its beginning, or that there aren't."""
    wanted: frozenset[int] = NONE_BARRED
    """Where some are late: all that it would take as soon as others leave them."""


class Bookings:
    """All that have not ended."""

    def __init__(
        self,
        snapshot: Snapshot,
        board: Board,
        held: Sequence[Lease],
        ledger: Ledger,
        now: float,
    ) -> None:
        """``held``: leases by the numbers under which the board knows them."""
        reservations = sorted(
            (r for r in snapshot.policy.reservations if r.end > now and r.gpus > 0),
            key=lambda r: (r.start, r.end, r.group, r.model or "", r.gpus),
        )
        told = [lease for lease in held if lease.ending is EndReason.RECLAIMED]
        choices: list[Choice] = []
        for reservation in reservations:
            group = snapshot.policy.groups.get(reservation.group)
            members = frozenset() if group is None else group.members
            start = max(now, reservation.start)
            taken = {
                device
                for other in choices
                if other.start < reservation.end and start < other.end
                for device in other.devices
            }
            theirs = [lease for member in members for lease in ledger.leases_of(member)]
            choices.append(Choice(reservation, members, start, board, held, theirs, told, taken))
        self.reserved: list[Booking] = []
        """One for each reservation, with what is kept for it from its beginning."""
        self.all: list[Booking] = []
        """The same, and what is kept later, when members have left what stood in for it."""
        lent: list[tuple[Choice, set[int]]] = []
        for choice in choices:
            beside = [each for each in choices if _overlap(each, choice)]
            taken = {device for each in beside for device in each.devices}
            taken.update(*(devices for other, devices in lent if other in beside))
            stand_ins = {d: end for d, end in choice.theirs.items() if d not in taken}
            lent.append((choice, set(stand_ins)))
            self._keep(choice, sorted(stand_ins.values(), reverse=True))
        self._of: dict[frozenset[str], int] = {}
        """By members: the bookings that are theirs, as bits."""
        for number, booking in enumerate(self.all):
            self._of[booking.members] = self._of.get(booking.members, 0) | 1 << number
        self._others: dict[str, int] = {}
        self._met: dict[tuple[int, float], int] = {}
        self._barred: dict[int, frozenset[int]] = {0: NONE_BARRED}
        self._closed: dict[int, dict[int, list[tuple[float, float]]]] = {0: {}}

    def _keep(self, choice: Choice, stand_ins: list[float]) -> None:
        """``stand_ins``: until when members hold devices that were not chosen, the last first."""
        # The first to be let go are those that members don't hold, and of these the least sure.
        order = choice.devices[::-1]
        order.sort(key=choice.theirs.__contains__)
        later: dict[float, set[int]] = {}
        for device, end in zip(order, stand_ins, strict=False):
            later.setdefault(end, set()).add(device)
        kept = frozenset(choice.devices).difference(*later.values()) | choice.twice
        group, members, end = choice.group, choice.members, choice.end
        late = max(0, choice.late - len(stand_ins))
        wanted = choice.wanted if late else NONE_BARRED
        self.reserved.append(Booking(group, members, choice.start, end, kept, late, wanted))
        self.all.append(self.reserved[-1])
        for start, devices in sorted(later.items()):
            if start < end:
                self.all.append(Booking(group, members, start, end, frozenset(devices)))

    def others(self, owner: str) -> int:
        """The bookings that are not ``owner``'s, as bits."""
        found = self._others.get(owner)
        if found is None:
            found = sum(bits for members, bits in self._of.items() if owner not in members)
            self._others[owner] = found
        return found

    def met(self, others: int, end: float) -> int:
        """Those of ``others`` that a lease from now to ``end`` runs into."""
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

    def wanted(self, met: int) -> frozenset[int]:
        """The devices of these bookings, and those that they take as soon as others leave them."""
        short = (b.wanted for n, b in enumerate(self.all) if met >> n & 1)
        return self.barred(met).union(*short)

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


def _overlap(one: Choice, other: Choice) -> bool:
    return one.start < other.end and other.start < one.end


def end_of_windows(times: Sequence[tuple[float, float]], start: float, duration: float) -> float:
    """The first time from ``start`` at which ``duration`` fits between booked ``times``."""
    for begin, end in times:
        if start < end and start + duration > begin:
            start = end
    return start
