"""Who gets which devices, when, and why not: the rules of the queue. Pure.

Nothing here reads a clock, a database or a driver; the same snapshot at the same time always leads
to the same decisions, whatever the order of its leases and devices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..model import (
    Lease,
    LeaseStatus,
    Limit,
    Outcome,
    Outlook,
    Request,
    Snapshot,
    Start,
    Verdict,
)
from .borrowing import beyond_nominal
from .cycle import decided
from .entitlement import OWN_LIMITS, Ledger
from .estimates import Estimates
from .extension import Extension, extend
from .outlook import in_line, outlook
from .phrases import gpus
from .reasons import Reasons
from .verdicts import queue_full

__all__ = ["Assessment", "Extension", "assess", "borrowed", "decide", "extend"]

_ASKED = "\U0010ffff"
"""Stands for the id of a request that is only assessed: behind all others."""


def decide(snapshot: Snapshot, now: float) -> Outlook:
    """What is to be done now, and how it stands with those who go on waiting.

    1. *Expire* leases whose time is over.
    2. *End what is revoked or reclaimed*, when the time that it was told has come.
    3. *Settle offers* that were not accepted in their window.
    4. *Order the queue* (:mod:`.ordering`): priority, fair share, age; nominal before borrowed. A
       request that its owner's or group's limits forbid now is passed over and holds nobody up.
    5. *Admit* in that order, until somebody has to wait. The first who waits for a kind of device
       is a head: the devices and the time at which it starts are planned from the ends of leases.
       Where that has no basis (it needs devices in use from outside, or held without an end)
       nothing is kept for it, and the next one can be the head.
    6. *Backfill*: later requests start, the shortest first, if they end before a head starts or use
       none of its devices and leave it its limits. So no head ever starts later for it.
    7. *Preempt what is borrowed*: those within nominal quota who still wait are given devices that
       borrowers give back after a grace. Nominal quota of those who can't be served yet goes to the
       next in line of the same pool. What is idle then is lent: steps 5 and 6 for those who would
       borrow.
    8. *Estimate starts* of those who go on waiting (:mod:`.forecast`), and say why they wait. This
       is worked out when somebody first asks: nothing that is decided rests on it.

    Somebody who has waited, and sits in front of it, gets an offer; a request that can start in the
    cycle of its making (``created_at == now``) starts.
    """
    return outlook(decided(snapshot, now))


@dataclass(frozen=True, slots=True)
class Assessment:
    """What would become of a request if it were made now."""

    verdict: Verdict
    devices: tuple[str, ...] = ()
    """UUIDs that it would get."""
    expires_at: float | None = None
    position: int | None = None
    """In the queue, where it would wait."""
    estimated_start: float | None = None
    """``None`` where it would wait: there is no basis for saying."""


def assess(snapshot: Snapshot, owner: str, request: Request, now: float) -> Assessment:
    """What would become of ``request`` if ``owner`` made it now. Nothing is changed.

    Refused is what can never be, what would wait beyond ``max_queued``, and, of an interactive
    request, what only the asker's own acts or a reset would resolve: limits of the user or the
    group that are reached now. A request that nobody sits in front of waits for those.

    ``request.group`` as ``None`` stands for the first group of ``owner``, if there is one. Whether
    the owner is a member of the group that is named is for the caller to check.
    """
    groups = snapshot.policy.groups_of(owner)
    if request.group is None and groups:
        request = replace(request, group=groups[0].name)
    asked = Lease(_ASKED, owner, request, LeaseStatus.QUEUED, created_at=now)
    cycle = decided(replace(snapshot, leases=(*snapshot.leases, asked)), now)
    for decision in cycle.decisions:
        if isinstance(decision, Start) and decision.lease_id == _ASKED:
            verdict = Verdict(Outcome.ADMITTED, message=f"It starts now, on {gpus(request.milli)}.")
            return Assessment(verdict, decision.devices, decision.expires_at)
    waiting = in_line(cycle)
    place = next(n for n, entry in enumerate(waiting) if entry.lease is asked)
    entry, reasons = waiting[place], Reasons(cycle)
    never = cycle.ledger.never(entry.bound, entry.milli, entry.duration)
    if entry.limit in (Limit.CAPACITY, Limit.MODELS):
        never = entry.limit
    if never is not None:
        return Assessment(reasons.forbids(entry, never))
    if entry.limit is not None and entry.limit in OWN_LIMITS and request.interactive:
        return Assessment(reasons.forbids(entry, entry.limit))
    allowed = entry.bound.user_limits.max_queued
    others = sum(each.owner == owner for each in waiting) - 1
    if allowed is not None and others >= allowed:
        return Assessment(queue_full(others, allowed))
    time = Estimates(cycle, waiting).times(place + 1)[place]
    return Assessment(
        reasons.of(entry),
        position=place + 1,
        estimated_start=None if time == float("inf") else time,
    )


def borrowed(snapshot: Snapshot, now: float) -> frozenset[str]:
    """The ids of leases that hold devices beyond the nominal quota of their pool."""
    held = sorted((lease for lease in snapshot.leases if lease.holds), key=lambda lease: lease.id)
    return beyond_nominal(Ledger(snapshot, held, (), now))
