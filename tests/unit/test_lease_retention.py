"""How long what is over is kept."""

from __future__ import annotations

import pytest

from jupyter_gpuctl.leases.policy import (
    Group,
    HoursQuota,
    Limits,
    Policy,
    Window,
    WindowKind,
)
from jupyter_gpuctl.leases.retention import PAUSE, oldest_kept
from tests.unit.house import A, House, ask

DAY = 86400
NOW = 1_800_000_000.0


def hours(days: int) -> Limits:
    return Limits(gpu_hours=HoursQuota(20, Window(WindowKind.ROLLING, days * DAY)))


def test_what_is_older_than_the_retention_may_go():
    assert oldest_kept(Policy(), 30, NOW) == NOW - 30 * DAY
    assert oldest_kept(Policy(default=hours(7)), 30, NOW) == NOW - 30 * DAY


@pytest.mark.parametrize(
    "policy",
    [
        Policy(default=hours(60)),
        Policy(users={"user-a": hours(60)}),
        Policy(groups={"g": Group("g", frozenset(), pool=hours(60))}),
        Policy(groups={"g": Group("g", frozenset(), pool=Limits(), each=hours(60))}),
    ],
)
def test_what_any_window_still_counts_stays(policy):
    assert oldest_kept(policy, 30, NOW) == NOW - 60 * DAY


def test_nothing_goes_without_a_retention_or_while_the_windows_are_not_known():
    assert oldest_kept(Policy(), 0, NOW) is None
    assert oldest_kept(Policy(unread="It can't be read."), 30, NOW) is None


def finish(house: House, authority, count: int) -> None:
    for _ in range(count):
        lease = authority.request(A, ask(1))
        house.clocks.advance(1)
        authority.release(A, lease.id)


def count(authority) -> int:
    return len(authority.leases(A, ended=True, limit=1000).items)


def test_a_server_takes_out_what_is_old_and_looks_again_after_a_while(house):
    keeps, prunes = house.authority(), house.authority(retention_days=30)
    finish(house, keeps, 3)
    house.clocks.advance(29 * DAY)
    finish(house, keeps, 2)
    prunes.cycle()
    assert count(keeps) == 5
    house.clocks.advance(2 * DAY)
    keeps.cycle()
    assert count(keeps) == 5
    prunes.cycle()
    assert count(keeps) == 2
    assert {row.lease_id for row in keeps.audit(A).items} == {
        lease.id for lease in keeps.leases(A, ended=True).items
    }


def test_a_window_that_counts_longer_keeps_what_it_counts(house):
    house.quotas = Policy(default=hours(60))
    authority = house.authority(retention_days=30)
    finish(house, authority, 1)
    used = authority.quota(A).gauges[1].used
    house.clocks.advance(40 * DAY)
    authority.cycle()
    assert (count(authority), authority.quota(A).gauges[1].used) == (1, used)
    house.quotas = Policy(default=hours(7))
    house.clocks.advance(PAUSE)
    authority.cycle()
    assert count(authority) == 0


def test_what_is_live_stays_however_old(house):
    house.quotas = Policy(max_lease=30 * DAY)
    authority = house.authority(retention_days=7)
    lease = authority.request(A, ask(1, hours=24 * 20))
    house.clocks.advance(19 * DAY)
    authority.cycle()
    assert authority.lease(A, lease.id).devices
