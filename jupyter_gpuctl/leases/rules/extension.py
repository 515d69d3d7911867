"""Until when a lease may be extended, and what says that it is no longer. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from ...core.errors import Conflict, NotFound
from ..model import EndReason, Lease, LeaseStatus, Limit, Outcome, Snapshot, Verdict
from . import phrases
from .accounting import GPU_HOUR
from .bookings import Bookings
from .borrowing import beyond_nominal
from .cycle import Cycle, decided
from .placement import Board
from .terms import Terms


@dataclass(frozen=True, slots=True)
class Extension:
    """The answer to a wish for more time."""

    verdict: Verdict
    """Admitted, with the limit that cut it where one did; or refused."""
    expires_at: float | None
    """Until when it is extended; as it was, where it is refused."""


@dataclass(frozen=True, slots=True)
class _Cap:
    until: float
    limit: Limit
    why: str
    """Follows the time: "until 15:10 UTC: …"."""
    used: float | None = None
    allowed: float | None = None
    hint: str = ""


def extend(snapshot: Snapshot, lease_id: str, seconds: int, now: float) -> Extension:
    """Until when ``lease_id`` may last if its owner asks for ``seconds`` more.

    - While nobody waits whom its devices would serve: for the longest lease, from now on.
    - While somebody does: only within the longest lease since it began, and not if it is borrowed.
    - Never beyond the GPU-hours that are left, nor into time booked for others.
    - Not at all, when it was told to end.

    The shortest of these counts, and the verdict names it. What was granted is never cut here.

    Raises:
        NotFound: no such lease.
        Conflict: it doesn't run (it waits, is offered, or is over).
    """
    lease = next((each for each in snapshot.leases if each.id == lease_id), None)
    if lease is None:
        raise NotFound("lease.unknown", f"There is no lease {lease_id[:64]!r}.")
    end = lease.expires_at
    if lease.status is not LeaseStatus.ACTIVE or (end is not None and end <= now):
        raise Conflict(
            "lease.not_active",
            f"Lease {lease_id} is not active.",
            hint="A lease can be extended from its start to its end.",
        )
    if lease.ending is not None:
        return Extension(_told_to_end(lease, now), end)
    if end is None:
        return Extension(Verdict(Outcome.ADMITTED, message="It has no end."), None)
    cycle = decided(snapshot, now)
    bound = cycle.ledger.terms(lease.owner, lease.group)
    asked = end + seconds
    caps = [
        _by_length(cycle, lease, bound),
        *_by_hours(cycle, lease, bound, end, asked),
        *_by_bookings(cycle, lease, asked),
    ]
    cap = min(caps, key=lambda each: each.until)
    until = max(end, min(asked, float(floor(cap.until))))
    if until >= asked:
        return Extension(
            Verdict(Outcome.ADMITTED, message=f"It lasts until {phrases.deadline(until, now)}."),
            until,
        )
    shown = phrases.deadline(until, now)
    granted = until > end
    return Extension(
        Verdict(
            Outcome.ADMITTED if granted else Outcome.REFUSED,
            cap.limit,
            cap.used,
            cap.allowed,
            f"It lasts until {shown}{' and no longer' if granted else ' as before'}: {cap.why}.",
            cap.hint,
        ),
        until,
    )


def _told_to_end(lease: Lease, now: float) -> Verdict:
    end = "soon" if lease.expires_at is None else f"at {phrases.deadline(lease.expires_at, now)}"
    if lease.ending is EndReason.RECLAIMED:
        whom = f" {lease.remark}" if lease.remark else ""
        return Verdict(
            Outcome.REFUSED,
            Limit.BORROWED,
            message=f"It is borrowed and is given back{whom} {end}.",
            hint="Save your work and ask again.",
        )
    why = f": {lease.remark.rstrip('.')}" if lease.remark else ""
    return Verdict(
        Outcome.REFUSED,
        message=f"An administrator ends it {end}{why}.",
        hint="Save your work.",
    )


def _by_length(cycle: Cycle, lease: Lease, bound: Terms) -> _Cap:
    """The longest lease; what is borrowed is not kept from those who wait for it."""
    now, longest = cycle.now, phrases.span(bound.longest)
    if not _awaited(cycle, lease):
        return _Cap(
            now + bound.longest,
            Limit.MAX_LEASE,
            f"from now a lease of yours may last {longest}",
            float(bound.longest),
            float(bound.longest),
            "Extend it again later.",
        )
    borrowed = beyond_nominal(cycle.ledger)
    if lease.id in borrowed:
        return _Cap(
            now,
            Limit.BORROWED,
            "it is beyond the nominal quota, and somebody waits for these GPUs",
            hint="Save your work; ask again for what comes after.",
        )
    # A clock that was set back lets nothing last longer.
    began = min(now, lease.created_at if lease.started_at is None else lease.started_at)
    return _Cap(
        began + bound.longest,
        Limit.MAX_LEASE,
        f"somebody waits for these GPUs, and a lease of yours may last {longest} in all",
        now - began,
        float(bound.longest),
        "Ask again for what comes after.",
    )


def _awaited(cycle: Cycle, lease: Lease) -> bool:
    """Whether somebody waits whom the devices of ``lease`` would serve, were they free."""
    catalogue = cycle.catalogue
    devices = [catalogue.number[uuid] for uuid in lease.devices if uuid in catalogue.number]
    for entry in (*cycle.nominal, *cycle.borrowing):
        if entry.started is not None or entry.limit is not None:
            continue
        firsts = dict(entry.want.places)
        for device in devices:
            cell = catalogue.cell_of[device]
            first = firsts.get(catalogue.kind_of[cell])
            if first is not None:
                fit = catalogue.cells[cell][first:]
                if device in fit and len(fit) >= entry.want.count:
                    return True
    return False


def _by_hours(cycle: Cycle, lease: Lease, bound: Terms, end: float, asked: float) -> list[_Cap]:
    """What is left of GPU-hours, of the owner and the group, in this window and later ones."""
    caps = []
    for holding, limits in bound.scopes:
        if limits.gpu_hours is None:
            continue
        scope, use = holding.scope, cycle.ledger.tally(holding, limits.gpu_hours)
        milli = lease.request.milli
        until = end + max(0.0, use.left) / milli
        if not use.rolling and (end >= use.reset or until >= use.reset):
            until = use.until(milli, max(end, use.reset), asked)
        if until < asked:
            whose = f"the group {scope.name}" if scope.group else "you"
            verb = "has" if scope.group else "have"
            caps.append(
                _Cap(
                    until,
                    Limit.GROUP_GPU_HOURS if scope.group else Limit.USER_GPU_HOURS,
                    f"{whose} {verb} {phrases.hours(max(0.0, use.left))} GPU-hours left"
                    if use.rolling or until < use.reset
                    else f"{whose} {verb} no more GPU-hours left in a later window",
                    (use.used + use.committed) / GPU_HOUR,
                    limits.gpu_hours.limit,
                    ""
                    if use.rolling or until >= use.reset
                    else f"They are counted anew from {phrases.moment(use.reset, cycle.now)}.",
                )
            )
    return caps


def _by_bookings(cycle: Cycle, lease: Lease, asked: float) -> list[_Cap]:
    """The beginning of booked times of others in which devices would be missing."""
    if not cycle.bookings.all:
        return []
    without = _bookings(cycle, lambda each, end: cycle.now if each is lease else end)
    after = _bookings(cycle, lambda each, end: asked if each is lease else end)
    return [
        _Cap(
            then.start,
            Limit.RESERVATION,
            f"GPUs are booked for the group {then.group} from "
            f"{phrases.moment(then.start, cycle.now)}",
        )
        for then, else_ in zip(after.reserved, without.reserved, strict=True)
        if lease.owner not in then.members and then.late > else_.late
    ]


def _bookings(cycle: Cycle, end_of: Callable[[Lease, float], float]) -> Bookings:
    """The bookings beside the leases that are held, if these end so."""
    board = Board(cycle.catalogue, cycle.snapshot.outside)
    board.seat(cycle.held, map(end_of, cycle.held, cycle.ends))
    return Bookings(cycle.snapshot, board, cycle.held, cycle.ledger, cycle.now)
