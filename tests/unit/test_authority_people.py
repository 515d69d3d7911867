"""The authority: whose lease it is, and what guests and administrators may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_gpuctl.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
)
from jupyter_gpuctl.leases.model import EndReason, LeaseStatus
from jupyter_gpuctl.leases.policy import Group, Limits, Policy
from tests.unit.house import ADMIN, GUEST, A, B, ask

QUEUED, OFFERED, ACTIVE, ENDED = LeaseStatus


def test_a_group_that_one_is_not_in_is_not_charged(house, authority):
    vision = Group("vision", frozenset({"user-a"}), Limits())
    house.quotas = Policy(groups={"vision": vision})
    assert authority.request(A, ask(1, group="vision")).group == "vision"
    assert authority.request(A, ask(1)).group == "vision"
    for group in ("vision", "none"):
        for act in (authority.request, authority.preview):
            with pytest.raises(InvalidInput) as refused:
                act(B, ask(1, group=group))
            assert refused.value.code == "group.unknown"
            assert group in refused.value.message


@pytest.mark.parametrize("lease_id", ["foreign", "none", "", "' OR 1=1 --", "x" * 500])
def test_a_foreign_lease_is_not_there(authority, lease_id):
    foreign = authority.request(B, ask(1)).id
    wanted = foreign if lease_id == "foreign" else lease_id
    messages = set()
    for act in (
        authority.lease,
        authority.accept,
        authority.release,
        lambda a, i: authority.extend(a, i, 60),
    ):
        with pytest.raises(NotFound) as refused:
            act(A, wanted)
        messages.add(refused.value.message)
    assert len(messages) == 1
    assert authority.lease(B, foreign).status is ACTIVE


def test_a_guest_looks_and_does_not_act(authority):
    lease = authority.request(A, ask(1))
    assert len(authority.leases(GUEST).items) == 1
    authority.quota(GUEST)
    authority.preview(GUEST, ask(1))
    for act in (
        lambda: authority.request(GUEST, ask(1)),
        lambda: authority.accept(GUEST, lease.id),
        lambda: authority.extend(GUEST, lease.id, 60),
        lambda: authority.release(GUEST, lease.id),
    ):
        with pytest.raises(Forbidden):
            act()


def test_an_administrator_revokes_with_a_reason(house, authority):
    lease = authority.request(A, ask(1))
    for reason in ("", "  "):
        with pytest.raises(InvalidInput) as refused:
            authority.release(ADMIN, lease.id, reason)
        assert refused.value.code == "reason.required"
    house.clocks.advance(60)
    revoked = authority.release(ADMIN, lease.id, "maintenance")
    assert (revoked.reason, revoked.remark) == (EndReason.REVOKED, "maintenance")
    assert authority.release(ADMIN, lease.id, "again") == revoked
    told = [change for change in house.changes if change.kind == "lease.ended"]
    assert "maintenance" in told[0].message
    assert told[0].owner == "user-a"
    row = authority.audit(A).items[0]
    assert (row.actor, row.action, row.owner) == ("root", "lease.revoke", "user-a")
    assert row.detail == {"gpu_seconds": 60, "reason": "maintenance"}
    with pytest.raises(Conflict, match="maintenance"):
        authority.release(A, lease.id)


def test_an_administrator_accepts_nothing_for_others(house, authority):
    first = authority.request(A, ask(2))
    b = authority.request(B, ask(2, interactive=True))
    house.clocks.advance(60)
    authority.release(A, first.id)
    with pytest.raises(Forbidden):
        authority.accept(ADMIN, b.id)


def test_names_are_hidden_where_the_policy_says_so(house, authority):
    mine = authority.request(A, ask(1, note="secret plan", kernel_id="k1"))
    authority.request(B, ask(1))
    shown = {lease.mine: lease for lease in authority.leases(B).items}
    assert shown[False].owner == "user-a"
    assert (shown[False].id, shown[False].note, shown[False].kernel_id) == ("", "", None)
    house.quotas = replace(house.quotas, hide_names=True)
    assert {lease.owner for lease in authority.leases(B).items} == {None, "user-b"}
    assert {lease.owner for lease in authority.leases(ADMIN).items} == {"user-a", "user-b"}
    assert authority.lease(ADMIN, mine.id).note == "secret plan"


def test_history_and_audit_are_ones_own_and_all_for_an_administrator(house, authority):
    for actor in (A, B):
        for _ in range(3):
            lease = authority.request(actor, ask(1))
            house.clocks.advance(1)
            authority.release(actor, lease.id)
    seen, cursor = [], None
    while True:
        page = authority.leases(A, ended=True, limit=2, cursor=cursor)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert [lease.owner for lease in seen] == ["user-a"] * 3
    assert sorted((lease.ended_at for lease in seen), reverse=True) == [x.ended_at for x in seen]
    assert len(authority.leases(ADMIN, ended=True).items) == 6
    page = authority.audit(A, limit=5)
    rest = authority.audit(A, limit=5, cursor=page.next)
    assert len(page.items) + len(rest.items) == 9
    assert rest.next is None
    assert len(authority.audit(ADMIN).items) == 18


@pytest.mark.parametrize("cursor", ["", "x", "1e999_a", "nan_a", "-1", "١", "9" * 30])
def test_a_cursor_that_no_answer_gave_is_refused(authority, cursor):
    with pytest.raises(InvalidInput, match="cursor"):
        authority.leases(A, ended=True, cursor=cursor)
    with pytest.raises(InvalidInput, match="cursor"):
        authority.audit(A, cursor=cursor)
