"""What a person sees of a validation."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console

from jupyter_gpuctl.cli.validate_screen import (
    Screen,
    common_folder,
    details,
    header,
    limit_words,
    printable,
    provenance,
    shorten,
    unkept_lines,
)
from jupyter_gpuctl.validation.model import (
    SCHEMA,
    CellError,
    Limits,
    NotebookResult,
    ProcessMemory,
    Started,
    Tier,
    Validation,
    Verdict,
    unrun,
)
from jupyter_gpuctl.validation.tracebacks import plain

GIB = 1024**3
PASSED = replace(unrun("course/01-intro.ipynb", Verdict.PASSED, ""), duration=3.1, peak_memory=GIB)
HOG = replace(
    unrun("course/07-train.ipynb", Verdict.OUT_OF_MEMORY, "cell 12 reached 2.0 GiB after 41.0 s"),
    error=CellError("out-of-memory", "", None, "model.fit(X, y, n_jobs=-1)"),
    processes=(ProcessMemory(7, "python", GIB // 4, True), ProcessMemory(8, "python", GIB, False)),
)
LONG = "cell 3: ValueError: " + "a long story of what went wrong " * 6


def shown(*results: NotebookResult, terminal: bool = False) -> list[str]:
    file = io.StringIO()
    console = Console(
        file=file, width=80, force_terminal=terminal, color_system=None, highlight=False
    )
    with Screen(console) as screen:
        paths = [result.path for result in results]
        screen.planned(paths, Limits(), 2, Tier.WATCHER)
        for result in results:
            screen.started(result.path)
            screen.finished(result)
    return file.getvalue().splitlines()


def test_one_line_a_notebook_with_what_failed_below_it() -> None:
    assert shown(PASSED, HOG)[2:] == [
        "  ✓ 01-intro.ipynb     3.1 s   1.0 GiB",
        "  ✗ 07-train.ipynb  out of memory  cell 12 reached 2.0 GiB after 41.0 s",
        "      model.fit(X, y, n_jobs=-1)",
        "      1 worker process held 1.0 GiB of it",
    ]


def test_a_log_has_long_reasons_in_one_line() -> None:
    assert any(LONG.strip() in line for line in shown(replace(HOG, reason=LONG.strip())))


def test_a_terminal_of_80_columns_is_never_overrun() -> None:
    long_name = replace(HOG, path="course/" + "very-" * 20 + "long.ipynb", reason=LONG)
    for line in "\n".join(shown(PASSED, HOG, long_name, terminal=True)).split("\n"):
        assert cell_len(plain(line.rsplit("\r", 1)[-1])) <= 80


@pytest.mark.parametrize("name", ["[red]x.ipynb", "a\nb\x1b[2J.ipynb", os.fsdecode(b"\xff")])
def test_no_name_gives_orders_to_the_terminal(name: str) -> None:
    text = "\n".join(shown(unrun(name, Verdict.INVALID, "x"), terminal=False))
    assert printable(name) in text
    assert "\x1b" not in text


def test_printable_keeps_letters_of_all_languages() -> None:
    assert printable("日本 é 🎓\n\x1b\udcff") == "日本 é 🎓\\n\\x1b\\udcff"


def test_the_header_tells_the_limits_and_what_holds_them() -> None:
    limits = Limits(600, 90, 2 * GIB)
    told = "Validating 38 notebooks, 2 at a time, limits 10 min, 90 s a cell and 2.0 GiB"
    assert header(38, limits, 2, Tier.CGROUP_V2) == f"{told} (enforced by cgroup v2)"
    one = "Validating 1 notebook, limit 2.0 GiB (enforced by watcher)"
    assert header(1, Limits(memory=2 * GIB), 2, Tier.WATCHER) == one
    assert "no limits" in header(2, Limits(), 1, Tier.WATCHER)


@pytest.mark.parametrize(("seconds", "words"), [(600, "10 min"), (90, "90 s"), (0.5, "0.5 s")])
def test_limits_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert limit_words(seconds) == words


def test_processes_that_held_next_to_nothing_are_not_blamed() -> None:
    small = ProcessMemory(8, "sh", 1000, False)
    assert list(details(replace(HOG, error=None, processes=(HOG.processes[0], small)))) == []


def test_the_failing_line_is_told_with_its_number() -> None:
    error = CellError("NameError", "", 4, "df.head()")
    assert list(details(replace(HOG, error=error, processes=(), hint="Do this."))) == [
        "line 4: df.head()",
        "Do this.",
    ]


def test_what_all_names_have_in_common_is_left_out() -> None:
    assert common_folder(["c/a.ipynb", "c/d/b.ipynb"]) == "c"
    assert common_folder(["a.ipynb", "c/b.ipynb"]) == ""
    assert common_folder(["/x/a.ipynb", "b.ipynb"]) == ""
    assert shorten("course/long/name.ipynb", 11) == "…name.ipynb"


def test_what_was_not_run_now_is_said() -> None:
    cached = replace(PASSED, started=Started.CACHED)
    assert shown(cached)[2:] == ["  ✓ 01-intro.ipynb     3.1 s   1.0 GiB  cached"]
    whole = Validation(SCHEMA, datetime.now(UTC), 1.0, Limits(), False, (cached, PASSED))
    assert list(provenance(whole)) == [
        "1 result is of an earlier run: nothing has changed since (--no-cache runs all)"
    ]
    changed = replace(whole, notebooks=(), since="main (1a2b3c4d5e)", left_out=3)
    assert list(provenance(changed)) == [
        "3 notebooks left out: not changed since main (1a2b3c4d5e)"
    ]


def test_where_nothing_is_to_be_run_that_is_shown() -> None:
    assert shown() == ["Validating 0 notebooks, no limits (enforced by watcher)", ""]


def test_limits_of_its_own_are_said_below_a_notebook_that_did_not_pass() -> None:
    own = replace(HOG, limits=Limits(time=1200.0, memory=2 * GIB))
    assert shown(own)[-1] == "      its own: limits 20 min and 2.0 GiB"
    assert shown(replace(HOG, limits=Limits())) == shown(HOG)


def test_why_notebooks_will_run_again_is_said_for_the_commonest_reasons() -> None:
    names = [f"{number}.ipynb" for number in range(5)]
    results = tuple(unrun(name, Verdict.PASSED, "") for name in names)
    failed = unrun("x.ipynb", Verdict.FAILED, "")
    whole = Validation(SCHEMA, datetime.now(UTC), 1.0, Limits(), False, (*results, failed))
    unkept = dict.fromkeys(names[1:], "it was slow") | {names[0]: "why not", "x.ipynb": "failed"}
    assert list(unkept_lines(whole, unkept, str)) == [
        "not remembered: 1.ipynb, 2.ipynb and 2 more (it was slow)",
        "not remembered: 0.ipynb (why not)",
    ]
