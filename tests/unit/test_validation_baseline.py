"""Baselines: what has regressed, and files that hold them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation import baseline_file
from jupyter_gpuctl.validation.baseline import (
    Allowed,
    Baseline,
    Entry,
    Machine,
    compare,
    regressions_of,
    updated,
)
from jupyter_gpuctl.validation.model import (
    SCHEMA,
    CellResult,
    CellStatus,
    Limits,
    NotebookResult,
    Started,
    Tier,
    Validation,
    Verdict,
    exit_status,
    summary,
)

MIB = 1024**2
HERE = Machine("A CPU", 2, 2)
THERE = Machine("Another CPU", 4, 2)
seconds = st.floats(0, 1e5, allow_nan=False)
entries = st.builds(
    Entry,
    seconds,
    st.none() | seconds,
    st.none() | st.integers(0, 2**40),
    st.none() | st.sampled_from([one.value for one in Tier]),
    st.sampled_from([one.value for one in Started]),
    st.dictionaries(st.text(max_size=5), seconds, max_size=3),
)
baselines = st.builds(
    Baseline,
    st.builds(Machine, st.text(max_size=8), st.integers(0, 64), st.integers(0, 64)),
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), entries, max_size=4),
)


def result(
    path: str, took: float, peak: int = 100 * MIB, started: Started = Started.FORKED
) -> NotebookResult:
    cells = (CellResult(2, "slow", CellStatus.OK, took, took, peak, None),)
    return NotebookResult(
        path, Verdict.PASSED, "", "", took, took, peak, Tier.CGROUP_V2, started, None, None, (),
        cells,
    )  # fmt: skip


def validation(*results: NotebookResult) -> Validation:
    return Validation(SCHEMA, datetime(2027, 1, 4, tzinfo=UTC), 1.0, Limits(), False, results)


def baseline_of(*results: NotebookResult) -> Baseline:
    return updated(None, validation(*results), HERE, str, lambda path: True)


def compared(
    before: Baseline, *results: NotebookResult, machine: Machine = HERE, there: bool = True
) -> Validation:
    return compare(
        before, validation(*results), machine, Allowed(), "b.json", str, lambda path: there
    )


@given(baselines)
def test_a_baseline_is_read_as_it_was_written(baseline: Baseline) -> None:
    text = baseline_file.write(baseline)
    assert baseline_file.read(text, "b.json") == baseline
    assert baseline_file.write(baseline_file.read(text, "b.json")) == text


@given(entries, entries, st.booleans(), st.booleans())
def test_nothing_regresses_both_ways_and_nothing_against_itself(
    one: Entry, other: Entry, same: bool, times: bool
) -> None:
    def found(now: Entry, before: Entry) -> set[str]:
        some = regressions_of("a", now, before, Allowed(), same=same, times=times)
        return {regression.measure for regression in some}

    assert not found(one, other) & found(other, one)
    assert not found(one, one)


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_notebooks_changes_neither_file_nor_findings(order: list[str]) -> None:
    took = {"a": 1.0, "b": 2.0, "c": 9.0, "d": 9.0}
    before = baseline_of(*(result(name, 3.0) for name in order))
    assert list(before.notebooks) == ["a", "b", "c", "d"]
    told = compared(before, *(result(name, took[name]) for name in order)).baseline
    assert told is not None
    assert {one.path for one in told.regressions} == {"c", "d"}


def test_a_slower_notebook_fails_with_the_numbers_and_the_cell() -> None:
    now = compared(baseline_of(result("01.ipynb", 3.0)), result("01.ipynb", 6.1))
    (finding,) = now.notebooks[0].findings
    assert finding.message == (
        "6.1 s, 2 times the 3.0 s of the baseline (at most 1.5); most of it in cell 3: 6.1 s, "
        "before 3.0 s"
    )
    assert "--save-baseline b.json" in finding.hint
    assert exit_status(now) == 1
    assert "1 beyond the baseline" in summary(now.notebooks)
    assert "course checks" not in summary(now.notebooks)


def test_small_differences_are_noise() -> None:
    before = baseline_of(result("a", 0.1, 20 * MIB))
    assert exit_status(compared(before, result("a", 0.55, 35 * MIB))) == 0
    assert exit_status(compared(before, result("a", 0.65, 20 * MIB))) == 1
    assert exit_status(compared(before, result("a", 0.1, 37 * MIB))) == 1


def test_another_machine_is_said_and_compared_by_cpu_time() -> None:
    before = baseline_of(result("a", 3.0))
    waited = replace(result("a", 30.0), cpu_seconds=3.2)
    now = compared(before, waited, machine=THERE)
    assert now.baseline is not None
    assert exit_status(now) == 0
    assert "another machine" in now.baseline.warnings[0]
    busy = compared(before, result("a", 30.0), machine=THERE).baseline
    assert busy is not None
    assert [one.measure for one in busy.regressions] == ["cpu_seconds"]


def test_times_of_forked_and_started_kernels_are_not_compared() -> None:
    now = compared(baseline_of(result("a", 1.0)), result("a", 9.0, started=Started.COLD))
    assert now.baseline is not None
    assert exit_status(now) == 0
    assert now.baseline.warnings
    cached = compared(baseline_of(result("a", 1.0)), result("a", 9.0, started=Started.CACHED))
    assert exit_status(cached) == 1


def test_new_and_vanished_notebooks_are_said() -> None:
    now = compared(baseline_of(result("old", 1.0)), result("new", 1.0), there=False)
    assert now.baseline is not None
    assert (now.baseline.new, now.baseline.vanished) == (("new",), ("old",))
    assert exit_status(now) == 0


def test_saving_keeps_what_was_not_run_and_drops_what_is_gone() -> None:
    before = baseline_of(result("a", 1.0), result("b", 1.0), result("gone", 1.0))
    failed = replace(result("a", 9.0), verdict=Verdict.FAILED)
    now = updated(before, validation(failed, result("c", 2.0)), HERE, str, lambda p: p != "gone")
    assert list(now.notebooks) == ["a", "b", "c"]
    assert now.notebooks["a"].seconds == 1.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("[]", "its schema"),
        ('{"schema": "gpuctl.validation-baseline/2"}', "newer version"),
        ('{"schema": "gpuctl.validation-baseline/1"}', "not as it must be"),
        ('{"schema": "gpuctl.validation-baseline/1", "machine": [], "notebooks": {}}', "must be"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_broken_baseline_is_told_with_its_mend(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        baseline_file.read(text, "b.json")
    assert "--save-baseline" in caught.value.hint


@given(
    st.recursive(
        st.none() | st.booleans() | seconds | st.text(max_size=3),
        lambda some: (
            st.lists(some, max_size=3)
            | st.dictionaries(st.sampled_from(["cells", "memory", "seconds"]), some)
        ),
    )
)
def test_whatever_stands_for_a_notebook_ends_in_a_message(value: object) -> None:
    whole = {
        "schema": "gpuctl.validation-baseline/1",
        "machine": {"cpu": "x", "cores": 2, "jobs": 2},
        "notebooks": {"a": value},
    }
    with pytest.raises(InvalidInput):
        baseline_file.read(json.dumps(whole), "b.json")


def test_saving_replaces_the_whole_file_and_leaves_no_other(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text("old")
    baseline_file.save(baseline_of(result("a", 1.0)), str(file))
    assert baseline_file.load(str(file)) == baseline_of(result("a", 1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["baseline.json"]
    assert baseline_file.load(str(tmp_path / "none"), missing_ok=True) is None
    with pytest.raises(InvalidInput, match="is not there"):
        baseline_file.load(str(tmp_path / "none"))


def test_notebooks_are_named_from_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "a.ipynb").touch()
    file = "ci/baseline.json"
    assert baseline_file.key_of(file, "course/a.ipynb") == "../course/a.ipynb"
    assert baseline_file.is_there(file, "../course/b.ipynb") is False
    (tmp_path / "ci").mkdir()
    assert baseline_file.is_there(file, "../course/a.ipynb")
    assert baseline_file.is_there(file, "../course/a.ipynb (learner)")
