"""Which devices a reservation is given. Pure.

Those that others have left by its beginning, whole cells first; then those that they leave soonest;
what is booked for another group too only where there is nothing else.

The choice stays as it is when what a cycle has decided is carried out. Else a plan that was made
around it could break in the next cycle, at the same time, and a second borrower would have to give
way for the same need. Hence

- what starts on devices that were not chosen makes no other cell the better one,
- a borrower who has been told to give way counts as if it stayed, as long as there are others,
- what members hold changes nothing: it stands in for devices that were chosen (:mod:`.bookings`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from heapq import nsmallest
from math import inf

from ..model import Lease
from ..policy import Reservation
from .catalogue import alternatives, matches
from .placement import NONE_BARRED, Board


class Choice:
    """The devices for one reservation."""

    def __init__(
        self,
        reservation: Reservation,
        members: frozenset[str],
        start: float,
        board: Board,
        held: Sequence[Lease],
        theirs: Iterable[Lease],
        told: Iterable[Lease],
        taken: Set[int],
    ) -> None:
        """``held``: leases by the board's numbers, of which ``theirs`` are the members', and
        borrowers were ``told`` to leave; ``taken``: devices booked for others then.
        """
        self.group = reservation.group
        self.members = members
        self.start = start
        """When it begins, or now."""
        self.end = reservation.end
        self._board = board
        self._left = board.free_at.copy()
        """By device: when those who are no members have left it."""
        self.theirs: dict[int, float] = {}
        """Devices that members hold and others leave in time: until when they hold them."""
        fitting = self._fitting(reservation.model)
        cells = [cell for n, cell in enumerate(board.catalogue.cells) if fitting[n]]
        self._look_at_members(held, theirs, fitting)
        count = reservation.gpus
        unsure = taken | self._told_to_leave(told)
        left, shut = self._left, board.shut
        sure = [
            [d for d in cell if left[d] <= start and not shut[d] and d not in unsure]
            for cell in cells
        ]
        self.devices = _whole_cells_first(sure, count)
        """The surest first."""
        self.late = count - len(self.devices)
        """Devices that others hold beyond its beginning, or that there aren't."""
        self.twice = NONE_BARRED
        """Where something is missing: all that is booked for others too, and they may let go."""
        self.wanted = NONE_BARRED
        """Where some are late: all that it would take as soon as others leave them."""
        if self.late:
            every = frozenset[int]().union(*cells)
            others = every.difference(*sure)
            more = nsmallest(self.late, others, key=lambda d: self._rank(d, taken))
            self.devices += more
            self.late -= sum(self._in_time(d) and d not in taken for d in more)
            self.wanted = every if self.late else NONE_BARRED
            self.twice = frozenset(d for d in every.intersection(taken) if self._in_time(d))

    def _fitting(self, model: str | None) -> list[bool]:
        """Of each cell, whether it is of the ``model`` that is booked."""
        catalogue, patterns = self._board.catalogue, alternatives(model)
        fits = [patterns is None or matches(patterns, name) for name in catalogue.models]
        return [fits[kind] for kind in catalogue.kind_of]

    def _look_at_members(
        self, held: Sequence[Lease], theirs: Iterable[Lease], fitting: Sequence[bool]
    ) -> None:
        number, cell_of = self._board.catalogue.number, self._board.catalogue.cell_of
        holds = self._board.holds
        uuids = {uuid for lease in theirs for uuid in lease.devices}
        for device in (number[uuid] for uuid in uuids if uuid in number):
            others = mine = -inf
            for hold in holds[device] or ():
                if held[hold.holder].owner in self.members:
                    mine = max(mine, hold.end)
                else:
                    others = max(others, hold.end)
            self._left[device] = others
            # A device that a member shares with somebody else is not theirs to count on.
            if others <= self.start < mine and fitting[cell_of[device]]:
                self.theirs[device] = mine

    def _told_to_leave(self, told: Iterable[Lease]) -> set[int]:
        """Devices that borrowers leave in time only because they have been told so."""
        number = self._board.catalogue.number
        found: set[int] = set()
        for lease in told:
            began = lease.created_at if lease.started_at is None else lease.started_at
            late = began + lease.request.duration > self.start
            if late and lease.owner not in self.members:
                found.update(number[uuid] for uuid in lease.devices if uuid in number)
        return found

    def _in_time(self, device: int) -> bool:
        """Whether members can have ``device`` from the beginning."""
        if self._board.shut[device]:
            return device in self.theirs
        return self._left[device] <= self.start

    def _rank(self, device: int, taken: Set[int]) -> tuple[bool, float, int]:
        """What is to be the least, of the devices that are not sure."""
        late = inf if self._board.shut[device] else max(self.start, self._left[device])
        return (device in taken, late, device)


def _whole_cells_first(cells: list[list[int]], count: int) -> list[int]:
    """``count`` devices, or all: of the biggest cells, and of the first one that has the rest.

    The first one, not the one with the most or the fewest: which that is changes as leases start
    on what was not chosen.
    """
    chosen: list[int] = []
    biggest_first = sorted(cells, key=len, reverse=True)
    for place, cell in enumerate(biggest_first):
        rest = count - len(chosen)
        if len(cell) >= rest:
            enough = [each for each in biggest_first[place:] if len(each) >= rest]
            return chosen + min(enough)[:rest]
        chosen += cell
    return chosen
