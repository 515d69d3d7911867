"""Devices that are booked for a group: others don't run into them."""

from dataclasses import replace

import pytest

from jupyter_gpuctl.leases.model import Limit, Outcome
from jupyter_gpuctl.leases.policy import Reservation
from jupyter_gpuctl.leases.rules import scheduler
from tests.unit.lease_worlds import (
    HOUR,
    NOW,
    ask,
    group,
    holds,
    machine,
    policy,
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
