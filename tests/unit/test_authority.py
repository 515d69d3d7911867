"""The authority: who may do what to which lease, and what is answered, written and announced."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from jupyter_gpuctl.core.errors import (
    Conflict,
    Refused,
    Unavailable,
)
from jupyter_gpuctl.leases.model import EndReason, LeaseStatus, Limit, Outcome
from jupyter_gpuctl.leases.policy import GpuQuota, Limits, Policy
from jupyter_gpuctl.leases.ports import DeviceView
from tests.unit.house import HOUR, A, B, C, actions, ask

QUEUED, OFFERED, ACTIVE, ENDED = LeaseStatus


def test_looking_makes_no_database(house, authority):
    assert authority.leases(A).items == ()
    assert authority.leases(A, ended=True).items == ()
    assert authority.audit(A).items == ()
    assert authority.quota(A).largest == 2
    assert authority.preview(A, ask(2)).verdict.outcome is Outcome.ADMITTED
    assert authority.cycle() is None
    assert not authority.changed_elsewhere()
    assert not house.file.exists()


def test_what_is_free_is_granted_at_once(house, authority):
    lease = authority.request(A, ask(1, hours=2, note="train"))
    assert (lease.status, lease.verdict.outcome) == (ACTIVE, Outcome.ADMITTED)
    assert lease.devices in {("GPU-0",), ("GPU-1",)}
    assert (lease.expires_at - lease.started_at).total_seconds() == 2 * HOUR
    assert (lease.mine, lease.note, lease.gpus, lease.position) == (True, "train", 1.0, None)
    assert house.kinds() == ["lease.started"]
    assert actions(authority) == [("user-a", "lease.request"), ("gpuctl", "lease.start")]


def test_what_is_taken_is_waited_for_in_turn(house, authority):
    first = authority.request(A, ask(2))
    second, third = authority.request(B, ask(1)), authority.request(C, ask(1))
    assert (second.status, second.position, third.position) == (QUEUED, 1, 2)
    assert second.verdict.limit is Limit.DEVICES
    assert second.estimated_start == first.expires_at
    house.kinds()
    authority.release(A, first.id)
    assert [lease.status for lease in authority.leases(B).items] == [ACTIVE, ACTIVE]
    assert house.kinds() == ["lease.ended", "lease.started", "lease.started"]


def test_a_dry_run_says_what_a_request_then_becomes(authority):
    authority.request(A, ask(1))
    for wanted in (1, 1, 2):
        said = authority.preview(B, ask(wanted))
        lease = authority.request(B, ask(wanted))
        assert (said.verdict, said.position) == (lease.verdict, lease.position)
        assert said.estimated_start in {lease.estimated_start, lease.started_at}
        assert said.gpu_hours == wanted


def test_a_dry_run_stores_nothing(house, authority):
    authority.request(A, ask(1))
    before = dump(house)
    authority.preview(B, ask(2))
    with pytest.raises(Conflict):
        authority.extend(A, authority.request(A, ask(2)).id, 60)
    assert len(dump(house)) > len(before)
    before = dump(house)
    authority.preview(B, ask(2))
    authority.leases(B)
    authority.quota(B)
    authority.cycle()
    assert dump(house) == before


def dump(house):
    with closing(sqlite3.connect(house.file.path)) as raw:
        return list(raw.iterdump())


def test_an_offer_is_accepted_once_and_charged_from_then(house, authority):
    first = authority.request(A, ask(2, interactive=True))
    waits = authority.request(B, ask(1, interactive=True))
    house.clocks.advance(60)
    authority.release(A, first.id)
    offered = authority.lease(B, waits.id)
    assert (offered.status, offered.started_at, offered.gpu_hours) == (OFFERED, None, 0.0)
    assert len(offered.devices) == 1
    house.clocks.advance(120)
    accepted = authority.accept(B, waits.id)
    again = authority.accept(B, waits.id)
    assert accepted == again
    assert (accepted.expires_at - accepted.started_at).total_seconds() == HOUR
    house.clocks.advance(HOUR / 2)
    assert authority.lease(B, waits.id).gpu_hours == 0.5
    assert ("user-b", "lease.accept") in actions(authority)


def test_an_offer_that_is_not_accepted_lapses_and_goes_to_the_next(house, authority):
    first = authority.request(A, ask(2))
    b, c = authority.request(B, ask(2, interactive=True)), authority.request(C, ask(2))
    house.clocks.advance(60)
    authority.release(A, first.id)
    wait = authority.cycle()
    assert 0 < wait <= Policy().offer_window
    house.clocks.advance(wait)
    authority.cycle()
    assert authority.lease(C, c.id).status is ACTIVE
    lapsed = authority.lease(B, b.id)
    assert (lapsed.status, lapsed.reason) == (ENDED, EndReason.LAPSED)
    with pytest.raises(Conflict, match="not accepted in time"):
        authority.accept(B, b.id)


def test_a_lease_ends_on_time_and_is_charged_to_the_second(house, authority):
    lease = authority.request(A, ask(0.5, hours=0.5, memory=1024**3))
    house.clocks.advance(10 * HOUR)
    over = authority.lease(A, lease.id)
    assert (over.status, over.reason, over.ended_at) == (
        ENDED,
        EndReason.EXPIRED,
        lease.expires_at,
    )
    assert over.gpu_hours == 0.25
    assert authority.leases(A).items == ()
    assert [row.id for row in authority.leases(A, ended=True).items] == [lease.id]


def test_an_expired_lease_does_not_stand_in_the_way_of_a_request(house, authority):
    house.quotas = Policy(default=Limits(gpus=GpuQuota(1000, 1000)))
    authority.request(A, ask(1))
    house.clocks.advance(HOUR)
    assert authority.request(A, ask(1)).status is ACTIVE


def test_a_quota_that_is_reached_is_named_and_the_refusal_written_down(house, authority):
    house.quotas = Policy(default=Limits(gpus=GpuQuota(1000, 1000)))
    with pytest.raises(Refused) as refused:
        authority.request(A, ask(2))
    error = refused.value
    assert error.code == "quota.exceeded"
    assert error.detail["outcome"] == "refused"
    assert error.detail["limit"] == "user.gpus"
    assert error.detail["allowed"] == 1
    assert error.message == error.detail["message"]
    assert error.hint
    assert actions(authority) == [("user-a", "lease.refuse")]
    assert authority.audit(A).items[0].detail["limit"] == "user.gpus"


def test_what_the_machine_has_not_is_refused_otherwise(authority):
    with pytest.raises(Refused) as refused:
        authority.request(A, ask(3))
    assert refused.value.code == "lease.refused"
    assert refused.value.detail["limit"] == "capacity"


def test_the_same_key_asks_once(house, authority):
    first = authority.request(A, ask(1), key="k")
    assert authority.request(A, ask(1), key="k").id == first.id
    # After a restart too, and whatever has become of it.
    other = house.authority()
    authority.release(A, first.id)
    assert other.request(A, ask(1), key="k").status is ENDED
    assert len(authority.leases(A, ended=True).items) == 1
    # Another's key is another key.
    assert authority.request(B, ask(1), key="k").id != first.id


def test_a_key_of_another_request_is_a_conflict(authority):
    authority.request(A, ask(1), key="k")
    with pytest.raises(Conflict) as refused:
        authority.request(A, ask(1, hours=2), key="k")
    assert refused.value.code == "idempotency.conflict"
    assert len(authority.leases(A).items) == 1


def test_a_refused_request_uses_up_no_key(house, authority):
    house.quotas = Policy(default=Limits(gpus=GpuQuota(0, 0)))
    with pytest.raises(Refused):
        authority.request(A, ask(1), key="k")
    house.quotas = Policy()
    assert authority.request(A, ask(1), key="k").status is ACTIVE


def test_giving_back_twice_is_giving_back_once(house, authority):
    lease = authority.request(A, ask(1))
    house.clocks.advance(90)
    first = authority.release(A, lease.id)
    house.clocks.advance(90)
    second = authority.release(A, lease.id)
    assert (first.status, first.reason) == (ENDED, EndReason.RELEASED)
    assert second == first
    assert [action for _, action in actions(authority)].count("lease.release") == 1


def test_a_request_that_is_withdrawn_does_not_begin_at_the_last_moment(house, authority):
    authority.request(A, ask(2, hours=1))
    waits = authority.request(B, ask(1, hours=1))
    house.clocks.advance(HOUR + 1)
    over = authority.release(B, waits.id)
    assert (over.started_at, over.reason) == (None, EndReason.CANCELLED)


def test_leaving_the_queue_and_declining_have_names_of_their_own(house, authority):
    first = authority.request(A, ask(2))
    b = authority.request(B, ask(2, interactive=True))
    c = authority.request(C, ask(2, interactive=True))
    house.clocks.advance(60)
    assert authority.release(B, b.id).reason is EndReason.CANCELLED
    authority.release(A, first.id)
    assert authority.release(C, c.id).reason is EndReason.DECLINED


def test_a_lease_that_ended_says_when_and_why(house, authority):
    lease = authority.request(A, ask(1))
    house.clocks.advance(2 * HOUR)
    for act in (authority.accept, authority.release, lambda a, i: authority.extend(a, i, 60)):
        with pytest.raises(Conflict) as refused:
            act(A, lease.id)
        assert refused.value.code == "lease.ended"
        assert "its time was over" in refused.value.message
        assert refused.value.detail["reason"] == "expired"


def test_an_extension_moves_the_end_and_is_counted_in_the_duration(house, authority):
    lease = authority.request(A, ask(1))
    house.clocks.advance(600)
    house.kinds()
    longer = authority.extend(A, lease.id, 1800)
    assert (longer.expires_at - lease.expires_at).total_seconds() == 1800
    assert longer.duration == HOUR + 1800
    assert longer.verdict.outcome is Outcome.ADMITTED
    assert house.kinds() == ["lease.extended"]


def test_the_same_key_extends_once(authority):
    lease = authority.request(A, ask(1))
    first = authority.extend(A, lease.id, 600, key="k")
    second = authority.extend(A, lease.id, 600, key="k")
    assert second.expires_at == first.expires_at
    with pytest.raises(Conflict):
        authority.extend(A, lease.id, 900, key="k")


def test_an_extension_beyond_the_longest_lease_is_refused_and_written_down(house, authority):
    house.quotas = Policy(default=Limits(max_lease=HOUR))
    lease = authority.request(A, ask(1))
    with pytest.raises(Refused) as refused:
        authority.extend(A, lease.id, 600)
    assert refused.value.detail["limit"] == "max_lease"
    assert refused.value.code == "quota.exceeded"
    assert actions(authority)[-1] == ("user-a", "lease.refuse")
    assert authority.lease(A, lease.id).expires_at == lease.expires_at


def test_a_lease_that_waits_is_not_extended(authority):
    authority.request(A, ask(2))
    waits = authority.request(B, ask(1))
    with pytest.raises(Conflict) as refused:
        authority.extend(B, waits.id, 60)
    assert refused.value.code == "lease.not_active"


def test_without_a_driver_leases_end_and_none_begins(house, authority):
    lease = authority.request(A, ask(2))
    waits = authority.request(B, ask(1))
    good, house.devices = house.devices, DeviceView((), {}, "The driver is away.", "Reboot.")
    with pytest.raises(Unavailable) as refused:
        authority.request(C, ask(1))
    assert (refused.value.code, refused.value.hint) == ("devices.unknown", "Reboot.")
    with pytest.raises(Unavailable):
        authority.preview(C, ask(1))
    house.clocks.advance(HOUR)
    authority.cycle()
    assert authority.lease(A, lease.id).status is ENDED
    still = authority.lease(B, waits.id)
    assert still.status is QUEUED
    assert "The driver is away." in still.verdict.message
    assert authority.checks()["authority"].hint == "Reboot."
    house.devices = good
    authority.cycle()
    assert authority.lease(B, waits.id).status is ACTIVE


def test_a_device_in_use_from_outside_is_not_granted(house, authority):
    everything = house.devices
    house.devices = replace(everything, processes={"GPU-0": frozenset({"user-z"})})
    assert authority.request(A, ask(1)).devices == ("GPU-1",)
    waits = authority.request(A, ask(1))
    assert (waits.status, waits.verdict.limit) == (QUEUED, Limit.OUTSIDE)
    # The processes of who holds a device are no outside use.
    house.devices = replace(everything, processes={"GPU-1": frozenset({"user-a"})})
    authority.cycle()
    assert authority.lease(A, waits.id).devices == ("GPU-0",)


def test_health_speaks_of_store_and_quotas(house, authority):
    checks = authority.checks()
    assert {name: check.status for name, check in checks.items()} == {
        "store": "ok",
        "authority": "ok",
    }
    authority.request(A, ask(1))
    assert authority.checks()["authority"].detail == {"kind": "embedded", "live": 1}
    house.problem = "quotas.yaml: line 3 is not YAML. Mend it there."
    told = authority.checks()["authority"]
    assert told.message == house.problem
    assert told.hint == "Until then the quotas that were read before hold."


def test_a_store_that_can_not_be_opened_is_told_and_tried_again(house, authority):
    house.file.path.write_text("no database " * 500)
    with pytest.raises(Unavailable) as refused:
        authority.request(A, ask(1))
    assert authority.checks()["store"].message == refused.value.message
    house.file.path.unlink()
    assert authority.request(A, ask(1)).status is ACTIVE
    assert authority.checks()["store"].status == "ok"
