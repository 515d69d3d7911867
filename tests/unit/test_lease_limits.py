"""Limits that are easy to get around: later windows, groups that were left, names within names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.leases.model import (
    LeasableDevice,
    Lease,
    LeaseStatus,
    Limit,
    Outcome,
    Request,
    Snapshot,
)
from jupyter_gpuctl.leases.policy import (
    GpuQuota,
    Group,
    HoursQuota,
    Limits,
    Policy,
    Reservation,
    Window,
    WindowKind,
)
from jupyter_gpuctl.leases.rules import scheduler
from jupyter_gpuctl.leases.rules.accounting import GPU_HOUR, SLACK, tally
from jupyter_gpuctl.leases.rules.catalogue import matches
from jupyter_gpuctl.leases.rules.windows import bounds

HOUR = 3600
SUNDAY_23 = datetime(2027, 1, 10, 23, tzinfo=UTC).timestamp()
WEEKLY = HoursQuota(20, Window(WindowKind.WEEKLY))


def devices(count: int) -> tuple[LeasableDevice, ...]:
    return tuple(LeasableDevice(f"GPU-{n}", "here", "A", None, n) for n in range(count))


def running(name: str, *held: str, hours: float, owner: str = "user-a", **more) -> Lease:
    return Lease(
        name,
        owner,
        Request(1000 * len(held), round(hours * HOUR), **more),
        LeaseStatus.ACTIVE,
        SUNDAY_23,
        held,
        SUNDAY_23,
        SUNDAY_23 + hours * HOUR,
    )


def weekly(**more) -> Policy:
    return Policy(default=Limits(gpu_hours=WEEKLY, **more), max_lease=100 * HOUR)


def test_what_comes_after_the_reset_counts_in_the_next_week():
    snapshot = Snapshot(devices(4), (), weekly())
    assert (
        scheduler.assess(snapshot, "user-a", Request(1000, 21 * HOUR), SUNDAY_23).verdict.outcome
        is Outcome.ADMITTED
    )
    too_much = scheduler.assess(snapshot, "user-a", Request(2000, 12 * HOUR), SUNDAY_23).verdict
    assert too_much.limit is Limit.USER_GPU_HOURS
    assert too_much.outcome is Outcome.REFUSED
    assert "11 h" in too_much.hint


def test_leases_together_stay_within_next_weeks_limit():
    first = running("1", "GPU-0", hours=16)
    snapshot = Snapshot(devices(4), (first,), weekly())
    verdict = scheduler.assess(snapshot, "user-a", Request(1000, 7 * HOUR), SUNDAY_23).verdict
    assert verdict.limit is Limit.USER_GPU_HOURS
    fits = scheduler.assess(snapshot, "user-a", Request(1000, 6 * HOUR), SUNDAY_23).verdict
    assert fits.outcome is Outcome.ADMITTED


def test_an_extension_stops_where_next_weeks_hours_are_spent():
    lease = running("1", "GPU-0", hours=16)
    found = scheduler.extend(Snapshot(devices(1), (lease,), weekly()), "1", 9 * HOUR, SUNDAY_23)
    assert found.expires_at == SUNDAY_23 + 21 * HOUR
    assert found.verdict.limit is Limit.USER_GPU_HOURS


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 400)), max_size=6),
    st.integers(1, 4),
    st.integers(1, 400),
)
def test_no_week_is_over_the_limit_after_what_is_allowed(leases, gpus, hours):
    """By brute force: every week that anything reaches into is added up."""
    accepted: list[tuple[int, float]] = []
    for count, length in [*leases, (gpus, hours)]:
        held = [
            Lease(
                f"{n}",
                "user-a",
                Request(1000 * amount, int(end - SUNDAY_23)),
                LeaseStatus.ACTIVE,
                SUNDAY_23,
                (),
                SUNDAY_23,
                end,
            )
            for n, (amount, end) in enumerate(accepted)
        ]
        use = tally(WEEKLY, None, held, SUNDAY_23)
        end = SUNDAY_23 + length * HOUR
        if use.allows(1000 * count, SUNDAY_23, end):
            accepted.append((count, end))
    start = SUNDAY_23
    while any(end > start for _, end in accepted):
        reset = bounds(WEEKLY.window, start)[1]
        used = sum(1000 * n * max(0.0, min(end, reset) - start) for n, end in accepted)
        assert used <= 20 * GPU_HOUR + SLACK * 10
        start = reset


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("A10", "NVIDIA A100-SXM4-80GB", False),
        ("A10", "NVIDIA A10G", False),
        ("a10", "NVIDIA A10", True),
        ("L4", "NVIDIA L40S", False),
        ("H200", "NVIDIA H200 MIG 1g.18gb", True),
        ("1g.18gb", "NVIDIA H200 MIG 1g.18gb", True),
        ("1g.18gb", "NVIDIA H200 MIG 11g.18gb", False),
        ("A100-SXM4", "NVIDIA A100-SXM4-80GB", True),
        ("NVIDIA A100", "NVIDIA A100-SXM4-80GB", True),
    ],
)
def test_a_model_is_found_as_whole_words(pattern, name, found):
    assert matches([pattern], name) is found


def test_who_has_left_a_group_does_not_get_what_waits_on_its_account():
    pool = Group("vision", frozenset({"user-b"}), Limits(gpus=GpuQuota(4000, 4000)))
    waits = Lease("1", "user-a", Request(1000, HOUR, group="vision"), LeaseStatus.QUEUED, 0.0)
    for policy in (Policy(groups={"vision": pool}), Policy()):
        outlook = scheduler.decide(Snapshot(devices(2), (waits,), policy), SUNDAY_23)
        assert outlook.decisions == ()
        assert outlook.standings["1"].verdict.limit is Limit.GROUP_GPUS
        assert "no longer a member" in outlook.standings["1"].verdict.message


def test_one_person_has_one_budget_of_hours_whichever_group_pays():
    rolling = HoursQuota(5, Window(WindowKind.ROLLING, 24 * HOUR))
    both = frozenset({"user-a"})
    policy = Policy(
        groups={
            "first": Group("first", both, Limits(), Limits(gpu_hours=WEEKLY)),
            "second": Group("second", both, Limits(), Limits(gpu_hours=rolling)),
        }
    )
    assert policy.limits_of("user-a", "second").gpu_hours is WEEKLY
    assert policy.limits_of("user-a", None).gpu_hours is WEEKLY


def test_a_device_that_a_member_shares_with_an_outsider_is_not_counted_for_a_class():
    group = Group("class", frozenset({"user-a"}), Limits())
    reservation = Reservation("class", 1, SUNDAY_23 + HOUR, SUNDAY_23 + 3 * HOUR)
    policy = Policy(groups={"class": group}, reservations=(reservation,))
    memory = 2**30
    shares = tuple(
        Lease(
            name,
            name,
            Request(500, 5 * HOUR, memory=memory),
            LeaseStatus.ACTIVE,
            SUNDAY_23,
            ("GPU-0",),
            SUNDAY_23,
            SUNDAY_23 + 5 * HOUR,
        )
        for name in ("user-a", "user-b")
    )
    both = tuple(LeasableDevice(f"GPU-{n}", "here", "A", 80 * memory, n) for n in range(2))
    verdict = scheduler.assess(
        Snapshot(both, shares, policy), "user-b", Request(1000, 2 * HOUR), SUNDAY_23
    ).verdict
    assert verdict.limit is Limit.RESERVATION
