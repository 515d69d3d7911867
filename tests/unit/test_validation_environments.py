"""What surrounds a run, and how long it takes to look."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.validation.past.code import Code, read_code
from jupyter_gpuctl.validation.past.environments import Environments
from tests.unit.past_course import (
    course,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return course(tmp_path, monkeypatch)


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
