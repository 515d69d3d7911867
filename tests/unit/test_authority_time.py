"""Clocks that jump: what remains of a lease goes down with time that passes, and only with it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.host.clocks import MachineClocks, ManualClocks
from jupyter_gpuctl.host.model import Instant
from jupyter_gpuctl.leases.model import LeaseStatus
from jupyter_gpuctl.leases.time import TOLERANCE, Anchor, tell
from tests.unit.house import ADMIN, HOUR, A, B, ask


def left(authority, lease_id):
    answer = authority.leases(A)
    (lease,) = [lease for lease in answer.items if lease.id == lease_id]
    return (lease.expires_at - answer.time).total_seconds()


@pytest.mark.parametrize("step", [86400.0, -86400.0, HOUR, -7.5])
def test_a_clock_that_is_set_moves_nothing_that_remains(house, step):
    authority, other = house.authority(), house.authority([])
    lease = authority.request(A, ask(1, hours=2))
    offer = authority.request(B, ask(2))
    house.clocks.advance(600)
    house.clocks.set_wall(step)
    assert left(authority, lease.id) == 2 * HOUR - 600
    assert left(other, lease.id) == 2 * HOUR - 600
    assert authority.leases(A).time.timestamp() == house.clocks.read().wall
    assert authority.lease(B, offer.id).status is LeaseStatus.QUEUED
    steps = [row.detail for row in authority.audit(ADMIN).items if row.action == "clock.step"]
    assert steps == [{"seconds": step, "leases": 2}]
    house.clocks.advance(2 * HOUR - 600)
    over = authority.lease(A, lease.id)
    assert over.status is LeaseStatus.ENDED
    assert over.gpu_hours == 2.0
    # Charged to the second, however the clock was set meanwhile.
    assert (over.ended_at - over.started_at).total_seconds() == 2 * HOUR


@pytest.mark.parametrize("drift", [TOLERANCE * 0.9, -TOLERANCE * 0.9])
def test_a_clock_that_drifts_is_let_be(house, drift):
    authority = house.authority()
    lease = authority.request(A, ask(1))
    house.clocks.set_wall(drift)
    house.clocks.advance(60)
    assert left(authority, lease.id) == HOUR - 60
    assert "clock.step" not in {row.action for row in authority.audit(ADMIN).items}


def test_a_machine_that_starts_anew_takes_its_clocks_word(house):
    lease = house.authority().request(A, ask(1))
    house.clocks.reboot(wall=house.clocks.read().wall + 1200)
    assert left(house.authority([]), lease.id) == HOUR - 1200


def test_a_machine_that_starts_with_a_dead_clock_goes_on_where_it_was(house):
    authority = house.authority()
    lease = authority.request(A, ask(1))
    house.clocks.advance(600)
    authority.extend(A, lease.id, 600)
    true = house.clocks.read().wall + 300
    house.clocks.reboot(wall=0.0)
    after = house.authority([])
    assert left(after, lease.id) == HOUR
    after.request(B, ask(1))
    house.clocks.advance(100)
    assert left(after, lease.id) == HOUR - 100
    # Then a time server sets it right: what remained stays.
    house.clocks.set_wall(true - house.clocks.read().wall)
    assert left(after, lease.id) == HOUR - 100
    assert after.leases(A).time.timestamp() == true


def test_hours_that_the_clocks_of_a_country_skip_or_repeat_are_hours(house, monkeypatch):
    for zone, start in (("Europe/Berlin", 1806192000.0), ("America/New_York", 1825477200.0)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        house.clocks = ManualClocks(start)
        house.clocks.reboot()
        authority = house.authority([])
        lease = authority.request(A, ask(1, hours=3))
        assert lease.expires_at.timestamp() - lease.started_at.timestamp() == 3 * HOUR
        house.clocks.advance(3 * HOUR - 1)
        assert authority.lease(A, lease.id).status is LeaseStatus.ACTIVE
        house.clocks.advance(1)
        assert authority.lease(A, lease.id).gpu_hours == 3.0
    monkeypatch.undo()
    time.tzset()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.floats(0, 1e5)),
        st.tuples(st.just("set"), st.floats(-1e6, 1e6)),
        st.tuples(st.just("look"), st.just(0.0)),
    ),
    max_size=30,
)


@given(STEPS)
def test_what_remains_goes_down_by_what_has_passed(steps):
    """As a store would: the anchor and the newest time are kept, steps move the end."""
    clocks = ManualClocks()
    told = tell(None, 0.0, clocks.read())
    anchor, seen, end, passed = told.anchor, told.now, told.now + 1e7, 0.0
    for what, amount in steps:
        if what == "advance":
            clocks.advance(amount)
            passed += amount
        elif what == "set":
            clocks.set_wall(amount)
        else:
            told = tell(anchor, seen, clocks.read())
            anchor, seen, end = told.anchor, told.now, end + told.step
            assert end - told.now == pytest.approx(1e7 - passed, abs=0.01)


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.floats(0, 1e6))
def test_after_a_start_it_is_never_earlier_than_it_has_been(wall, seen, boottime):
    anchor = Anchor(Instant(seen, 5.0, "before"), seen)
    told = tell(anchor, seen, Instant(wall, boottime, "after"))
    assert told.now == max(wall, seen)
    assert told.step == 0.0


def test_the_machines_clocks_go_on():
    clocks = MachineClocks()
    first, second = clocks.read(), clocks.read()
    assert second.boottime >= first.boottime
    assert second.boot_id == first.boot_id
