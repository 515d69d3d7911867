"""How long a course takes to validate: beside nbmake, and beside nbconvert in a loop."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat

from .peers import FOLDER, ROOT
from .report import Figure
from .servers import Failed

NOTEBOOKS = 40
JOBS = 2
FASTER = {"nbmake": 8.0, "nbconvert": 20.0}
"""Times that a course of small notebooks is to be faster."""
AGAIN = 1.0
"""Seconds for a second run of which nothing has changed."""
PACKAGES = ("numpy", "pandas", "matplotlib", "nbmake", "pytest-xdist")
LESSON = (
    "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt",
    "table = pd.DataFrame({'x': np.arange(200), 'y': np.arange(200) % {number}})",
    "table.describe()",
    "table.plot(x='x', y='y');",
    "assert table.x.sum() == 19900",
)
COMPUTATION = ("total = 0\nfor number in range(60_000_000):\n    total += number", "print(total)")
HEAVY = 4


def figures(rounds: int) -> Iterator[Figure]:
    """Medians of ``rounds`` of us, interleaved with nbmake; the loop, which takes minutes, once."""
    python = _environment()
    with tempfile.TemporaryDirectory(prefix="gpuctl-bench-") as name:
        folder = Path(name)
        course, heavy = folder / "course", folder / "heavy"
        for number in range(NOTEBOOKS):
            cells = [cell.replace("{number}", str(number + 2)) for cell in LESSON]
            _write(course / f"lesson-{number:02}.ipynb", cells)
        for number in range(HEAVY):
            _write(heavy / f"computes-{number}.ipynb", list(COMPUTATION))
        env = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
        env.pop("CI", None)
        ours = [str(python), "-m", "jupyter_gpuctl", "validate", "--jobs", str(JOBS)]
        ours += ["--memory-limit", "2GiB", "--time-limit", "10m"]
        nbmake = [str(python), "-m", "pytest", "--nbmake", "-n", str(JOBS), "-q", "-p"]
        nbmake += ["no:cacheprovider", "--rootdir", str(folder)]

        def seconds(command: list[str]) -> float:
            began = time.perf_counter()
            result = subprocess.run(
                command, cwd=folder, env=env, capture_output=True, text=True, check=False
            )
            took = time.perf_counter() - began
            if result.returncode:
                said = (result.stdout + result.stderr)[-1000:]
                raise Failed(f"{' '.join(command[:5])} failed: {said}")
            return took

        pairs = [
            (seconds([*ours, "--no-cache", str(course)]), seconds([*nbmake, str(course)]))
            for _ in range(rounds)
        ]
        forked, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
        what = f"`validate` of {NOTEBOOKS} small notebooks with numpy, pandas, matplotlib"
        yield Figure(
            f"{what}, {JOBS} at a time",
            *("s", forked, f"pytest --nbmake -n {JOBS}", theirs),
            *(f"{FASTER['nbmake']:.0f} times less", theirs / forked >= FASTER["nbmake"]),
        )
        convert = [str(python), "-m", "nbconvert", "--execute", "--to", "notebook"]
        convert += ["--output-dir", str(folder / "out")]
        loop = sum(seconds([*convert, str(each)]) for each in sorted(course.iterdir()))
        yield Figure(
            f"{what}, {JOBS} at a time",
            *("s", forked, "nbconvert --execute in a loop", loop),
            *(f"{FASTER['nbconvert']:.0f} times less", loop / forked >= FASTER["nbconvert"]),
        )
        yield Figure(f"{what}, --cold", "s", seconds([*ours, "--no-cache", "--cold", str(course)]))
        seconds([*ours, "--cache", str(course)])
        again = statistics.median(seconds([*ours, "--cache", str(course)]) for _ in range(5))
        yield Figure(
            f"{what}, nothing changed since the last run",
            *("s", again),
            target=f"< {AGAIN:.0f} s",
            met=again < AGAIN,
        )
        pairs = [
            (seconds([*ours, "--no-cache", str(heavy)]), seconds([*nbmake, str(heavy)]))
            for _ in range(rounds)
        ]
        computing, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
        yield Figure(
            f"`validate` of {HEAVY} notebooks that compute for seconds",
            *("s", computing, f"pytest --nbmake -n {JOBS}", theirs),
            *("no slower", computing <= theirs),
        )


def _write(path: Path, cells: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": kernel},
    )
    nbformat.write(notebook, path)


def _environment() -> Path:
    """An environment with what a course imports, its peers, and ourselves as we are here."""
    python = FOLDER / "course/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / "course"], check=True)
    (site,) = (FOLDER / "course/lib").glob("python3*/site-packages")
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    installed = FOLDER / "course/installed"
    if not installed.exists() or installed.read_text() != "\n".join(needed):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        held = ["-c", str(ROOT / "tests/constraints.txt")]
        subprocess.run([*command, *held, *needed, *PACKAGES], check=True)
        installed.write_text("\n".join(needed))
    (site / "jupyter_gpuctl.pth").write_text(f"{ROOT}\n")
    return python
