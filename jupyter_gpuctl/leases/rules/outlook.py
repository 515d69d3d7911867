"""Step 8 of a cycle: how it stands with those who go on waiting, and when to look again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from threading import Lock

from ..model import Limit, Offer, Outlook, Standing
from .cycle import Cycle
from .estimates import Estimates
from .ordering import Entry
from .reasons import Reasons

_ROLLING_LOOK = 60.0
"""Seconds after which to look again at a limit in a rolling window, from which use drops out."""


class Standings(Mapping[str, Standing]):
    """Of all who wait, by id; worked out when one is first asked for.

    What is decided doesn't rest on it, so a write to the store doesn't wait for it. Until then the
    cycle is kept.
    """

    def __init__(self, cycle: Cycle, waiting: list[Entry]) -> None:
        self._open: tuple[Cycle, list[Entry]] | None = (cycle, waiting)
        self._found: dict[str, Standing] = {}
        self._turn = Lock()

    def __getitem__(self, lease_id: str) -> Standing:
        return self._all()[lease_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> dict[str, Standing]:
        if self._open is not None:
            with self._turn:  # the answers of one decision are read on several threads
                if self._open is not None:
                    self._found = _standings(*self._open)
                    self._open = None
        return self._found


def outlook(cycle: Cycle) -> Outlook:
    """What ``cycle`` has decided, and what follows from it."""
    waiting = in_line(cycle)
    wake_at = _wake_at(cycle, waiting)
    return Outlook(tuple(cycle.decisions), Standings(cycle, waiting), wake_at)


def _standings(cycle: Cycle, waiting: list[Entry]) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    if waiting:
        times, why = Estimates(cycle, waiting).times(), Reasons(cycle).of
        for position, (entry, time) in enumerate(zip(waiting, times, strict=True), 1):
            start = None if time == inf else time
            found[entry.lease.id] = Standing(position, start, why(entry))
    return found


def in_line(cycle: Cycle) -> list[Entry]:
    """Who still waits: those whose own limits forbid it now behind all others."""
    line = [entry for entry in cycle.nominal + cycle.borrowing if entry.started is None]
    able = [entry for entry in line if entry.limit is None]
    return able + [entry for entry in line if entry.limit is not None] + cycle.passed


def _wake_at(cycle: Cycle, waiting: list[Entry]) -> float | None:
    """When time alone next changes something."""
    # Whoever is told to give way has its new end there already. What is offered is over sooner.
    times = [inf, *cycle.ends]
    times += [x.offer_expires_at for x in cycle.offered if x.offer_expires_at is not None]
    times += [d.offer_expires_at for d in cycle.decisions if isinstance(d, Offer)]
    if waiting:
        times += [booking.end for booking in cycle.bookings.all]
    seen = set()
    for entry in waiting:
        limit = entry.limit
        hours = limit is Limit.USER_GPU_HOURS or limit is Limit.GROUP_GPU_HOURS
        if hours and (id(entry.bound), limit) not in seen:
            seen.add((id(entry.bound), limit))
            times.append(_reset(cycle, entry))
    soonest = min(times)
    return None if soonest == inf else soonest


def _reset(cycle: Cycle, entry: Entry) -> float:
    """When the GPU-hours that ``entry`` waits for are counted anew."""
    use = None
    if entry.limit is Limit.USER_GPU_HOURS:
        use = entry.bound.user_hours
    elif entry.limit is Limit.GROUP_GPU_HOURS:
        use = entry.bound.group_hours
    if use is None:
        return inf
    return cycle.now + _ROLLING_LOOK if use.rolling else use.reset
