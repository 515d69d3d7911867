"""One process that takes a sample every second, and what that costs it: ours, gpustat, nvitop.

``python loops.py gpustat --samples 30``. Runs in the environment of the one that it measures, and
prints one line of JSON. Paced as in use, since a loop without pauses would let caches that live for
a second stand in for readings; the first samples, which fill longer-lived caches, don't count.

Ours first starts kernels, prints their processes, and waits for a line on standard input: owners
are found only for kernels that the measuring process has started itself, as a server does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

WARM = 3
KERNEL_CODE = (
    "import os, subprocess\n"
    "_all = [subprocess.Popen(['sleep', '86400']).pid for _ in range({children})]\n"
    "print(os.getpid(), *_all)"
)


def paced(take: Callable[[], Any], samples: int, interval: float) -> float:
    """Processor seconds a sample, of the whole process."""
    due = time.monotonic()
    for _ in range(WARM):
        take()
        due += interval
        time.sleep(max(0.0, due - time.monotonic()))
    began = time.process_time()
    for _ in range(samples):
        take()
        due += interval
        time.sleep(max(0.0, due - time.monotonic()))
    return (time.process_time() - began) / samples


def gpustat(samples: int, interval: float) -> dict[str, Any]:
    import gpustat as peer

    seen = peer.new_query()
    processes = sum(len(gpu.processes or ()) for gpu in seen.gpus)
    cost = paced(peer.new_query, samples, interval)
    return {"cpu": cost, "devices": len(seen.gpus), "processes": processes}


def nvitop(samples: int, interval: float) -> dict[str, Any]:
    from nvitop import Device, take_snapshots

    devices = Device.all()
    seen = take_snapshots(devices)
    cost = paced(lambda: take_snapshots(devices), samples, interval)
    return {"cpu": cost, "devices": len(seen.devices), "processes": len(seen.gpu_processes)}


def gpuctl(samples: int, interval: float, count: int, children: int) -> dict[str, Any]:
    """The monitor as the server runs it, with one panel that looks: nothing is left out."""
    from jupyter_client.manager import start_new_kernel

    with ExitStack() as stack:
        pids = []
        for _ in range(count):
            manager, client = start_new_kernel(stderr=subprocess.DEVNULL)
            stack.callback(manager.shutdown_kernel, now=True)
            printed: list[str] = []
            client.execute_interactive(
                KERNEL_CODE.format(children=children),
                output_hook=lambda message, out=printed: out.append(
                    message["content"].get("text", "")
                ),
            )
            client.stop_channels()
            pids.append([int(pid) for pid in "".join(printed).split()])
        print(json.dumps(pids), flush=True)
        sys.stdin.readline()
        return asyncio.run(_monitor([group[0] for group in pids], samples, interval))


async def _monitor(leaders: list[int], samples: int, interval: float) -> dict[str, Any]:
    from jupyter_gpuctl.composition import sampler
    from jupyter_gpuctl.config import GpuCtl
    from jupyter_gpuctl.core.clock import SystemClock
    from jupyter_gpuctl.gpus.ports import Kernel
    from jupyter_gpuctl.gpus.service import Monitor

    kernels = [
        Kernel(f"kernel-{pid}", "python3", f"lesson-{pid}.ipynb", "notebook", "idle", pid)
        for pid in leaders
    ]

    class Directory:
        """The kernels that this process has started."""

        async def kernels(self) -> list[Kernel]:
            return kernels

    log = logging.getLogger("benchmark")
    monitor = Monitor(
        sampler(GpuCtl(), log=log), Directory(), clock=SystemClock(), interval=interval, log=log
    )
    monitor.look(None, "newest")
    monitor.start()
    seen, body, began, last = 0, b"", 0.0, 0
    while seen < WARM + samples:
        await asyncio.sleep(interval / 4)
        newest = monitor.newest
        seq = newest.sample.seq if newest else 0
        if seq == last:
            continue
        body, last, seen = monitor.look(last, "newest"), seq, seen + 1
        if seen == WARM:
            began = time.process_time()
    cost = (time.process_time() - began) / samples
    await monitor.stop()
    devices = json.loads(body)["samples"][-1]["devices"]
    found = [each for device in devices for each in device["processes"] or ()]
    return {
        "cpu": cost,
        "devices": len(devices),
        "processes": len(found),
        "owned": sum(bool((each["owner"] or {}).get("notebook")) for each in found),
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("whose", choices=["gpuctl", "gpustat", "nvitop"])
    arguments.add_argument("--samples", type=int, default=30)
    arguments.add_argument("--interval", type=float, default=1.0)
    arguments.add_argument("--kernels", type=int, default=0)
    arguments.add_argument("--children", type=int, default=0)
    given = arguments.parse_args()
    # Not the folder of this file: it would hide packages of the same name.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    if given.whose == "gpuctl":
        result = gpuctl(given.samples, given.interval, given.kernels, given.children)
    else:
        peers = {"gpustat": gpustat, "nvitop": nvitop}
        result = peers[given.whose](given.samples, given.interval)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
