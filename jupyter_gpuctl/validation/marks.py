"""How the processes of a notebook are known, whoever they have become the children of."""

from __future__ import annotations

import contextlib
import os
import signal
import time

MARK = "GPUCTL_VALIDATION"
"""Environment variable that every process of a notebook inherits."""


def mark_of(validation: str, number: int) -> str:
    """Of the notebook with this number; all marks have one length. 0: of none."""
    return f"{validation}.{number:09d}"


def sweep(mark: str, patience: float = 5.0) -> None:
    """SIGKILL to every process that carries ``mark``, until none is left."""
    needle = f"{MARK}={mark}".encode()
    deadline = time.monotonic() + patience
    while (pids := _marked(needle)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _marked(needle: bytes) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if needle in file.read().split(b"\0"):
                found.append(int(name))
    return found
