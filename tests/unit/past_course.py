"""A course to validate again: what notebooks in it do, and what of it is recalled."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_gpuctl.validation.model import (
    CellResult,
    CellStatus,
    Limits,
    NotebookResult,
    Verdict,
    unrun,
)
from jupyter_gpuctl.validation.past.runs import CachedRuns
from jupyter_gpuctl.validation.past.store import Store

NOTEBOOK = "course/a.ipynb"
LIMITS = Limits(time=600.0, memory=1024**3)


def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
