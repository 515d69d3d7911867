"""Many processes on one database: nothing is granted twice, nothing lost, nothing half done."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jupyter_gpuctl.leases.rules.accounting import HALF_LIFE
from jupyter_gpuctl.store.check import problems
from jupyter_gpuctl.store.location import DatabaseFile
from tests.system.lease_crowd import journal

ROOT = Path(__file__).parents[2]


def crowd(folder: Path, processes: int, requests: int, kills: int = 0, seed: int = 1) -> None:
    """Let them run to their ends; a member that was told of an error makes this fail."""
    arguments = [folder, processes, requests, kills, seed]
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.lease_crowd", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout == ""


def rows(folder: Path, query: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(folder / "gpuctl.sqlite")) as raw:
        raw.row_factory = sqlite3.Row
        return raw.execute(query).fetchall()


def told(folder: Path, processes: int) -> dict[str, dict[str, Any]]:
    """What members were told, by key: the lease, and how long they waited for the answer."""
    return {
        f"{member}-{entry['n']}": entry
        for member in range(processes)
        for entry in map(json.loads, journal(folder, member).read_text().splitlines())
        if "id" in entry
    }


def check_everything(folder: Path, processes: int, requests: int) -> None:
    assert problems(DatabaseFile(folder / "gpuctl.sqlite")) == []

    # Nothing is lost and nothing made twice: one lease for each key, and the one that was told.
    leases = rows(folder, "SELECT * FROM leases")
    stored = {row["key"]: row["lease_id"] for row in rows(folder, "SELECT * FROM idempotency_keys")}
    assert {key: entry["id"] for key, entry in told(folder, processes).items()} == stored
    assert len(leases) == len(stored) == len(set(stored.values())) == processes * requests
    assert {row["status"] for row in leases} == {"ended"}
    assert rows(folder, "SELECT * FROM holds") == []
    assert {row["mode"] for row in rows(folder, "SELECT * FROM devices")} == {"free"}

    # Nothing is granted twice: at no time more than one whole of any device.
    events = defaultdict(list)
    for row in leases:
        if row["started_at"] is not None:
            assert row["started_at"] < row["ended_at"]
            for device in json.loads(row["devices"]):
                milli = min(row["milli"], 1000)
                events[device].append((row["started_at"], 1, milli, row["memory"] or 0))
                events[device].append((row["ended_at"], 0, -milli, -(row["memory"] or 0)))
    assert len(events) == 8
    for device, changes in events.items():
        milli = memory = 0
        for _, _, more, bytes_more in sorted(changes):
            milli, memory = milli + more, memory + bytes_more
            assert 0 <= milli <= 1000, device
            assert 0 <= memory <= 80 * 1024**3, device

    # GPU-hours add up: what users are charged is what leases have lasted.
    lasted, newest = Counter(), 0.0
    for row in leases:
        if row["started_at"] is not None:
            lasted[row["owner"]] += row["milli"] * (row["ended_at"] - row["started_at"])
            newest = max(newest, row["ended_at"])
    assert sum(lasted.values()) > 0
    for row in rows(folder, "SELECT * FROM usage WHERE scope = 'user'"):
        fade = 0.5 ** ((newest - min(r["created_at"] for r in leases)) / HALF_LIFE)
        assert lasted[row["name"]] * fade <= row["decayed"] * (1 + 1e-9)
        assert row["decayed"] <= lasted[row["name"]] * (1 + 1e-9)

    # Every change has its row in the audit.
    actions = Counter(row["action"] for row in rows(folder, "SELECT action FROM audit"))
    ends = {f"lease.{kind}" for kind in ("release", "cancel", "decline", "expire", "lapse")}
    started = sum(row["started_at"] is not None for row in leases)
    assert actions["lease.request"] == len(leases)
    assert sum(actions[end] for end in ends) == len(leases)
    assert actions["lease.start"] + actions["lease.accept"] == started


@pytest.mark.timeout(600)
def test_32_processes_make_2000_requests_and_each_is_answered_once(tmp_path):
    crowd(tmp_path, processes=32, requests=63)
    check_everything(tmp_path, processes=32, requests=63)
    waits = sorted(entry["wait"] for entry in told(tmp_path, 32).values())
    print(f"waits: median {waits[len(waits) // 2]:.3f} s, longest {waits[-1]:.3f} s")


@pytest.mark.timeout(600)
def test_processes_that_are_killed_leave_nothing_half_done(tmp_path):
    crowd(tmp_path, processes=16, requests=20, kills=60)
    check_everything(tmp_path, processes=16, requests=20)
