"""The authority's hold on the store: takes turns at writing, knows the newest state, announces."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from ..core.errors import Unavailable
from . import retention
from .answers import Actor
from .books import Conditions, accounts, outside, turned
from .changes import Change, between
from .model import End, Lease, Snapshot
from .policy import Policy
from .ports import (
    DeviceDirectory,
    DeviceView,
    Kept,
    LeaseReader,
    LeaseStore,
    MachineClocks,
    PolicySource,
    StoreSource,
)
from .rules import scheduler
from .time import tell
from .turns import State, Turn, picture_of
from .unopened import NothingYet

RETRY = 15.0
"""Seconds between two tries at a database that could not be written."""


class Keeper:
    """Used by :class:`.service.Authority` on worker threads, several at a time."""

    def __init__(
        self,
        store: StoreSource,
        devices: DeviceDirectory,
        policies: PolicySource,
        *,
        clock: MachineClocks,
        log: logging.Logger,
        announce: Callable[[Change], None],
    ) -> None:
        self._source = store
        self._devices = devices
        self._policies = policies
        self._clock = clock
        self._log = log
        self._announce = announce
        self._opened: LeaseStore | None = None
        self._opening = threading.Lock()
        self._publishing = threading.RLock()
        self.newest: State | None = None
        """``None``: nobody has looked yet."""
        self.policy: Policy | None = None
        """As last asked for; ``None``: nobody has."""
        self._unreadable: Unavailable | None = None
        self._unwritable: Unavailable | None = None
        self._try_at = 0.0
        self._prune_at = 0.0

    def store_if_any(self) -> LeaseStore | None:
        """The store; ``None`` where nobody has ever written one: looking doesn't make it.

        Raises:
            Unavailable: it can't be opened.
        """
        return self._store() if self._held() is not None or self._source.exists() else None

    def close(self) -> None:
        """Close the store."""
        with self._opening:
            store, self._opened = self._opened, None
        if store is not None:
            store.close()

    def now(self) -> float:
        """The authority's time: seconds since the epoch."""
        kept = Kept(None, 0.0) if self.newest is None else self.newest.kept
        return tell(kept.anchor, kept.seen, self._clock.read()).now

    @property
    def trouble(self) -> Unavailable | None:
        """What stands against taking a lease, as far as the store goes."""
        return self._unwritable or self._unreadable

    @contextmanager
    def noticing(self, *, writing: bool = False) -> Iterator[None]:
        """Remember what stands against the store, for ``GET health``.

        That something could be read says nothing about writing: only a write ends that trouble.
        """
        try:
            yield
        except Unavailable as error:
            if error.code.startswith("store."):
                if writing:
                    self._unwritable = error
                else:
                    self._unreadable = error
            raise
        self._unreadable = None

    def try_writing(self) -> None:
        """Where a write has failed, see whether one would do now: perhaps nobody else tries.

        Does so every :data:`RETRY` seconds; never raises.
        """
        boottime = self._clock.read().boottime
        if self._unwritable is None or boottime < self._try_at:
            return
        self._try_at = boottime + RETRY
        with suppress(Unavailable), self.noticing(writing=True):
            self._store().try_writing()
            self._unwritable = None

    @contextmanager
    def turn(self, asking: str = "") -> Iterator[Turn]:
        """A write transaction on behalf of the user ``asking``.

        The rules decide once more at its end, if they have not since the last change.

        Raises:
            GpuCtlError: what the turn sets as its refusal, after the commit.
        """
        around = self._around()
        with self.noticing(writing=True):
            store = self._store()
        with self.noticing(writing=True), store.transaction() as transaction:
            read = transaction.revision
            conditions = self._conditions(transaction.kept(), around)
            turn = Turn(transaction, conditions, asking, self.newest)
            yield turn
            state = turn.state()
            known = turn.before if self.newest is None else self.newest.live
            ended = _ended(transaction, known, state.live)
        if state.revision != read:
            self._unwritable = None
        self._publish(store, state, ended, turn.before)
        if turn.refusal is not None:
            raise turn.refusal

    def prune(self, days: int) -> None:
        """Take out what is older than ``days``, a batch at a time, every hour. Never raises."""
        boottime = self._clock.read().boottime
        if boottime < self._prune_at or self.newest is None or self._opened is None:
            return
        before = retention.oldest_kept(self._policies.policy(), days, self.now())
        gone = 0
        if before is not None:
            with suppress(Unavailable), self.noticing(writing=True):
                gone = self._opened.prune(before, retention.BATCH)
        if gone < retention.BATCH:
            self._prune_at = boottime + retention.PAUSE

    def current(self) -> State:
        """The state now, with all that is due carried out.

        Raises:
            Unavailable: the store is away, or what is due could not be stored.
        """
        state, due = self._read()
        return self._carried_out() if due else state

    def known(self) -> State:
        """As :meth:`current`; where what is due could not be stored, the state without it, and
        ``GET health`` says so: looking needs no room on a disk, and waits for nobody.

        Raises:
            Unavailable: the store can't be read.
        """
        state, due = self._read()
        if not due:
            return state
        trouble = self._unwritable
        if trouble is None:  # Else the next cycle tries: who looks need not wait for it again.
            try:
                return self._carried_out()
            except Unavailable as error:
                trouble = error
        picture = replace(state.picture, problem=trouble.message, hint=trouble.hint)
        return replace(state, picture=picture)

    def _read(self) -> tuple[State, bool]:
        """The state as it is stored, and whether something is due."""
        around = self._around()
        with self.noticing():
            store, state = self.store_if_any(), self.newest
            if store is None:
                return self._look(NothingYet(), around)[0], False
            if state is not None and store.version() == state.revision:
                fresh = self._conditions(state.kept, around)
                if not _stale(state, fresh):
                    picture = replace(state.picture, now=fresh.now)
                    return replace(state, conditions=fresh, picture=picture), False
            with store.reading() as reader:
                state, due = self._look(reader, around)
                known = state.live if self.newest is None else self.newest.live
                ended = () if due else _ended(reader, known, state.live)
        if not due:
            self._publish(store, state, ended, state.live)
        return state, due

    def _carried_out(self) -> State:
        """The state with all that is due stored."""
        with self.turn() as turn:
            turn.books.settle()
        return turn.state()

    def snapshot_for(self, actor: Actor, state: State) -> Snapshot:
        """``state`` with what ``actor`` has spent.

        Raises:
            Unavailable: the store is away.
        """
        store = self.store_if_any()
        if store is None:
            return _snapshot(NothingYet(), state.conditions, state.live, actor.user)
        with self.noticing(), store.reading() as reader:
            return _snapshot(reader, state.conditions, state.live, actor.user)

    def _store(self) -> LeaseStore:
        held = self._held()
        if held is None:
            with self._opening:
                held = self._opened
                if held is None:
                    held = self._opened = self._source.open()
        return held

    def _held(self) -> LeaseStore | None:
        """The open store, unless its file was taken away or replaced.

        Whoever opens it next gets what lies there now, so this process must not go on with the
        old one: the two would grant the same devices.
        """
        held = self._opened
        if held is None or not held.replaced():
            return held
        with self._opening, self._publishing:
            if self._opened is not held:
                return self._opened
            self._opened = self.newest = self._unwritable = self._unreadable = None
        self._log.warning(
            "gpuctl: the database %s was taken away or replaced while it was in use. "
            "From now on the leases are those of the file that lies there.",
            self._source.place,
        )
        held.close()
        return None

    def _around(self) -> tuple[DeviceView, Policy]:
        # Before a transaction: without a monitor this may take a while, and others wait.
        self.policy = self._policies.policy()
        return self._devices.view(), self.policy

    def _conditions(self, kept: Kept, around: tuple[DeviceView, Policy]) -> Conditions:
        return Conditions(*around, tell(kept.anchor, kept.seen, self._clock.read()))

    def _look(self, reader: LeaseReader, around: tuple[DeviceView, Policy]) -> tuple[State, bool]:
        """The state as ``reader`` has it, and whether something is due."""
        kept = reader.kept()
        conditions = self._conditions(kept, around)
        live = {lease.id: lease for lease in reader.live()}
        snapshot = _snapshot(reader, conditions, live)
        outlook = scheduler.decide(snapshot, conditions.now)
        away = bool(conditions.problem)
        due = (
            bool(conditions.told.step)
            or any(isinstance(decision, End) or not away for decision in outlook.decisions)
            or any(turned(conditions.view, lease) for lease in live.values())
        )
        picture = picture_of(snapshot, outlook, conditions)
        return State(reader.revision, kept, conditions, live, picture), due

    def _publish(
        self,
        store: LeaseStore,
        state: State,
        ended: tuple[Lease, ...],
        before: Mapping[str, Lease],
    ) -> None:
        """Take the newest state, and announce what is new in it, in the order of the commits.

        ``before`` is what was live before it, where this process had not looked yet.
        """
        with self._publishing:
            old = self.newest
            if store is not self._opened or (old is not None and state.revision < old.revision):
                return
            self.newest = state
            if old is not None:
                if state.revision == old.revision:
                    return
                before = old.live
            left = (lease for lease in ended if lease.id in before)
            for change in between(before, state.live, left, state.conditions.now):
                try:
                    self._announce(change)
                except Exception:
                    self._log.exception("gpuctl: %s could not be announced", change.kind)


def _stale(state: State, fresh: Conditions) -> bool:
    wake_at = state.picture.outlook.wake_at
    return (
        fresh.policy is not state.conditions.policy
        or fresh.view != state.conditions.view
        or (state.kept.anchor is not None and fresh.told.anchor != state.kept.anchor)
        or (wake_at is not None and fresh.now >= wake_at)
    )


def _snapshot(
    reader: LeaseReader, conditions: Conditions, live: Mapping[str, Lease], *asking: str
) -> Snapshot:
    view, policy = conditions.view, conditions.policy
    users, groups = accounts(reader, policy, live, conditions.now, *asking)
    return Snapshot(view.devices, tuple(live.values()), policy, users, groups, outside(view, live))


def _ended(
    reader: LeaseReader, known: Mapping[str, Lease], live: Mapping[str, Lease]
) -> tuple[Lease, ...]:
    """Those of the ``known`` that are not live any more."""
    found = (reader.get(lease_id) for lease_id in known if lease_id not in live)
    return tuple(lease for lease in found if lease is not None)
