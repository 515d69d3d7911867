"""Leases and kernels: which belongs to which, whether it is used. One room of the authority.

Nothing here looks at a kernel: the kernels' wing does, and tells what it has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import refusals
from .answers import Actor
from .books import RULES
from .keeper import Keeper
from .model import EndReason, LeasableDevice, Lease, LeaseStatus
from .policy import Policy
from .turns import Turn
from .wire import LeaseAnswer

GIVEN_BACK = {
    LeaseStatus.QUEUED: EndReason.CANCELLED,
    LeaseStatus.OFFERED: EndReason.DECLINED,
    LeaseStatus.ACTIVE: EndReason.RELEASED,
}
"""Why a lease ends that its owner gives back."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is leased, at one time."""

    leases: tuple[Lease, ...]
    """The live ones of all users, queued ones too."""
    devices: tuple[LeasableDevice, ...]
    policy: Policy
    now: float


class Bindings:
    """Called on worker threads, several at a time. Every method raises ``Unavailable`` where the
    store is away.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def look(self) -> Held:
        """All live leases, whoever's they are, and what else matters to a kernel. From memory
        where nothing has changed. What is due and could not be stored has not happened yet.
        """
        state = self._keeper.known()
        conditions = state.conditions
        return Held(
            tuple(state.live.values()), conditions.view.devices, conditions.policy, conditions.now
        )

    def attach(self, actor: Actor, lease_id: str, kernel_id: str) -> LeaseAnswer:
        """Attach a live lease to a kernel; from the one that had it before it is taken away.

        Raises:
            NotFound: there is none, or it isn't the actor's.
            Forbidden: a guest, or somebody else's, even for an administrator.
            Conflict: it has ended.
        """
        return self._bind(actor, lease_id, kernel_id)

    def detach(self, actor: Actor, lease_id: str) -> LeaseAnswer:
        """The lease stays, attached to none. Raises as :meth:`attach`."""
        return self._bind(actor, lease_id, None)

    def shut_down(self, owner: str, kernel_id: str) -> tuple[str, ...]:
        """A kernel is gone for good: give back what was asked for it, detach what was not.

        Returns the ids of the leases that were given back.
        """
        if not any(_attached(lease, owner, kernel_id) for lease in self.look().leases):
            return ()
        ended = []
        with self._keeper.turn(owner) as turn:
            books = turn.books
            for lease in [x for x in books.live.values() if _attached(x, owner, kernel_id)]:
                if lease.request.kernel_id == kernel_id:
                    books.end(lease, GIVEN_BACK[lease.status], books.now, owner)
                    ended.append(lease.id)
                else:
                    _put(turn, owner, lease, None)
        return tuple(ended)

    def used(self, times: Mapping[str, float]) -> None:
        """Active leases, by id, were in use at these times; earlier ones change nothing."""
        if not times:
            return
        with self._keeper.turn() as turn:
            for lease_id, time in times.items():
                lease = turn.books.live.get(lease_id)
                if lease is not None and lease.status is LeaseStatus.ACTIVE:
                    at = min(time, turn.books.now)
                    if at > (lease.used_at or 0.0):
                        turn.books.put(replace(lease, used_at=at))

    def keep(self, actor: Actor, lease_id: str) -> LeaseAnswer:
        """The owner keeps an idle lease: it counts as used now. Raises as :meth:`attach`."""
        refusals.may_act(actor)
        with self._keeper.turn(actor.user) as turn:
            lease = _own(turn, actor, lease_id)
            if lease.status is LeaseStatus.ACTIVE:
                turn.books.put(replace(lease, used_at=turn.books.now))
                turn.books.note(actor.user, "lease.keep", lease, {})
            return _answer(turn, actor, lease_id)

    def give_back_idle(self, lease_id: str, since: float) -> bool:
        """End an active lease that nothing ran on after ``since``; whether it was so."""
        with self._keeper.turn() as turn:
            books = turn.books
            lease = books.live.get(lease_id)
            if lease is None or lease.status is not LeaseStatus.ACTIVE:
                return False
            if max(lease.used_at or 0.0, lease.started_at or 0.0) > since:
                return False
            books.end(lease, EndReason.IDLE, books.now)
        return True

    def record(
        self,
        action: str,
        detail: Mapping[str, Any],
        *,
        lease_id: str | None = None,
        owner: str | None = None,
        actor: str = RULES,
    ) -> None:
        """A row of the audit about something that was done to a process or a kernel."""
        with self._keeper.turn() as turn:
            turn.books.write_down(actor, action, lease_id, owner, detail)

    def _bind(self, actor: Actor, lease_id: str, kernel_id: str | None) -> LeaseAnswer:
        refusals.may_act(actor)
        with self._keeper.turn(actor.user) as turn:
            lease = _own(turn, actor, lease_id)
            if lease.kernel_id != kernel_id:
                _put(turn, actor.user, lease, kernel_id)
            return _answer(turn, actor, lease_id)


def _own(turn: Turn, actor: Actor, lease_id: str) -> Lease:
    if turn.books.overdue():
        turn.books.settle()
    lease = refusals.seen_by(actor, turn.lease(lease_id), lease_id)
    refusals.still_live(lease)
    refusals.of_their_own(actor, lease)
    return lease


def _answer(turn: Turn, actor: Actor, lease_id: str) -> LeaseAnswer:
    state = turn.state()
    lease = turn.lease(lease_id)
    assert lease is not None, "it was live within this turn"
    return state.picture.lease(lease, actor)


def _put(turn: Turn, actor: str, lease: Lease, kernel_id: str | None) -> None:
    turn.books.put(replace(lease, kernel_id=kernel_id))
    detail = {"kernel_id": kernel_id, "before": lease.kernel_id}
    turn.books.note(actor, "lease.detach" if kernel_id is None else "lease.attach", lease, detail)


def _attached(lease: Lease, owner: str, kernel_id: str) -> bool:
    return lease.owner == owner and lease.kernel_id == kernel_id
