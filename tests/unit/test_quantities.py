import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.core.quantities import (
    format_bytes,
    format_duration,
    parse_bytes,
    parse_duration,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        (4096, 4096),
        ("2GiB", 2 * 1024**3),
        ("2gib", 2 * 1024**3),
        ("512M", 512 * 1024**2),
        ("1.5 GB", 1_500_000_000),
        ("1k", 1024),
        ("1kB", 1000),
        (" 3 TiB ", 3 * 1024**4),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "1 XB", "1e9", "²", "nan", math.nan, -1.0, "1 2"]
)
def test_what_is_not_a_size_is_refused_with_its_name_and_value(text):
    with pytest.raises(InvalidInput, match="memory-limit") as refused:
        parse_bytes(text, name="memory-limit")
    assert repr(text) in refused.value.message
    assert "GiB" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("90", 90),
        (90, 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("2 h", 7200),
    ],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-5m", "5 parsecs", "1h-3m", "inf", math.inf, "1:30"])
def test_what_is_not_a_duration_is_refused_with_its_name_and_value(text):
    with pytest.raises(InvalidInput, match="time-limit") as refused:
        parse_duration(text, name="time-limit")
    assert repr(text) in refused.value.message


@given(st.integers(min_value=0, max_value=2**62))
def test_a_size_shown_is_within_one_percent_of_the_size(size):
    number, unit = format_bytes(size).split()
    back = (
        float(number)
        * {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}[unit]
    )
    assert back == pytest.approx(size, rel=0.05, abs=0.6)
    assert len(number) <= 6


@given(st.integers(min_value=0, max_value=2**60))
def test_whole_bytes_survive_being_written_and_read(size):
    assert parse_bytes(str(size)) == size
    assert parse_bytes(f"{size} KiB") == size * 1024


def test_durations_are_shown_with_the_unit_that_fits():
    assert format_duration(3.14) == "3.1 s"
    assert format_duration(112) == "1:52"
    assert format_duration(3723) == "1:02:03"
    assert format_duration(59.97) == "1:00"
    assert format_duration(None) == format_bytes(None) == "n/a"
