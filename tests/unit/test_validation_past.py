"""What earlier runs found out, and when it still holds."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from jupyter_gpuctl.validation.model import (
    Finding,
    Started,
    Verdict,
    unrun,
)
from jupyter_gpuctl.validation.past import watching
from jupyter_gpuctl.validation.past.runs import CachedRuns
from jupyter_gpuctl.validation.past.store import Store
from tests.unit.past_course import (
    LIMITS,
    NOTEBOOK,
    course,
    passed,
    recalled,
    run,
    sh,
    write,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return course(tmp_path, monkeypatch)


def test_a_pass_is_recalled_with_its_own_figures_and_said_to_be_cached() -> None:
    assert recalled() is None
    run()
    assert recalled() == replace(passed(), started=Started.CACHED)


def test_a_pipe_that_is_called_a_notebook_holds_nothing_up() -> None:
    Path(NOTEBOOK).unlink()
    os.mkfifo(NOTEBOOK)
    run()
    assert recalled() is None


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASSED])
def test_what_did_not_pass_is_run_again(verdict: Verdict) -> None:
    run(result=replace(passed(), verdict=verdict, reason="interrupted before it began"))
    assert recalled() is None


def test_that_there_is_nothing_to_run_is_recalled() -> None:
    write()
    run(result=unrun(NOTEBOOK, Verdict.SKIPPED, "it has no code cell to run"))
    again = recalled()
    assert again is not None
    assert again.verdict is Verdict.SKIPPED


def test_prose_that_came_in_between_moves_the_cells_and_no_more() -> None:
    write("1", "2")
    run(result=passed(cells=2))
    write("1", "2", prose=3)
    again = recalled()
    assert again is not None
    assert [cell.index for cell in again.cells] == [3, 4]


def test_other_code_another_kernel_or_tighter_limits_are_not_recalled() -> None:
    run()
    assert recalled(replace(LIMITS, memory=1024)) is None
    assert recalled(replace(LIMITS, cell_time=1.0)) is None
    assert recalled(replace(LIMITS, memory=None)) is not None
    assert recalled(kernel="no-such-kernel") is None
    write("2")
    assert recalled() is None


def test_a_pass_is_not_trusted_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setattr("jupyter_gpuctl.validation.past.runs.LONGEST_TRUSTED", timedelta(0))
    assert recalled() is None


def test_one_who_remembers_can_be_asked_for_a_second_validation() -> None:
    runs = run("cat data.csv")
    Path("course/data.csv").write_text("2\n")
    runs.prepare([NOTEBOOK])
    runs.begin(NOTEBOOK, LIMITS, None)
    sh("cat data.csv")
    runs.end(NOTEBOOK, None, passed())
    runs.close()
    assert recalled() is not None


def test_a_variable_that_the_code_names_counts_and_others_don_t(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("os.environ['COURSE_TOKEN']")
    run()
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert recalled() is not None
    monkeypatch.setenv("COURSE_TOKEN", "1")
    assert recalled() is None


def test_with_results_off_only_figures_are_remembered() -> None:
    run()
    off = CachedRuns(Store(Path("cache")), results=False)
    assert off.recall(NOTEBOOK, LIMITS, None) is None
    assert off.expected(NOTEBOOK).seconds == 2.5
    assert off.expected(NOTEBOOK).memory == 50
    assert off.expected("course/b.ipynb").seconds is None


def test_a_run_under_other_rules_is_another(folder: Path) -> None:
    run()
    other = CachedRuns(Store(Path("cache")), also="outputs compared")
    assert other.recall(NOTEBOOK, LIMITS, None) is None
    same = CachedRuns(Store(Path("cache")))
    assert same.recall(NOTEBOOK, LIMITS, None, "learner's version") is None
    assert same.recall(NOTEBOOK, LIMITS, None) is not None


def test_where_more_than_code_counts_the_whole_notebook_does() -> None:
    runs = CachedRuns(Store(Path("cache")))
    for also in ("", "outputs"):
        runs.prepare([NOTEBOOK])
        runs.begin(NOTEBOOK, LIMITS, None, also)
        runs.end(NOTEBOOK, None, passed(), also)
        runs.close()
    assert runs.recall(NOTEBOOK, LIMITS, None, "outputs") is not None
    write("1", prose=1)
    assert runs.recall(NOTEBOOK, LIMITS, None, "outputs") is None
    assert runs.recall(NOTEBOOK, LIMITS, None) is not None


def test_what_a_course_check_fails_is_run_again() -> None:
    finding = Finding("outputs", "cell 1 gives something else", "", fails=True)
    run(result=replace(passed(), findings=(finding,)))
    assert recalled() is None


def test_a_course_of_too_many_folders_is_run_and_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "MOST_FOLDERS", 1)
    runs = run()
    assert "more than" in runs.unkept[NOTEBOOK]
    assert recalled() is None


def test_a_notebook_where_files_are_not_watched_is_not_remembered(folder: Path) -> None:
    Path("venv/course").mkdir(parents=True)
    Path(".git").mkdir()
    write("1", path="venv/course/a.ipynb")
    runs = CachedRuns(Store(Path("cache")))
    runs.prepare([NOTEBOOK, "venv/course/a.ipynb"])
    runs.close()
    assert set(runs.unkept) == {"venv/course/a.ipynb"}
