"""GPU-hours to the second, fair-share use that fades, and the gauges of the panel."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.leases.model import Account, Lease, LeaseStatus
from jupyter_gpuctl.leases.policy import HoursQuota, Limits, Window, WindowKind
from jupyter_gpuctl.leases.rules.accounting import (
    GPU_HOUR,
    HALF_LIFE,
    decay,
    decayed_use,
    gauges,
    tally,
)
from jupyter_gpuctl.leases.rules.windows import bounds
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
ROLLING = Window(WindowKind.ROLLING, seconds=24 * 3600)
times = st.floats(-20 * 24 * HOUR, 20 * 24 * HOUR)
values = st.floats(0, 1e12)
spans = st.integers(1, 30 * 24 * 3600)
windows = st.sampled_from(
    [WEEKLY, ROLLING, Window(WindowKind.DAILY, timezone="Asia/Tokyo"), Window(WindowKind.MONTHLY)]
)


@given(values, times, times)
def test_decay_in_two_steps_is_decay_in_one(value, one, two):
    one, two = abs(one), abs(two)
    assert decay(decay(value, one), two) == pytest.approx(decay(value, one + two))


@given(values, times)
def test_decay_never_adds_nor_falls_below_zero(value, seconds):
    assert 0 <= decay(value, seconds) <= value
    if seconds <= 0:
        assert decay(value, seconds) == value, "time that runs backwards changes nothing"


def test_half_is_left_after_a_half_life():
    assert decay(100.0, HALF_LIFE) == 50.0


@st.composite
def active(draw):
    began = NOW + draw(times)
    return Lease(
        "1",
        "ann",
        ask(draw(st.sampled_from([0.25, 1, 4]))),
        LeaseStatus.ACTIVE,
        created_at=began,
        devices=("GPU-a-0",),
        started_at=began,
        expires_at=began + draw(spans),
    )


@given(active(), windows, st.floats(0, 1e9))
def test_used_and_set_aside_are_the_part_of_the_lease_within_the_window(lease, window, spent):
    start, reset = bounds(window, NOW)
    use = tally(HoursQuota(10, window), Account(spent=spent), [lease], NOW)
    began, ends = max(lease.started_at, start), min(lease.expires_at, reset)
    whole = lease.request.milli * max(0.0, ends - began)
    if lease.started_at <= NOW <= lease.expires_at:
        assert use.used + use.committed == pytest.approx(spent + whole)
    assert use.used >= spent
    assert use.committed >= 0
    assert use.left == pytest.approx(10 * GPU_HOUR - use.used - use.committed)


@given(active(), windows, st.integers(0, 10 * 24 * 3600))
def test_as_time_passes_use_takes_over_from_what_was_set_aside(lease, window, seconds):
    _, reset = bounds(window, NOW)
    later = min(NOW + seconds, reset - 1)
    if (
        window.kind is WindowKind.ROLLING
        or not lease.started_at <= NOW <= later <= lease.expires_at
    ):
        return
    now, then = (tally(HoursQuota(1, window), None, [lease], at) for at in (NOW, later))
    assert then.used - now.used == pytest.approx(lease.request.milli * (later - NOW), abs=1)
    assert then.left == pytest.approx(now.left, abs=1)


@given(active())
def test_a_clock_that_was_set_back_charges_nothing_negative(lease):
    assert lease.charged(lease.started_at - 100) == 0
    assert decayed_use(None, [lease], lease.started_at - 100) == 0
    use = tally(HoursQuota(1, WEEKLY), None, [lease], lease.started_at - 100)
    assert use.used == 0


def test_an_offer_is_set_aside_and_not_used():
    offered = Lease(
        "1",
        "ann",
        ask(2, hours=3),
        LeaseStatus.OFFERED,
        NOW,
        devices=("a", "b"),
        offer_expires_at=NOW + 600,
    )
    use = tally(HoursQuota(10, WEEKLY), None, [offered], NOW)
    assert (use.used, use.committed) == (0, 6 * GPU_HOUR)


def test_charges_are_to_the_second_and_by_fraction():
    lease = holds("1", *machine("a", 1), since=3599, request=ask(0.25))
    assert lease.charged(NOW) / GPU_HOUR == pytest.approx(3599 / 3600 / 4)


# --- gauges --------------------------------------------------------------------------------------


def shown(snapshot, user="ann"):
    return {(each.scope, each.name, each.kind): each for each in gauges(snapshot, user, NOW)}


def test_gauges_show_each_limit_with_its_use_for_the_user_and_its_groups():
    gpus = machine("a", 4)
    rules = policy(
        group("vision", "ann", "ben", pool=Limits(gpus=quota(4, nominal=2))),
        default=Limits(gpus=quota(3), gpu_hours=HoursQuota(20, WEEKLY), max_queued=5),
    )
    found = shown(
        world(
            gpus,
            holds("1", gpus[0], owner="ann", since=HOUR, until=HOUR, request=ask(group="vision")),
            holds("2", *gpus[1:3], owner="ben", request=ask(2, group="vision")),
            waits("3", "ann"),
            policy=rules,
            users={"ann": Account(spent=10 * GPU_HOUR)},
        )
    )
    mine = found["user", "ann", "gpus"]
    assert (mine.used, mine.allowed, mine.nominal, mine.left) == (1, 3, 3, 2)
    spent = found["user", "ann", "gpu_hours"]
    assert (spent.used, spent.allowed, spent.left) == (11, 20, 8)
    assert spent.window is WindowKind.WEEKLY
    assert spent.resets_at == datetime(2027, 1, 11, tzinfo=UTC)
    queue = found["user", "ann", "queued"]
    assert (queue.used, queue.allowed, queue.left) == (1, 5, 4)
    pool = found["group", "vision", "gpus"]
    assert (pool.used, pool.allowed, pool.nominal, pool.left) == (3, 4, 2, 1)
    assert ("group", "vision", "gpu_hours") not in found


def test_what_is_not_limited_is_shown_with_its_use_alone():
    (gpu,) = machine("a", 1)
    found = shown(world((gpu,), holds("1", gpu, owner="ann")))
    assert found["user", "ann", "gpus"].used == 1
    assert found["user", "ann", "gpus"].allowed is None
    assert found["user", "ann", "queued"].allowed is None


def test_a_rolling_gauge_tells_when_the_oldest_use_drops_out_where_it_knows():
    (gpu,) = machine("a", 1)
    rules = policy(default=hours(10, ROLLING))
    held = holds("1", gpu, owner="ann", since=HOUR)
    gauge = shown(world((gpu,), held, policy=rules))["user", "ann", "gpu_hours"]
    assert gauge.window_seconds == 24 * 3600
    assert gauge.resets_at == datetime.fromtimestamp(NOW + 23 * HOUR, UTC)
    unknown = world((gpu,), held, policy=rules, users={"ann": Account(spent=1.0)})
    assert shown(unknown)["user", "ann", "gpu_hours"].resets_at is None
