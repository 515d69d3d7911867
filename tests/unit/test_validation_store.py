"""The cache folder."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_gpuctl.validation.model import (
    NotebookResult,
)
from jupyter_gpuctl.validation.past.inputs import Inputs
from jupyter_gpuctl.validation.past.store import FORMAT, Figures, Kept, Store, default_folder
from tests.unit.past_course import (
    LIMITS,
    NOTEBOOK,
    course,
    passed,
    recalled,
    run,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return course(tmp_path, monkeypatch)


def kept(result: NotebookResult) -> Kept:
    return Kept(FORMAT, datetime(2026, 11, 22, tzinfo=UTC), LIMITS, Inputs(), result)


def test_what_is_kept_is_found_whole() -> None:
    store = Store(Path("cache"))
    odd = passed(os.fsdecode(b"\xff \n.ipynb"))
    store.keep("ab12", kept(odd))
    assert Store(Path("cache")).find("ab12") == kept(odd)
    assert not list(Path("cache").rglob("*.new"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 1}', "[" * 99_999, '{"format": "1"}']
)
def test_a_broken_entry_is_as_good_as_none_and_goes(text: str) -> None:
    store = Store(Path("cache"))
    store.keep("ab12", kept(passed()))
    (path,) = Path("cache/results").rglob("*.json")
    path.write_text(text)
    assert store.find("ab12") is None
    assert not path.exists()


def test_entries_of_another_format_are_not_used() -> None:
    store = Store(Path("cache"))
    store.keep("ab12", replace(kept(passed()), format=FORMAT + 1))
    assert store.find("ab12") is None


def test_a_folder_that_can_t_be_written_is_said_and_breaks_nothing() -> None:
    Path("cache").write_text("a file")
    runs = run()
    assert "cache" in runs.unkept[NOTEBOOK]
    assert recalled() is None


def test_what_nobody_used_for_a_month_goes_and_what_is_too_much_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(Path("cache"))
    for number in range(4):
        store.keep(f"a{number}", kept(passed()))
    day, now = 24 * 3600.0, 1e9
    for number, age in enumerate([0, 10, 20, 40]):
        os.utime(f"cache/results/a{number}/a{number}.json", (now - age * day, now - age * day))
    store.prune(now, force=True)
    assert [bool(store.find(f"a{number}")) for number in range(4)] == [True, True, True, False]
    size = Path("cache/results/a0/a0.json").stat().st_size
    monkeypatch.setattr("jupyter_gpuctl.validation.past.store.MOST_BYTES", 2 * size)
    store.prune(now, force=True)
    assert [bool(store.find(f"a{number}")) for number in range(4)] == [True, True, False, False]


def test_two_may_write_the_same_entry_at_once() -> None:
    def often() -> None:
        store = Store(Path("cache"))
        for number in range(60):
            store.note(NOTEBOOK, Figures(float(number), number))
            found = store.figures(NOTEBOOK)
            assert found is not None

    threads = [threading.Thread(target=often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Store(Path("cache")).figures(NOTEBOOK) == Figures(59.0, 59)


def test_the_folder_is_marked_for_git_and_for_backups() -> None:
    Store(Path("cache")).note(NOTEBOOK, Figures(1.0, None))
    assert Path("cache/.gitignore").read_text() == "*\n"
    assert Path("cache/CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f068")


def test_the_folder_is_where_the_xdg_rules_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_folder() == Path("/x/jupyter-gpuctl/validation")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder().is_relative_to(Path.home())
