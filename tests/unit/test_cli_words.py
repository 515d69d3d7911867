import time
from datetime import UTC, datetime, timedelta

import pytest

from jupyter_gpuctl.cli.words import gpus, local_times, ordinal, plural, span, until

NOW = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
LEASE = dict.fromkeys(
    ["reason", "gpu_model", "gpu_memory", "position", "estimated_start", "expires_at"]
) | {"gpus": 1.0}


def later(**units) -> str:
    return (NOW + timedelta(**units)).isoformat()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (599, "9 min"),
        (3540, "59 min"),
        (3599, "1 h"),
        (7199, "2 h"),
        (3600, "1 h"),
        (6120, "1 h 42 min"),
        (48 * 3600 - 60, "47 h 59 min"),
        (48 * 3600, "2 d"),
        (76 * 3600, "3 d 4 h"),
    ],
)
def test_spans_have_two_units_and_the_last_minutes_promise_no_more_than_there_is(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("position", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (22, "22nd")],
)
def test_places_in_line_are_counted_as_people_do(position, text):
    assert ordinal(position) == text


@pytest.mark.parametrize(
    ("lease", "text"),
    [
        ({"status": "active", "expires_at": later(minutes=102)}, "1 h 42 min left"),
        (
            {"status": "active", "expires_at": later(minutes=9), "reason": "reclaimed"},
            "9 min left, to be given back",
        ),
        (
            {"status": "offered", "offer_expires_at": later(minutes=8)},
            "offered: accept within 8 min",
        ),
        ({"status": "queued", "position": 2}, "2nd in line, start unknown"),
        (
            {"status": "queued", "position": 1, "estimated_start": later(minutes=20)},
            "1st in line, starts in about 20 min",
        ),
        (
            {"status": "queued", "position": 1, "estimated_start": later()},
            "1st in line, starts soon",
        ),
        ({"status": "ended", "reason": "expired", "ended_at": later(hours=-3)}, "expired 3 h ago"),
        (
            {"status": "ended", "reason": "reclaimed", "ended_at": later(hours=-3)},
            "taken back 3 h ago",
        ),
    ],
)
def test_a_lease_says_what_comes_next(lease, text):
    assert until(LEASE | lease, NOW) == text


def test_amounts_are_short():
    assert gpus(LEASE) == "1"
    assert gpus(LEASE | {"gpus": 2.0, "gpu_model": "H100"}) == "2 H100"
    assert gpus(LEASE | {"gpus": 0.25, "gpu_memory": 8 * 2**30}) == "0.25 (8.0 GiB)"
    assert plural(1, "GPU") == "1 GPU"
    assert plural(2, "GPU") == "2 GPUs"
    assert plural(0.5, "GPU") == "0.5 GPU"


@pytest.mark.parametrize(
    ("text", "zone", "local"),
    [
        ("It comes free at 10:00 UTC.", "UTC", "It comes free at 10:00."),
        ("It comes free at 10:00 UTC.", "Asia/Tokyo", "It comes free at 19:00."),
        ("until 16:00 UTC", "Asia/Tokyo", "until tomorrow 01:00"),
        ("from Friday 22:00 UTC", "Asia/Tokyo", "from Sat 07:00"),
        ("2027-02-01 00:30 UTC", "America/New_York", "2027-01-31 19:30"),
        ("no time", "Asia/Tokyo", "no time"),
    ],
)
def test_times_of_verdicts_are_told_on_the_readers_clock(text, zone, local, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert local_times(text, NOW) == local
    finally:
        monkeypatch.undo()
        time.tzset()
