"""The store of leases: what is put in comes out, whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_gpuctl.core.errors import Conflict
from jupyter_gpuctl.leases.model import EndReason, Lease, LeaseStatus, Request
from jupyter_gpuctl.leases.ports import AuditEntry, Kept, LeaseStore, LeaseTransaction, Remembered
from jupyter_gpuctl.leases.rules.accounting import HALF_LIFE
from jupyter_gpuctl.store.leases import SqliteLeaseStore
from jupyter_gpuctl.store.transaction import REMEMBERED_FOR
from tests.contract.leases import ANCHOR, DEVICES, GIB, NOW, active, ended, live, put, queued


@pytest.fixture
def store(tmp_path):
    opened = SqliteLeaseStore(tmp_path / "gpuctl.sqlite")
    yield opened
    opened.close()


TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
TIME = st.floats(min_value=0, max_value=4e9)


@st.composite
def leases(draw):
    status = draw(st.sampled_from(LeaseStatus))
    held = status in (LeaseStatus.OFFERED, LeaseStatus.ACTIVE)
    count = draw(st.integers(1, 3))
    share = draw(st.booleans())
    created = draw(TIME)
    began = status is LeaseStatus.ACTIVE or (status is LeaseStatus.ENDED and draw(st.booleans()))
    over = status is LeaseStatus.ENDED
    return Lease(
        id="a",
        owner=draw(TEXT),
        request=Request(
            milli=draw(st.integers(1, 999)) if share else count * 1000,
            duration=draw(st.integers(1, 10**9)),
            memory=draw(st.integers(1, 80 * GIB)) if share else None,
            model=draw(st.none() | TEXT),
            group=draw(st.none() | TEXT),
            interactive=draw(st.booleans()),
            kernel_id=draw(st.none() | TEXT),
            note=draw(TEXT),
        ),
        status=status,
        created_at=created,
        devices=tuple(d.uuid for d in DEVICES[: 1 if share else count]) if held or over else (),
        started_at=created if began else None,
        expires_at=draw(TIME) if began else None,
        lost_at=draw(st.none() | TIME) if began else None,
        offer_expires_at=draw(TIME) if status is LeaseStatus.OFFERED else None,
        ending=draw(st.none() | st.sampled_from(EndReason)),
        ended_at=created + draw(st.floats(0, 1e6)) if over else None,
        end_reason=draw(st.sampled_from(EndReason)) if over else None,
        remark=draw(TEXT),
    )


class Undo(Exception):
    pass


@contextmanager
def undone(store: LeaseStore) -> Iterator[LeaseTransaction]:
    """A transaction that fails at its end."""
    try:
        with store.transaction() as transaction:
            yield transaction
            raise Undo
    except Undo:
        pass


@given(lease=leases())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_lease_comes_back_as_it_was_stored(store: LeaseStore, lease: Lease):
    with undone(store) as transaction:
        transaction.register(DEVICES)
        transaction.add(lease)
        assert transaction.get("a") == lease
        assert transaction.live() == (() if lease.status is LeaseStatus.ENDED else (lease,))
    assert live(store) == {}


def test_of_a_transaction_that_fails_nothing_is_stored(store):
    put(store, queued("a"))
    before = store.version()
    with undone(store) as transaction:
        transaction.save(active("a", "GPU-0"))
        transaction.add(queued("b"))
        transaction.audit(AuditEntry(NOW, "user-a", "lease.request", "b", "user-a", {}))
        transaction.remember("user-a", "key", Remembered("f", "a"), NOW)
    assert live(store) == {"a": queued("a")}
    assert store.audit(None, 10, None) == []
    assert store.version() == before
    with store.reading() as reader:
        assert reader.remembered("user-a", "key") is None


def test_a_device_is_not_held_twice(store):
    put(store, active("a", "GPU-0"))
    with pytest.raises(Conflict) as refused:
        put(store, queued("b"), active("c", "GPU-1", "GPU-0"))
    assert refused.value.code == "store.conflict"
    assert set(live(store)) == {"a"}


def test_a_device_that_was_given_back_can_be_held_again(store):
    put(store, active("a", "GPU-0"))
    over = replace(
        active("a", "GPU-0"),
        status=LeaseStatus.ENDED,
        ended_at=NOW + 5,
        end_reason=EndReason.RELEASED,
    )
    put(store, over, active("b", "GPU-0"))
    assert set(live(store)) == {"b"}
    with store.reading() as reader:
        assert reader.get("a") == over


def test_shares_fill_a_device_to_the_brim_and_not_beyond(store):
    def quarter(name, memory=20 * GIB):
        return active(name, "GPU-0", milli=250, memory=memory)

    put(store, quarter("a"), quarter("b"), quarter("c"), quarter("d"))
    with pytest.raises(Conflict):
        put(store, active("e", "GPU-0", milli=1, memory=None))
    put(store, active("f", "GPU-1", milli=250, memory=60 * GIB))
    with pytest.raises(Conflict):
        put(store, active("g", "GPU-1", milli=250, memory=21 * GIB))
    assert set(live(store)) == {"a", "b", "c", "d", "f"}


def test_what_was_spent_counts_from_the_beginning_of_the_window(store):
    put(
        store,
        ended("before", NOW - 9000, NOW - 8000),
        ended("across", NOW - 5000, NOW - 3000),
        ended("within", NOW - 2000, NOW - 1500, group="vision"),
        replace(ended("never", NOW, NOW), started_at=None),
        ended("other", NOW - 100, NOW, owner="user-b"),
        active("live", "GPU-1"),
    )
    with store.reading() as reader:
        users, groups = reader.accounts(
            NOW,
            {"user-a": NOW - 4000, "user-b": NOW - 50, "user-c": NOW, "user-d": math.inf},
            {"vision": NOW - 1800},
        )
    assert users["user-a"].spent == 1000 * (1000 + 500)
    assert users["user-b"].spent == 1000 * 50
    assert users["user-c"].spent == 0
    assert users["user-d"].spent == 0
    assert groups["vision"].spent == 1000 * 300


def test_use_is_halved_with_every_half_life(store):
    first, second = ended("a", NOW - 100, NOW), ended("b", NOW, NOW + HALF_LIFE, group="vision")
    with store.transaction() as transaction:
        for lease in (first, second):
            transaction.add(lease)
            transaction.charge(lease, lease.ended_at)
        users, groups = transaction.accounts(NOW, {"user-a": math.inf}, {"vision": math.inf})
    assert users["user-a"].decayed == pytest.approx(100_000 / 2 + 1000 * HALF_LIFE)
    assert users["user-a"].decayed_at == NOW + HALF_LIFE
    assert groups["vision"].decayed == pytest.approx(1000 * HALF_LIFE)


def test_use_that_is_told_late_counts_for_less(store):
    late, first = ended("a", NOW - 100, NOW), ended("b", NOW, NOW + HALF_LIFE)
    with store.transaction() as transaction:
        for lease in (first, late):
            transaction.add(lease)
            transaction.charge(lease, lease.ended_at)
        users, _ = transaction.accounts(NOW, {"user-a": math.inf}, {})
    assert users["user-a"].decayed == pytest.approx(100_000 / 2 + 1000 * HALF_LIFE)


def test_a_key_is_remembered_for_its_owner_and_forgotten_in_time(store):
    put(store, queued("a"))
    with store.transaction() as transaction:
        transaction.remember("user-a", "key", Remembered("f", "a"), NOW)
        assert transaction.remembered("user-a", "key") == Remembered("f", "a")
        assert transaction.remembered("user-b", "key") is None
    with store.transaction() as transaction:
        transaction.remember("user-b", "k", Remembered("g", "a"), NOW + REMEMBERED_FOR + 1)
        assert transaction.remembered("user-a", "key") is None


def test_history_pages_through_ended_leases_the_newest_end_first(store):
    put(store, *(ended(f"{n}", NOW, NOW + n // 2) for n in range(6)), active("live", "GPU-0"))
    put(store, ended("foreign", NOW, NOW + 9, owner="user-b"))
    seen, before = [], None
    while page := store.history("user-a", 2, before):
        seen += [lease.id for lease in page]
        before = (page[-1].ended_at, page[-1].id)
    assert seen == ["5", "4", "3", "2", "1", "0"]
    assert [lease.id for lease in store.history(None, 1, None)] == ["foreign"]


def test_the_audit_shows_rows_of_and_about_somebody_once(store):
    rows = [("user-a", "user-a"), ("root", "user-a"), ("root", "user-b"), ("user-a", "user-b")]
    with store.transaction() as transaction:
        for actor, owner in rows:
            transaction.audit(AuditEntry(NOW, actor, "lease.x", "a", owner, {"n": 1}))
    everything = store.audit(None, 10, None)
    assert [(e.actor, e.owner) for e in everything] == rows[::-1]
    assert everything[0].detail == {"n": 1}
    mine = store.audit("user-a", 10, None)
    assert [e.id for e in mine] == [4, 2, 1]
    assert [e.id for e in store.audit("user-a", 1, 4)] == [2]


def test_the_version_tells_of_every_commit_and_of_nothing_else(store, tmp_path):
    other = SqliteLeaseStore(tmp_path / "gpuctl.sqlite")
    seen = [store.version()]
    put(other, queued("a"))
    seen.append(store.version())
    with store.transaction() as transaction:
        transaction.live()
    seen.append(store.version())
    with store.transaction() as transaction:
        transaction.save(active("a", "GPU-0"))
        told = transaction.revision
    seen.append(store.version())
    other.close()
    assert seen[0] < seen[1] == seen[2] < seen[3] == told


def test_the_time_is_kept_with_what_is_written(store):
    with store.reading() as reader:
        assert reader.kept() == Kept(None, 0.0)
    put(store, queued("a"))
    with store.transaction() as transaction:
        transaction.keep_time(ANCHOR, NOW + 10)
    with store.reading() as reader:
        assert reader.kept() == Kept(ANCHOR, NOW)


def test_a_shift_moves_live_leases_only(store):
    over = ended("b", NOW - 10, NOW)
    put(store, active("a", "GPU-0"), over)
    with store.transaction() as transaction:
        assert transaction.shift(-500.0) == 1
    moved = live(store)["a"]
    assert (moved.created_at, moved.started_at) == (NOW - 500, NOW - 500)
    assert moved.expires_at == NOW + 3100
    with store.reading() as reader:
        assert reader.get("b") == over


def test_a_device_whose_memory_is_told_anew_is_held_by_the_new_figure(store):
    put(store, active("a", "GPU-0", milli=500, memory=60 * GIB))
    smaller = replace(DEVICES[0], memory=40 * GIB)
    with store.transaction() as transaction:
        transaction.register([smaller])
    with pytest.raises(Conflict), store.transaction() as transaction:
        transaction.add(active("b", "GPU-0", milli=100, memory=30 * GIB))
    with store.transaction() as transaction:
        transaction.register([replace(DEVICES[0], memory=90 * GIB)])
        transaction.add(active("b", "GPU-0", milli=100, memory=30 * GIB))


def audit_rows(store):
    return [entry.time for entry in store.audit(None, 1000, None)][::-1]


def test_what_is_old_goes_in_batches_and_what_is_live_stays(store):
    day = 86400.0
    put(store, queued("waits"), active("holds", "GPU-1"))
    put(store, *(ended(f"e{n}", NOW + n * day, NOW + n * day + 60) for n in range(6)))
    with store.transaction() as transaction:
        for n in range(6):
            entry = AuditEntry(NOW + n * day, "a", "lease.request", f"e{n}", "user-a", {})
            transaction.audit(entry)
        transaction.remember("user-a", "key", Remembered("f", "e0"), NOW)
    before, revision = NOW + 3 * day, store.version()
    assert [store.prune(before, 2) for _ in range(3)] == [4, 2, 0]
    assert [lease.id for lease in store.history(None, 10, None)] == ["e5", "e4", "e3"]
    assert audit_rows(store) == [NOW + n * day for n in (3, 4, 5)]
    assert set(live(store)) == {"waits", "holds"}
    # Nobody has to look again: no live lease has changed.
    assert store.version() == revision
    with store.reading() as reader:
        assert reader.remembered("user-a", "key") is None
