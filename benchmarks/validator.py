"""What the validator's limits and measurements add to a plain run of the same notebooks."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .report import Figure
from .servers import Failed

NOTEBOOKS = 5
CELLS = (
    "import json, math, statistics",
    "data = [math.sin(x) for x in range(200_000)]",
    "print(statistics.fmean(data), len(json.dumps(data)))",
    "print(sum(x * x for x in data))",
)


def figures(rounds: int) -> Iterator[Figure]:
    """Seconds for a handful of small notebooks, one after another; the median of ``rounds``."""
    with tempfile.TemporaryDirectory(prefix="gpuctl-bench-") as name:
        folder = Path(name)
        notebooks = [_notebook(folder / f"lesson-{number}.ipynb") for number in range(NOTEBOOKS)]
        plain = [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook"]
        plain += ["--output-dir", str(folder / "out"), *notebooks]
        ours = [sys.executable, "-m", "jupyter_gpuctl", "validate", "--jobs", "1"]
        ours += ["--memory-limit", "4GiB", "--time-limit", "10m", *notebooks]
        took = _seconds(ours, rounds)
        yield Figure(
            f"`validate` of {NOTEBOOKS} small notebooks, one at a time",
            *("s", took, "nbconvert --execute", _seconds(plain, rounds)),
        )


def _notebook(path: Path) -> str:
    import nbformat

    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)
    return str(path)


def _seconds(command: list[str], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        taken.append(time.perf_counter() - began)
        if result.returncode:
            raise Failed(f"{' '.join(command[:4])} failed: {result.stderr[-1000:]}")
    return statistics.median(taken)
