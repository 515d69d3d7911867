from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_gpuctl.leases.policy import Window, WindowKind
from jupyter_gpuctl.leases.rules.windows import bounds

HOUR = 3600
DAY = 24 * HOUR
ZONES = [
    "UTC",
    "Asia/Tokyo",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # the clocks change at midnight
    "Asia/Beirut",
    "America/Havana",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # left out a day in 2011
    "America/St_Johns",  # until 2011 they changed at one past midnight: the date ran backwards
]
calendar = st.builds(
    Window,
    kind=st.sampled_from([WindowKind.DAILY, WindowKind.WEEKLY, WindowKind.MONTHLY]),
    weekday=st.integers(0, 6),
    timezone=st.sampled_from(ZONES),
)
# From 2000 to 2050.
times = st.floats(946_684_800, 2_524_608_000)


def at(text: str) -> float:
    """Of a local time and its zone: ``2027-01-11T10:00 Asia/Tokyo``."""
    time, zone = text.split()
    return datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone)).timestamp()


@given(st.integers(1, 10**8), times)
def test_a_rolling_window_looks_back_as_far_as_it_is_long(seconds, now):
    window = Window(WindowKind.ROLLING, seconds=seconds)
    assert bounds(window, now) == (now - seconds, now + seconds)


@given(calendar, times)
@example(Window(WindowKind.DAILY, timezone="Pacific/Apia"), 1325239200.0)
@example(Window(WindowKind.DAILY, timezone="America/St_Johns"), 1194146000.0)
def test_every_moment_lies_in_its_window_and_windows_adjoin(window, now):
    start, reset = bounds(window, now)
    assert start <= now < reset
    assert bounds(window, start) == (start, reset)
    assert bounds(window, reset - 0.001) == (start, reset)
    assert bounds(window, reset)[0] == reset
    assert bounds(window, start - 0.001)[1] == start


@given(calendar, times)
def test_a_window_begins_at_the_first_moment_of_its_local_day(window, now):
    zone = ZoneInfo(window.timezone)
    start, _ = bounds(window, now)
    first = datetime.fromtimestamp(start, zone)
    before = datetime.fromtimestamp(start - 1, zone)
    assert before.date() < first.date()
    if window.kind is WindowKind.WEEKLY and window.timezone != "Pacific/Apia":
        assert first.weekday() == window.weekday
    if window.kind is WindowKind.MONTHLY:
        assert first.day == 1


@pytest.mark.parametrize(
    ("window", "now", "start", "reset"),
    [
        (
            Window(WindowKind.WEEKLY, weekday=0, timezone="Asia/Tokyo"),
            "2027-01-10T23:59:59 Asia/Tokyo",
            "2027-01-03T15:00 UTC",
            "2027-01-10T15:00 UTC",
        ),
        (
            Window(WindowKind.DAILY, timezone="America/New_York"),
            "2027-01-11T03:00 UTC",
            "2027-01-10T05:00 UTC",
            "2027-01-11T05:00 UTC",
        ),
        (
            Window(WindowKind.MONTHLY, timezone="Europe/Berlin"),
            "2027-03-31T21:59 UTC",
            "2027-02-28T23:00 UTC",
            "2027-03-31T22:00 UTC",
        ),
        (
            Window(WindowKind.WEEKLY, weekday=6),
            "2027-01-09T12:00 UTC",
            "2027-01-03T00:00 UTC",
            "2027-01-10T00:00 UTC",
        ),
        # The clocks skip midnight: the day begins at one.
        (
            Window(WindowKind.DAILY, timezone="America/Santiago"),
            "2026-09-06T12:00 America/Santiago",
            "2026-09-06T01:00 America/Santiago",
            "2026-09-07T00:00 America/Santiago",
        ),
        (
            Window(WindowKind.DAILY, timezone="Asia/Beirut"),
            "2027-03-28T12:00 Asia/Beirut",
            "2027-03-28T01:00 Asia/Beirut",
            "2027-03-29T00:00 Asia/Beirut",
        ),
    ],
)
def test_windows_are_cut_at_local_midnight(window, now, start, reset):
    assert bounds(window, at(now)) == (at(start), at(reset))


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("Europe/Berlin", {167, 168, 169}),
        ("America/New_York", {167, 168, 169}),
        ("America/Santiago", {167, 168, 169}),
        ("Asia/Beirut", {167, 168, 169}),
        ("Australia/Lord_Howe", {167.5, 168, 168.5}),
        ("Asia/Tokyo", {168}),
        ("UTC", {168}),
    ],
)
def test_a_week_is_as_long_as_the_clocks_make_it(zone, hours):
    window = Window(WindowKind.WEEKLY, timezone=zone)
    moments = [at("2027-01-01T00:00 UTC")]
    while len(moments) < 60:
        moments.append(bounds(window, moments[-1])[1])
    assert {(b - a) / HOUR for a, b in pairwise(moments[1:])} == hours


def test_a_day_that_ends_with_midnight_twice_is_not_counted_twice():
    # On 2007-11-04 in Newfoundland it was 00:01, then 23:01 of the day before.
    window = Window(WindowKind.DAILY, timezone="America/St_Johns")
    zone = ZoneInfo("America/St_Johns")
    midnight = datetime(2007, 11, 4, tzinfo=zone).timestamp()
    dates = [datetime.fromtimestamp(midnight + s, zone).day for s in (-1, 0, 61, 3661)]
    assert dates == [3, 4, 3, 4]
    assert {bounds(window, midnight + s)[0] for s in (0, 61, 3661)} == {midnight}


def test_in_all_zones_of_the_world_days_begin_where_their_date_begins():
    for name in available_timezones():
        zone, window = ZoneInfo(name), Window(WindowKind.DAILY, timezone=name)
        for year in (2026, 2027, 2028):
            now, end = (datetime(y, 1, 1, tzinfo=UTC).timestamp() for y in (year, year + 1))
            while now < end:
                start, reset = bounds(window, now)
                assert start <= now < reset, name
                before, first = (datetime.fromtimestamp(t, zone) for t in (reset - 1, reset))
                assert first.date() - before.date() == timedelta(1), (name, reset)
                now += 9 * DAY + HOUR
