"""Which limit refuses or delays a request, and what is said of it."""

from datetime import UTC, datetime

import pytest

from jupyter_gpuctl.leases.model import (
    Account,
    Limit,
    Outcome,
)
from jupyter_gpuctl.leases.policy import HoursQuota, Limits, Window, WindowKind
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

WEEKLY = Window(WindowKind.WEEKLY)
GPU_HOUR = HOUR * 1000


def assess(snapshot, owner="ann", request=None, now=NOW):
    return scheduler.assess(snapshot, owner, request or ask(), now)


def refused(snapshot, owner="ann", request=None):
    found = assess(snapshot, owner, request)
    assert found.verdict.outcome is Outcome.REFUSED
    assert (found.devices, found.expires_at, found.position) == ((), None, None)
    return found.verdict


def test_the_times_of_these_tests_are_what_they_seem():
    assert datetime.fromtimestamp(NOW, UTC) == datetime(2027, 1, 5, 10, tzinfo=UTC)


# --- devices at once -----------------------------------------------------------------------------


def test_a_user_at_the_limit_is_told_whose_end_makes_room():
    a, b = machine("a", 2)
    snapshot = world((a, b), holds("1", a, owner="ann"), policy=policy(default=Limits(quota(1))))
    verdict = refused(snapshot)
    assert verdict.limit is Limit.USER_GPUS
    assert (verdict.used, verdict.allowed) == (1, 1)
    assert verdict.message == "You may hold 1 GPU at once and hold 1."
    assert verdict.hint == "Your lease ends at 11:00 UTC, or when you release it."


def test_a_user_who_may_hold_some_more_is_told_how_many():
    gpus = machine("a", 4)
    rules = policy(default=Limits(quota(3)))
    verdict = refused(world(gpus, holds("1", *gpus[:2], owner="ann"), policy=rules), "ann", ask(2))
    assert verdict.hint == "Ask for at most 1 GPU."


def test_a_user_who_asks_for_more_than_could_ever_be_is_told_the_limit():
    verdict = refused(
        world(machine("a", 4), policy=policy(default=Limits(quota(2)))), "ann", ask(4)
    )
    assert verdict.message == "You may hold 2 GPUs at once and 4 are asked for."
    assert verdict.hint == "Ask for at most 2 GPUs."


def test_leases_for_any_group_count_for_the_user():
    a, b = machine("a", 2)
    rules = policy(group("vision", "ann"), group("speech", "ann"), default=Limits(quota(1)))
    held = holds("1", a, owner="ann", request=ask(group="speech"))
    verdict = refused(world((a, b), held, policy=rules), "ann", ask(group="vision"))
    assert verdict.limit is Limit.USER_GPUS


def full_group(**settings):
    gpus = machine("a", 6)
    vision = group("vision", "ann", "ben", pool=Limits(quota(4)))
    held = [
        holds(f"{n}", gpu, owner="ben", until=(n + 2) * HOUR, request=ask(group="vision"))
        for n, gpu in enumerate(gpus[:4])
    ]
    return world(gpus, *held, policy=policy(vision, **settings))


def test_a_full_group_is_named_with_what_it_holds_and_who_makes_room():
    verdict = refused(full_group())
    assert verdict.limit is Limit.GROUP_GPUS
    assert (verdict.used, verdict.allowed) == (4, 4)
    assert verdict.message == "Your group vision may hold 4 GPUs at once and holds 4."
    assert verdict.hint == "ben's lease ends at 12:00 UTC."


def test_nobody_is_named_where_names_are_hidden():
    verdict = refused(full_group(hide_names=True))
    assert verdict.hint == "The lease of a member ends at 12:00 UTC."


def test_a_request_that_nobody_sits_in_front_of_waits_for_its_limits():
    found = assess(full_group(), request=ask(interactive=False))
    assert found.verdict.outcome is Outcome.QUEUED
    assert found.verdict.limit is Limit.GROUP_GPUS
    assert found.estimated_start == NOW + 2 * HOUR


def test_shares_count_by_what_they_are():
    (gpu,) = machine("a", 1)
    rules = policy(default=Limits(quota(0.5)))
    held = holds("1", gpu, owner="ann", request=ask(0.25))
    assert assess(world((gpu,), held, policy=rules), request=ask(0.25)).devices == (gpu.uuid,)
    verdict = refused(world((gpu,), held, policy=rules), request=ask(0.3))
    assert verdict.message == "You may hold 0.5 GPU at once and hold 0.25."
    assert verdict.hint == "Your lease ends at 11:00 UTC, or when you release it."


def test_a_limit_of_zero_lets_nobody_in():
    verdict = refused(world(machine("a", 1), policy=policy(default=Limits(quota(0)))))
    assert verdict.limit is Limit.USER_GPUS


# --- length --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "pool", "longest"), [(None, None, 24), (8, None, 8), (8, 4, 4), (72, None, 72)]
)
def test_the_longest_lease_is_the_least_that_any_quota_names(own, pool, longest):
    vision = group(
        "vision", "ann", pool=Limits(max_lease=None if pool is None else int(pool * HOUR))
    )
    rules = policy(vision, default=Limits(max_lease=None if own is None else int(own * HOUR)))
    snapshot = world(machine("a", 1), policy=rules)
    assert assess(snapshot, request=ask(hours=longest)).devices
    verdict = refused(snapshot, request=ask(hours=longest + 0.25))
    assert verdict.limit is Limit.MAX_LEASE
    assert verdict.allowed == longest * HOUR
    assert verdict.used == (longest + 0.25) * HOUR
    assert f"{longest} h" in verdict.message if longest < 48 else "3 d" in verdict.message


# --- GPU-hours -----------------------------------------------------------------------------------


def test_gpu_hours_that_are_left_are_said_with_the_longest_lease_they_pay():
    rules = policy(default=hours(20, WEEKLY))
    snapshot = world(machine("a", 1), policy=rules, users={"ann": Account(spent=16.8 * GPU_HOUR)})
    verdict = refused(snapshot, request=ask(hours=5))
    assert verdict.limit is Limit.USER_GPU_HOURS
    assert verdict.allowed == 20
    assert verdict.used == pytest.approx(16.8)
    assert verdict.message == ("You may use 20 GPU-hours a week: 16.8 are used; this would cost 5.")
    assert verdict.hint == (
        "Ask for at most 3 h 12 min: 3.2 GPU-hours are left until Monday 00:00 UTC."
    )
    assert assess(snapshot, request=ask(hours=3.2)).devices


def test_what_running_leases_will_still_use_is_set_aside():
    a, b = machine("a", 2)
    snapshot = world(
        (a, b),
        holds("1", a, owner="ann", since=HOUR, until=3 * HOUR),
        policy=policy(default=hours(5, WEEKLY)),
    )
    assert assess(snapshot, request=ask(hours=1)).devices
    verdict = refused(snapshot, request=ask(hours=1.1))
    assert verdict.used == pytest.approx(4)
    assert "1 are used and 3 set aside for running leases" in verdict.message


def test_of_a_calendar_window_only_what_falls_before_the_reset_counts():
    monday = datetime(2027, 1, 11, tzinfo=UTC).timestamp()
    snapshot = world(
        machine("a", 1),
        policy=policy(default=hours(2, WEEKLY)),
        users={"ann": Account(spent=GPU_HOUR)},
    )
    found = scheduler.assess(snapshot, "ann", ask(hours=3), monday - HOUR)
    assert found.verdict.outcome is Outcome.ADMITTED
    found = scheduler.assess(snapshot, "ann", ask(hours=3.1), monday - HOUR)
    assert found.verdict.limit is Limit.USER_GPU_HOURS, "more than the next week has"


def test_in_a_rolling_window_all_of_it_counts():
    rolling = Window(WindowKind.ROLLING, seconds=24 * 3600)
    snapshot = world(machine("a", 1), policy=policy(default=hours(1, rolling)))
    verdict = refused(snapshot, request=ask(hours=2))
    assert verdict.limit is Limit.USER_GPU_HOURS
    assert verdict.hint == "Ask for at most 1 h: 1 GPU-hours are left."


def test_a_group_that_has_used_its_hours_is_told_when_they_are_counted_anew():
    vision = group("vision", "ann", pool=Limits(gpu_hours=HoursQuota(10, WEEKLY)))
    snapshot = world(
        machine("a", 1), policy=policy(vision), groups={"vision": Account(spent=10 * GPU_HOUR)}
    )
    verdict = refused(snapshot)
    assert verdict.limit is Limit.GROUP_GPU_HOURS
    assert verdict.message.startswith("Your group vision may use 10 GPU-hours a week")
    assert verdict.hint == "They are counted anew from Monday 00:00 UTC."


def test_a_batch_waits_for_the_reset_and_knows_it():
    snapshot = world(
        machine("a", 1),
        policy=policy(default=hours(1, WEEKLY)),
        users={"ann": Account(spent=GPU_HOUR)},
    )
    monday = datetime(2027, 1, 11, tzinfo=UTC).timestamp()
    found = assess(snapshot, request=ask(interactive=False))
    assert found.verdict.outcome is Outcome.QUEUED
    assert found.estimated_start == monday
    queued = world(
        machine("a", 1),
        waits("1", "ann", ask(interactive=False)),
        policy=policy(default=hours(1, WEEKLY)),
        users={"ann": Account(spent=GPU_HOUR)},
    )
    assert scheduler.decide(queued, NOW).wake_at == monday


def test_what_a_lease_used_that_ends_in_this_very_cycle_counts():
    (gpu,) = machine("a", 1)
    held = holds("1", gpu, owner="ann", since=HOUR, until=0)
    rules = policy(default=hours(1.5, WEEKLY))
    outlook = scheduler.decide(
        world((gpu,), held, waits("2", "ann", ask(interactive=False)), policy=rules), NOW
    )
    assert [type(each).__name__ for each in outlook.decisions] == ["End"]
    assert outlook.standings["2"].verdict.limit is Limit.USER_GPU_HOURS


def test_two_that_start_together_do_not_spend_the_same_hours():
    queue = [waits(name, "ann", ask(interactive=False)) for name in ("1", "2")]
    rules = policy(default=hours(1.5, WEEKLY))
    outlook = scheduler.decide(world(machine("a", 2), *queue, policy=rules), NOW)
    assert [each.lease_id for each in outlook.decisions] == ["1"]


# --- the queue -----------------------------------------------------------------------------------


def test_as_many_wait_as_may():
    (gpu,) = machine("a", 1)
    rules = policy(default=Limits(max_queued=1))
    snapshot = world((gpu,), holds("1", gpu), waits("2", "ann"), policy=rules)
    verdict = refused(snapshot)
    assert verdict.limit is Limit.MAX_QUEUED
    assert verdict.message == "You may have 1 request waiting and have 1."
    assert assess(snapshot, "ben").verdict.outcome is Outcome.QUEUED


def test_what_starts_now_needs_no_place_in_the_queue():
    a, b = machine("a", 1) + machine("b", 1, "T4")
    rules = policy(default=Limits(max_queued=0))
    snapshot = world((a, b), holds("1", a), policy=rules)
    assert assess(snapshot).verdict.outcome is Outcome.ADMITTED
    assert refused(snapshot, request=ask(model="A100")).limit is Limit.MAX_QUEUED


# --- whole sentences -----------------------------------------------------------------------------


def test_an_admitted_request_is_told_what_it_gets():
    found = assess(world(machine("a", 2)), request=ask(2, hours=2))
    assert found.verdict.outcome is Outcome.ADMITTED
    assert found.verdict.limit is None
    assert found.verdict.message == "It starts now, on 2 GPUs."
    assert found.expires_at == NOW + 2 * HOUR


def test_too_many_for_any_host_is_told_how_many_there_are():
    verdict = refused(world(machine("a", 4) + machine("b", 2)), request=ask(6))
    assert verdict.limit is Limit.CAPACITY
    assert (verdict.used, verdict.allowed) == (6, 4)
    assert verdict.hint == "Ask for at most 4 GPUs."


def test_too_much_memory_is_told_how_much_there_is():
    verdict = refused(world(machine("a", 1)), request=ask(memory=200 * 2**30))
    assert verdict.message == "No GPU that fits has 200 GiB of memory."
    assert verdict.hint == "Ask for at most 80 GiB."


def test_a_group_is_charged_that_the_owner_is_first_a_member_of():
    snapshot = world(
        machine("a", 1),
        policy=policy(group("vision", "ann", pool=Limits(quota(0))), group("speech", "ann")),
    )
    assert refused(snapshot).limit is Limit.GROUP_GPUS
    assert assess(snapshot, request=ask(group="speech")).devices
