"""Until when a lease may be extended, and what cut it."""

from dataclasses import replace

import pytest

from jupyter_gpuctl.core.errors import Conflict, NotFound
from jupyter_gpuctl.leases.model import EndReason, Limit, Outcome
from jupyter_gpuctl.leases.policy import Limits, Reservation, Window, WindowKind
from jupyter_gpuctl.leases.rules import scheduler
from tests.unit.lease_worlds import (
    HOUR,
    NOW,
    ask,
    group,
    holds,
    hours,
    machine,
    policy,
    quota,
    waits,
    world,
)

GPU = machine("a", 1)
EIGHT_HOURS = Limits(max_lease=8 * 3600)


def extend(snapshot, hours, lease="1"):
    return scheduler.extend(snapshot, lease, round(hours * HOUR), NOW)


def mine(**more):
    """An hour of it is over and an hour is left."""
    more.setdefault("owner", "ann")
    return holds("1", *GPU, since=HOUR, until=HOUR, **more)


def test_while_nobody_waits_it_is_extended():
    found = extend(world(GPU, mine()), 2)
    assert found.verdict.outcome is Outcome.ADMITTED
    assert found.verdict.limit is None
    assert found.expires_at == NOW + 3 * HOUR
    assert found.verdict.message == "It lasts until 13:00 UTC."


def test_it_is_never_longer_than_the_longest_lease_from_now():
    found = extend(world(GPU, mine(), policy=policy(default=EIGHT_HOURS)), 20)
    assert found.expires_at == NOW + 8 * HOUR
    assert found.verdict.limit is Limit.MAX_LEASE
    assert found.verdict.outcome is Outcome.ADMITTED
    assert found.verdict.message.startswith("It lasts until 18:00 UTC and no longer: ")


def test_while_somebody_waits_it_lasts_the_longest_lease_in_all():
    snapshot = world(GPU, mine(), waits("2", "ben"), policy=policy(default=EIGHT_HOURS))
    found = extend(snapshot, 20)
    assert found.expires_at == NOW + 7 * HOUR
    assert found.verdict.limit is Limit.MAX_LEASE
    assert "somebody waits" in found.verdict.message


def test_who_waits_for_other_devices_does_not_count():
    other = machine("b", 1, "T4")
    snapshot = world(
        GPU + other,
        mine(),
        holds("x", *other, owner="zoe"),
        waits("2", "ben", ask(model="T4")),
        policy=policy(default=EIGHT_HOURS),
    )
    assert extend(snapshot, 20).expires_at == NOW + 8 * HOUR


def test_what_is_borrowed_is_not_kept_from_those_who_wait():
    rules = policy(group("vision", "ann", pool=Limits(quota(4, nominal=0))))
    lease = mine(request=ask(group="vision"))
    assert extend(world(GPU, lease, policy=rules), 1).expires_at == NOW + 2 * HOUR
    found = extend(world(GPU, lease, waits("2", "ben"), policy=rules), 1)
    assert found.verdict.outcome is Outcome.REFUSED
    assert found.verdict.limit is Limit.BORROWED
    assert found.expires_at == NOW + HOUR
    assert found.verdict.hint


@pytest.mark.parametrize(
    ("reason", "limit"), [(EndReason.RECLAIMED, Limit.BORROWED), (EndReason.REVOKED, None)]
)
def test_what_was_told_to_end_is_not_extended(reason, limit):
    lease = mine(ending=reason, remark="for the group speech")
    found = extend(world(GPU, lease), 1)
    assert found.verdict.outcome is Outcome.REFUSED
    assert found.verdict.limit is limit
    assert found.expires_at == NOW + HOUR
    assert "for the group speech" in found.verdict.message
    assert "11:00 UTC" in found.verdict.message


def test_it_is_extended_as_far_as_gpu_hours_reach():
    weekly = Window(WindowKind.WEEKLY)
    found = extend(world(GPU, mine(), policy=policy(default=hours(3.5, weekly))), 4)
    assert found.expires_at == NOW + 2.5 * HOUR
    assert found.verdict.limit is Limit.USER_GPU_HOURS
    assert found.verdict.outcome is Outcome.ADMITTED
    assert "you have 1.5 GPU-hours left" in found.verdict.message
    assert "Monday 00:00 UTC" in found.verdict.hint


def test_it_is_refused_when_no_gpu_hours_are_left():
    weekly = Window(WindowKind.WEEKLY)
    pool = group("vision", "ann", pool=hours(2, weekly))
    lease = mine(request=ask(group="vision", hours=2))
    found = extend(world(GPU, lease, policy=policy(pool)), 1)
    assert found.verdict.outcome is Outcome.REFUSED
    assert found.verdict.limit is Limit.GROUP_GPU_HOURS
    assert "the group vision has 0 GPU-hours left" in found.verdict.message


def test_it_is_not_extended_into_a_booked_time():
    rules = replace(
        policy(group("course", "cat")),
        reservations=(Reservation("course", 1, NOW + 2 * HOUR, NOW + 4 * HOUR),),
    )
    found = extend(world(GPU, mine(), policy=rules), 4)
    assert found.expires_at == NOW + 2 * HOUR
    assert found.verdict.limit is Limit.RESERVATION
    assert "the group course" in found.verdict.message


def test_it_is_extended_through_a_booked_time_when_enough_devices_are_left():
    rules = replace(
        policy(group("course", "cat")),
        reservations=(Reservation("course", 1, NOW + 2 * HOUR, NOW + 4 * HOUR),),
    )
    assert extend(world(machine("a", 2), mine(), policy=rules), 9).expires_at == NOW + 10 * HOUR


def test_members_are_not_kept_out_of_their_own_booked_time():
    rules = replace(
        policy(group("course", "ann")),
        reservations=(Reservation("course", 1, NOW + 2 * HOUR, NOW + 4 * HOUR),),
    )
    assert extend(world(GPU, mine(), policy=rules), 9).expires_at == NOW + 10 * HOUR


def test_what_was_granted_is_never_cut():
    found = extend(world(GPU, mine(), policy=policy(default=Limits(max_lease=60))), 1)
    assert found.expires_at == NOW + HOUR
    assert found.verdict.outcome is Outcome.REFUSED


def test_only_a_running_lease_is_extended():
    with pytest.raises(NotFound):
        extend(world(GPU), 1)
    with pytest.raises(Conflict):
        extend(world(GPU, waits("1")), 1)
    with pytest.raises(Conflict):
        scheduler.extend(world(GPU, mine()), "1", 60, NOW + HOUR)
