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
from itertools import chain, groupby
from operator import attrgetter

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

    def __init__(self, lease: Lease, duration: int, bound: Terms, want: Want, others: int) -> None:
        self.lease = lease
        self.owner = lease.owner
        self.milli = want.milli
        self.duration = duration
        self.bound = bound
        self.want = want
        self.limit: Limit | None = None
        """Its own limit that forbids it now."""
        self.nominal = True
        """It would not borrow."""
        self.offer = False
        """It will be offered, not started."""
        self.occupancy = duration
        """Seconds that devices are occupied from now if it starts or is offered now."""
        self.others = others
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
    asked: dict[tuple[str, str | None], list[Lease]] = defaultdict(list)
    for lease in queued:
        asked[lease.owner, lease.request.group].append(lease)
    found = []
    # Thousands in every decision: hence names for what is asked of each.
    wants, obstacle, met = catalogue.want, ledger.obstacle, bookings.met
    for (owner, group), leases in asked.items():
        bound, others = ledger.terms(owner, group), bookings.others(owner)
        models = bound.models
        for lease in leases:
            request = lease.request
            duration = request.duration
            want = wants(request, models)
            entry = Entry(lease, duration, bound, want, others)
            if request.interactive and lease.created_at != now:
                entry.offer = True
                entry.occupancy += offer_window
            if want.places:
                entry.limit = obstacle(bound, want.milli, duration)
            else:
                entry.limit = Limit.MODELS if wants(request).places else Limit.CAPACITY
            if others:
                entry.met = met(others, now + entry.occupancy)
            found.append(entry)
    return found


def in_order(
    found: Sequence[Entry], ledger: Ledger
) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Those within nominal quota, those who would borrow, and those who may not hold more."""
    line: dict[tuple[float, ...], list[tuple[float, str, Entry]]] = defaultdict(list)
    for bound, theirs in groupby(found, key=attrgetter("bound")):
        line[_rank(bound, ledger)] += [(e.lease.created_at, e.lease.id, e) for e in theirs]
    nominal: list[Entry] = []
    borrowing: list[Entry] = []
    passed: list[Entry] = []
    ahead: dict[int, int] = defaultdict(int)
    # No two have the same id: entries are never compared.
    for _, _, entry in chain.from_iterable(sorted(line[rank]) for rank in sorted(line)):
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


def _rank(bound: Terms, ledger: Ledger) -> tuple[float, float, float]:
    """The first three criteria."""
    own = pool = ledger.share(bound.user, bound.user_limits.weight)
    if bound.group is not None:
        pool = ledger.share(bound.group, bound.group_limits.weight)
    return (-bound.priority, pool, own)
