"""What the extension adds to the start of a Jupyter server, and to its memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import stage
from .measure import MIB, Memory, memory
from .peers import Peers
from .report import Figure
from .servers import PATIENCE, Failed, jupyter_server

IMPORT = """
import time, jupyter_server.serverapp
began = time.perf_counter()
import importlib
from jupyter_server.extension.utils import get_metadata
_, points = get_metadata({name!r})
for point in points:
    importlib.import_module(point["module"])
print(time.perf_counter() - began)
"""


def figures(peers: Peers, rounds: int) -> Iterator[Figure]:
    """Import time in fresh interpreters, memory of real servers; the median of each."""
    with stage.fake_machine() as machine, stage.sleepers(stage.PROCESSES) as pids:
        machine.show(stage.occupied(pids))
        env = machine.environment()
        names = ("jupyter_gpuctl", "jupyterlab_nvdashboard")
        ours, theirs = (
            statistics.median(_import(python, name, env) for _ in range(rounds))
            for python, name in zip((sys.executable, peers.python), names, strict=True)
        )
        plain = _memory((), sys.executable, env, rounds)
        idle, sampled = _memory(names[:1], sys.executable, env, rounds)
        peer_plain = _memory((), peers.python, env, rounds)
        peer = _memory(names[1:], peers.python, env, rounds)
    beside = f"nvdashboard {peers.versions['jupyterlab-nvdashboard']}"
    yield Figure(
        "import of the extension, after that of jupyter_server",
        *("ms", ours * 1e3, beside, theirs * 1e3),
        *("< 100 ms", ours < 0.1),
    )
    yield Figure(
        "memory (RSS) above a plain server, at start",
        *("MiB", (idle.rss - plain[0].rss) / MIB),
        *(beside, (peer[0].rss - peer_plain[0].rss) / MIB),
    )
    added = (sampled.rss - plain[0].rss) / MIB
    yield Figure(
        "memory (RSS) above a plain server, after the first samples",
        *("MiB", added),
        target="< 12 MB",
        met=added * MIB < 12e6,
    )
    yield Figure(
        "the same as PSS (pages that others share counted in part)",
        *("MiB", (sampled.pss - plain[0].pss) / MIB),
    )
    yield Figure("a plain server (RSS)", "MiB", plain[0].rss / MIB)


def _import(python: str | Path, name: str, env: dict[str, str]) -> float:
    result = subprocess.run(
        [python, "-c", IMPORT.format(name=name)],
        env={**env, "PYTHONPATH": str(stage.ROOT)} if python == sys.executable else env,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise Failed(f"{name} can't be imported: {result.stderr[-1000:]}")
    return float(result.stdout)


def _memory(
    extensions: Sequence[str], python: str | Path, env: dict[str, str], rounds: int
) -> tuple[Memory, Memory]:
    """Of a server that has started, and of ours after three samples."""
    found: list[tuple[Memory, Memory]] = []
    for _ in range(rounds):
        with jupyter_server(extensions, python=python, env=env) as server:
            server.ask("api/status")
            start = memory(server.pid)
            if "jupyter_gpuctl" in extensions:
                deadline = time.monotonic() + PATIENCE
                while server.ask("gpuctl/api/v1/gpus")["seq"] < 3:
                    if time.monotonic() > deadline:
                        raise Failed("There was no third sample.")
                    time.sleep(0.2)
            found.append((start, memory(server.pid)))

    def middle(which: int) -> Memory:
        return Memory(
            *(
                round(statistics.median(getattr(each[which], field) for each in found))
                for field in ("rss", "pss", "private")
            )
        )

    return middle(0), middle(1)
