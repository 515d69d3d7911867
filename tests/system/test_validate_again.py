"""The second validation of a course: what is remembered, what changed, what settings say."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from .validating import Run, install_bash, tagged, validate, wait_for, write_notebook


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Two notebooks that pass, one of them by its data and a module of its own."""
    course = tmp_path / "course"
    course.mkdir()
    (course / "data.csv").write_text("1\n")
    (course / "helper.py").write_text("LEAST = 1\n")
    write_notebook(course / "a.ipynb", ["x = 1", "assert x"])
    reads = "import helper\nassert int(open('data.csv').read()) >= helper.LEAST"
    write_notebook(course / "b.ipynb", [reads])
    return course


def again(course: Path, *arguments: str) -> Run:
    """One at a time: what runs side by side is taken to read what the other reads."""
    folder = course.parent
    remembered = ("--cache", "--cache-dir", str(folder / "cache"))
    return validate(folder, "course", "--json", "--jobs", "1", *remembered, *arguments)


def started(run: Run) -> dict[str, str]:
    return {Path(path).name: one["started"] for path, one in run.notebooks.items()}


def cached(run: Run) -> set[str]:
    return {name for name, how in started(run).items() if how == "cached"}


def test_what_passed_is_not_run_again_until_something_that_it_rests_on_changes(
    course: Path,
) -> None:
    first = again(course)
    assert first.status == 0
    assert cached(first) == set()

    second = again(course)
    assert second.status == 0
    assert cached(second) == {"a.ipynb", "b.ipynb"}
    assert "2 results are of an earlier run" in second.stderr
    for path, result in second.notebooks.items():
        before = first.notebooks[path]
        assert result["duration"] == before["duration"]
        assert result["peak_memory"] == before["peak_memory"]
        assert [cell["status"] for cell in result["cells"]] == ["ok"] * len(result["cells"])

    (course / "data.csv").write_text("0\n")
    third = again(course)
    assert third.status == 1
    assert cached(third) == {"a.ipynb"}

    # What failed is run again, though nothing changed; what is mended passes.
    assert cached(again(course)) == {"a.ipynb"}
    (course / "helper.py").write_text("LEAST = 0\n")
    assert again(course).status == 0
    assert cached(again(course, "--memory-limit", "1GiB")) == set()
    assert cached(again(course, "--no-cache")) == set()
    assert first.left_behind() == []


def test_a_tag_that_matters_makes_it_run_again_and_prose_does_not(course: Path) -> None:
    from nbformat import v4

    again(course)
    write_notebook(course / "a.ipynb", [v4.new_markdown_cell("new"), "x = 1", "assert x"])
    moved = again(course)
    assert cached(moved) == {"a.ipynb", "b.ipynb"}
    (path,) = (path for path in moved.notebooks if path.endswith("a.ipynb"))
    assert [cell["index"] for cell in moved.notebooks[path]["cells"]] == [1, 2]
    write_notebook(course / "a.ipynb", ["x = 1", tagged("assert x", "raises-exception")])
    assert cached(again(course)) == {"b.ipynb"}


def test_compared_outputs_are_remembered_until_the_stored_ones_change(course: Path) -> None:
    from nbformat import v4

    def write(text: str) -> None:
        output = v4.new_output("stream", text=text)
        cell = v4.new_code_cell("print(1)", outputs=[output], execution_count=1)
        write_notebook(course / "a.ipynb", [cell])

    write("1\n")
    assert again(course, "--check-outputs").status == 0
    assert "a.ipynb" in cached(again(course, "--check-outputs"))
    assert "a.ipynb" not in cached(again(course))
    write("2\n")
    for _ in range(2):
        differs = again(course, "--check-outputs")
        assert differs.status == 1
        assert "a.ipynb" not in cached(differs)


def test_settings_and_overrides_hold_and_are_told(course: Path) -> None:
    (course.parent / "pyproject.toml").write_text(
        """
        [tool.gpuctl.validate]
        paths = ["course"]
        time-limit = "1m"
        ignore = ["b.ipynb"]
        cache = false

        [[tool.gpuctl.validate.overrides]]
        paths = ["course/slow-*"]
        time-limit = "1.5s"
        """
    )
    write_notebook(course / "slow-1.ipynb", ["import time\ntime.sleep(60)"])
    run = validate(course, "--json")
    assert run.status == 1
    assert {Path(path).name for path in run.notebooks} == {"a.ipynb", "slow-1.ipynb"}
    limits = {Path(path).name: one["limits"]["time"] for path, one in run.notebooks.items()}
    assert limits == {"a.ipynb": 60.0, "slow-1.ipynb": 1.5}
    assert "its own: limit 1.5 s" in run.stderr
    assert "timed out" in run.stderr


def test_a_mistake_in_the_settings_is_status_2_and_nothing_runs(course: Path) -> None:
    (course / "gpuctl.toml").write_text('[validate]\ntime-limits = "1m"\n')
    run = validate(course, ".")
    assert run.status == 2
    assert run.stderr == (
        "Error: gpuctl.toml: validate.time-limits is not a setting. Did you mean time-limit?\n"
    )


def test_without_a_path_or_a_setting_of_it_the_command_says_so(course: Path) -> None:
    run = validate(course)
    assert run.status == 2
    assert "Missing argument 'PATH...'" in run.stderr


def test_only_what_changed_is_run(course: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=course, check=True)

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "state")
    nothing = validate(course, ".", "--changed", "--json")
    assert nothing.status == 0
    assert nothing.notebooks == {}
    assert "2 notebooks left out: not changed since main (" in nothing.stderr

    write_notebook(course / "a.ipynb", ["x = 2", "assert x"])
    run = validate(course, ".", "--changed-since", "HEAD", "--json", "--no-cache")
    assert run.status == 0
    assert list(run.notebooks) == ["a.ipynb"]
    assert run.report["left_out"] == 1

    refused = validate(course, ".", "--changed-since", "nowhere")
    assert refused.status == 2
    assert "no such revision" in refused.stderr


def test_a_kernel_that_nothing_is_known_of_is_run_each_time_and_that_is_said(
    course: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_bash(tmp_path_factory.mktemp("jupyter"), monkeypatch)
    (course / "b.ipynb").unlink()
    write_notebook(course / "a.ipynb", ["echo 1"], kernel="bash")
    for _ in range(2):
        run = again(course)
        assert cached(run) == set()
        assert "not remembered: a.ipynb (what is installed for bash can't be told)" in run.stderr


def test_what_took_longest_starts_first_the_next_time(course: Path) -> None:
    write_notebook(course / "c.ipynb", ["import time", "time.sleep(1)"])
    write_notebook(course / "a.ipynb", ["1", "2", "3"])
    orders = []
    for _ in range(2):
        told = again(course, "--no-cache").stderr
        orders.append(sorted("abc", key=lambda name: told.index(f"{name}.ipynb")))
    # At first by the number of code cells, then by time.
    assert orders[0] == ["a", "c", "b"]
    assert orders[1][0] == "c"


def test_those_that_want_more_memory_than_there_is_run_one_at_a_time(course: Path) -> None:
    for name in "ab":
        source = (
            "import time, json\nbegun = time.time()\ntime.sleep(0.5)\n"
            f"open('{name}.json', 'w').write(json.dumps([begun, time.time()]))"
        )
        write_notebook(course / f"{name}.ipynb", [source])
    run = validate(course, ".", "--jobs", "2", "--memory-limit", "100TiB")
    assert run.status == 0
    spans = [json.loads((course / f"{name}.json").read_text()) for name in "ab"]
    (_, first_end), (second_begin, _) = sorted(spans)
    assert first_end <= second_begin


def test_what_passed_before_an_interruption_is_remembered(course: Path) -> None:
    write_notebook(course / "a.ipynb", ["x = 1", "assert x"])
    slow = "open('begun', 'w').close()\nimport time\ntime.sleep(600)"
    write_notebook(course / "b.ipynb", [slow])
    remembered = ("--cache", "--cache-dir", str(course.parent / "cache"))
    run = Run(course.parent, ["course", "--json", "--jobs", "1", *remembered])
    process = run.start()
    wait_for(course / "begun")
    process.send_signal(signal.SIGINT)
    run.finish()
    assert run.status == 130
    write_notebook(course / "b.ipynb", ["1"])
    assert cached(again(course)) == {"a.ipynb"}


def test_who_asks_for_cold_kernels_gets_them(course: Path) -> None:
    again(course)
    assert set(started(again(course, "--cold")).values()) == {"cold"}
    assert cached(again(course, "--cold")) == {"a.ipynb", "b.ipynb"}
