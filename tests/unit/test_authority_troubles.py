"""The authority while quotas can't be read or the database can't be written: what goes on."""

from __future__ import annotations

import pytest

from jupyter_gpuctl.core.errors import InvalidConfig, Unavailable
from jupyter_gpuctl.leases.keeper import RETRY
from jupyter_gpuctl.leases.model import LeaseStatus
from jupyter_gpuctl.leases.policy import Group, Limits, Policy
from tests.unit.house import HOUR, A, B, C, House, ask

QUEUED, OFFERED, ACTIVE, ENDED = LeaseStatus
UNREAD = Policy(unread="The quota file q.yaml can't be read.", unread_hint="Mend it.")


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "folder" / "gpuctl.sqlite")
    yield house
    house.close()


def statuses(authority):
    return {name: str(check.status) for name, check in authority.checks().items()}


def test_without_quotas_nothing_is_granted_and_the_file_is_named(house, authority):
    vision = Group("vision", frozenset({"user-a"}), Limits())
    house.quotas = Policy(groups={"vision": vision})
    lease = authority.request(A, ask(1, group="vision"), key="k")
    house.quotas = UNREAD
    for act in (
        lambda: authority.request(A, ask(1, group="vision")),
        lambda: authority.preview(A, ask(1)),
        lambda: authority.extend(A, lease.id, 60),
    ):
        with pytest.raises(InvalidConfig) as refused:
            act()
        assert refused.value.code == "config.invalid"
        assert (refused.value.message, refused.value.hint) == (UNREAD.unread, UNREAD.unread_hint)
    # What was asked before is answered all the same.
    assert authority.request(A, ask(1, group="vision"), key="k").id == lease.id
    assert authority.lease(A, lease.id).expires_at == lease.expires_at


def test_without_quotas_leases_are_given_back_and_end_and_none_begins(house, authority):
    first = authority.request(A, ask(1))
    second = authority.request(B, ask(1))
    waits, leaves = authority.request(C, ask(1)), authority.request(C, ask(1))
    house.quotas = UNREAD
    other = house.authority([])
    assert other.release(A, first.id).status is ENDED
    assert other.release(C, leaves.id).status is ENDED
    house.clocks.advance(HOUR)
    other.cycle()
    assert other.lease(B, second.id).status is ENDED
    still = other.lease(C, waits.id)
    assert (still.status, still.estimated_start) == (QUEUED, None)
    assert UNREAD.unread in still.verdict.message
    assert len(other.leases(C).items) == 1
    assert len(other.leases(A, ended=True).items) == 1
    assert other.audit(A).items
    house.quotas = Policy()
    other.cycle()
    assert other.lease(C, waits.id).status is ACTIVE


def test_without_quotas_an_offer_that_was_made_can_be_accepted(house, authority):
    first = authority.request(A, ask(2))
    waits = authority.request(B, ask(1, interactive=True))
    house.clocks.advance(60)
    authority.release(A, first.id)
    house.quotas = UNREAD
    assert authority.accept(B, waits.id).status is ACTIVE


def test_without_quotas_no_limits_are_told(house, authority):
    house.quotas, house.problem = UNREAD, str(UNREAD.unread)
    answer = authority.quota(A)
    assert (answer.known, answer.gauges, answer.problem) == (False, (), UNREAD.unread)
    told = authority.checks()["authority"]
    assert (told.status, told.hint) == ("error", "Mend it.")
    assert told.message == f"No lease can be taken: {UNREAD.unread}"
    house.quotas, house.problem = Policy(), None
    assert authority.quota(A).known
    assert statuses(authority) == {"store": "ok", "authority": "ok"}


def test_health_is_bad_from_a_write_that_failed_until_one_has_done(house, authority):
    lease = authority.request(A, ask(1))
    lock = house.file.lock_path
    lock.unlink()
    lock.mkdir()  # which nobody can lock
    other = house.authority([])
    with pytest.raises(Unavailable) as refused:
        other.request(B, ask(1))
    bad = {"store": "error", "authority": "error"}
    assert statuses(other) == bad
    # Reading does, and says nothing about writing; nor does a change that changes nothing.
    assert other.lease(A, lease.id).status is ACTIVE
    other.cycle()
    other.changed_elsewhere()
    assert statuses(other) == bad
    told = other.checks()["authority"]
    assert told.message == f"No lease can be taken: {refused.value.message}"
    assert told.hint == refused.value.hint
    lock.rmdir()
    assert statuses(other) == bad
    house.clocks.advance(RETRY)
    other.cycle()
    assert statuses(other) == {"store": "ok", "authority": "ok"}


def test_who_looks_is_answered_with_what_is_known_where_what_is_due_can_not_be_stored(
    house, authority
):
    lease = authority.request(A, ask(2))
    waits = authority.request(B, ask(1))
    house.clocks.advance(HOUR)
    lock = house.file.lock_path
    lock.unlink()
    lock.mkdir()
    other = house.authority([])
    for _ in range(2):
        assert [item.status for item in other.leases(B).items] == [ACTIVE, QUEUED]
        assert other.lease(A, lease.id).expires_at == lease.expires_at
        assert other.quota(A).known
        assert [item.id for item in other.bindings.look().leases] == [lease.id, waits.id]
        assert other.leases(A, ended=True).items == ()
        assert statuses(other) == {"store": "error", "authority": "error"}
    store = other.checks()["store"]
    still = other.lease(B, waits.id)
    assert still.verdict.message == f"Nothing can start now: {store.message}"
    assert (still.verdict.hint, still.estimated_start) == (store.hint, None)
    # Who wants a change is told that there is none, and so is who asks what would become of one.
    for act in (
        lambda: other.request(B, ask(1)),
        lambda: other.preview(B, ask(1)),
        lambda: other.extend(A, lease.id, 60),
        lambda: other.release(A, lease.id),
        other.cycle,
    ):
        with pytest.raises(Unavailable) as refused:
            act()
        assert refused.value.message == store.message
    lock.rmdir()
    house.clocks.advance(RETRY)
    other.cycle()
    assert other.lease(A, lease.id).status is ENDED
    assert other.lease(B, waits.id).status is ACTIVE
    assert statuses(other) == {"store": "ok", "authority": "ok"}


def test_a_write_that_does_ends_the_trouble_at_once(house, authority):
    authority.request(A, ask(1))
    lock = house.file.lock_path
    lock.unlink()
    lock.mkdir()
    other = house.authority([])
    with pytest.raises(Unavailable):
        other.request(B, ask(1))
    lock.rmdir()
    other.request(B, ask(1))
    assert statuses(other) == {"store": "ok", "authority": "ok"}


def test_health_stays_bad_where_no_database_could_be_made(house, authority):
    folder = house.file.path.parent
    folder.write_text("A file, where a folder should be.")
    with pytest.raises(Unavailable):
        authority.request(A, ask(1))
    assert authority.leases(A).items == ()
    authority.cycle()
    assert statuses(authority) == {"store": "error", "authority": "error"}
    folder.unlink()
    house.clocks.advance(RETRY)
    authority.cycle()
    assert statuses(authority) == {"store": "ok", "authority": "ok"}
