"""What notebooks need: recommended limits that hold, least limits, baselines."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
import yaml

from .validating import SUPPORT, validate, write_notebook

MIB = 1024**2
_HELD = 300
UNCOUNTED = 64 * resource.getpagesize() * (os.cpu_count() or 1)
"""Bytes that Linux may not yet have added up in ``memory.stat``: 64 pages a processor."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two notebooks: one of known peak beside its kernel's own share, one that shares memory."""
    folder = tmp_path_factory.mktemp("course")
    write_notebook(folder / "a.ipynb", [f"held = bytearray({_HELD} * 2**20)", "del held"])
    write_notebook(
        folder / "b.ipynb",
        [
            "import mmap, os\nfile = os.memfd_create('shared')\n"
            "os.ftruncate(file, 100 * 2**20)\nheld = mmap.mmap(file, 100 * 2**20)\n"
            "for at in range(0, 100 * 2**20, 4096):\n    held[at] = 1",
        ],
    )
    return folder


def test_a_course_passes_under_what_is_recommended_and_fails_below_its_peak(course: Path) -> None:
    asked = ["--no-cache", "--recommend", "z2jh=values.yaml", "--open-notebooks", "1", "--json"]
    first = validate(course, "a.ipynb", "b.ipynb", *asked)
    assert first.status == 0, first.stderr
    peak = first.notebooks["a.ipynb"]["peak_memory"]
    assert _HELD * MIB < peak < (_HELD + 80) * MIB
    values = yaml.safe_load((course / "values.yaml").read_text())["singleuser"]
    told = first.report["recommendation"]
    assert values["memory"]["limit"] == f"{told['memory_limit'] // MIB}M"
    assert peak < told["memory_limit"]
    if SUPPORT.version is not None:
        shared = first.notebooks["b.ipynb"]["peak_shared"]
        assert 100 * MIB - UNCOUNTED <= shared < 106 * MIB + UNCOUNTED
        assert told["shm_size"] == 128 * MIB
    limit = f"{told['memory_limit'] // MIB}MiB"
    again = validate(course, "a.ipynb", "b.ipynb", "--no-cache", "--memory-limit", limit)
    assert again.status == 0, again.stderr
    below = validate(
        course, "a.ipynb", "--no-cache", "--json", "--memory-limit", str(peak * 8 // 10)
    )
    assert below.notebooks["a.ipynb"]["verdict"] == "out-of-memory"
    assert below.report["recommendation"]["memory_limit"] is None
    assert below.report["recommendation"]["left_out"][0]["more_than"] is not None


def test_the_least_limit_lies_around_the_peak(course: Path) -> None:
    run = validate(course, "a.ipynb", "--no-cache", "--find-limit", "--json")
    assert run.status == 0, run.stderr
    (found,) = run.report["found_limits"]
    assert found["complete"]
    assert found["passes_at"] - found["fails_at"] <= max(16 * MIB, found["passes_at"] * 0.05)
    assert found["fails_at"] < found["peak_memory"] * 1.05
    assert "passes in" in run.stderr


def test_a_baseline_fails_what_has_grown_and_saving_it_accepts_that(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", ["held = bytearray(20 * 2**20)"])
    kept = ["--no-cache", "--save-baseline", "baseline.json"]
    assert validate(tmp_path, "a.ipynb", *kept).status == 0
    compared = ["--no-cache", "--baseline", "baseline.json", "--max-slowdown", "1000"]
    assert validate(tmp_path, "a.ipynb", *compared).status == 0
    write_notebook(tmp_path / "a.ipynb", ["held = bytearray(120 * 2**20)"])
    grown = validate(tmp_path, "a.ipynb", *compared, "--json")
    assert grown.status == 1
    (regression,) = grown.report["baseline"]["regressions"]
    assert regression["measure"] == "memory"
    assert grown.notebooks["a.ipynb"]["verdict"] == "passed"
    assert "of the baseline (at most 1.25)" in grown.stderr
    assert "--save-baseline baseline.json" in grown.stderr
    assert validate(tmp_path, "a.ipynb", *kept).status == 0
    assert validate(tmp_path, "a.ipynb", *compared).status == 0
    assert list(json.loads((tmp_path / "baseline.json").read_text())["notebooks"]) == ["a.ipynb"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--recommend", "helm"],
        ["--recommend", "z2jh", "--json"],
        ["--recommend", "z2jh", "--recommend", "docker"],
        ["--recommend", "z2jh=nowhere/values.yaml"],
        ["--baseline", "none.json"],
        ["--baseline", "broken.json"],
        ["--save-baseline", "broken.json"],
        ["--save-baseline", "nowhere/b.json"],
        ["--max-slowdown", "0.5"],
        ["--max-growth", "nan"],
        ["--headroom", "0"],
        ["--headroom", "nan"],
        ["--server-memory", "much"],
        ["--open-notebooks", "0"],
    ],
)
def test_what_makes_no_sense_is_said_before_anything_runs(
    tmp_path: Path, arguments: list[str]
) -> None:
    write_notebook(tmp_path / "a.ipynb", ["open('ran', 'w').close()"])
    (tmp_path / "broken.json").write_text("{")
    run = validate(tmp_path, "a.ipynb", *arguments)
    assert run.status == 2
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "ran").exists()
    assert (tmp_path / "broken.json").read_text() == "{"
