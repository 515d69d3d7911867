"""Leases whose devices are not there any more: what is said, told and charged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_gpuctl.leases.model import EndReason, LeaseStatus
from jupyter_gpuctl.leases.policy import HoursQuota, Limits, Policy, Window, WindowKind
from jupyter_gpuctl.leases.ports import DeviceView
from jupyter_gpuctl.store.check import problems
from tests.unit.house import ADMIN, HOUR, A, B, House, ask


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "gpuctl.sqlite", count=3)
    yield house
    house.close()
    assert problems(house.file) == []


def lose(house: House, *uuids: str) -> DeviceView:
    """The devices are gone; how it was before."""
    before = house.devices
    gone = tuple(device for device in before.devices if device.uuid in uuids)
    here = tuple(device for device in before.devices if device.uuid not in uuids)
    house.devices = replace(before, devices=here, gone=gone)
    return before


def test_a_lease_says_that_its_gpu_is_gone_and_is_not_charged_from_then(house, authority):
    lease = authority.request(A, ask(1, hours=4))
    house.clocks.advance(HOUR)
    house.kinds()
    lose(house, *lease.devices)
    authority.cycle()
    assert house.kinds() == ["lease.devices_gone"]
    house.clocks.advance(HOUR)
    found = authority.lease(A, lease.id)
    assert found.status is LeaseStatus.ACTIVE
    assert found.gpu_hours == 1.0
    number = lease.devices[0].removeprefix("GPU-")
    assert found.problem.startswith(f"GPU {number} is not there any more")
    assert "Release it and ask again; nothing is charged" in found.problem
    # What others hold is none of one's business.
    assert {item.problem for item in authority.leases(B).items} == {""}
    # Another program, which has never seen the device, knows it from the database.
    house.devices = replace(house.devices, gone=())
    assert "Its GPU is not there any more" in house.authority([]).lease(A, lease.id).problem


def test_a_lease_without_its_gpu_is_over_since_then_whoever_ends_it_when(house, authority):
    by_owner, by_admin = authority.request(A, ask(1)), authority.request(A, ask(1))
    by_time = authority.request(A, ask(1))
    house.clocks.advance(HOUR / 2)
    lose(house, "GPU-0", "GPU-1", "GPU-2")
    authority.cycle()
    house.clocks.advance(HOUR / 4)
    for _ in range(2):
        over = authority.release(A, by_owner.id)
        assert (over.reason, over.gpu_hours) == (EndReason.LOST, 0.5)
        assert (over.ended_at - over.started_at).total_seconds() == HOUR / 2
    assert authority.release(ADMIN, by_admin.id, "broken").reason is EndReason.LOST
    house.clocks.advance(HOUR)
    authority.cycle()
    assert authority.lease(A, by_time.id).gpu_hours == 0.5
    assert authority.lease(A, by_time.id).reason is EndReason.LOST
    rows = [(row.action, row.lease_id) for row in authority.audit(A).items]
    assert ("lease.devices_gone", by_owner.id) in rows
    assert ("lease.release", by_owner.id) in rows


def test_gpu_hours_of_a_window_leave_out_the_time_without_the_gpu(house, authority):
    hours = HoursQuota(20, Window(WindowKind.ROLLING, 7 * 24 * HOUR))
    house.quotas = Policy(default=Limits(gpu_hours=hours))
    lease = authority.request(A, ask(1, hours=4))
    house.clocks.advance(HOUR)
    lose(house, *lease.devices)
    authority.cycle()
    house.clocks.advance(2 * HOUR)

    def used() -> float:
        return next(g.used for g in authority.quota(A).gauges if g.kind == "gpu_hours")

    assert used() == pytest.approx(1.0)
    authority.release(A, lease.id)
    assert used() == pytest.approx(1.0)


def test_a_gpu_that_comes_back_is_charged_as_if_it_had_not_gone(house, authority):
    lease = authority.request(A, ask(1, hours=4))
    house.clocks.advance(HOUR)
    before = lose(house, *lease.devices)
    authority.cycle()
    house.clocks.advance(HOUR)
    house.kinds()
    house.devices = before
    authority.cycle()
    assert house.kinds() == ["lease.devices_back"]
    found = authority.lease(A, lease.id)
    assert (found.problem, found.gpu_hours, found.status) == ("", 2.0, LeaseStatus.ACTIVE)


def test_a_lease_that_has_lost_some_of_its_gpus_says_so_and_goes_on(house, authority):
    lease = authority.request(A, ask(2, hours=2))
    lose(house, lease.devices[0])
    authority.cycle()
    house.clocks.advance(HOUR)
    found = authority.lease(A, lease.id)
    assert "The rest of the lease goes on" in found.problem
    assert found.gpu_hours == 2.0
    assert authority.release(A, lease.id).reason is EndReason.RELEASED


def test_a_driver_that_is_away_as_a_whole_changes_no_lease(house, authority):
    lease = authority.request(A, ask(1, hours=4))
    house.kinds()
    house.devices = DeviceView((), {}, "The driver is away.", "Wait.")
    authority.cycle()
    other = house.authority([])
    other.cycle()
    house.clocks.advance(HOUR)
    found = other.lease(A, lease.id)
    assert (found.status, found.problem, found.gpu_hours) == (LeaseStatus.ACTIVE, "", 1.0)
    assert house.kinds() == []


def test_who_cannot_see_the_gpu_says_nothing_of_it(house, authority):
    lease = authority.request(A, ask(1))
    lose(house, *lease.devices)
    house.devices = replace(house.devices, gone=())
    other = house.authority([])
    other.cycle()
    assert other.lease(A, lease.id).problem == ""
