"""Leases through REST with SQLite, on a real Jupyter server, beside Jupyter's own answers."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import stage
from .measure import MIB, memory, percentile
from .report import Figure
from .servers import TOKEN, Failed, Server, jupyter_server

CLIENT = Path(__file__).with_name("lease_client.py")
CLIENTS = 8
HELD, QUEUED = 8, 24
"""Leases there are while clients list them and ask what would be."""
LEASES = "gpuctl/api/v1/leases"
PEER = "Jupyter's own `GET api/kernels`, as many clients"


@dataclass(frozen=True, slots=True)
class Calls:
    """Of one kind: how many were answered a second, and how long each took."""

    rate: float
    p50: float
    p99: float


def figures(seconds: float) -> Iterator[Figure]:
    """Requests one after another from each of some clients, ours and Jupyter's in turn."""
    with stage.fake_machine() as machine:
        env = machine.environment()
        with jupyter_server(("jupyter_gpuctl",), env=env) as server:
            start = memory(server.pid).rss
            kernels = _asked(server, "kernels", seconds)["kernels"]
            asked = _asked(server, "lease", seconds)
            _fill(server)
            for kind in ("dry-run", "list"):
                asked |= _asked(server, kind, seconds)
            used = memory(server.pid).rss
        with jupyter_server((), env=env) as plain:
            _asked(plain, "kernels", seconds)
            without = memory(plain.pid).rss
    names = {
        "lease": "`POST leases`, granted and stored",
        "release": "`DELETE leases/{id}`",
        "dry-run": f"`POST leases` with `dry_run`, {HELD} held and {QUEUED} queued",
        "list": f"`GET leases`, {HELD} held and {QUEUED} queued",
    }
    yield Figure(
        f"leases taken and given back a second, {CLIENTS} clients, SQLite",
        *("1/s", asked["release"].rate),
    )
    yield Figure(
        "pairs of commits of one row each, by plain `sqlite3` on the same disk",
        *("1/s", _commits(min(seconds, 5.0)) / 2),
    )
    for kind, name in names.items():
        calls = asked[kind]
        if kind in ("dry-run", "list"):
            yield Figure(f"{name}: answers a second", "1/s", calls.rate)
        yield Figure(f"{name}, median", "ms", calls.p50 * 1e3, PEER, kernels.p50 * 1e3)
        yield Figure(f"{name}, p99", "ms", calls.p99 * 1e3, PEER, kernels.p99 * 1e3)
    yield Figure("Jupyter's own `GET api/kernels`: answers a second", "1/s", kernels.rate)
    yield Figure(
        "memory (RSS) of the server, leases in use, above a plain one, both after these requests",
        *("MiB", (used - without) / MIB),
    )
    yield Figure("the same above itself, before the first request", "MiB", (used - start) / MIB)


def _commits(seconds: float) -> float:
    """How many commits a second the disk allows: one connection, WAL, ``synchronous = FULL``."""
    with tempfile.TemporaryDirectory(prefix="gpuctl-bench-") as folder:
        database = sqlite3.connect(Path(folder) / "rows.sqlite", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT)")
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            database.execute("INSERT INTO rows (text) VALUES ('x')")
            count += 1
        took = time.perf_counter() - began
        database.close()
    return count / took


def _fill(server: Server) -> None:
    """Hold all devices and let some wait."""
    for number in range(HELD + QUEUED):
        body = {"gpus": 1, "duration": "8h", "interactive": False, "note": f"number {number}"}
        server.ask(LEASES, body)
    seen = [lease["status"] for lease in server.ask(LEASES)["items"]]
    if (seen.count("active"), seen.count("queued")) != (HELD, QUEUED):
        raise Failed(f"{HELD} leases should be held and {QUEUED} queued: {seen}")


def _asked(server: Server, kind: str, seconds: float) -> dict[str, Calls]:
    """What clients of this kind saw, by call.

    Raises:
        Failed: a client ended, or anything was refused.
    """
    command = [sys.executable, CLIENT, kind, server.url, TOKEN, "--count", CLIENTS]
    command += ["--seconds", seconds]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failed(f"The clients ({kind}) ended: {result.stderr[-1000:]}")
    seen = json.loads(result.stdout)
    if seen["refused"]:
        raise Failed(f"Requests were refused: {seen['refused']}")
    return {
        call: Calls(len(took) / seconds, percentile(took, 50), percentile(took, 99))
        for call, took in seen["latencies"].items()
    }
