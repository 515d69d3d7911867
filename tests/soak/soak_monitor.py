"""Hours of a monitor's life in minutes: memory, threads and answers stay within their bounds.

Run by ``make soak``; not collected by ``make test``.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpuctl.core.clock import ManualClock
from jupyter_gpuctl.gpus.answers import ALL, NEWEST, Answers
from jupyter_gpuctl.gpus.attribution import Attributor
from jupyter_gpuctl.gpus.kernels import KernelMeter
from jupyter_gpuctl.gpus.nvml import NvmlProbe
from jupyter_gpuctl.gpus.ports import Kernel
from jupyter_gpuctl.gpus.sampler import Sampler
from jupyter_gpuctl.host.identity import server_user
from jupyter_gpuctl.host.machine import Machine, disk_use
from jupyter_gpuctl.host.procfs import ProcFs
from tests.fake_driver.scenario import h200s, mig_seven

PASSES = 20_000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started = [subprocess.Popen(["sleep", "7200"], start_new_session=True) for _ in range(64)]
    yield started
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.mark.timeout(3600)
def test_hours_of_sampling_stay_within_bounds(machine, workers):
    choose = random.Random(1)
    pids = [worker.pid for worker in workers]
    machine.show(h200s(8, pids))
    clock, table = ManualClock(), ProcFs()
    attributor = Attributor(table, server_user({}), os.getpid())
    sampler = Sampler(
        [NvmlProbe()],
        attributor=attributor,
        kernel_meter=KernelMeter(table, attributor),
        host=Machine(),
        home=lambda: disk_use("/"),
        clock=clock,
    )
    answers = Answers()
    kernels = [
        Kernel(f"k{n}", "python3", f"{n}.ipynb", "notebook", "idle", pids[n]) for n in (0, 1)
    ]
    base = 0
    for number in range(1, PASSES + 1):
        if number % 50 == 0:
            shown = h200s(8, choose.sample(pids, 40))
            shown = choose.choice([shown, shown.with_gpu(3, lost=True), mig_seven(pids[:3])])
            machine.show(shown)
        if number % 200 == 0:  # a process ends, another comes
            place = choose.randrange(2, len(workers))
            workers[place].kill()
            workers[place].wait()
            workers[place] = subprocess.Popen(["sleep", "7200"], start_new_session=True)
            pids[place] = workers[place].pid
        found = sampler.sample(kernels)
        answers.publish(
            driver=found.driver,
            devices=found.devices,
            notices=found.notices,
            interval=1.0,
            kept=Answers.keep(found.sample),
        )
        answers.body(max(0, found.sample.seq - 1), NEWEST, clock.now())
        if number % 1000 == 0:
            answer = json.loads(answers.body(0, ALL, clock.now()))
            assert len(answer["samples"]) <= 960
            owners = {
                p["pid"]: p["owner"]["kernel_id"]
                for d in answer["samples"][-1]["devices"]
                for p in d["processes"] or ()
                if p["owner"]
            }
            assert set(owners.values()) <= {None, "k0", "k1"}
            assert all(owners[pid] == f"k{n}" for n, pid in enumerate(pids[:2]) if pid in owners)
        if number == 6000:  # the hour of history is full
            base = resident()
        clock.advance(1)
    sampler.close()
    assert resident() < base * 1.1 + 10 * 2**20
    assert threading.active_count() < 10
