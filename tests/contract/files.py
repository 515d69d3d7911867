"""A store on a file, for tests of what can be wrong with it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_gpuctl.core.errors import GpuCtlError, Unavailable
from jupyter_gpuctl.store.leases import SqliteLeaseStore


def open_store(path: Path, timeout: float = 10.0) -> SqliteLeaseStore:
    return SqliteLeaseStore(path, timeout=timeout)


def refusal(path: Path) -> GpuCtlError:
    """What is told of a file that can't be opened."""
    with pytest.raises(Unavailable) as refused:
        open_store(path, timeout=0.1)
    assert str(path) in refused.value.message
    assert refused.value.hint
    return refused.value


def at_once(script: str, count: int, *arguments: Path) -> None:
    """Run ``script`` in ``count`` processes that all wait for the same moment."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        assert process.communicate(timeout=120)[0] == "done\n"


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return filler
