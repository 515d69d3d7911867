"""Why a request waits or is refused, found on the state that a cycle has come to. Pure."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from ..model import Limit, Outcome, Verdict
from . import verdicts
from .bookings import Booking
from .cycle import Cycle
from .ordering import Entry
from .placement import NONE_BARRED


class Reasons:
    """Verdicts; equal cases share one."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._waits: dict[tuple[object, ...], Verdict] = {}
        self._forbids: dict[tuple[object, ...], Verdict] = {}
        self._by_want: dict[tuple[int, str | None], Verdict | None] = {}
        self._booked_then: dict[tuple[object, ...], Verdict] = {}
        self._kinds: dict[int, tuple[int, float]] = {}
        self._outsiders = frozenset().union(*cycle.snapshot.outside.values())
        """Users of devices outside of leases: of these the answer may depend on who asks."""

    def of(self, entry: Entry) -> Verdict:
        """Of one that stays queued."""
        if entry.limit is not None:
            key: tuple[object, ...] = (
                id(entry.bound),
                entry.limit,
                entry.want.number,
                entry.duration,
            )
            found = self._forbids.get(key)
            if found is None:
                found = replace(self.forbids(entry, entry.limit), outcome=Outcome.QUEUED)
                self._forbids[key] = found
            return found
        taken = self._taken(entry)
        if taken is not None:
            return self._then_booked(entry, taken)
        owner = entry.owner if entry.owner in self._outsiders else None
        key = (entry.want.number, entry.others, entry.met, owner)
        found = self._waits.get(key)
        if found is None:
            found = self._waits[key] = self._why(entry)
        return found

    def forbids(self, entry: Entry, limit: Limit) -> Verdict:
        """That a limit of its own, or what there is, forbids it."""
        cycle, bound, request = self._cycle, entry.bound, entry.lease.request
        if limit is Limit.MAX_LEASE:
            return verdicts.too_long(bound, entry.duration)
        if limit in (Limit.MODELS, Limit.CAPACITY):
            return self._impossible(entry, limit)
        if not bound.member and bound.group is not None:
            return verdicts.no_member(bound.group.scope.name)
        whole_group = limit in (Limit.GROUP_GPUS, Limit.GROUP_GPU_HOURS)
        holding = bound.group if whole_group and bound.group is not None else bound.user
        if limit in (Limit.USER_GPUS, Limit.GROUP_GPUS):
            return verdicts.too_many(
                limit,
                bound,
                entry.milli,
                holding.held,
                holding.leases,
                entry.owner,
                cycle.now,
                hide_names=cycle.policy.hide_names,
            )
        quota = (bound.group_limits if whole_group else bound.user_limits).gpu_hours
        assert quota is not None
        use = cycle.ledger.tally(holding, quota)
        return verdicts.spent(limit, bound, quota, use, request, cycle.now)

    def _impossible(self, entry: Entry, limit: Limit) -> Verdict:
        catalogue, request = self._cycle.catalogue, entry.lease.request
        allowed = (entry.bound.user_limits.models, entry.bound.group_limits.models)
        if limit is Limit.MODELS:
            return verdicts.wrong_model(next(models for models in allowed if models is not None))
        free = replace(request, milli=1000, memory=None)
        kinds = [kind for kind, _ in catalogue.want(free, allowed).places]
        largest = max((catalogue.memories[kind][-1] for kind in kinds), default=None)
        most = catalogue.most(request, allowed)
        return verdicts.impossible(request, most, catalogue.models, largest)

    def _why(self, entry: Entry) -> Verdict:
        """Of one for which devices are free."""
        cycle, want = self._cycle, entry.want
        board, now = cycle.board, cycle.now
        owner = entry.owner if entry.owner in board.own else None
        if board.find(want, cycle.bookings.barred(entry.met), owner) is None:
            return self._booked(entry, owner)
        longest = 0.0
        for start in reversed(cycle.plan_starts[-16:]):
            met = cycle.bookings.met(entry.others, start)
            if board.find(want, cycle.barred(met, start), owner) is not None:
                longest = start - now
                break
        return verdicts.not_your_turn(longest)

    def _taken(self, entry: Entry) -> Verdict | None:
        """That others have the devices; ``None``: there are free ones."""
        asking = entry.owner if entry.owner in self._outsiders else None
        key = (entry.want.number, asking)
        if key not in self._by_want:
            board = self._cycle.board
            owner = entry.owner if entry.owner in board.own else None
            free = board.find(entry.want, NONE_BARRED, owner)
            self._by_want[key] = self._by_whom(entry) if free is None else None
        return self._by_want[key]

    def _then_booked(self, entry: Entry, taken: Verdict) -> Verdict:
        """``taken``, with the reservation that has the devices when the next lease on them ends."""
        if not entry.others or entry.want.shared or entry.lease.request.count > 1:
            return taken
        key = (entry.want.number, entry.others, entry.duration, id(taken))
        if key not in self._booked_then:
            booking = self._next_booking(entry) if taken.limit is Limit.DEVICES else None
            self._booked_then[key] = (
                taken
                if booking is None
                else verdicts.then_booked(taken, booking.group, booking.end, self._cycle.now)
            )
        return self._booked_then[key]

    def _next_booking(self, entry: Entry) -> Booking | None:
        """The one of others that has every device which comes free first, at that time."""
        cycle = self._cycle
        free_at, now = cycle.board.free_at, cycle.now
        fit = [
            device
            for kind, _ in entry.want.places
            for cell in cycle.catalogue.cells_of[kind]
            for device in cycle.catalogue.cells[cell]
            if now < free_at[device] < inf
        ]
        soonest = min((free_at[device] for device in fit), default=inf)
        first = {device for device in fit if free_at[device] == soonest}
        end = soonest + entry.duration
        met = [
            each
            for number, each in enumerate(cycle.bookings.all)
            if entry.others >> number & 1 and each.start < end and soonest < each.end
        ]
        if not first or not first <= frozenset().union(*(each.devices for each in met)):
            return None
        return min(met, key=lambda each: (each.end, each.group))

    def _by_whom(self, entry: Entry) -> Verdict:
        cycle, want = self._cycle, entry.want
        board, now = cycle.board, cycle.now
        shut = board.would_fit(want)
        if shut is not None:
            devices = [cycle.catalogue.devices[device] for device in shut]
            users = {user for d in devices for user in cycle.snapshot.outside[d.uuid]}
            return verdicts.outside(
                [f"GPU {device.index}" for device in devices],
                users,
                entry.owner,
                shared=want.shared,
                hide_names=cycle.policy.hide_names,
            )
        total, soonest, most_free = 0, inf, 0
        for kind, _ in want.places:
            devices_of_kind, end = self._kind(kind)
            total, soonest = total + devices_of_kind, min(soonest, end)
            most_free = max(most_free, board.most_free(kind))
        return verdicts.taken(entry.lease.request, total, most_free, soonest, now)

    def _booked(self, entry: Entry, owner: str | None) -> Verdict:
        """How long it may last to start before the reservation that is in the way."""
        cycle = self._cycle
        met = [b for n, b in enumerate(cycle.bookings.all) if entry.met >> n & 1]
        for booking in sorted(met, key=lambda b: (-b.start, b.end, b.group)):
            before = cycle.bookings.met(entry.others, booking.start)
            if booking.start > cycle.now and cycle.board.find(
                entry.want, cycle.bookings.barred(before), owner
            ):
                longest = booking.start - cycle.now
                return verdicts.reserved(
                    booking.group, booking.start, booking.end, longest, cycle.now
                )
        first = min(met, key=lambda b: (b.start, b.end, b.group))
        return verdicts.reserved(first.group, first.start, first.end, 0.0, cycle.now)

    def _kind(self, kind: int) -> tuple[int, float]:
        """Devices of ``kind``, and the next end of a lease on them."""
        found = self._kinds.get(kind)
        if found is None:
            catalogue, now = self._cycle.catalogue, self._cycle.now
            devices = [d for cell in catalogue.cells_of[kind] for d in catalogue.cells[cell]]
            holds = self._cycle.board.holds
            ends = [end for d in devices for end, _, _, _ in holds[d] if end > now]
            found = self._kinds[kind] = (len(devices), min(ends, default=inf))
        return found
