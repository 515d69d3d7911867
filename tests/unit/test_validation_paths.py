"""Which notebooks are meant by files, folders and globs."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.paths import find_notebooks


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("{}")


def found(*paths: str) -> list[str]:
    return [one.path for one in find_notebooks(paths)]


def test_a_folder_is_searched_with_all_below_in_order() -> None:
    make("c/b.ipynb", "c/a.ipynb", "c/d/x.ipynb", "c/readme.md", "c/.ipynb_checkpoints/a.ipynb")
    assert found("c") == ["c/a.ipynb", "c/b.ipynb", "c/d/x.ipynb"]


def test_what_git_ignores_is_left_out_as_git_itself_says() -> None:
    make(
        "a.ipynb", "build/b.ipynb", "build/keep.ipynb", "sub/c.ipynb", "sub/tmp_d.ipynb",
        "sub/deep/tmp_e.ipynb", "sub/deep/f.ipynb", "excluded.ipynb", "anchored.ipynb",
        "sub/anchored.ipynb",
    )  # fmt: skip
    Path(".gitignore").write_text("build/\ntmp_*\n/anchored.ipynb\n")
    Path("sub/deep/.gitignore").write_text("!tmp_e.ipynb\nf.ipynb\n")
    subprocess.run(["git", "init", "-q"], check=True)
    Path(".git/info/exclude").write_text("excluded.ipynb\n")
    told = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "*.ipynb"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert sorted(found(".")) == sorted(told.stdout.split())
    assert found("sub") == ["sub/anchored.ipynb", "sub/c.ipynb", "sub/deep/tmp_e.ipynb"]


def test_what_is_named_is_taken_even_if_git_ignores_it() -> None:
    make("build/b.ipynb", "build/.gitignore")
    Path("build/.gitignore").write_text("*\n")
    Path(".gitignore").write_text("build/\n")
    assert found("build/b.ipynb") == ["build/b.ipynb"]


def test_a_folder_that_is_named_is_searched_even_if_git_ignores_it() -> None:
    make("build/b.ipynb")
    Path(".gitignore").write_text("build/\n")
    subprocess.run(["git", "init", "-q"], check=True)
    assert found("build") == ["build/b.ipynb"]


def test_rules_of_an_outer_repository_end_at_the_inner_one() -> None:
    make("inner/a.ipynb")
    Path(".gitignore").write_text("*.ipynb\n")
    for place in (".", "inner"):
        subprocess.run(["git", "init", "-q"], check=True, cwd=place)
    assert found("inner") == ["inner/a.ipynb"]


def test_globs_are_expanded_here_too() -> None:
    make("a/1.ipynb", "a/b/2.ipynb", "a/3.txt", "c/4.ipynb")
    assert found("a/**/*.ipynb") == ["a/1.ipynb", "a/b/2.ipynb"]
    assert found("[ac]") == ["a/1.ipynb", "a/b/2.ipynb", "c/4.ipynb"]


def test_a_notebook_named_twice_runs_once() -> None:
    make("a/1.ipynb")
    assert found("a/1.ipynb", "a", "./a/*.ipynb") == ["a/1.ipynb"]


@pytest.mark.parametrize("name", ["with space", "a::b", "new\nline", "日本語 🎓", "[1]", "-x"])
def test_odd_names_are_found(name: str) -> None:
    make(f"c/{name}.ipynb")
    assert found("c") == [f"c/{name}.ipynb"]
    assert found(f"c/{name}.ipynb") == [f"c/{name}.ipynb"]


def test_names_that_are_not_utf8_are_found(folder: Path) -> None:
    (folder / "c").mkdir()
    (folder / "c" / os.fsdecode(b"\xff.ipynb")).write_text("{}")
    assert [os.fsencode(path) for path in found("c")] == [b"c/\xff.ipynb"]


def test_a_loop_of_links_ends() -> None:
    make("c/a.ipynb")
    os.symlink("..", "c/loop")
    assert found("c") == ["c/a.ipynb"]


@pytest.mark.parametrize("path", ["nowhere", "no*thing", "empty", "nowhere.ipynb"])
def test_a_path_that_means_nothing_is_refused_by_name(path: str) -> None:
    Path("empty").mkdir()
    make("a.ipynb")
    with pytest.raises(InvalidInput, match=path.replace("*", r"\*")):
        found("a.ipynb", path)


def test_a_folder_that_can_t_be_read_is_reported_and_the_rest_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory() as place:  # which others than root may enter, too
        os.chmod(place, 0o755)
        monkeypatch.chdir(place)
        make("c/a.ipynb", "c/closed/b.ipynb")
        os.chmod("c/closed", 0)
        try:
            with as_nobody():
                looked = [(one.path, bool(one.problem)) for one in find_notebooks(["c"])]
        finally:
            os.chmod("c/closed", 0o700)
            monkeypatch.undo()
    assert looked == [("c/a.ipynb", False), ("c/closed", True)]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: look with the rights of another user."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
