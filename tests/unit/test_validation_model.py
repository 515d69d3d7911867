from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.core.encoding import to_json
from jupyter_gpuctl.validation.model import (
    SCHEMA,
    Limits,
    NotebookResult,
    PeakMeter,
    Validation,
    Verdict,
    exit_status,
    summary,
    unrun,
)

MIB = 1024**2


def validation(*verdicts: Verdict, interrupted: bool = False) -> Validation:
    notebooks = tuple(unrun(f"{n}.ipynb", verdict, "") for n, verdict in enumerate(verdicts))
    start = datetime(2027, 1, 4, tzinfo=UTC)
    return Validation(SCHEMA, start, 1.0, Limits(), interrupted, notebooks)


def with_peak(result: NotebookResult, peak: int) -> NotebookResult:
    return replace(result, peak_memory=peak)


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.PASSED, Verdict.SKIPPED}))
def test_one_notebook_that_did_not_pass_makes_the_status_1(verdict: Verdict) -> None:
    assert exit_status(validation(Verdict.PASSED, verdict)) == 1


def test_notebooks_that_hold_nothing_to_run_do_not_fail_a_validation() -> None:
    assert exit_status(validation(Verdict.PASSED, Verdict.SKIPPED)) == 0


def test_an_interrupted_validation_has_status_130_whatever_passed() -> None:
    assert exit_status(validation(Verdict.PASSED, interrupted=True)) == 130


def test_the_summary_counts_verdicts_and_names_the_largest() -> None:
    passed = with_peak(unrun("a.ipynb", Verdict.PASSED, ""), 100 * MIB)
    hog = with_peak(unrun("b.ipynb", Verdict.OUT_OF_MEMORY, "x"), 2048 * MIB)
    assert summary([passed, passed, hog]) == "2 passed, 1 out of memory · peak 2.0 GiB (b.ipynb)"


def test_the_report_has_the_fields_of_the_contract_schema_first() -> None:
    report = to_json(validation(Verdict.INVALID))
    assert list(report)[:4] == ["schema", "started_at", "duration", "limits"]
    assert report["schema"] == "gpuctl.validation/1"
    wanted = {"path", "verdict", "reason", "duration", "cpu_seconds", "peak_memory"}
    assert wanted | {"enforced_by", "started", "cells"} <= set(report["notebooks"][0])


READING = st.tuples(st.integers(0, 1000), st.integers(0, 1000))


@given(st.lists(READING, min_size=1), st.data())
def test_the_peak_lies_between_the_readings_and_the_watermark(
    readings: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Whatever happened between readings, the peak is no lower than what was read, and no higher
    than the kernel's watermark."""
    meter, highest = PeakMeter(), 0
    for used, cache in readings:
        highest = max(highest, used + cache + data.draw(st.integers(0, 500)))
        meter.add(used, cache, highest)
    assert max(used for used, _ in readings) <= meter.total <= highest


def test_memory_that_came_and_went_between_readings_counts() -> None:
    meter = PeakMeter()
    meter.add(100, 50, 150, fresh=True)
    meter.add(100, 50, 950, fresh=True)
    assert meter.total == 900


def test_page_cache_does_not_count_as_a_peak() -> None:
    meter = PeakMeter()
    meter.add(100, 0, 100)
    meter.add(100, 900, 1000)
    assert meter.total == 100


def test_what_came_and_went_counts_once_until_the_watermark_is_set_back() -> None:
    meter = PeakMeter()
    meter.add(100, 50, 950)
    meter.mark()
    meter.add(100, 50, 950)
    assert meter.since_mark == 100
    meter.mark(anew=True)
    meter.add(100, 50, 450)
    assert (meter.since_mark, meter.total) == (400, 900)


def test_a_mark_forgets_the_peak_of_the_cell_before_but_not_the_total() -> None:
    meter = PeakMeter()
    meter.add(500)
    meter.add(200)
    meter.mark()
    meter.add(300)
    assert (meter.since_mark, meter.total) == (300, 500)
