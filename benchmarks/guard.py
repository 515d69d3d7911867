"""What a look of the guard costs beside the sample that it looks at: 64 processes on 8 devices.

Measured in a process of its own, which meets the fake driver, a sample a second as in use.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from jupyter_gpuctl.composition import sampler
from jupyter_gpuctl.config import GpuCtl
from jupyter_gpuctl.core.clock import SystemClock
from jupyter_gpuctl.host.cgroups import Cgroups
from jupyter_gpuctl.host.identity import server_user
from jupyter_gpuctl.host.procfs import ProcFs
from jupyter_gpuctl.kernels.guard.service import Guard
from jupyter_gpuctl.kernels.guard.signals import Signals
from jupyter_gpuctl.kernels.model import Enforcement, GuardMode
from jupyter_gpuctl.leases.bindings import Held
from jupyter_gpuctl.leases.model import Lease, LeaseStatus, Request
from jupyter_gpuctl.leases.policy import Policy

from . import stage
from .report import Figure
from .servers import Failed

WARM = 3
NOBODY_PID = 2**22
"""Above every pid: it stands for a server that has started none of the processes."""
OTHER = "somebody"


def figures(seconds: float) -> Iterator[Figure]:
    """One look at processes that all may be there, and one at 64 that may not."""
    with stage.fake_machine() as machine, stage.sleepers(stage.PROCESSES) as pids:
        machine.show(stage.occupied(pids))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.guard", str(max(5, round(seconds)))],
            env={**machine.environment(), "PYTHONPATH": str(stage.ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise Failed(f"The guard could not be measured: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if (found["processes"], found["lawful"], found["found"]) != (stage.PROCESSES, 0, 64):
        raise Failed(f"The guard saw {found}, not {stage.PROCESSES} processes and all guilty.")
    what = f"CPU a look of the guard, {stage.PROCESSES} processes on {stage.DEVICES} devices"
    beside, sample = "the sample that it looks at", found["sample"] * 1e3
    yield Figure(f"{what}, all by their leases", "ms", found["quiet"] * 1e3, beside, sample)
    yield Figure(f"{what}, all found and reported", "ms", found["busy"] * 1e3, beside, sample)


class _Silent:
    """An announcer to whom nobody listens."""

    def announce(self, *_told: Any, **_more: Any) -> None: ...


def _guard(rows: list[Any]) -> Guard:
    table = ProcFs(Cgroups().container_id)
    return Guard(
        table,
        Signals(table, server_pid=NOBODY_PID),
        user=server_user({}),
        server_pid=NOBODY_PID,
        enforcement=Enforcement.GUARDED,
        mode=GuardMode.DRY_RUN,
        announcer=_Silent(),
        record=lambda *row, **_more: rows.append(row),
        clock=SystemClock(),
        log=logging.getLogger("benchmark"),
    )


def _held(owner: str, devices: list[str]) -> Held:
    now = time.time()
    leases = tuple(
        Lease(
            device,
            owner,
            Request(1000, 3600),
            LeaseStatus.ACTIVE,
            now,
            devices=(device,),
            started_at=now,
            expires_at=now + 3600,
        )
        for device in devices
    )
    return Held(leases, (), Policy(unleased_devices=False), now)


def _spent(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    answer = call()
    return time.process_time() - began, answer


def measure(samples: int) -> dict[str, Any]:
    """Processor seconds of a sample, and of one look of two guards at it."""
    take = sampler(GpuCtl(), log=logging.getLogger("benchmark"))
    rows: list[Any] = []
    quiet, busy = _guard([]), _guard(rows)
    sums = [0.0, 0.0, 0.0]
    due = time.monotonic()
    for number in range(WARM + samples):
        sample, found = _spent(lambda: take.sample(()))
        devices = [device.uuid for device in found.devices]
        own, others = _held(server_user({}).name, devices), _held(OTHER, devices)
        costs = (
            sample,
            _spent(lambda found=found, own=own: quiet.look(found, own))[0],
            _spent(lambda found=found, others=others: busy.look(found, others))[0],
        )
        if number >= WARM:
            sums = [total + cost for total, cost in zip(sums, costs, strict=True)]
        due += 1.0
        time.sleep(max(0.0, due - time.monotonic()))
    take.close()
    return {
        **dict(zip(("sample", "quiet", "busy"), (each / samples for each in sums), strict=True)),
        "processes": sum(len(each.processes or ()) for each in found.sample.devices),
        "lawful": len(quiet.findings(None, time.time())),
        "found": len(busy.findings(None, time.time())),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))) + "\n")
