"""The order of the queue, what starts, what is offered, what is filled in behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_gpuctl.leases.model import (
    Account,
    End,
    EndReason,
    LeaseStatus,
    Limit,
    Offer,
    Outcome,
    Start,
)
from jupyter_gpuctl.leases.policy import Limits
from jupyter_gpuctl.leases.rules import scheduler
from tests.unit.lease_worlds import (
    HOUR,
    NOW,
    ask,
    by_lease,
    group,
    holds,
    machine,
    policy,
    quota,
    waits,
    world,
)

BATCH = {"interactive": False}


def decided(snapshot, now=NOW):
    outlook = scheduler.decide(snapshot, now)
    return by_lease(outlook.decisions), outlook


def line(outlook):
    return sorted(outlook.standings, key=lambda name: outlook.standings[name].position)


# --- ends ----------------------------------------------------------------------------------------


def test_a_lease_ends_when_its_time_is_over_and_not_before():
    (gpu,) = machine("a", 1)
    lease = holds("1", gpu, until=60)
    assert decided(world((gpu,), lease), NOW + 59)[0] == {}
    late = decided(world((gpu,), lease), NOW + 90)[0]["1"]
    assert late == End("1", EndReason.EXPIRED, NOW + 60), "at its time, not when it was noticed"


@pytest.mark.parametrize("reason", [EndReason.REVOKED, EndReason.RECLAIMED])
def test_what_was_told_to_end_ends_for_that_reason(reason):
    (gpu,) = machine("a", 1)
    found, _ = decided(world((gpu,), holds("1", gpu, until=0, ending=reason)))
    assert found["1"] == End("1", reason, NOW)


def test_an_offer_that_nobody_takes_up_lapses_and_the_next_one_is_offered():
    (gpu,) = machine("a", 1)
    offered = waits("1", since=900)
    offered = type(offered)(
        "1",
        "ann",
        ask(),
        LeaseStatus.OFFERED,
        NOW - 900,
        devices=(gpu.uuid,),
        offer_expires_at=NOW,
    )
    found, _ = decided(world((gpu,), offered, waits("2", "ben")))
    assert found["1"] == End("1", EndReason.LAPSED, NOW)
    assert found["2"] == Offer("2", (gpu.uuid,), NOW + 600)


# --- starts and offers ---------------------------------------------------------------------------


def test_who_has_waited_in_front_of_it_gets_an_offer():
    found, _ = decided(world(machine("a", 1), waits("1")))
    assert found["1"] == Offer("1", ("GPU-a-0",), NOW + 600)


def test_what_can_start_in_the_moment_of_asking_starts():
    found, _ = decided(world(machine("a", 1), waits("1", since=0)))
    assert found["1"] == Start("1", ("GPU-a-0",), NOW + HOUR)


def test_a_batch_that_has_waited_starts_by_itself():
    found, _ = decided(world(machine("a", 1), waits("1", request=ask(**BATCH))))
    assert found["1"] == Start("1", ("GPU-a-0",), NOW + HOUR)


# --- order ---------------------------------------------------------------------------------------


def busy(*leases, **more):
    """One device that somebody has for an hour, and a queue."""
    (gpu,) = machine("a", 1)
    return world((gpu,), holds("held", gpu, owner="zoe"), *leases, **more)


def test_who_asked_first_goes_first_among_equals():
    _, outlook = decided(busy(waits("1", "ann", since=10), waits("2", "ben", since=20)))
    assert line(outlook) == ["2", "1"]


def test_equal_in_everything_is_ordered_by_id():
    _, outlook = decided(busy(waits("b", "ann"), waits("a", "ann")))
    assert line(outlook) == ["a", "b"]


def test_priority_goes_before_age():
    first = policy(users={"ann": Limits(priority=5)})
    _, outlook = decided(
        busy(waits("1", "ann", since=10), waits("2", "ben", since=20), policy=first)
    )
    assert line(outlook) == ["1", "2"]


def test_the_nearest_priority_that_is_set_counts():
    rules = policy(
        group("course", "ann", "ben", pool=Limits(priority=3)),
        users={"ben": Limits(priority=-1)},
        default=Limits(priority=1),
    )
    _, outlook = decided(
        busy(
            waits("1", "ben", ask(group="course")),
            waits("2", "ann", ask(group="course")),
            waits("3", "cat"),
            policy=rules,
        )
    )
    assert line(outlook) == ["2", "3", "1"]


def test_who_has_used_less_goes_before_who_asked_earlier():
    used = {"ben": Account(decayed=HOUR * 1000, decayed_at=NOW)}
    _, outlook = decided(busy(waits("1", "ann", since=10), waits("2", "ben", since=20), users=used))
    assert line(outlook) == ["1", "2"]


def test_use_counts_half_after_a_week_and_by_weight():
    week = 7 * 24 * HOUR
    used = {
        "ann": Account(decayed=1000.0, decayed_at=NOW),
        "ben": Account(decayed=1800.0, decayed_at=NOW - week),
        "cat": Account(decayed=2400.0, decayed_at=NOW),
    }
    rules = policy(users={"cat": Limits(weight=3.0)})
    queue = [waits(name, name) for name in ("ann", "ben", "cat")]
    _, outlook = decided(busy(*queue, users=used, policy=rules))
    assert line(outlook) == ["cat", "ben", "ann"]


def test_running_leases_count_as_use():
    a, b = machine("a", 2)
    snapshot = world((a, b), holds("x", a, owner="ann"), holds("y", b, owner="zoe", since=1),
                     waits("1", "ann", since=99), waits("2", "ben"))  # fmt: skip
    assert line(decided(snapshot)[1]) == ["2", "1"]


def test_a_group_waits_by_what_all_its_members_have_used():
    rules = policy(group("course", "ann", "ben"))
    _, outlook = decided(
        busy(
            waits("1", "ann", ask(group="course"), since=99),
            waits("2", "cat"),
            policy=rules,
            groups={"course": Account(decayed=5.0, decayed_at=NOW)},
        )
    )
    assert line(outlook) == ["2", "1"]


def test_whose_own_limit_forbids_it_now_stands_behind_and_holds_nobody_up():
    a, b = machine("a", 2)
    rules = policy(default=Limits(gpus=quota(1)))
    snapshot = world(
        (a, b),
        holds("x", a, owner="ann"),
        waits("1", "ann", ask(**BATCH), since=99),
        waits("2", "ben", ask(**BATCH)),
        policy=rules,
    )
    found, outlook = decided(snapshot)
    assert found["2"] == Start("2", (b.uuid,), NOW + HOUR)
    standing = outlook.standings["1"]
    assert standing.verdict.outcome is Outcome.QUEUED
    assert standing.verdict.limit is Limit.USER_GPUS
    assert standing.verdict.message == "You may hold 1 GPU at once and hold 1."
    assert standing.estimated_start == NOW + HOUR


# --- backfill ------------------------------------------------------------------------------------


def two_hosts_full_but_one():
    """The head needs both devices of a host, and will get them in an hour."""
    a, b = machine("a", 2)
    return (a, b), holds("held", a, owner="zoe"), waits("head", "ann", ask(2, **BATCH), since=99)


def test_a_short_request_starts_before_the_head_and_does_not_delay_it():
    gpus, held, head = two_hosts_full_but_one()
    snapshot = world(gpus, held, head, waits("short", "ben", ask(hours=1, **BATCH)))
    found, outlook = decided(snapshot)
    assert found["short"] == Start("short", ("GPU-a-1",), NOW + HOUR)
    assert outlook.standings["head"].estimated_start == NOW + HOUR


def test_a_long_request_does_not_start_on_devices_that_the_head_waits_for():
    gpus, held, head = two_hosts_full_but_one()
    snapshot = world(gpus, held, head, waits("long", "ben", ask(hours=1.001, **BATCH)))
    found, outlook = decided(snapshot)
    assert found == {}
    verdict = outlook.standings["long"].verdict
    assert verdict.limit is Limit.TURN
    assert verdict.hint == "Ask for at most 1 h to start now."
    assert outlook.standings["long"].position == 2


def test_an_offer_counts_with_its_window_when_it_is_filled_in():
    gpus, held, head = two_hosts_full_but_one()
    fits = waits("fits", "ben", ask(hours=50 / 60))
    assert isinstance(decided(world(gpus, held, head, fits))[0]["fits"], Offer)
    too_long = waits("long", "ben", ask(hours=51 / 60))
    assert decided(world(gpus, held, head, too_long))[0] == {}


def test_a_long_request_starts_elsewhere():
    gpus, held, head = two_hosts_full_but_one()
    elsewhere = machine("b", 1)
    snapshot = world(gpus + elsewhere, held, head, waits("long", "ben", ask(hours=9, **BATCH)))
    assert decided(snapshot)[0]["long"] == Start("long", ("GPU-b-0",), NOW + 9 * HOUR)


def test_of_what_is_filled_in_the_shortest_goes_first():
    gpus, held, head = two_hosts_full_but_one()
    snapshot = world(
        gpus,
        held,
        head,
        waits("1", "ben", ask(hours=0.9, **BATCH), since=50),
        waits("2", "cat", ask(hours=0.5, **BATCH), since=10),
    )
    found, outlook = decided(snapshot)
    assert set(found) == {"2"}
    assert outlook.standings["1"].verdict.limit is Limit.DEVICES


def test_priority_still_goes_before_shortness():
    gpus, held, head = two_hosts_full_but_one()
    snapshot = world(
        gpus,
        held,
        head,
        waits("1", "ben", ask(hours=0.9, **BATCH)),
        waits("2", "cat", ask(hours=0.5, **BATCH)),
        policy=policy(users={"ann": Limits(priority=2), "ben": Limits(priority=1)}),
    )
    assert set(decided(snapshot)[0]) == {"1"}


def test_a_head_that_waits_for_programs_outside_keeps_nothing_from_others():
    a, b = machine("a", 2)
    snapshot = world(
        (a, b),
        waits("head", "ann", ask(2, **BATCH), since=99),
        waits("long", "ben", ask(hours=20, **BATCH)),
        outside={a.uuid: frozenset({None})},
    )
    found, outlook = decided(snapshot)
    assert "long" in found
    assert outlook.standings["head"].estimated_start is None


def test_each_kind_of_devices_has_a_head_of_its_own():
    fast, slow = machine("a", 2, "H100"), machine("b", 2, "T4")
    snapshot = world(
        fast + slow,
        holds("x", fast[0], owner="zoe"),
        holds("y", slow[0], owner="zoe", until=2 * HOUR),
        waits("1", "ann", ask(2, model="H100", **BATCH), since=99),
        waits("2", "ben", ask(2, model="T4", **BATCH), since=98),
        waits("3", "cat", ask(1, hours=9, model="T4", **BATCH), since=97),
    )
    found, outlook = decided(snapshot)
    assert found == {}, "the one that waits for both T4 is not delayed either"
    assert outlook.standings["2"].estimated_start == NOW + 2 * HOUR
    assert outlook.standings["3"].verdict.limit is Limit.TURN


def test_the_limits_that_the_head_needs_are_left_to_it():
    """Otherwise it would be passed over as soon as the filler runs, and lose its devices."""
    gpus, held, head = two_hosts_full_but_one()
    snapshot = world(
        gpus,
        held,
        head,
        waits("own", "ann", ask(hours=0.5, **BATCH)),
        policy=policy(default=Limits(gpus=quota(2))),
    )
    found, outlook = decided(snapshot)
    assert found == {}
    assert outlook.standings["own"].verdict.limit is Limit.TURN


# --- estimates -----------------------------------------------------------------------------------


def test_estimates_follow_the_ends_of_leases_one_after_the_other():
    snapshot = busy(
        waits("1", "ann", ask(hours=2), since=30),
        waits("2", "ben", ask(hours=1), since=20),
        waits("3", "cat", ask(hours=1), since=10),
    )
    _, outlook = decided(snapshot)
    times = [outlook.standings[name].estimated_start for name in ("1", "2", "3")]
    assert times == [NOW + HOUR, NOW + 3 * HOUR, NOW + 4 * HOUR]


def test_nothing_is_promised_where_leases_have_no_end():
    (gpu,) = machine("a", 1)
    held = holds("x", gpu)
    held = type(held)(held.id, held.owner, held.request, held.status, held.created_at,
                      devices=held.devices, started_at=held.started_at)  # fmt: skip
    _, outlook = decided(world((gpu,), held, waits("1")))
    assert outlook.standings["1"].estimated_start is None


def test_an_offer_occupies_until_it_would_end_if_it_were_accepted_last():
    (gpu,) = machine("a", 1)
    snapshot = world((gpu,), waits("1", "ann", since=99), waits("2", "ben"))
    found, outlook = decided(snapshot)
    assert isinstance(found["1"], Offer)
    assert outlook.standings["2"].estimated_start == NOW + 600 + HOUR
    assert outlook.wake_at == NOW + 600


def test_it_wakes_at_the_next_end_and_never_when_nothing_runs():
    a, b = machine("a", 2)
    snapshot = world((a, b), holds("1", a, until=500), holds("2", b, until=400))
    assert scheduler.decide(snapshot, NOW).wake_at == NOW + 400
    assert scheduler.decide(world((a, b)), NOW).wake_at is None


def test_what_is_assessed_is_what_becomes_of_it():
    snapshot = busy(waits("1", "ann"))
    found = scheduler.assess(snapshot, "ben", ask(hours=3), NOW)
    assert found.verdict.outcome is Outcome.QUEUED
    assert found.position == 2
    assert found.estimated_start == NOW + 2 * HOUR
    assert found.verdict.message == "The one GPU that fits is taken; it comes free at 11:00 UTC."


def test_a_clock_that_was_set_back_ends_nothing_and_charges_nothing_negative():
    (gpu,) = machine("a", 1)
    snapshot = world((gpu,), holds("1", gpu), waits("2", "ann"))
    outlook = scheduler.decide(snapshot, NOW - 30 * 24 * HOUR)
    assert outlook.decisions == ()
    assert outlook.standings["2"].estimated_start == NOW + HOUR


def test_how_it_stands_is_worked_out_once_for_all_who_ask_at_the_same_time():
    gpus = machine("a", 1)
    leases = [waits(f"{n}", request=ask(interactive=False)) for n in range(20)]
    standings = scheduler.decide(world(gpus, holds("h", *gpus), *leases), NOW).standings
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: standings[f"{n % 20}"], range(160)))
    assert all(each is found[n % 20] for n, each in enumerate(found))
    assert sorted(standing.position for standing in standings.values()) == list(range(1, 21))
