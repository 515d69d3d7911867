"""Which lease belongs to which kernel, and whether it is used: the authority's side of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_gpuctl.core.errors import Conflict, Forbidden, NotFound
from jupyter_gpuctl.leases.model import EndReason, LeaseStatus
from tests.unit.house import ADMIN, GUEST, A, B, ask

QUEUED, OFFERED, ACTIVE, ENDED = LeaseStatus


def for_kernel(kernel_id, gpus=1):
    return replace(ask(gpus), kernel_id=kernel_id)


def value(authority, lease_id):
    (found,) = [lease for lease in authority.bindings.look().leases if lease.id == lease_id]
    return found


def test_a_lease_that_is_asked_for_a_kernel_is_attached_to_it(authority):
    assert authority.request(A, for_kernel("k-1")).kernel_id == "k-1"


def test_attaching_moves_a_lease_from_one_kernel_to_another(house, authority):
    lease = authority.request(A, for_kernel("k-1"))
    house.kinds()
    assert authority.bindings.attach(A, lease.id, "k-2").kernel_id == "k-2"
    assert authority.bindings.detach(A, lease.id).kernel_id is None
    assert house.kinds() == ["lease.attached", "lease.detached"]
    rows = authority.audit(A).items[:2]
    assert [(row.action, row.detail["kernel_id"]) for row in rows] == [
        ("lease.detach", None),
        ("lease.attach", "k-2"),
    ]


def test_attaching_again_writes_nothing(house, authority):
    lease = authority.request(A, ask(1))
    authority.bindings.attach(A, lease.id, "k-1")
    rows = len(authority.audit(A).items)
    authority.bindings.attach(A, lease.id, "k-1")
    assert len(authority.audit(A).items) == rows


def test_only_its_owner_attaches_a_live_lease(authority):
    lease = authority.request(A, ask(1))
    with pytest.raises(NotFound):
        authority.bindings.attach(B, lease.id, "k-1")
    with pytest.raises(Forbidden):
        authority.bindings.attach(ADMIN, lease.id, "k-1")
    with pytest.raises(Forbidden):
        authority.bindings.attach(GUEST, lease.id, "k-1")
    authority.release(A, lease.id)
    with pytest.raises(Conflict):
        authority.bindings.attach(A, lease.id, "k-1")


def test_a_kernel_that_is_shut_down_gives_back_what_was_asked_for_it(authority):
    made_for, moved_to = authority.request(A, for_kernel("k-1")), authority.request(A, ask(1))
    authority.bindings.attach(A, moved_to.id, "k-1")
    waits = authority.request(A, for_kernel("k-1"))
    others = authority.request(B, for_kernel("k-1"))
    assert set(authority.bindings.shut_down("user-a", "k-1")) == {made_for.id, waits.id}
    assert authority.lease(A, made_for.id).reason is EndReason.RELEASED
    assert authority.lease(A, waits.id).reason is EndReason.CANCELLED
    assert authority.lease(A, moved_to.id).kernel_id is None
    assert authority.lease(B, others.id).kernel_id == "k-1"
    assert authority.bindings.shut_down("user-a", "k-1") == ()


def test_an_idle_lease_is_given_back_only_if_nobody_has_vouched_for_it(house, authority):
    lease = authority.request(A, ask(1))
    started = lease.started_at.timestamp()
    assert not authority.bindings.give_back_idle(lease.id, started - 1)
    house.clocks.advance(100)
    authority.bindings.used({lease.id: started + 90})
    assert not authority.bindings.give_back_idle(lease.id, started + 80)
    assert value(authority, lease.id).used_at == started + 90
    assert authority.bindings.give_back_idle(lease.id, started + 95)
    ended = authority.lease(A, lease.id)
    assert (ended.status, ended.reason) == (ENDED, EndReason.IDLE)
    assert not authority.bindings.give_back_idle(lease.id, started + 95)


def test_keeping_counts_as_use(house, authority):
    lease = authority.request(A, ask(1))
    house.clocks.advance(100)
    authority.bindings.keep(A, lease.id)
    assert value(authority, lease.id).used_at == lease.started_at.timestamp() + 100
    with pytest.raises(NotFound):
        authority.bindings.keep(B, lease.id)


def test_use_is_never_told_of_the_future_nor_taken_back(house, authority):
    lease = authority.request(A, ask(1))
    started = lease.started_at.timestamp()
    house.clocks.advance(100)
    authority.bindings.used({lease.id: started + 1e6, "unknown": started})
    authority.bindings.used({lease.id: started + 5})
    assert value(authority, lease.id).used_at == started + 100


def test_what_is_done_to_a_process_is_written_down(authority):
    authority.request(A, ask(1))
    authority.bindings.record("guard.warn", {"pid": 7}, owner="user-a")
    row = authority.audit(A).items[0]
    assert (row.actor, row.action, row.owner, row.detail) == (
        "gpuctl",
        "guard.warn",
        "user-a",
        {"pid": 7},
    )
