"""Devices that are booked for a group: others don't run into them."""

from dataclasses import replace

import pytest

from jupyter_gpuctl.leases.model import EndReason, Limit, Outcome, Reclaim
from jupyter_gpuctl.leases.policy import Limits, Reservation
from jupyter_gpuctl.leases.rules import scheduler
from tests.unit.lease_worlds import (
    HOUR,
    NOW,
    ask,
    group,
    holds,
    machine,
    policy,
    quota,
    waits,
    world,
)

COURSE = group("course", "cat", "dan")


def booked(*reservations):
    return replace(policy(COURSE), reservations=reservations)


def in_two_hours(gpus=1, **more):
    return Reservation("course", gpus, NOW + 2 * HOUR, NOW + 4 * HOUR, **more)


def assess(snapshot, owner="ann", request=None):
    return scheduler.assess(snapshot, owner, request or ask(), NOW)


def test_a_lease_that_ends_in_time_may_have_the_booked_device():
    snapshot = world(machine("a", 1), policy=booked(in_two_hours()))
    assert assess(snapshot, request=ask(hours=2)).devices == ("GPU-a-0",)


def test_a_lease_that_would_run_into_the_class_waits_and_is_told_what_fits():
    snapshot = world(machine("a", 1), policy=booked(in_two_hours()))
    found = assess(snapshot, request=ask(hours=3))
    assert found.verdict.outcome is Outcome.QUEUED
    assert found.verdict.limit is Limit.RESERVATION
    assert found.verdict.message == (
        "The free GPUs are booked for the group course from 12:00 UTC."
    )
    assert found.verdict.hint == "Ask for at most 2 h to start now."
    assert found.estimated_start == NOW + 4 * HOUR


def test_who_waits_for_a_device_that_is_booked_then_is_told_of_the_class():
    held = holds("1", machine("a", 1)[0], until=HOUR)
    snapshot = world(machine("a", 1), held, policy=booked(in_two_hours()))
    found = assess(snapshot, request=ask(hours=3))
    assert found.verdict.message == (
        "The one GPU that fits is taken; it comes free at 11:00 UTC; "
        "then it is booked for the group course until 14:00 UTC."
    )
    assert found.estimated_start == NOW + 4 * HOUR
    in_time = assess(snapshot, request=ask(hours=1))
    assert in_time.verdict.message == "The one GPU that fits is taken; it comes free at 11:00 UTC."
    assert in_time.estimated_start == NOW + HOUR


def test_devices_that_are_not_booked_are_free_for_long_leases():
    snapshot = world(machine("a", 2), policy=booked(in_two_hours()))
    first = assess(snapshot, request=ask(hours=9)).devices
    assert len(first) == 1
    held = holds("1", *[d for d in machine("a", 2) if d.uuid in first], until=9 * HOUR)
    second = world(machine("a", 2), held, policy=booked(in_two_hours()))
    assert assess(second, request=ask(hours=9)).verdict.limit is Limit.RESERVATION


def test_members_may_have_them_before_in_and_after_the_window():
    snapshot = world(machine("a", 1), policy=booked(in_two_hours()))
    assert assess(snapshot, "cat", ask(hours=9)).devices
    during = world(machine("a", 1), policy=booked(Reservation("course", 1, NOW - HOUR, NOW + HOUR)))
    assert assess(during, "cat", ask(hours=9)).devices
    verdict = assess(during, "ann", ask(hours=0.1)).verdict
    assert verdict.limit is Limit.RESERVATION
    assert verdict.message == "The free GPUs are booked for the group course until 11:00 UTC."


def test_what_members_hold_already_counts_for_the_class():
    gpus = machine("a", 2)
    held = holds("1", gpus[0], owner="cat", until=9 * HOUR)
    snapshot = world(gpus, held, policy=booked(in_two_hours()))
    assert assess(snapshot, request=ask(hours=9)).devices == (gpus[1].uuid,)


def test_a_device_that_comes_free_before_the_class_serves_it():
    gpus = machine("a", 2)
    held = holds("1", gpus[0], until=HOUR)
    snapshot = world(gpus, held, policy=booked(in_two_hours()))
    found = assess(snapshot, request=ask(hours=9))
    assert found.devices == () or found.devices == (gpus[1].uuid,)
    two = world(gpus, held, policy=booked(in_two_hours(2)))
    assert assess(two, request=ask(hours=9)).verdict.limit is Limit.RESERVATION


def test_what_others_hold_already_is_not_taken_from_them():
    gpus = machine("a", 1)
    snapshot = world(gpus, holds("1", *gpus, until=9 * HOUR), policy=booked(in_two_hours()))
    assert scheduler.decide(snapshot, NOW).decisions == ()


def test_a_model_that_is_booked_leaves_others_alone():
    gpus = machine("a", 1, "H100") + machine("b", 1, "T4")
    snapshot = world(gpus, policy=booked(in_two_hours(model="h100")))
    assert assess(snapshot, request=ask(hours=9)).devices == ("GPU-b-0",)
    verdict = assess(snapshot, request=ask(hours=9, model="H100")).verdict
    assert verdict.limit is Limit.RESERVATION


def test_two_classes_at_the_same_time_get_different_devices():
    other = replace(in_two_hours(), group="lab")
    rules = replace(policy(COURSE, group("lab", "eve")), reservations=(in_two_hours(), other))
    snapshot = world(machine("a", 2), policy=rules)
    assert assess(snapshot, request=ask(hours=9)).verdict.limit is Limit.RESERVATION
    assert len(assess(snapshot, "cat", ask(hours=9)).devices) == 1


def test_two_classes_one_after_the_other_may_have_the_same_device():
    later = Reservation("course", 1, NOW + 5 * HOUR, NOW + 6 * HOUR)
    snapshot = world(machine("a", 2), policy=booked(in_two_hours(), later))
    assert assess(snapshot, request=ask(hours=9)).devices


def test_an_offer_counts_with_its_window():
    snapshot = world(
        machine("a", 1), waits("1", "ann", ask(hours=2)), policy=booked(in_two_hours())
    )
    outlook = scheduler.decide(snapshot, NOW)
    assert outlook.decisions == ()
    fits = waits("1", "ann", ask(hours=1.8))
    assert scheduler.decide(world(machine("a", 1), fits, policy=booked(in_two_hours())), NOW)


def test_a_class_that_is_over_holds_nothing():
    over = Reservation("course", 1, NOW - 2 * HOUR, NOW)
    assert assess(world(machine("a", 1), policy=booked(over))).devices


def test_it_wakes_when_a_booked_time_ends_while_somebody_waits():
    snapshot = world(
        machine("a", 1), waits("1", "ann", ask(hours=9)), policy=booked(in_two_hours())
    )
    assert scheduler.decide(snapshot, NOW).wake_at == NOW + 4 * HOUR


@pytest.mark.parametrize("gpus", [1, 5])
def test_more_than_there_is_can_be_booked_and_keeps_what_there_is(gpus):
    snapshot = world(machine("a", 1), policy=booked(in_two_hours(gpus)))
    assert assess(snapshot, request=ask(hours=9)).verdict.limit is Limit.RESERVATION


LENT = policy(
    group("vision", "ann", pool=Limits(gpus=quota(8, nominal=0))),
    group("speech", "eve", pool=Limits(gpus=quota(8, nominal=2))),
    COURSE,
    reclaim_grace=600,
)


def lent(gpus):
    """Borrowed, the last one the youngest, beyond the booked time."""
    request = ask(group="vision", hours=5.5)
    return [
        holds(f"lent {n}", gpu, owner="ann", since=1800.0 - n, until=5 * HOUR, request=request)
        for n, gpu in enumerate(gpus)
    ]


def asked_back(hours, **more):
    return waits("eve's", "eve", ask(hours=hours, group="speech", interactive=False, **more))


def reclaims(snapshot):
    """What is taken back, and what the leases are like then."""
    found = scheduler.decide(snapshot, NOW).decisions
    assert all(isinstance(decision, Reclaim) for decision in found)
    told = {decision.lease_id: decision.expires_at for decision in found}
    leases = [
        replace(lease, ending=EndReason.RECLAIMED, expires_at=told[lease.id])
        if lease.id in told
        else lease
        for lease in snapshot.leases
    ]
    return set(told), replace(snapshot, leases=tuple(leases))


def test_what_is_taken_back_for_an_owner_is_not_booked_for_a_class_meanwhile():
    gpus = machine("a", 2)
    snapshot = world(
        gpus + machine("b", 1, "T4"),
        *lent(gpus),
        asked_back(3, model="A100"),
        policy=replace(LENT, reservations=(in_two_hours(),)),
    )
    taken, after = reclaims(snapshot)
    assert taken == {"lent 1"}
    assert reclaims(after)[0] == set(), "once is enough"


def test_nothing_is_taken_back_for_whom_a_class_would_keep_it_from():
    gpus = machine("a", 2)
    rules = replace(LENT, reservations=(in_two_hours(),))
    assert reclaims(world(gpus, *lent(gpus), asked_back(3), policy=rules))[0] == set()
    taken, after = reclaims(world(gpus, *lent(gpus), asked_back(1), policy=rules))
    assert len(taken) == 1, "there is time for that before the class"
    assert reclaims(after)[0] == set()


def test_what_starts_beside_the_booked_devices_does_not_move_the_booking():
    gpus = machine("a", 4)
    beside = holds("1", *gpus[2:], until=9 * HOUR)
    snapshot = world(gpus + machine("b", 4), beside, policy=booked(in_two_hours(2)))
    assert assess(snapshot, request=ask(2, hours=9)).devices == ("GPU-b-0", "GPU-b-1")
    assert len(assess(snapshot, request=ask(4, hours=9)).devices) == 4


def test_what_members_hold_elsewhere_stands_in_for_booked_devices_until_they_leave_it():
    gpus = machine("a", 2)
    held = holds("1", gpus[1], owner="cat", until=3 * HOUR)
    snapshot = world(gpus, held, policy=booked(in_two_hours()))
    assert assess(snapshot, request=ask(hours=3)).devices == (gpus[0].uuid,)
    verdict = assess(snapshot, request=ask(hours=3.5)).verdict
    assert verdict.message == ("The free GPUs are booked for the group course from 13:00 UTC.")
    assert verdict.hint == "Ask for at most 3 h to start now."


def test_what_members_hold_of_another_model_does_not_stand_in():
    gpus = machine("a", 1, "H100") + machine("b", 1, "T4")
    held = holds("1", gpus[1], owner="cat", until=9 * HOUR)
    snapshot = world(gpus, held, policy=booked(in_two_hours(model="H100")))
    assert assess(snapshot, request=ask(hours=3)).verdict.limit is Limit.RESERVATION


def test_what_stands_in_for_one_class_opens_nothing_that_another_lacks():
    gpus = machine("a", 2)
    held = holds("1", *machine("b", 1, "T4"), owner="cat", until=9 * HOUR)
    both = booked(in_two_hours(), in_two_hours(2, model="A100"))
    snapshot = world(gpus + machine("b", 1, "T4"), held, policy=both)
    assert assess(snapshot, request=ask(hours=9)).verdict.limit is Limit.RESERVATION
    assert assess(snapshot, request=ask(2, hours=2)).devices
