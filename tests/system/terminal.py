"""`jupyter gpuctl` as people run it: a program, in a terminal of 80 columns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def home(folder: Path) -> dict[str, str]:
    """Variables of a user who has ``folder`` for a home."""
    return {
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "COLUMNS": "80",
    }


def gpuctl(
    environment: Mapping[str, str], *arguments: str, columns: int | None = 80
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end. What is for people keeps to ``columns``, but for what is to be copied."""
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_gpuctl", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    if columns is not None and not {"--json", "export"} & set(arguments):
        for line in done.stdout.splitlines():
            assert len(line) <= columns or "CUDA_VISIBLE" in line, line
    return done
