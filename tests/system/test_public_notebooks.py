"""Notebooks that others publish: those on which nbclient tests itself, from its sdist on PyPI."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from .validating import Run, validate

WIDGETS = importlib.util.find_spec("ipywidgets") is not None

# What each does, in nbclient's own tests, is told by its name; nbclient itself, run on them with
# its defaults, agrees wherever it speaks: see docs/courses.md.
EXPECTED = {
    "Autokill": "kernel-died",
    "Check History in Memory": "passed",
    "Clear Output": "passed",
    "Disable Stdin": "failed",
    "Empty Cell": "passed",
    "Error": "failed",
    "Factorials": "passed",
    "HelloWorld": "passed",
    "Inline Image": "passed",
    "Interrupt": "timed-out",
    "JupyterWidgets": "passed" if WIDGETS else "failed",
    "Other Comms": "passed",
    "Output": "passed" if WIDGETS else "failed",
    # These two want a folder by an environment variable, and each other running beside them.
    "Parallel Execute A": "failed",
    "Parallel Execute B": "failed",
    "SVG": "passed",
    "Skip Exceptions": "failed",
    "Skip Exceptions with Cell Tags": "passed",
    "Skip Execution with Cell Tag": "passed",
    "Sleep1s": "passed",
    "Unicode": "passed",
    "UnicodePy3": "passed",
    "update-display-id": "passed",
}


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The verdicts on all of them, in one run."""
    folder = tmp_path_factory.mktemp("nbclient")
    version = importlib.metadata.version("nbclient")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    download = subprocess.run(
        [*pip, "--no-build-isolation", "--dest", str(folder), f"nbclient=={version}"],
        capture_output=True,
        text=True,
    )
    archives = list(folder.glob("nbclient-*.tar.gz"))
    if not archives:
        last = (download.stderr.strip().splitlines() or ["pip gave no file"])[-1]
        pytest.skip(f"nbclient's sdist can't be had from the package index: {last}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    (found,) = folder.glob("nbclient-*/tests/files")
    return validate(Path(found), ".", "--cell-time-limit", "8s", "--json")


@pytest.mark.parametrize("name", EXPECTED)
def test_each_has_the_verdict_that_its_makers_expect(fixtures: Run, name: str) -> None:
    found = fixtures.notebooks.get(f"{name}.ipynb")
    if found is None:
        pytest.skip(f"this version of nbclient publishes no {name}.ipynb")
    assert found["verdict"] == EXPECTED[name], found["reason"]


def test_none_is_left_out_of_the_table_unseen(fixtures: Run) -> None:
    assert {Path(path).stem for path in fixtures.notebooks} <= set(EXPECTED)


def test_nothing_is_left_of_them(fixtures: Run) -> None:
    assert fixtures.left_behind() == []
