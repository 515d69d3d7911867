"""When it is said that a lease will soon be over."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.leases.expiry import AHEAD, due
from jupyter_gpuctl.leases.model import LeaseStatus, Outcome, Verdict
from jupyter_gpuctl.leases.wire import LeaseAnswer

START = 1_800_000_000.0


def lease(seconds: float, status=LeaseStatus.ACTIVE) -> LeaseAnswer:
    def at(time):
        return datetime.fromtimestamp(time, UTC)

    values = dict.fromkeys(LeaseAnswer.__dataclass_fields__)
    values |= {"id": "l1", "status": status, "verdict": Verdict(Outcome.ADMITTED)}
    values |= {"started_at": at(START), "expires_at": at(START + seconds)}
    return LeaseAnswer(**values)


def said(seconds: float, after: float, **more) -> list[int]:
    return [notice.ahead for notice in due([lease(seconds, **more)], START + after)]


def test_it_is_said_five_minutes_and_one_minute_ahead():
    assert said(3600, 3299) == []
    assert said(3600, 3300) == [300]
    assert said(3600, 3539) == [300]
    assert said(3600, 3540) == [60]
    assert said(3600, 3600) == []


def test_a_short_lease_is_not_warned_of_at_its_very_beginning():
    assert said(240, 0) == []
    assert said(240, 180) == [60]
    assert said(60, 0) == []


def test_only_what_runs_can_run_out():
    for status in LeaseStatus:
        assert bool(said(3600, 3400, status=status)) == (status is LeaseStatus.ACTIVE)


def test_an_extended_lease_is_warned_of_anew():
    (before,) = due([lease(3600)], START + 3400)
    (after,) = due([lease(7200)], START + 7000)
    assert before.key != after.key
    assert before.message == "Your lease ends in 3 min. Save your work, or extend it."


@given(st.lists(st.floats(0, 10_000), max_size=60), st.integers(1, 9000))
def test_whenever_one_looks_each_warning_is_said_once_at_most(looks, seconds):
    keys: set[tuple[str, int, float]] = set()
    times = []
    for after in sorted(looks):
        notices = due([lease(seconds)], START + after)
        times += [notice for notice in notices if notice.key not in keys]
        keys |= {notice.key for notice in notices}
    assert len(times) <= len(AHEAD)
    assert all(0 < notice.left <= notice.ahead for notice in times)
