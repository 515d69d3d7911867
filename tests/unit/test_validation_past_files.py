"""Which files a run rests on: real files, a real inotify."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.past_course import (
    NOTEBOOK,
    course,
    python,
    recalled,
    run,
    write,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return course(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "does",
    [
        "cat data.csv",
        "cat data/deep.csv",
        "grep 1 < data.csv",
        "cat data.csv > out.txt",
        "(cat data.csv &) ; wait; cat data.csv",
        "cp data.csv copy.csv; cat copy.csv",
    ],
)
def test_a_change_of_a_file_that_was_read_makes_it_run_again(does: str) -> None:
    run(does)
    assert recalled() is not None
    Path("course/data.csv").write_text("2\n")
    Path("course/data/deep.csv").write_text("2\n")
    assert recalled() is None


@pytest.mark.parametrize(
    "script",
    [
        "import mmap; f = open('data.csv'); mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[0]",
        "import os; os.read(os.open('data.csv', os.O_RDONLY), 9)",
        "open('data.csv', 'r+').read()",
    ],
)
def test_files_are_seen_however_they_are_read(script: str) -> None:
    run(script, by=python)
    assert recalled() is not None
    Path("course/data.csv").write_text("2\n")
    assert recalled() is None


def test_a_file_that_was_not_read_may_change() -> None:
    run("cat data.csv")
    Path("course/data/deep.csv").write_text("2\n")
    assert recalled() is not None


def test_other_times_with_the_same_contents_are_no_change() -> None:
    run("cat data.csv")
    os.utime("course/data.csv", (1, 1))
    assert recalled() is not None
    Path("course/data.csv").write_text("2\n")
    assert recalled() is None


def test_a_large_file_is_told_by_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_gpuctl.validation.past.inputs.LARGE", 1)
    run("cat data.csv")
    assert recalled() is not None
    os.utime("course/data.csv", (1, 1))
    assert recalled() is None


def test_what_it_writes_itself_is_no_input() -> None:
    run("echo 1 > out.txt; cat out.txt; echo 2 > data/new.txt")
    assert recalled() is not None
    Path("course/out.txt").write_text("other\n")
    assert recalled() is not None
    Path("course/out.txt").unlink()
    assert recalled() is not None


def test_what_it_wrote_over_before_it_read_it_is_no_input() -> None:
    Path("course/out.txt").write_text("old\n")
    run("echo 1 > out.txt; cat out.txt")
    Path("course/out.txt").write_text("other\n")
    assert recalled() is not None


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("cat data.csv; echo 2 >> data.csv", "data.csv was changed while it ran"),
        ("cat data.csv; rm data.csv", "data.csv was removed while it ran"),
        ("cat data.csv; echo 3 > new; mv new data.csv", "data.csv was changed while it ran"),
    ],
)
def test_a_run_that_changes_what_it_reads_is_not_remembered(does: str, why: str) -> None:
    runs = run(does)
    assert runs.unkept == {NOTEBOOK: why}
    assert recalled() is None


def test_a_notebook_that_was_saved_while_it_ran_is_not_remembered() -> None:
    runs = run("true", by=lambda _: write("2"))
    assert runs.unkept == {NOTEBOOK: "it was changed while it ran"}


def test_a_new_name_in_a_folder_that_was_listed_makes_it_run_again() -> None:
    run("ls data")
    assert recalled() is not None
    Path("course/new.csv").write_text("")
    assert recalled() is not None
    Path("course/data/new.csv").write_text("")
    assert recalled() is None


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("import numpy", False),
        ("x = 2 * 3", False),
        ("glob('*.csv')", True),
        ("!ls", True),
        ("load_images('.')", True),
        ("Path().iterdir()", True),
    ],
)
def test_imports_list_the_notebook_s_folder_and_only_new_modules_count(
    source: str, counts: bool
) -> None:
    write(source)
    run("ls .")
    Path("course/picture.png").write_text("")
    assert (recalled() is None) is counts
    Path("course/numpy.py").write_text("")
    assert recalled() is None


def test_a_new_notebook_in_a_folder_that_was_listed_changes_nothing() -> None:
    run("ls .")
    write("1", path="course/b.ipynb")
    assert recalled() is not None


def test_a_module_that_was_compiled_before_counts_by_its_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    Path("course/helper.py").write_text("X = 1\n")
    for _ in range(2):
        run("import sys; sys.path.insert(0, ''); import helper", by=python)
    assert list(Path("course/__pycache__").iterdir())
    assert recalled() is not None
    Path("course/helper.py").write_text("X = 22\n")
    assert recalled() is None


def test_other_notebooks_count_for_code_that_speaks_of_them_only() -> None:
    write("1", path="course/b.ipynb")
    run("cat b.ipynb")
    write("2", path="course/b.ipynb")
    assert recalled() is not None
    write("%run b.ipynb")
    run("cat b.ipynb")
    assert recalled() is not None
    write("3", path="course/b.ipynb")
    assert recalled() is None


def test_files_in_the_course_above_are_seen_too() -> None:
    Path(".git").mkdir()
    Path("shared.csv").write_text("1")
    run("cat ../shared.csv")
    assert recalled() is not None
    Path("shared.csv").write_text("2")
    assert recalled() is None


@pytest.mark.parametrize("source", ["open('{}/x.csv')", "!cat {}/x.csv", "FOLDER = '{}'"])
def test_a_file_elsewhere_counts_if_the_code_names_it_or_its_folder(
    source: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "x.csv").write_text("1")
    (elsewhere / "y.csv").write_text("1")
    write(source.format(elsewhere))
    run(f"cat {elsewhere}/x.csv")
    (elsewhere / "y.csv").write_text("22")
    assert recalled() is not None
    (elsewhere / "x.csv").write_text("22")
    assert recalled() is None


@pytest.mark.parametrize("link", ["folder", "file"])
def test_what_is_read_by_way_of_a_link_counts(
    link: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "x.csv").write_text("1")
    Path("course/link").symlink_to(elsewhere if link == "folder" else elsewhere / "x.csv")
    run("cat link/x.csv" if link == "folder" else "cat link")
    assert recalled() is not None
    (elsewhere / "x.csv").write_text("22")
    assert recalled() is None


def test_links_that_lead_in_a_circle_end() -> None:
    Path("course/loop").symlink_to("..")
    run("cat data.csv")
    assert recalled() is not None
