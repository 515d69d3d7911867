"""What is borrowed beyond nominal quota, and how it is taken back. Pure.

As in Kueue's preemption within a cohort: borrowers give way to owners of nominal quota, on one
host, lowest priority first, then the youngest, and never more of them than needed. What they give
back is kept for the request for which they were told to, as long as it waits and has a right to it;
what that leaves over serves those behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from ..model import WHOLE, EndReason, Lease, LeaseStatus
from .catalogue import Want
from .entitlement import Ledger
from .placement import Board
from .plans import Plan, share_time
from .terms import Holding

_LOOKED_AT = 8
"""Cells that are compared in full before the best of them is taken."""


def beyond_nominal(ledger: Ledger) -> frozenset[str]:
    """The ids of leases that are borrowed.

    In each pool leases count as nominal in the order in which they began, each that still fits;
    the rest is borrowed. So what is taken back never leaves a pool less than it is guaranteed.
    """
    found = []
    for quota, leases in ledger.beyond_nominal():
        left = quota.nominal
        for lease in sorted(leases, key=_began):
            if lease.request.milli <= left:
                left -= lease.request.milli
            else:
                found.append(lease.id)
    return frozenset(found)


def _began(lease: Lease) -> tuple[float, float, str]:
    """What is offered has not begun: it counts after all that has."""
    return (inf if lease.started_at is None else lease.started_at, lease.created_at, lease.id)


@dataclass(frozen=True, slots=True)
class Victim:
    """A borrowed, active lease that can be told to give way."""

    holder: int
    pool: Holding
    priority: int
    began: float
    milli: int
    id: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What an owner of nominal quota gets, and from whom; no victims: what comes free anyway."""

    plan: Plan
    victims: tuple[Victim, ...]


class Claims:
    """Finds, for owners of nominal quota who wait, borrowed leases to take back."""

    def __init__(
        self,
        board: Board,
        ledger: Ledger,
        held: Sequence[Lease],
        ends: list[float],
        by: float,
    ) -> None:
        """``held``, ``ends``: leases by the board's numbers, and their ends, which are moved here;
        ``by``: the end of the grace.
        """
        self._board = board
        self._ends = ends
        self._by = by
        self._victims: dict[int, Victim] = {}
        self._of_kinds: dict[int, list[tuple[float, int, int]]] = {}
        self._heaps: dict[tuple[int, int, int], list[tuple[float, int, int]]] = {}
        self._hopeless: set[tuple[int, int, int]] = set()
        cells: dict[int, list[Victim]] = defaultdict(list)
        borrowed = beyond_nominal(ledger)
        for holder in [n for n, end in enumerate(ends[: len(held)]) if end <= by or borrowed]:
            lease = held[holder]
            leaves = ends[holder] <= by or lease.ending is EndReason.RECLAIMED
            if not leaves and (
                lease.id not in borrowed
                or lease.status is not LeaseStatus.ACTIVE
                or lease.ending is not None
            ):
                continue
            cell = self._cell(lease)
            if cell is None:
                continue
            if leaves:
                cells.setdefault(cell, [])  # something comes free there, now or at another's turn
                continue
            bound = ledger.terms(lease.owner, lease.request.group)
            victim = Victim(
                holder,
                bound.pool,
                bound.priority,
                lease.created_at if lease.started_at is None else lease.started_at,
                lease.request.milli,
                lease.id,
                lease.devices,
            )
            self._victims[holder] = victim
            cells[cell].append(victim)
        self._cells: list[tuple[float, int, int]] = sorted(
            (min((victim.priority for victim in victims), default=-inf), 0, cell)
            for cell, victims in cells.items()
        )
        """By what can be foreseen cheaply: priority of victims, devices that are missing."""

    def _cell(self, lease: Lease) -> int | None:
        catalogue = self._board.catalogue
        numbers = (catalogue.number.get(uuid) for uuid in lease.devices)
        return next((catalogue.cell_of[n] for n in numbers if n is not None), None)

    def more_comes_free(self) -> None:
        """What was kept for one request is there for all from now on."""
        self._hopeless.clear()
        self._heaps.clear()

    def serve(
        self,
        want: Want,
        pool: Holding,
        barred: Container[int],
        key: int,
        planned: set[int],
        told: Iterable[Lease] = (),
    ) -> Claim | None:
        """The cell where the least is to be taken back from others than ``pool``, for ``want``.

        ``key`` stands for what is ``barred``; ``planned`` is spoken for; ``told`` were told before
        to give way to it: where they leave is enough, nobody else has to go. The victims of the
        answer are taken: they are no other claim's.
        """
        if told:
            claim = self._left_by(told, want, pool, barred, planned)
            if claim is not None:
                return claim
        if (want.number, id(pool), key) in self._hopeless:
            return None
        claim = self._cheapest(want, pool, barred, key, planned)
        if claim is None:
            self._hopeless.add((want.number, id(pool), key))
            return None
        for victim in claim.victims:
            self._ends[victim.holder] = self._by
            del self._victims[victim.holder]
        return claim

    def _left_by(
        self,
        told: Iterable[Lease],
        want: Want,
        pool: Holding,
        barred: Container[int],
        planned: Container[int],
    ) -> Claim | None:
        """A claim where ``told`` leave, for which nobody else has to."""
        kind_of = self._board.catalogue.kind_of
        for cell in sorted({cell for cell in map(self._cell, told) if cell is not None}):
            if kind_of[cell] in want.firsts:
                found = self._take_in(want, pool, self._open(cell, want, barred, planned))
                if found is not None and not found[1].victims:
                    return found[1]
        return None

    def _cheapest(
        self,
        want: Want,
        pool: Holding,
        barred: Container[int],
        key: int,
        planned: Container[int],
    ) -> Claim | None:
        heap = self._heap(want, pool, key)
        looked_at: list[tuple[float, int, int]] = []
        best: tuple[tuple[object, ...], Claim] | None = None
        nobody = inf
        """The cell of a claim for which nobody has to give way: only one before it is better."""
        while heap and len(looked_at) < _LOOKED_AT:
            priority, was_short, cell = heappop(heap)
            devices = self._open(cell, want, barred, planned)
            short = self._short(want, pool, devices)
            if short is None:
                continue  # for good: there is less with each claim
            if short != was_short:
                heappush(heap, (priority, short, cell))
                continue
            looked_at.append((priority, short, cell))
            if cell > nobody:
                continue
            found = self._take_in(want, pool, devices)
            if found is not None and (best is None or (*found[0], cell) < best[0]):
                best = ((*found[0], cell), found[1])
                nobody = inf if found[1].victims else cell
        for entry in looked_at:
            heappush(heap, entry)
        return None if best is None else best[1]

    def _open(
        self, cell: int, want: Want, barred: Container[int], planned: Container[int]
    ) -> list[int]:
        """Devices of ``cell`` that ``want`` may have."""
        first = want.firsts[self._board.catalogue.kind_of[cell]]
        return [
            device
            for device in self._board.catalogue.cells[cell][first:]
            if not (self._board.shut[device] or device in planned or device in barred)
        ]

    def _heap(self, want: Want, pool: Holding, key: int) -> list[tuple[float, int, int]]:
        heap = self._heaps.get((want.number, id(pool), key))
        if heap is None:
            fit = self._of_kinds.get(want.kinds)
            if fit is None:
                kind_of, kinds = self._board.catalogue.kind_of, want.firsts
                fit = [each for each in self._cells if kind_of[each[2]] in kinds]
                self._of_kinds[want.kinds] = fit
            heap = self._heaps[want.number, id(pool), key] = fit.copy()  # what is sorted is a heap
        return heap

    def _short(self, want: Want, pool: Holding, devices: Sequence[int]) -> int | None:
        """Devices to be taken back; ``None``: even that would not do."""
        free_at, by = self._board.free_at, self._by
        late = [device for device in devices if free_at[device] > by]
        missing = want.count - (len(devices) - len(late))
        if missing <= 0:
            return 0
        takeable = len(late)
        if not want.shared and takeable >= missing:
            takeable = sum(all(self._takes(pool, h) for h in self._late(d)) for d in late)
        return missing if takeable >= missing else None

    def _late(self, device: int) -> list[int]:
        """The holders of ``device`` that don't leave it by the end of the grace."""
        by = self._by
        if self._board.free_at[device] <= by:
            return []
        return [hold.holder for hold in self._board.holds[device] or () if hold.end > by]

    def _takes(self, pool: Holding, holder: int) -> bool:
        victim = self._victims.get(holder)
        return victim is not None and victim.pool is not pool

    def _take_in(
        self, want: Want, pool: Holding, devices: Sequence[int]
    ) -> tuple[tuple[object, ...], Claim] | None:
        """The best set of victims among the holders of ``devices``."""
        late = {device: self._late(device) for device in devices}
        victims = {
            holder: self._victims[holder]
            for holders in late.values()
            for holder in holders
            if self._takes(pool, holder)
        }
        best: tuple[tuple[object, ...], Claim] | None = None
        orders = (
            sorted(victims.values(), key=lambda v: (v.priority, -v.began, v.id)),
            sorted(victims.values(), key=lambda v: (v.priority, -v.milli, -v.began, v.id)),
        )
        for order in orders:
            taken = self._greedily(want, order, late)
            if taken is None:
                continue
            key = (
                max((v.priority for v in taken), default=-inf),
                len(taken),
                sum(v.milli for v in taken),
                sorted(-v.began for v in taken),
                sorted(v.id for v in taken),
            )
            if best is None or key < best[0]:
                gone = {v.holder for v in taken}
                best = (key, Claim(self._plan(want, late, gone), tuple(taken)))
        return best

    def _greedily(
        self, want: Want, order: Sequence[Victim], late: Mapping[int, list[int]]
    ) -> list[Victim] | None:
        """Victims in ``order`` until it suffices; then those spared that turn out not needed."""
        gone: set[int] = set()
        taken: list[Victim] = []
        while len(self._usable(want, late, gone)) < want.count:
            if len(taken) == len(order):
                return None
            taken.append(order[len(taken)])
            gone.add(taken[-1].holder)
        for victim in reversed(taken.copy()):
            if len(self._usable(want, late, gone - {victim.holder})) >= want.count:
                gone.remove(victim.holder)
                taken.remove(victim)
        return taken

    def _usable(self, want: Want, late: Mapping[int, list[int]], gone: Container[int]) -> list[int]:
        """Devices that ``want`` can use once ``gone`` and those who leave in time have left."""
        if not want.shared:
            return [d for d, holders in late.items() if all(h in gone for h in holders)]
        found = []
        for device in late:
            milli, memory = want.milli, want.memory
            for hold in self._board.holds[device] or ():
                if hold.end > self._by and hold.holder not in gone:
                    milli += hold.milli
                    memory += hold.memory
            if milli <= WHOLE and memory <= (self._board.catalogue.devices[device].memory or 0):
                found.append(device)
        return found

    def _plan(self, want: Want, late: Mapping[int, list[int]], gone: Container[int]) -> Plan:
        """On the devices that are free last: the others stay free for others meanwhile."""
        times = sorted((self._time(want, d, gone), d) for d in self._usable(want, late, gone))
        chosen = times[: want.count] if want.shared else times[-want.count :]
        # A set may be more than enough where leases of several devices were taken.
        return Plan(chosen[-1][0], tuple(sorted(device for _, device in chosen)))

    def _time(self, want: Want, device: int, gone: Container[int]) -> float:
        holds = [
            hold._replace(
                end=min(self._by, hold.end) if hold.holder in gone else self._ends[hold.holder]
            )
            for hold in self._board.holds[device] or ()
        ]
        if not want.shared:
            return max((hold.end for hold in holds), default=-inf)
        memory = self._board.catalogue.devices[device].memory or 0
        return share_time(holds, memory, want.milli, want.memory, -inf)
