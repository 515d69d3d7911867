"""Settings of the validator: where they are found, and what may stand in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from jupyter_gpuctl.cli.validate import jobs_for, validate
from jupyter_gpuctl.cli.validate_past import PastOptions, in_ci
from jupyter_gpuctl.cli.validate_settings import settings_of
from jupyter_gpuctl.core.errors import InvalidConfig
from jupyter_gpuctl.validation.model import Limits, Verdict, unrun
from jupyter_gpuctl.validation.options import Override, options_of
from jupyter_gpuctl.validation.paths import Patterns, find_notebooks

MIB = 1024**2


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(text: str, file: str = "gpuctl.toml", table: str = "[validate]\n") -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(table + text)


def read(*arguments: str) -> click.Context:
    """The command as it would run; nothing is run."""
    return validate.make_context("validate", list(arguments))


def values(*arguments: str) -> dict[str, Any]:
    return read(*arguments).params


def limits_of(path: str, *arguments: str) -> tuple[Limits, str | None]:
    """What would hold for one notebook."""
    ctx = read(*arguments)
    found, given = settings_of(ctx), ctx.params
    overrides = [
        Override(Patterns(paths, found.folder or "."), said)
        for paths, said in found.by_notebook(ctx)
    ]
    limits = Limits(given["time_limit"], given["cell_time_limit"], given["memory_limit"])
    return options_of(path, limits, given["kernel"], overrides)


def test_without_a_file_the_defaults_hold() -> None:
    assert values("x")["time_limit"] == 600.0
    assert settings_of(read("x")).folder is None


@pytest.mark.parametrize(
    ("file", "table"),
    [("gpuctl.toml", "[validate]\n"), ("pyproject.toml", "[tool.gpuctl.validate]\n")],
)
def test_both_files_say_what_the_command_line_could(file: str, table: str) -> None:
    text = 'time-limit = "90s"\nmemory-limit = "500MiB"\njobs = 3\nkernel = "ir"\ncache = false'
    settings(text, file, table)
    found = values("x")
    assert found["time_limit"] == 90.0
    assert found["memory_limit"] == 500 * MIB
    assert found["jobs"] == 3
    assert found["kernel"] == "ir"
    assert found["cache"] is False


def test_the_command_line_goes_before_the_file() -> None:
    settings('time-limit = "90s"\ncache = false')
    assert values("x", "--time-limit", "5s", "--cache")["time_limit"] == 5.0
    assert values("x", "--time-limit", "5s", "--cache")["cache"] is True


def test_numbers_are_seconds_and_bytes_and_none_is_no_limit() -> None:
    settings(f'time-limit = "none"\ncell-time-limit = 1.5\nmemory-limit = {64 * MIB}')
    found = values("x")
    assert found["time_limit"] is None
    assert found["cell_time_limit"] == 1.5
    assert found["memory_limit"] == 64 * MIB


def test_names_may_be_written_with_underscores() -> None:
    settings('time_limit = "90s"')
    assert values("x")["time_limit"] == 90.0


def test_the_nearest_file_upwards_holds_and_a_pyproject_without_us_is_passed_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings("jobs = 1")
    settings("", "a/pyproject.toml", "[tool.other]\n")
    settings("jobs = 2", "a/b/pyproject.toml", "[tool.gpuctl.validate]\n")
    for where, expected in (("a", 1), ("a/b", 2)):
        with monkeypatch.context() as patch:
            patch.chdir(where)
            assert values("x")["jobs"] == expected


def test_our_own_file_goes_before_a_pyproject_beside_it() -> None:
    settings("jobs = 1")
    settings("jobs = 2", "pyproject.toml", "[tool.gpuctl.validate]\n")
    assert values("x")["jobs"] == 1


def test_another_file_or_none_can_be_named() -> None:
    settings("jobs = 1")
    settings("jobs = 2", "other.toml")
    assert values("x", "--settings", "other.toml")["jobs"] == 2
    assert values("x", "--settings", "none")["jobs"] in range(1, 9)


def test_paths_and_reports_are_read_from_the_file_s_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings('paths = ["course"]\nreport = ["json=out/r.json", "json"]')
    Path("deep/down").mkdir(parents=True)
    monkeypatch.chdir("deep/down")
    found = values()
    assert found["paths"] == ("../../course",)
    assert found["reports"] == ("json=../../out/r.json", "json")


OVERRIDES = """
time-limit = "1m"
memory-limit = "100MiB"
[[validate.overrides]]
paths = ["07-*.ipynb", "labs/**"]
time-limit = "20m"
kernel = "ir"
[[validate.overrides]]
paths = ["labs/big.ipynb"]
memory-limit = "none"
time-limit = "30m"
"""


def test_overrides_hold_for_what_their_patterns_mean_the_last_first() -> None:
    settings(OVERRIDES)
    ours = Limits(60.0, None, 100 * MIB)
    assert limits_of("01-a.ipynb", "x") == (ours, None)
    assert limits_of("07-a.ipynb", "x") == (Limits(1200.0, None, 100 * MIB), "ir")
    assert limits_of("deep/07-a.ipynb", "x") == (Limits(1200.0, None, 100 * MIB), "ir")
    assert limits_of("labs/deep/x.ipynb", "x") == (Limits(1200.0, None, 100 * MIB), "ir")
    assert limits_of("labs/big.ipynb", "x") == (Limits(1800.0, None, None), "ir")
    assert limits_of("/elsewhere/labs/big.ipynb", "x") == (ours, None)


def test_the_command_line_goes_before_overrides_too() -> None:
    settings(OVERRIDES)
    given = ("x", "--time-limit", "5s", "--kernel", "python3")
    assert limits_of("labs/big.ipynb", *given) == (Limits(5.0, None, None), "python3")


def test_patterns_begin_at_the_file_wherever_the_command_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings(OVERRIDES)
    Path("labs").mkdir()
    monkeypatch.chdir("labs")
    assert limits_of("big.ipynb", "x")[0].memory is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('time-limits = "1m"', "validate.time-limits is not a setting. Did you mean time-limit?"),
        ("zzz = 1", "validate.zzz is not a setting. The settings are: .*memory-limit"),
        ('time-limit = "soon"', "validate.time-limit = 'soon' is not a duration. Write a number"),
        ('memory-limit = "2 gigs"', "validate.memory-limit = '2 gigs' is not a size"),
        ('memory-limit = "1MiB"', "validate.memory-limit = '1MiB' leaves nothing to run in"),
        ("time-limit = -5", "validate.time-limit = -5 is not a duration"),
        ("time-limit = 0", "validate.time-limit = 0 leaves nothing to run in"),
        ("time-limit = nan", "validate.time-limit = nan is not a duration"),
        ("time-limit = true", "validate.time-limit = True is not what it takes"),
        ("time-limit = [1]", "validate.time-limit = .* is not what it takes"),
        ("time-limit = 2026-01-01", "validate.time-limit = .* is not what it takes"),
        ("jobs = 0", "validate.jobs = 0 can't be"),
        ('jobs = "many"', "validate.jobs = 'many' can't be"),
        ("kernel = 1", "validate.kernel = 1 is not a text. Write it in quotes"),
        ('cache = "yes"', "validate.cache = 'yes' is neither true nor false"),
        ('report = "json"', "validate.report = 'json' is not a list of texts"),
        ('paths = "course"', "validate.paths = 'course' is not a list of texts"),
        ("changed = true", "validate.changed is for the command line only"),
        ("time-limit = 1\ntime_limit = 2", "validate.time_limit is there twice"),
        ("overrides = 1", r"validate.overrides is not a list of tables"),
        ("[[validate.overrides]]\njobs = 1", r"validate.overrides\[0\].paths must be a list"),
        ('[[validate.overrides]]\npaths = ["a"]\njobs = 1', r"overrides\[0\].jobs holds for all"),
        ('[[validate.overrides]]\npaths = ["a"]\nkernal = ""', "Did you mean kernel"),
        ('[[validate.overrides]]\npaths = ["a"]\ntime-limit = ""', r"time-limit = '' is not a dur"),
        ("time-limit\njobs = 1", "it is not TOML: .*line 2"),
        ("[verify]", "verify is not a setting"),
    ],
)
def test_mistakes_are_told_with_file_key_value_and_mend(text: str, told: str) -> None:
    settings(text)
    with pytest.raises(InvalidConfig, match=rf"gpuctl\.toml: .*{told}") as raised:
        read("x")
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tool = 1", "tool is not a table"),
        ("[tool]\ngpuctl = 1", "tool.gpuctl is not a table"),
        ("[tool.gpuctl]\nvalidate = 1", "tool.gpuctl.validate is not a table"),
        ("[tool.gpuctl.validation]", "tool.gpuctl.validation is not a setting"),
        ("[tool.gpuctl.validate]\nx = 1", "tool.gpuctl.validate.x is not a setting"),
    ],
)
def test_a_broken_pyproject_is_told_by_its_table(text: str, told: str) -> None:
    settings(text, "pyproject.toml", "")
    with pytest.raises(InvalidConfig, match=rf"pyproject\.toml: {told}"):
        read("x")


@pytest.mark.parametrize("name", ["away.toml", "pyproject.toml", "."])
def test_a_named_file_without_settings_is_refused(name: str) -> None:
    settings("", "pyproject.toml", "[tool.other]\n")
    with pytest.raises(InvalidConfig, match=name.replace(".", r"\.")):
        read("x", "--settings", name)


def test_a_file_that_is_not_text_is_refused() -> None:
    Path("gpuctl.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfig, match="not UTF-8"):
        read("x")


def test_what_is_ignored_is_left_out_of_folders_but_not_when_named() -> None:
    for name in ("a.ipynb", "drafts/b.ipynb", "deep/drafts/c.ipynb", "deep/keep.ipynb"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}")
    ignore = Patterns(["drafts/", "!deep/drafts/"], ".")
    found = [one.path for one in find_notebooks(["."], ignore)]
    assert found == ["a.ipynb", "deep/keep.ipynb", "deep/drafts/c.ipynb"]
    assert [one.path for one in find_notebooks(["drafts/b.ipynb"], ignore)] == ["drafts/b.ipynb"]
    assert [one.path for one in find_notebooks(["*/*.ipynb"], ignore)] == ["deep/keep.ipynb"]


@pytest.mark.parametrize(("cores", "jobs"), [(1, 1), (2, 2), (4, 2), (8, 4), (16, 8), (64, 8)])
def test_half_of_the_cores_are_used_unless_there_are_few(cores: int, jobs: int) -> None:
    assert jobs_for(cores) == jobs


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("1", True), ("", False), ("false", False)]
)
def test_the_cache_is_off_in_ci_unless_asked_for(
    value: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", value)
    assert in_ci() is expected


def test_where_results_are_remembered_can_be_said(folder: Path) -> None:
    asked = PastOptions(cache=True, folder=folder / "here", since=None)
    passed = replace(unrun("a.ipynb", Verdict.PASSED, ""), duration=1.0)
    asked.runs(()).end("a.ipynb", None, passed)
    assert (folder / "here" / "CACHEDIR.TAG").exists()
