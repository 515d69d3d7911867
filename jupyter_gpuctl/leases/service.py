"""The authority: the one door for all changes of leases.

One transaction reads, lets the pure rules decide, and stores; what follows is announced after the
commit. Several servers on one machine that share a database are one system: each decides on all
leases, whoever's they are, and the database keeps them from deciding at the same time.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping

from ..api.checks import Check
from ..core.encoding import encode
from . import answers, grants, health, refusals
from .answers import Actor
from .bindings import GIVEN_BACK, Bindings
from .changes import Change
from .cursors import parse_end, parse_row, write_end
from .keeper import Keeper
from .model import EndReason, Lease, LeaseStatus, Request
from .ports import DeviceDirectory, MachineClocks, PolicySource, StoreSource
from .rules import scheduler
from .turns import Turn
from .wire import AuditsAnswer, LeaseAnswer, LeasesAnswer, PreviewAnswer, QuotaAnswer

__all__ = ["Actor", "Authority", "Change"]


class Authority:
    """Grants, extends and ends leases. Called on worker threads, several at a time.

    ``announce`` hears of every change after its commit, in order, once in each process: those
    that others have made when this one next looks (:meth:`cycle`). It must not block.
    ``retention_days``: what has been over for longer is taken out; 0: nothing is.

    Every method that takes an actor raises ``Unavailable`` where the store is away. Where it can be
    read but not written, those that look answer with what is known; those that change something,
    and :meth:`preview`, which would promise it, don't. A guest's change raises ``Forbidden``.
    """

    def __init__(
        self,
        store: StoreSource,
        devices: DeviceDirectory,
        policies: PolicySource,
        *,
        clock: MachineClocks,
        log: logging.Logger,
        announce: Callable[[Change], None] = lambda _change: None,
        retention_days: int = 0,
    ) -> None:
        self._retention_days = retention_days
        self._place = store.place
        self._policies = policies
        self._keeper = Keeper(store, devices, policies, clock=clock, log=log, announce=announce)
        self.bindings = Bindings(self._keeper)
        """Which lease belongs to which kernel, and whether it is used."""

    # --- what users ask -----------------------------------------------------------------------

    def request(self, actor: Actor, request: Request, key: str | None = None) -> LeaseAnswer:
        """Ask for devices. With the same ``key`` the same request is made once.

        Raises:
            Refused: a limit forbids it; ``detail`` is the verdict.
            Conflict: the key was used for another request.
            InvalidInput: a group is named that the actor is not a member of.
            InvalidConfig: the quotas could not be read.
            Unavailable: it isn't known which devices there are.
        """
        refusals.may_act(actor)
        fingerprint = hashlib.sha256(encode(request)).hexdigest()
        with self._keeper.turn(actor.user) as turn:
            answer = grants.repeated(turn, actor, key, fingerprint)
            if answer is None:
                answer = grants.requested(turn, actor, request)
                if key is not None and answer is not None:
                    grants.remember(turn, actor, key, fingerprint, answer.id)
        assert answer is not None, "a turn with a refusal raises it"
        return answer

    def preview(self, actor: Actor, request: Request) -> PreviewAnswer:
        """What would become of ``request`` now. Nothing is stored.

        Raises:
            InvalidInput: a group is named that the actor is not a member of.
            InvalidConfig: the quotas could not be read.
            Unavailable: it isn't known which devices there are, or what is due by now could not be
                stored, as the request could not.
        """
        state = self._keeper.current()
        refusals.need_quotas(state.conditions.policy)
        refusals.of_their_group(actor, request, state.conditions.policy)
        refusals.need_devices(state.conditions.view)
        snapshot, now = self._keeper.snapshot_for(actor, state), state.conditions.now
        return answers.preview(scheduler.assess(snapshot, actor.user, request, now), request, now)

    def leases(
        self, actor: Actor, *, ended: bool = False, limit: int = 100, cursor: str | None = None
    ) -> LeasesAnswer:
        """All live leases in one answer; or ``limit`` ended ones, the newest end first.

        Raises:
            InvalidInput: a cursor that no answer gave.
        """
        before = parse_end(cursor)
        state = self._keeper.known()
        picture, now = state.picture, answers.at(state.conditions.now)
        if not ended:
            items = tuple(picture.lease(lease, actor) for lease in picture.in_order())
            return LeasesAnswer(items, None, now)
        store = self._keeper.store_if_any()
        owner = None if actor.admin else actor.user
        with self._keeper.noticing():
            rows = () if store is None else store.history(owner, limit + 1, before)
        items = tuple(picture.lease(lease, actor) for lease in rows[:limit])
        return LeasesAnswer(items, write_end(rows[limit - 1]) if len(rows) > limit else None, now)

    def lease(self, actor: Actor, lease_id: str) -> LeaseAnswer:
        """One lease.

        Raises:
            NotFound: there is none, or it isn't the actor's.
        """
        state = self._keeper.known()
        lease = state.live.get(lease_id)
        store = self._keeper.store_if_any()
        if lease is None and store is not None:
            with self._keeper.noticing(), store.reading() as reader:
                lease = reader.get(lease_id)
        return state.picture.lease(refusals.seen_by(actor, lease, lease_id), actor)

    def accept(self, actor: Actor, lease_id: str) -> LeaseAnswer:
        """Accept an offer: the lease begins. Accepting it again does nothing.

        Raises:
            NotFound: there is none, or it isn't the actor's.
            Forbidden: it is somebody else's, even for an administrator.
            Conflict: it is not offered (any more).
        """
        refusals.may_act(actor)
        with self._keeper.turn(actor.user) as turn:
            lease = _settled(turn, actor, lease_id)
            refusals.still_live(lease)
            refusals.offered_to(actor, lease)
            if lease.status is LeaseStatus.OFFERED:
                books = turn.books
                expires_at = books.now + lease.request.duration
                lease = books.activate(lease, lease.devices, expires_at)
                books.note(actor.user, "lease.accept", lease, {"expires_at": expires_at})
                books.settle()
                lease = books.live[lease_id]
        return turn.state().picture.lease(lease, actor)

    def extend(
        self, actor: Actor, lease_id: str, seconds: int, key: str | None = None
    ) -> LeaseAnswer:
        """Let an active lease last ``seconds`` longer, or as much of that as the rules grant.

        The verdict says until when, and why not longer. With the same ``key`` it is extended once.

        Raises:
            NotFound: there is none, or it isn't the actor's.
            Conflict: it isn't active, or the key was used for something else.
            Refused: the rules grant nothing; ``detail`` is the verdict.
            InvalidConfig: the quotas could not be read.
        """
        refusals.may_act(actor)
        fingerprint = hashlib.sha256(f"extend {lease_id} {seconds}".encode()).hexdigest()
        with self._keeper.turn(actor.user) as turn:
            lease = _settled(turn, actor, lease_id)
            answer = grants.repeated(turn, actor, key, fingerprint)
            if answer is None:
                refusals.still_live(lease)
                answer = grants.extended(turn, actor, lease, seconds)
                if key is not None and turn.refusal is None:
                    grants.remember(turn, actor, key, fingerprint, lease_id)
        return answer

    def release(self, actor: Actor, lease_id: str, reason: str = "") -> LeaseAnswer:
        """Give it back, decline the offer, leave the queue; as an administrator, revoke it.

        Doing it again does nothing.

        Raises:
            NotFound: there is none, or it isn't the actor's.
            InvalidInput: an administrator ends somebody else's without a reason.
            Conflict: it has ended otherwise.
        """
        refusals.may_act(actor)
        with self._keeper.turn(actor.user) as turn:
            # What else is due can wait: this one shall not begin just to be given back.
            if turn.books.overdue(lease_id):
                turn.books.settle()
            lease = refusals.seen_by(actor, turn.lease(lease_id), lease_id)
            foreign = lease.owner != actor.user
            again = {EndReason.REVOKED} if foreign else set(GIVEN_BACK.values())
            again.add(EndReason.LOST)
            if lease.end_reason not in again:
                refusals.still_live(lease)
                if foreign:
                    refusals.reason_given(lease, reason)
                why = EndReason.REVOKED if foreign else GIVEN_BACK[lease.status]
                lease = turn.books.end(lease, why, turn.books.now, actor.user, reason.strip())
                turn.books.settle()
        return turn.state().picture.lease(lease, actor)

    def quota(self, actor: Actor) -> QuotaAnswer:
        """The caller's limits, what is used, what is left, when it resets."""
        state = self._keeper.known()
        snapshot = self._keeper.snapshot_for(actor, state)
        return answers.quota(snapshot, actor, state.conditions.now, self._policies.problem)

    def audit(self, actor: Actor, limit: int = 100, cursor: str | None = None) -> AuditsAnswer:
        """Rows by the actor or about the actor's leases (an administrator: all), newest first.

        Raises:
            InvalidInput: a cursor that no answer gave.
        """
        before = parse_row(cursor)
        store = self._keeper.store_if_any()
        owner = None if actor.admin else actor.user
        with self._keeper.noticing():
            rows = () if store is None else store.audit(owner, limit + 1, before)
        more = str(rows[limit - 1].id) if len(rows) > limit else None
        return AuditsAnswer(tuple(answers.audit(row) for row in rows[:limit]), more)

    # --- what the server does by itself -------------------------------------------------------

    def cycle(self) -> float | None:
        """Let the rules act where time, a device, a quota or another process calls for it.

        Announces what other processes have changed. Call it every second or so: where nothing
        has changed it costs microseconds.

        Returns the seconds until time alone next changes something; ``None``: nothing will.

        Raises:
            Unavailable: the store is away.
        """
        self._keeper.try_writing()
        if self._keeper.store_if_any() is None:
            self._policies.policy()  # A file that is mended is followed all the same.
            return None
        state = self._keeper.current()
        self._keeper.prune(self._retention_days)
        wake_at = state.picture.outlook.wake_at
        return None if wake_at is None else max(0.0, wake_at - state.conditions.now)

    def changed_elsewhere(self) -> bool:
        """Whether another process has committed since this one last looked. Cheap.

        Raises:
            Unavailable: the store is away.
        """
        store, state = self._keeper.store_if_any(), self._keeper.newest
        if store is None:
            return False
        with self._keeper.noticing():
            return state is None or store.version() != state.revision

    def now(self) -> float:
        """The authority's time: seconds since the epoch."""
        return self._keeper.now()

    def checks(self) -> Mapping[str, Check]:
        """Store and authority for ``GET health``: what who asks for a lease would meet. From
        memory.
        """
        return health.checks(self._keeper, self._policies.problem, self._place)

    def close(self) -> None:
        """Close the store."""
        self._keeper.close()


def _settled(turn: Turn, actor: Actor, lease_id: str) -> Lease:
    """The lease as it is by now: what is overdue has ended.

    Raises:
        NotFound: there is none, or it isn't the actor's.
    """
    if turn.books.overdue():
        turn.books.settle()
    return refusals.seen_by(actor, turn.lease(lease_id), lease_id)
