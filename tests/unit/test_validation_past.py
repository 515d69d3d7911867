"""What earlier runs found out, and when it still holds. Real files, a real inotify."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.validation.model import (
    CellResult,
    CellStatus,
    Finding,
    Limits,
    NotebookResult,
    Started,
    Verdict,
    unrun,
)
from jupyter_gpuctl.validation.past import watching
from jupyter_gpuctl.validation.past.code import Code, read_code
from jupyter_gpuctl.validation.past.environments import Environments
from jupyter_gpuctl.validation.past.inputs import Inputs
from jupyter_gpuctl.validation.past.runs import CachedRuns
from jupyter_gpuctl.validation.past.store import FORMAT, Figures, Kept, Store, default_folder
from jupyter_gpuctl.validation.past.watching import Seen, Watch, folders_below

NOTEBOOK = "course/a.ipynb"
LIMITS = Limits(time=600.0, memory=1024**3)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with a notebook and data; scratch files go elsewhere."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path)
    Path("course/data").mkdir(parents=True)
    Path("course/data.csv").write_text("1\n")
    Path("course/data/deep.csv").write_text("1\n")
    write("1")
    return tmp_path


def write(*sources: str, path: str = NOTEBOOK, prose: int = 0) -> None:
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "text"}] * prose
    cells += [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    Path(path).write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}))


def passed(path: str = NOTEBOOK, cells: int = 1) -> NotebookResult:
    done = tuple(
        CellResult(index, None, CellStatus.OK, 0.1, 0.1, 5, None) for index in range(cells)
    )
    ran = unrun(path, Verdict.PASSED, "")
    return replace(ran, duration=2.5, peak_memory=50, cells=done)


def sh(script: str) -> None:
    """What a notebook might do, in its folder."""
    subprocess.run(["sh", "-ec", script], cwd="course", check=True, stdout=subprocess.DEVNULL)


def python(script: str) -> None:
    subprocess.run([sys.executable, "-c", script], cwd="course", check=True)


def run(does: str = "true", result: NotebookResult | None = None, by: object = sh) -> CachedRuns:
    """One validation in which the notebook does that, and ends so."""
    runs = CachedRuns(Store(Path("cache")))
    runs.prepare([NOTEBOOK])
    runs.begin(NOTEBOOK, LIMITS, None)
    by(does)  # type: ignore[operator]
    runs.end(NOTEBOOK, None, result or passed())
    runs.close()
    return runs


def recalled(limits: Limits = LIMITS, kernel: str | None = None) -> NotebookResult | None:
    return CachedRuns(Store(Path("cache"))).recall(NOTEBOOK, limits, kernel)


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


def test_environments_and_tools_in_a_course_are_not_watched() -> None:
    for name in (".git/x", "node_modules/x", ".venv/x", "course/env/lib"):
        Path(name).mkdir(parents=True)
    Path("course/env/pyvenv.cfg").touch()
    found = {os.path.relpath(path) for path in folders_below(".", [os.path.abspath("cache")])}
    assert found == {".", "course", "course/data"}


def test_a_notebook_where_files_are_not_watched_is_not_remembered(folder: Path) -> None:
    Path("venv/course").mkdir(parents=True)
    Path(".git").mkdir()
    write("1", path="venv/course/a.ipynb")
    runs = CachedRuns(Store(Path("cache")))
    runs.prepare([NOTEBOOK, "venv/course/a.ipynb"])
    runs.close()
    assert set(runs.unkept) == {"venv/course/a.ipynb"}


# The watch


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.close()


def test_each_run_hears_what_happened_while_it_ran(watch: Watch) -> None:
    watch.add([os.path.abspath("course")])
    first = watch.begin()
    sh("cat data.csv")
    second = watch.begin()
    sh("echo 1 > new.txt")
    seen, later = watch.end(first), watch.end(second)
    course = os.path.abspath("course")
    assert seen.inputs == {f"{course}/data.csv"}
    assert later.inputs == set()
    assert seen.made == later.made == {f"{course}/new.txt"}


def test_a_flood_of_events_is_said_or_heard_but_never_dropped_in_silence(watch: Watch) -> None:
    watch.add([os.path.abspath("course")])
    token = watch.begin()
    threads = [
        threading.Thread(
            target=python, args=[f"for i in range(2000): open('{name}{{}}'.format(i), 'w')"]
        )
        for name in ("x", "y")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = watch.end(token)
    assert seen.lost or len(seen.made) == 4_000


def test_a_folder_that_is_gone_is_passed_by(watch: Watch) -> None:
    watch.add(["/nowhere/at/all", os.path.abspath("course")])
    token = watch.begin()
    sh("cat data.csv")
    assert watch.end(token).inputs


def test_events_in_another_order_make_other_inputs() -> None:
    seen = Seen()
    for path, mask in [("r", 0x20), ("r", 0x1), ("w", 0x20), ("w", 0x2), ("w", 0x1)]:
        seen.hear(path, mask)
    for path, mask in [("rw", 0x20), ("rw", 0x1), ("rw", 0x2), ("m", 0x100), ("m", 0x1)]:
        seen.hear(path, mask)
    assert seen.inputs == {"r", "rw"}
    assert seen.changed_inputs == {"rw"}
    assert seen.made == {"m"}


# The store


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


# The environment


def code(source: str = "1") -> Code:
    cells = [{"cell_type": "code", "source": source}]
    found = read_code(json.dumps({"nbformat": 4, "cells": cells}).encode())
    assert found is not None
    return found


@pytest.fixture
def kernels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    return folder / "jupyter" / "kernels"


def kernel(kernels: Path, name: str, argv: list[str], **more: object) -> None:
    (kernels / name).mkdir(parents=True, exist_ok=True)
    spec = {"argv": argv, "language": "python", "display_name": name, **more}
    (kernels / name / "kernel.json").write_text(json.dumps(spec))


def test_a_kernel_of_another_python_is_asked_what_is_installed(kernels: Path, folder: Path) -> None:
    (folder / "bin").mkdir()
    other = folder / "bin" / "python3"
    packages = folder / "packages"
    (packages / "one-1.0.dist-info").mkdir(parents=True)
    other.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    kernel(kernels, "other", [str(other), "-m", "ipykernel_launcher"])
    before = Environments().digest("other", code())
    assert Environments().digest("other", code()) == before
    (packages / "one-1.0.dist-info").rename(packages / "one-1.1.dist-info")
    assert Environments().digest("other", code()) != before


def test_the_specification_of_a_kernel_counts_but_not_its_display_name(kernels: Path) -> None:
    kernel(kernels, "ours", ["python", "-m", "ipykernel_launcher"])
    before = Environments().digest("ours", code())
    kernel(kernels, "ours", ["python", "-m", "ipykernel_launcher"], display_name="New")
    assert Environments().digest("ours", code()) == before
    kernel(kernels, "ours", ["python", "-m", "ipykernel_launcher"], env={"A": "1"})
    assert Environments().digest("ours", code()) != before


@pytest.mark.parametrize(
    ("argv", "language", "why"),
    [
        (["R"], "R", "what is installed for R can't be told"),
        (["conda", "run"], "python", "started by 'conda'"),
        (["/nowhere/python3"], "python", "doesn't say"),
        ([], "python", "started by ''"),
    ],
)
def test_where_what_is_installed_can_t_be_known_that_is_said(
    kernels: Path, argv: list[str], language: str, why: str
) -> None:
    kernel(kernels, "odd", argv, language=language)
    with pytest.raises(Unavailable, match=why):
        Environments().digest("odd", code())


def test_sources_outside_of_site_packages_count_for_who_imports_them(
    kernels: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "dev" / "ours").mkdir(parents=True)
    (folder / "dev" / "ours" / "__init__.py").write_text("import theirs\n")
    (folder / "dev" / "theirs.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder / "dev")])
    mine, other = code("import ours"), code("import numpy")
    before = Environments().digest("python3", mine), Environments().digest("python3", other)
    (folder / "dev" / "theirs.py").write_text("X = 1")
    assert Environments().digest("python3", mine) != before[0]
    assert Environments().digest("python3", other) == before[1]


# How long it takes to find that nothing is to be done


def test_what_decides_whether_to_run_loads_no_heavy_library() -> None:
    heavy = {"nbformat", "nbconvert", "nbclient", "jupyter_client", "zmq", "jinja2", "IPython"}
    script = (
        "import sys, jupyter_gpuctl.cli.validate, jupyter_gpuctl.cli.validate_screen\n"
        "from jupyter_gpuctl.validation import runner, service\n"
        "from jupyter_gpuctl.validation.past import runs\n"
        f"print(*({heavy} & set(sys.modules)))"
    )
    asked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (asked.stdout, asked.stderr) == ("\n", "")
