from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.gpus.model import History, Sample
from jupyter_gpuctl.host.model import HostReading

START = datetime(2027, 1, 4, tzinfo=UTC)
HOST = HostReading(None, 2, None, None, None, None)


def sample(seq: int, seconds: float) -> Sample:
    return Sample(seq, START + timedelta(seconds=seconds), (), (), HOST)


def test_ten_minutes_are_kept_whole_and_an_hour_thinned():
    history = History()
    for second in range(5000):
        history.append(sample(second + 1, second))
    times = [(s.time - START).total_seconds() for s in history.since(0)]
    assert times[-600:] == list(range(4400, 5000))
    older = times[:-600]
    assert {b - a for a, b in pairwise(older)} == {10}
    assert 3580 <= times[-1] - times[0] <= 3600


def test_since_gives_only_what_is_newer():
    history = History()
    for seq in range(1, 6):
        history.append(sample(seq, seq))
    assert [s.seq for s in history.since(3)] == [4, 5]
    assert list(history.since(5)) == []
    assert history.newest.seq == 5


def test_a_seq_that_does_not_count_up_is_a_defect():
    history = History()
    history.append(sample(2, 0))
    with pytest.raises(ValueError, match="2 comes after 2"):
        history.append(sample(2, 1))


@given(st.lists(st.floats(min_value=-5000, max_value=5000), max_size=900))
def test_jumps_of_the_clock_neither_reorder_nor_grow_the_history(jumps):
    history, now = History(), 0.0
    for seq, jump in enumerate(jumps, start=1):
        now += jump
        history.append(sample(seq, now))
    seqs = [s.seq for s in history.since(0)]
    assert seqs == sorted(set(seqs))
    assert seqs[-600:] == list(range(max(1, len(jumps) - 599), len(jumps) + 1))
    assert len(seqs) <= 600 + 360
