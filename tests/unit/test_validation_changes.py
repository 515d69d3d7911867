"""Which notebooks changed since a git revision, asked of real repositories."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.changes import changed_since, concerns
from jupyter_gpuctl.validation.past.code import read_code
from jupyter_gpuctl.validation.paths import find_notebooks


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(path: str, *sources: str, prose: str = "") -> None:
    cells = [{"cell_type": "markdown", "metadata": {}, "source": prose}] if prose else []
    cells += [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources
    ]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}))


def commit() -> str:
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", "state")
    return git("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two notebooks beside each other, a lab below with data, all committed on ``main``."""
    for variable in ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    write("a.ipynb", "1", prose="hello")
    write("b.ipynb", "import helpers")
    write("lab/c.ipynb", "open('data.csv')")
    Path("lab/data.csv").write_text("1\n")
    Path("lib").mkdir()
    Path("lib/helpers.py").write_text("X = 1\n")
    Path("README.md").write_text("A course\n")
    commit()
    return tmp_path


def changed(revision: str = "HEAD", *paths: str) -> list[str]:
    found, _ = changed_since(find_notebooks(paths or ["."]), revision)
    return [one.path for one in found]


def test_where_nothing_changed_nothing_is_left() -> None:
    assert changed() == []


def test_a_change_of_code_counts_before_it_is_committed_and_after() -> None:
    before = git("rev-parse", "HEAD")
    write("a.ipynb", "2")
    assert changed() == ["a.ipynb"]
    git("add", "-A")
    assert changed() == ["a.ipynb"]
    commit()
    assert changed(before) == ["a.ipynb"]
    assert changed() == []


def test_prose_and_outputs_are_no_change() -> None:
    write("a.ipynb", "1", prose="good day")
    Path("README.md").write_text("The course\n")
    assert changed() == []


def test_a_new_notebook_counts_though_git_does_not_know_it() -> None:
    write("lab/d.ipynb", "1")
    assert changed() == ["lab/d.ipynb"]


def test_a_notebook_that_only_got_another_name_has_not_changed() -> None:
    before = git("rev-parse", "HEAD")
    git("mv", "a.ipynb", "z.ipynb")
    assert changed() == []
    commit()
    assert changed(before) == []


def test_a_notebook_that_moved_to_another_folder_or_got_new_code_too_has_changed() -> None:
    Path("a.ipynb").rename("lab/a.ipynb")
    Path("b.ipynb").unlink()
    write("y.ipynb", "import helpers", "2")
    assert sorted(changed()) == ["lab/a.ipynb", "y.ipynb"]


def test_data_concern_the_notebooks_of_their_folder_and_above() -> None:
    write("other/d.ipynb", "1")
    commit()
    Path("lab/data.csv").write_text("2\n")
    assert changed() == ["a.ipynb", "b.ipynb", "lab/c.ipynb"]


def test_a_module_elsewhere_concerns_who_imports_it() -> None:
    write("other/d.ipynb", "from helpers import X")
    write("other/e.ipynb", "1")
    commit()
    Path("lib/helpers.py").write_text("X = 2\n")
    assert "other/d.ipynb" in changed()
    assert "other/e.ipynb" not in changed()


def test_what_says_what_is_installed_concerns_all_below() -> None:
    Path("lab/requirements.txt").write_text("numpy\n")
    assert changed("HEAD", "lab") == ["lab/c.ipynb"]
    Path("uv.lock").write_text("")
    assert changed() == ["a.ipynb", "b.ipynb", "lab/c.ipynb"]


def test_what_git_ignores_concerns_nobody() -> None:
    Path(".gitignore").write_text("*.tmp\n")
    commit()
    Path("lab/x.tmp").write_text("1")
    assert changed() == []


def test_a_notebook_that_can_t_be_read_is_run_to_say_so() -> None:
    Path("a.ipynb").write_text("<<<<<<<")
    assert changed() == ["a.ipynb"]


@pytest.mark.parametrize("name", ["with space", "ünï", "new\nline", "a::b", "-x", ":(top)x"])
def test_odd_names_are_compared(name: str) -> None:
    write(f"odd/{name}.ipynb", "1")
    commit()
    assert changed() == []
    write(f"odd/{name}.ipynb", "2")
    assert changed() == [f"odd/{name}.ipynb"]


def test_without_a_revision_it_counts_from_where_the_branch_began() -> None:
    git("checkout", "-q", "-b", "topic")
    write("a.ipynb", "2")
    commit()
    git("checkout", "-q", "main")
    write("lab/c.ipynb", "3")
    commit()
    git("checkout", "-q", "topic")
    assert changed("") == ["a.ipynb"]


def test_a_remote_s_main_branch_goes_before_our_own(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path_factory.mktemp("clone")
    git("clone", "-q", str(repository), str(clone))
    monkeypatch.chdir(clone)
    write("a.ipynb", "2")
    commit()
    found, told = changed_since(find_notebooks(["."]), "")
    assert [one.path for one in found] == ["a.ipynb"]
    assert told.startswith("origin/HEAD (")


def test_in_a_pull_request_the_branch_that_it_is_meant_for_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    git("update-ref", "refs/remotes/origin/release", git("rev-parse", "HEAD"))
    write("a.ipynb", "2")
    commit()
    monkeypatch.setenv("GITHUB_BASE_REF", "release")
    _, told = changed_since(find_notebooks(["."]), "")
    assert told.startswith("origin/release (")


def test_in_a_pull_request_a_clone_without_that_branch_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_BASE_REF", "release")
    with pytest.raises(InvalidInput, match="origin/release is not in the clone"):
        changed("")


def test_on_no_branch_and_with_none_to_compare_with_it_is_refused() -> None:
    git("checkout", "-q", "--detach")
    git("branch", "-q", "-D", "main")
    with pytest.raises(InvalidInput, match="on no branch"):
        changed("")


@pytest.mark.parametrize("revision", ["nowhere", "--all", "HEAD~99"])
def test_an_unknown_revision_is_refused_by_name(revision: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{revision}'.*no such revision"):
        changed(revision)


def test_outside_of_a_repository_it_is_refused(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("plain"))
    write("a.ipynb", "1")
    with pytest.raises(InvalidInput, match=r"'a\.ipynb' is in no git repository"):
        changed()


def test_a_repository_without_commits_is_refused(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("new"))
    git("init", "-q")
    write("a.ipynb", "1")
    with pytest.raises(InvalidInput, match="nothing is committed"):
        changed("")


def test_without_git_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InvalidInput, match="git is not installed"):
        changed()


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("course/data.csv", True),
        ("course/deep/x.py", True),
        ("data.csv", False),
        ("shared/big.bin", True),  # named in the code
        ("course/__pycache__/tools.cpython-311.pyc", False),
        ("course/.venv/x.py", False),
        ("course/notes.md", False),
        ("course/LICENSE", False),
        ("course/table.md", True),  # named in the code
        ("src/tools/deep.py", True),
        ("src/other.py", False),
        ("requirements-dev.txt", True),
        ("course/deep/pyproject.toml", True),
        ("elsewhere/pyproject.toml", False),
    ],
)
def test_files_concern_notebooks_by_place_name_and_kind(other: str, expected: bool) -> None:
    source = "from tools import x; open('../shared/big.bin'); open('table.md')"
    cells = [{"cell_type": "code", "source": source}]
    code = read_code(json.dumps({"nbformat": 4, "cells": cells}).encode())
    assert concerns(other, "course/a.ipynb", code) is expected
