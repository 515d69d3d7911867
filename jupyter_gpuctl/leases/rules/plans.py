"""When, and on which devices, a request that waits can start, from the ends of leases. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from ..model import WHOLE
from .bookings import end_of_windows
from .catalogue import Want
from .placement import Board, Hold

Closed = Mapping[int, list[tuple[float, float]]]
"""By device: when it is booked for others, in order of time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """That a request starts at ``start`` on ``devices``."""

    start: float
    devices: tuple[int, ...]


def share_time(
    holds: Sequence[Hold], memory: int, want_milli: int, want_memory: int, now: float
) -> float:
    """When a device of ``memory`` bytes first has room, as its holders leave one by one."""
    too_much, beyond = want_milli - WHOLE, want_memory - memory
    for _, milli, share, _ in holds:
        too_much += milli
        beyond += share
    if too_much <= 0 and beyond <= 0:
        return now
    if len(holds) == 1:
        return max(holds[0].end, now)
    time = now
    for end, milli, share, _ in sorted(holds):
        if too_much <= 0 and beyond <= 0:
            break
        too_much -= milli
        beyond -= share
        time = end
    return max(time, now)


class Planner:
    """Finds plans on a board, around what is planned already."""

    def __init__(self, board: Board, now: float) -> None:
        self.now = now
        self.planned: set[int] = set()
        """Devices that are spoken for: no other plan has them."""
        self._board = board

    def earliest(self, want: Want, owner: str, occupancy: float, closed: Closed) -> Plan | None:
        """The earliest start, for a lease that occupies devices for ``occupancy`` seconds.

        Of cells that allow the same start: the one of which the fewest devices are free now, so
        that waiting costs the others least. ``None``: it would need devices that are in use from
        outside, or held without an end.
        """
        best: tuple[float, int, int, int] | None = None
        chosen: list[int] = []
        board, catalogue = self._board, self._board.catalogue
        own = board.own.get(owner, {})
        for rank, (kind, first) in enumerate(want.places):
            for cell in catalogue.cells_of[kind]:
                devices = catalogue.cells[cell]
                if first:
                    devices = devices[first:]
                if len(devices) < want.count:
                    continue
                if best is not None and not want.shared:
                    soonest = sorted([board.free_at[device] for device in devices])
                    if soonest[want.count - 1] > best[0]:
                        continue  # even if nothing else were in the way
                mine = own.get(cell, ()) if not want.shared else ()
                times = sorted(
                    [
                        (self._time(device, want, occupancy, closed, device in mine), device)
                        for device in devices
                    ]
                )
                start = times[want.count - 1][0]
                if start == inf or (best is not None and start > best[0]):
                    continue
                # The latest of those in time: what is free now stays free for others meanwhile.
                fit = [each for each in times if each[0] <= start][-want.count :]
                key = (start, sum(time <= self.now for time, _ in fit), rank, cell)
                if best is None or key < best:
                    best, chosen = key, [device for _, device in fit]
        return None if best is None else Plan(best[0], tuple(sorted(chosen)))

    def _time(self, device: int, want: Want, occupancy: float, closed: Closed, mine: bool) -> float:
        board = self._board
        if device in self.planned or (board.shut[device] and not mine):
            return inf
        if not want.shared:
            time = board.free_at[device]
        else:
            memory = board.catalogue.devices[device].memory or 0
            time = share_time(board.holds[device], memory, want.milli, want.memory, self.now)
        time = max(time, self.now)
        return end_of_windows(closed[device], time, occupancy) if device in closed else time
