"""The least limit under which a notebook passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.validation.searching import LEAST, Search

MIB = 1024**2


@given(
    st.integers(1, 16 * 1024 * MIB),
    st.integers(0, 16 * 1024 * MIB),
    st.booleans(),
)
def test_the_least_limit_is_found_whatever_the_peak_said(
    needs: int, peak: int, limited: bool
) -> None:
    peak = max(peak, needs // 4)
    search = Search(peak, max(needs, peak, LEAST) * 2 if limited else None)
    while (limit := search.next()) is not None:
        search = search.told(limit, limit >= needs)
        assert search.runs < 60
    found = search.found("a.ipynb")
    assert found.complete
    assert found.passes_at is not None
    assert found.passes_at >= needs
    if found.passes_at > LEAST:
        assert found.fails_at is not None
        assert found.fails_at < needs
        near = max(16 * MIB, found.passes_at * 0.05)
        assert found.passes_at - found.fails_at <= near + 1


@given(st.integers(64 * MIB, 16 * 1024 * MIB))
def test_two_runs_are_enough_where_the_peak_is_right(peak: int) -> None:
    search = Search(peak, None)
    while (limit := search.next()) is not None:
        search = search.told(limit, limit >= peak)
    assert search.runs <= 2


def test_one_that_fails_for_another_reason_is_not_tried_for_ever() -> None:
    search = Search(100 * MIB, None)
    while (limit := search.next()) is not None:
        search = search.told(limit, passed=False)
    assert search.found("a.ipynb").passes_at is None


def test_one_that_never_passed_again_is_told_so() -> None:
    found = Search(100 * MIB, None).told(102 * MIB, False).found("a.ipynb")
    assert (found.passes_at, found.fails_at, found.complete) == (None, 102 * MIB, False)
