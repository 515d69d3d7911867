"""Many processes that ask for GPUs at once, on one database; some of them are killed.

Run as a program: it forks the crowd from one process that has loaded everything. Each member
writes a journal of what it was told, and goes on from there when it is started again.

    python -m tests.system.lease_crowd FOLDER PROCESSES REQUESTS KILLS SEED
"""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from jupyter_gpuctl.core.errors import Conflict, GpuCtlError
from jupyter_gpuctl.host.clocks import MachineClocks
from jupyter_gpuctl.leases.model import LeasableDevice, LeaseStatus, Request
from jupyter_gpuctl.leases.policy import Policy
from jupyter_gpuctl.leases.ports import DeviceView
from jupyter_gpuctl.leases.service import Actor, Authority
from jupyter_gpuctl.store.leases import SqliteLeaseStore
from jupyter_gpuctl.store.location import DatabaseFile

GIB = 1024**3
DEVICES = tuple(LeasableDevice(f"GPU-{n}", "here", "Fake 80GB", 80 * GIB, n) for n in range(8))
KEPT = 2
"""Leases that a member has at once, before it gives the oldest back."""


class Machine:
    """Eight GPUs that nobody uses but by leases, and no quotas."""

    problem = None

    def view(self) -> DeviceView:
        return DeviceView(DEVICES, {})

    def policy(self) -> Policy:
        return _POLICY


_POLICY = Policy()


def journal(folder: Path, member: int) -> Path:
    return folder / f"{member}.jsonl"


class Member:
    """One user's program. What it asks depends on its number and on how often it has asked."""

    def __init__(self, folder: Path, number: int, requests: int, seed: int) -> None:
        machine = Machine()
        self._authority = Authority(
            DatabaseFile(folder / "gpuctl.sqlite"),
            machine,
            machine,
            clock=MachineClocks(),
            log=logging.getLogger("crowd"),
        )
        self._actor = Actor(f"user-{number}")
        self._number, self._requests, self._seed = number, requests, seed
        self._path = journal(folder, number)
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        known = [json.loads(line) for line in lines if line.endswith("}")]
        self._told = {entry["n"]: entry["id"] for entry in known if "id" in entry}
        self._back = {entry["n"] for entry in known if "back" in entry}
        # A line that was cut short by a kill is left behind, and what follows is written anew.
        self._file = self._path.open("w", buffering=1)
        for entry in known:
            self._write(**entry)

    def run(self) -> None:
        for n in range(self._requests):
            if n not in self._told:
                self._ask(n)
            self._give_back(n - KEPT)
        for n in range(self._requests):
            self._give_back(n)

    def _ask(self, n: int) -> None:
        chance = random.Random(f"{self._seed} {self._number} {n}")
        milli = chance.choice([1000, 1000, 1000, 2000, 250, 500])
        request = Request(
            milli,
            duration=chance.choice([1, 2, 3600]),
            memory=20 * GIB if milli < 1000 else None,
            interactive=chance.random() < 0.2,
        )
        began = time.monotonic()
        answer = self._authority.request(self._actor, request, key=f"{self._number}-{n}")
        self._told[n] = answer.id
        self._write(n=n, id=answer.id, wait=time.monotonic() - began)
        try:
            if answer.status is LeaseStatus.OFFERED:
                self._authority.accept(self._actor, answer.id)
            elif answer.status is LeaseStatus.ACTIVE and chance.random() < 0.2:
                self._authority.extend(self._actor, answer.id, 60)
        except Conflict as error:
            if error.code not in {"lease.ended", "lease.not_active"}:
                raise

    def _give_back(self, n: int) -> None:
        if n < 0 or n in self._back:
            return
        try:
            self._authority.release(self._actor, self._told[n])
        except Conflict as error:
            if error.code != "lease.ended":
                raise
        self._back.add(n)
        self._write(n=n, back=True)

    def _write(self, **entry: Any) -> None:
        self._file.write(f"{json.dumps(entry)}\n")


def start(folder: Path, number: int, requests: int, seed: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        Member(folder, number, requests, seed).run()
        status = 0
    except GpuCtlError as error:
        print(f"member {number}: {error.code}: {error}", flush=True)
    except BaseException:
        print(f"member {number}: {traceback.format_exc()}", flush=True)
    finally:
        os._exit(status)


def main(folder: Path, processes: int, requests: int, kills: int, seed: int) -> int:
    """Status 0: every member has come to its end (after as many lives as it took)."""
    # Load what is loaded late, and make the database: the crowd is to meet at the leases.
    SqliteLeaseStore(folder / "gpuctl.sqlite").close()
    gc.freeze()
    chance = random.Random(seed)
    living = {start(folder, n, requests, seed): n for n in range(processes)}
    failed = 0
    while living:
        if kills:
            time.sleep(chance.uniform(0.001, 0.1))
            victim = chance.choice(list(living))
            os.kill(victim, signal.SIGKILL)
            kills -= 1
        pid, status = os.waitpid(-1, 0 if not kills else os.WNOHANG)
        while pid:
            number = living.pop(pid)
            if os.WIFSIGNALED(status):
                living[start(folder, number, requests, seed)] = number
            else:
                failed += os.WEXITSTATUS(status) != 0
            pid, status = os.waitpid(-1, os.WNOHANG) if living else (0, 0)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
