"""One cycle of decisions over a snapshot, step by step. Pure outside, changing inside.

:mod:`.scheduler` says what each step is for; this is where they are done.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from operator import attrgetter

from ..model import (
    WHOLE,
    Decision,
    End,
    EndReason,
    Lease,
    LeaseStatus,
    Offer,
    Reclaim,
    Snapshot,
    Start,
)
from .bookings import Bookings
from .borrowing import Claims, Victim
from .catalogue import Catalogue
from .entitlement import Ledger
from .ordering import Entry, entries, in_order
from .placement import Board, Hold
from .plans import Plan, Planner


def planned_end(lease: Lease) -> float:
    """When a lease that holds devices leaves them, if it uses all of its time; may be infinite."""
    if lease.offer_expires_at is not None and lease.status is LeaseStatus.OFFERED:
        return lease.offer_expires_at + lease.request.duration
    return inf if lease.expires_at is None else lease.expires_at


def untold_end(lease: Lease) -> float:
    """When an active lease would leave its devices if it had not been told to give way."""
    began = lease.created_at if lease.started_at is None else lease.started_at
    return began + lease.request.duration


class Cycle:
    """What a cycle knows, and what it has decided so far."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot = snapshot
        self.policy = snapshot.policy
        self.now = now
        self.decisions: list[Decision] = []
        self.queued: list[Lease] = []
        self.held: list[Lease] = []
        self.over: list[Lease] = []
        """Those that were ended."""
        self.offered: list[Lease] = []
        """Of those that hold devices."""
        self.nominal: list[Entry] = []
        self.borrowing: list[Entry] = []
        self.passed: list[Entry] = []
        self._waited_for = 0
        """Kinds that heads of the queue wait for, as bits."""
        self._starts: list[float] = []
        """Of the plans, in order; beside them the devices that are barred from what ends later."""
        self._plans: list[Plan] = []
        self._barred: dict[tuple[int, int], frozenset[int]] = {}
        self._failed: set[tuple[int, int, int, str | None]] = set()
        """Want, bookings, plans and owner for whom nothing was found; less and less is free."""
        self._hopeless: set[tuple[int, int, str | None]] = set()
        self._victims: list[tuple[Victim, Entry]] = []
        self._told: dict[str, list[int]] = {}
        """By request that waits: the borrowers, by the board's numbers, who were told before to
        give way to it. Until its turn they count as if they stayed."""

    # --- 1 to 3 --------------------------------------------------------------------------------

    def end_what_is_over(self) -> None:
        """Expired leases, those that were told to end, offers that nobody took up."""
        expired: list[Decision] = []
        told: list[Decision] = []
        lapsed: list[Decision] = []
        now = self.now
        queued, active, ended = LeaseStatus.QUEUED, LeaseStatus.ACTIVE, LeaseStatus.ENDED
        for lease in self.snapshot.leases:
            status, end = lease.status, lease.expires_at
            if status is queued:
                self.queued.append(lease)
            elif status is ended:
                continue
            elif end is not None and end <= now:
                kind = expired if lease.ending is None else told
                kind.append(End(lease.id, lease.ending or EndReason.EXPIRED, end))
                self.over.append(replace(lease, ended_at=end))
            elif status is active:
                self.held.append(lease)
            elif lease.offer_expires_at is not None and lease.offer_expires_at <= now:
                lapsed.append(End(lease.id, EndReason.LAPSED, lease.offer_expires_at))
            else:
                self.held.append(lease)
                self.offered.append(lease)
        # From here on the order of the input is gone; the queue is put in one of its own.
        for ends in (expired, told, lapsed):
            self.decisions += sorted(ends, key=attrgetter("lease_id"))
        self.held.sort(key=attrgetter("id"))
        self.over.sort(key=attrgetter("id"))

    # --- 4 -------------------------------------------------------------------------------------

    def order_the_queue(self) -> None:
        """Set out what is free, and who waits for it in which order."""
        now, policy = self.now, self.policy
        wanted = Counter([lease.request.model for lease in self.queued])
        self.catalogue = Catalogue(self.snapshot.devices, wanted)
        self.board = Board(self.catalogue, self.snapshot.outside)
        self.ends = [planned_end(lease) for lease in self.held]
        """By the numbers under which the board knows leases: when they leave their devices."""
        self._hold_back_what_was_claimed()
        self.board.seat(self.held, self.ends)
        self.board.open()
        self.ledger = Ledger(self.snapshot, self.held, self.over, now)
        self.bookings = Bookings(self.snapshot, self.board, self.held, self.ledger, now)
        self.planner = Planner(self.board, now)
        found = entries(
            self.queued, self.catalogue, self.ledger, self.bookings, policy.offer_window, now
        )
        self.nominal, self.borrowing, self.passed = in_order(found, self.ledger)
        self._claims: Claims | None = None
        # Who has no right to it any more leaves it to the others.
        able = {entry.lease.id for entry in (*self.nominal, *self.borrowing)}
        for claimant in self._told.keys() - able:
            self._let_go(claimant)
        self._lends = bool(self.borrowing) or any(True for _ in self.ledger.beyond_nominal())
        """Whether anybody borrows, or would."""

    def _hold_back_what_was_claimed(self) -> None:
        """Keep what borrowers were told to give back for the request for which they were told.

        Else a request ahead of it, which found its plan elsewhere when the borrowers had not been
        told yet, would now be planned there, and more of them would have to go for the same need.
        """
        waiting = {lease.id for lease in self.queued}
        for holder, lease in enumerate(self.held):
            claimant = lease.gives_way_to
            if claimant in waiting and lease.ending is EndReason.RECLAIMED:
                self._told.setdefault(claimant, []).append(holder)
                self.ends[holder] = max(self.ends[holder], untold_end(lease))

    def _let_go(self, claimant: str) -> list[Lease]:
        """From now on all can plan with what was claimed for ``claimant``: these leases."""
        told = self._told.pop(claimant, [])
        for holder in told:
            lease = self.held[holder]
            self.ends[holder] = planned_end(lease)
            self.board.shorten(lease.devices, holder, self.ends[holder])
        if told and self._claims is not None:
            self._claims.more_comes_free()
        return [self.held[holder] for holder in told]

    # --- 5 -------------------------------------------------------------------------------------

    def admit(self, line: Iterable[Entry]) -> list[Entry]:
        """Start ``line`` in order, until somebody waits for devices that the next one could use.

        Returns those who come behind such a head of the queue.
        """
        behind = []
        for entry in line:
            if entry.want.kinds & self._waited_for:
                behind.append(entry)
            elif self._may(entry):
                devices = self._find(entry)
                if devices is not None:
                    self._start(entry, devices)
                else:
                    self._wait(entry)
        return behind

    def _may(self, entry: Entry) -> bool:
        """Whether limits let it start beside what has been started and planned meanwhile."""
        entry.limit = self.ledger.obstacle(entry.bound, entry.milli, entry.duration)
        return entry.limit is None and not self.ledger.in_the_way(
            entry.bound, entry.milli, entry.duration
        )

    @property
    def plan_starts(self) -> list[float]:
        """When the heads of the queue start, the first one first."""
        return self._starts

    def barred(self, met: int, end: float) -> frozenset[int]:
        """Devices on which nothing may start that lasts to ``end`` and runs into ``met``."""
        return self._barred_by(met, bisect_left(self._starts, end))

    def _barred_by(self, met: int, plans: int) -> frozenset[int]:
        found = self._barred.get((met, plans))
        if found is None:
            planned = (plan.devices for plan in self._plans[:plans])
            found = self.bookings.barred(met).union(*planned)
            self._barred[met, plans] = found
        return found

    def _find(self, entry: Entry) -> list[int] | None:
        plans = bisect_left(self._starts, self.now + entry.occupancy)
        owner = entry.owner if entry.owner in self.board.own else None
        key = (entry.want.number, entry.met, plans, owner)
        if key in self._failed:
            return None
        found = self.board.find(entry.want, self._barred_by(entry.met, plans), owner)
        if found is None:
            self._failed.add(key)
        return found

    def _start(self, entry: Entry, devices: list[int]) -> None:
        want, now = entry.want, self.now
        end = now + entry.occupancy
        memory = want.memory if want.shared else 0
        self.board.take(devices, Hold(end, min(WHOLE, want.milli), memory, len(self.ends)))
        self.ends.append(end)
        self.ledger.start(entry.bound, entry.milli, entry.duration, entry.occupancy)
        entry.started = devices
        self._let_go(entry.lease.id)
        uuids = tuple(self.catalogue.devices[device].uuid for device in devices)
        if entry.offer:
            until = now + self.policy.offer_window
            self.decisions.append(Offer(entry.lease.id, uuids, until))
        else:
            self.decisions.append(Start(entry.lease.id, uuids, now + entry.duration))

    def _wait(self, entry: Entry) -> None:
        """Make ``entry`` a head of the queue, if it can be known when it starts."""
        owner = entry.owner if entry.owner in self.board.own else None
        key = (entry.want.number, entry.others, owner)
        plan = None
        if key not in self._hopeless:
            closed = self.bookings.closed(entry.others)
            plan = self.planner.earliest(entry.want, entry.owner, entry.occupancy, closed)
            if plan is None:
                self._hopeless.add(key)
        grace = self.now + self.policy.reclaim_grace
        if plan is None or plan.start > grace:
            plan = self._claim(entry) or plan
        self._let_go(entry.lease.id)
        if plan is not None:
            self._keep(entry, plan)

    def _keep(self, entry: Entry, plan: Plan) -> None:
        """Nothing that starts in this cycle may delay ``plan``."""
        entry.plan = plan
        place = bisect_left(self._starts, plan.start)
        self._starts.insert(place, plan.start)
        self._plans.insert(place, plan)
        self._barred.clear()
        self._failed.clear()
        self._waited_for |= entry.want.kinds
        self.planner.planned.update(plan.devices)
        self.ledger.keep(
            entry.bound,
            entry.milli,
            plan.start,
            plan.start + entry.duration,
            nominal=entry.nominal and entry.bound.pool_quota is not None,
        )

    # --- 6 -------------------------------------------------------------------------------------

    def backfill(self, behind: Iterable[Entry]) -> None:
        """Start what doesn't delay the heads; of each priority the shortest first.

        Source: EASY backfilling (Lifka 1995), with the shortest first as in Tsafrir, Etsion and
        Feitelson (IEEE TPDS 2007), and with the devices that a head waits for, not their number.
        """
        line = sorted(behind, key=attrgetter("duration"))
        line.sort(key=attrgetter("bound.priority"), reverse=True)
        for entry in line:
            if self._may(entry):
                devices = self._find(entry)
                if devices is not None:
                    self._start(entry, devices)

    # --- 7 -------------------------------------------------------------------------------------

    def preempt(self) -> None:
        """Find borrowers who give way to those within nominal quota who still wait."""
        for entry in self.nominal if self._lends else ():
            claims = entry.bound.pool_quota is not None and entry.plan is None
            if claims and entry.started is None and self._may(entry):
                plan = self._claim(entry)
                if plan is not None:
                    self._keep(entry, plan)

    def pass_on(self) -> None:
        """Give nominal quota that those ahead can't use yet to the next in line of the same pool.

        Else a member who borrows would use it up in this cycle, and in the next one somebody else
        would be within it, and take back what was only just lent.
        """
        stuck = {id(e.bound.pool) for e in self.nominal if e.started is None and e.plan is None}
        for entry in self.borrowing if stuck else ():
            if (
                id(entry.bound.pool) in stuck
                and self.ledger.within_nominal(entry.bound, entry.milli)
                and self._may(entry)
            ):
                entry.nominal = True
                self._serve(entry)
                entry.nominal = entry.started is not None or entry.plan is not None

    def _serve(self, entry: Entry) -> None:
        """Start ``entry``, or plan its start, or take back what it has a right to."""
        devices = self._find(entry)
        if devices is not None:
            self._start(entry, devices)
        elif not entry.want.kinds & self._waited_for:
            self._wait(entry)
        else:
            plan = self._claim(entry)
            if plan is not None:
                self._keep(entry, plan)

    def lend(self) -> None:
        """Start those who borrow, on what is left."""
        for claimant in list(self._told):
            self._let_go(claimant)
        left = [e for e in self.borrowing if e.started is None and e.plan is None]
        self.backfill(self.admit(left))

    def tell_borrowers(self) -> None:
        """Decide what :meth:`preempt` and :meth:`pass_on` have found."""
        grace = self.now + self.policy.reclaim_grace
        for victim, entry in self._victims:
            whom = self._for_whom(entry)
            self.decisions.append(Reclaim(victim.id, grace, whom, entry.lease.id))

    def _claim(self, entry: Entry) -> Plan | None:
        """A plan on devices that borrowers give back, if ``entry`` has a right to that."""
        if not self._lends or not entry.nominal or entry.bound.pool_quota is None:
            return None
        by = self.now + self.policy.reclaim_grace
        met = self.bookings.met(entry.others, by + entry.occupancy)
        told = self._let_go(entry.lease.id)
        claim = self._borrowed().serve(
            entry.want,
            entry.bound.pool,
            self.bookings.wanted(met),
            met,
            self.planner.planned,
            told,
        )
        if claim is None:
            return None
        for victim in claim.victims:
            self._victims.append((victim, entry))
            self.board.shorten(victim.devices, victim.holder, by)
        return claim.plan

    def _borrowed(self) -> Claims:
        """What can be claimed back; worked out when somebody first has a right to it."""
        if self._claims is None:
            by = self.now + self.policy.reclaim_grace
            self._claims = Claims(self.board, self.ledger, self.held, self.ends, by)
        return self._claims

    def _for_whom(self, entry: Entry) -> str:
        if entry.bound.group is not None:
            return f"for the group {entry.bound.group.scope.name}"
        return "for its owner" if self.policy.hide_names else f"for {entry.owner}"


def decided(snapshot: Snapshot, now: float) -> Cycle:
    """A cycle that has decided: steps 1 to 7 of :func:`.scheduler.decide`."""
    cycle = Cycle(snapshot, now)
    cycle.end_what_is_over()  # 1, 2, 3
    cycle.order_the_queue()  # 4
    cycle.backfill(cycle.admit(cycle.nominal))  # 5, 6
    cycle.preempt()  # 7
    cycle.pass_on()
    cycle.tell_borrowers()
    cycle.lend()
    return cycle
