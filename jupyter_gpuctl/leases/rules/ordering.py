"""The order of the queue. Pure.

1. priority, higher first
2. fair share of the pool that is charged: less decayed use by weight first
3. fair share of the user
4. time of the request, earlier first
5. id, so that no two are equal

Then, keeping that order, those who would borrow go behind those who are within the nominal quota of
their pool: nobody borrows what an owner waits for. Whoever may not hold more at present, or ever,
stands behind them all and holds nobody up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..model import Lease, Limit
from .bookings import Bookings
from .catalogue import Catalogue, Want
from .entitlement import Ledger
from .plans import Plan
from .terms import Terms


class Entry:
    """A waiting lease, with what a cycle finds out about it."""

    __slots__ = (
        "bound",
        "duration",
        "lease",
        "limit",
        "met",
        "milli",
        "nominal",
        "occupancy",
        "offer",
        "others",
        "owner",
        "plan",
        "started",
        "want",
    )

    def __init__(self, lease: Lease, bound: Terms, want: Want) -> None:
        self.lease = lease
        self.owner = lease.owner
        self.milli = want.milli
        self.duration = lease.request.duration
        self.bound = bound
        self.want = want
        self.limit: Limit | None = None
        """Its own limit that forbids it now."""
        self.nominal = True
        """It would not borrow."""
        self.offer = False
        """It will be offered, not started."""
        self.occupancy = float(self.duration)
        """Seconds that devices are occupied from now if it starts or is offered now."""
        self.others = 0
        """Bookings that are for others, as bits."""
        self.met = 0
        """Those of them that it would run into if it started now."""
        self.plan: Plan | None = None
        self.started: list[int] | None = None
        """Devices that it was given in this cycle."""


def entries(
    queued: Iterable[Lease],
    catalogue: Catalogue,
    ledger: Ledger,
    bookings: Bookings,
    offer_window: int,
    now: float,
) -> list[Entry]:
    """The queue, in no order yet. What was asked for just now starts without an offer."""
    found = []
    # Thousands in every decision: hence names for what is asked of each.
    terms, wants, obstacle = ledger.terms, catalogue.want, ledger.obstacle
    others, met = bookings.others, bookings.met
    for lease in queued:
        request = lease.request
        bound = terms(lease.owner, request.group)
        want = wants(request, *bound.models)
        entry = Entry(lease, bound, want)
        if request.interactive and lease.created_at != now:
            entry.offer = True
            entry.occupancy += offer_window
        if want.places:
            entry.limit = obstacle(bound, request.milli, request.duration)
        else:
            entry.limit = Limit.MODELS if wants(request).places else Limit.CAPACITY
        entry.others = others(entry.owner)
        if entry.others:
            entry.met = met(entry.others, now + entry.occupancy)
        found.append(entry)
    return found


def in_order(
    found: Sequence[Entry], ledger: Ledger
) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Those within nominal quota, those who would borrow, and those who may not hold more."""
    ranks = _ranks({id(entry.bound): entry.bound for entry in found}.values(), ledger)
    line = [(ranks[id(e.bound)], e.lease.created_at, e.lease.id, e) for e in found]
    line.sort()  # no two have the same id: entries are never compared
    nominal: list[Entry] = []
    borrowing: list[Entry] = []
    passed: list[Entry] = []
    ahead: dict[int, int] = defaultdict(int)
    for _, _, _, entry in line:
        if entry.limit is not None:
            passed.append(entry)
            continue
        quota = entry.bound.pool_quota
        if quota is not None:
            pool = entry.bound.pool
            if pool.pooled + ahead[id(pool)] + entry.milli > quota.nominal:
                entry.nominal = False
                borrowing.append(entry)
                continue
            ahead[id(pool)] += entry.milli
        nominal.append(entry)
    return nominal, borrowing, passed


def _ranks(bounds: Iterable[Terms], ledger: Ledger) -> dict[int, int]:
    """The first three criteria as one number: equal where they are equal."""
    keys: dict[int, tuple[float, ...]] = {}
    for bound in bounds:
        own = pool = ledger.share(bound.user, bound.user_limits.weight)
        if bound.group is not None:
            pool = ledger.share(bound.group, bound.group_limits.weight)
        keys[id(bound)] = (-bound.priority, pool, own)
    places = {key: place for place, key in enumerate(sorted(set(keys.values())))}
    return {bound: places[key] for bound, key in keys.items()}
