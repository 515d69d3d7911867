"""How long the event loop of a real server keeps others waiting, in each state of the driver."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from . import stage
from .clients import at_work
from .report import Figure
from .servers import PATIENCE, Failed, Server, jupyter_server

from fake_driver import scenario as s  # isort: skip  (stage has put it on the path)

LIMIT = 0.050
INTERVAL = 0.25
"""Seconds between samples: four times the usual pace finds four times as many delays."""


@dataclass(frozen=True, slots=True)
class Case:
    """A state of the driver, and what becomes of it in the middle of the run."""

    name: str
    first: s.Scenario | None
    """``None``: no driver library at all."""
    later: s.Scenario | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds; see ``lag_probe``."""

    whole: float
    own: float
    """Without the time in which the machine gave the thread no core."""
    pause: float = 0.0
    """The longest that a process which only sleeps was kept waiting meanwhile."""


FIELDS = (
    *("nvmlDeviceGetMemoryInfo*", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTemperature*"),
    *("nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit"),
    *("nvmlDeviceGetComputeRunningProcesses*", "nvmlDeviceGetGraphicsRunningProcesses*"),
)


def cases(pids: list[int]) -> Iterator[Case]:
    """Every scenario that the fake driver was made for."""
    full = stage.occupied(pids)

    def each_gpu(change: Callable[[s.Gpu], s.Gpu]) -> s.Scenario:
        return replace(full, gpus=tuple(map(change, full.gpus)))

    yield Case("8 × H200, 64 processes", full)
    yield Case("MIG, 7 × 1g", s.mig_seven(pids))
    yield Case("unified memory", s.unified_memory())
    yield Case("one GPU lost in the middle", full, full.with_gpu(3, lost=True))
    for code, name in ((s.NOT_SUPPORTED, "NotSupported"), (s.NO_PERMISSION, "NoPermission")):
        faults = tuple(s.Fault(field, code) for field in FIELDS)
        yield Case(f"{name} on each field", full.with_faults(*faults))
    yield Case(
        "memory of processes not known",
        each_gpu(
            lambda gpu: replace(
                gpu, processes=tuple(replace(each, memory=None) for each in gpu.processes)
            )
        ),
    )
    mismatch = s.Fault("nvmlInit*", s.LIB_RM_VERSION_MISMATCH)
    yield Case("driver and library of different versions", full.with_faults(mismatch))
    yield Case("no driver", None)
    one = s.Fault("nvmlDeviceGetUtilizationRates", seconds=5)
    yield Case("a call on one GPU hangs for 5 s", full, full.with_gpu(2, faults=(one,)))
    whole = replace(one, whole_driver=True)
    yield Case("the whole driver hangs for 5 s", full, full.with_gpu(2, faults=(whole,)))


def figures(seconds: float) -> Iterator[Figure]:
    """The longest delay in each case, ten panels looking, beside a server without extension."""
    with stage.fake_machine() as machine, stage.sleepers(stage.PROCESSES) as pids:
        plain = _longest(machine, None, seconds)
        raw = pause = 0.0
        for case in cases(pids):
            delay = _longest(machine, case, seconds)
            raw, pause = max(raw, delay.whole), max(pause, delay.pause)
            yield Figure(
                f"longest delay of the event loop: {case.name}",
                *("ms", delay.own * 1e3, "a plain server, nobody asking", plain.own * 1e3),
                *("≤ 50 ms", delay.own <= LIMIT),
            )
        yield Figure(
            "the longest of these, waiting for a core counted in",
            *("ms", raw * 1e3, "a process that only sleeps, meanwhile", pause * 1e3),
        )


def _longest(machine: stage.FakeMachine, case: Case | None, seconds: float) -> Delay:
    env = machine.environment()
    if case is not None and case.first is not None:
        machine.show(case.first)
    else:
        env = dict(os.environ)
    ours = ["jupyter_gpuctl"] if case else []
    with ExitStack() as stack:
        server = stack.enter_context(
            jupyter_server(
                [*ours, "benchmarks.lag_probe"],
                env={**env, "GPUCTL_BENCH_LAG": str(machine.folder / "lag")},
                options=[f"--GpuCtl.sample_interval={INTERVAL}"] if case else [],
            )
        )
        # A server that starts is busy with itself: it counts from its first answer on, when our
        # monitor has just begun.
        _ask(server, machine.folder / "lag")
        if case is None:
            time.sleep(seconds)
            return _ask(server, machine.folder / "lag")
        poll = ("--count", 10, "--interval", INTERVAL, "--warmup", 1)
        first = at_work("poll", server, machine, seconds / 2, *poll)
        before = _ask(server, machine.folder / "lag")
        if case.later is not None:
            machine.show(case.later)
        second = at_work("poll", server, machine, seconds / 2, *poll)
        after = _ask(server, machine.folder / "lag")
        return Delay(
            max(before.whole, after.whole),
            max(before.own, after.own),
            max(first.pause, second.pause),
        )


def _ask(server: Server, file: Path) -> Delay:
    """The longest delays since the last question."""
    file.unlink(missing_ok=True)
    os.kill(server.pid, signal.SIGUSR1)
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > deadline:
            raise Failed("The event loop does not answer.")
        time.sleep(0.01)
    return Delay(*map(float, file.read_text().split()))
