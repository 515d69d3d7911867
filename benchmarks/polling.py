"""What panels cost the server: driver calls, latency, and processor time beside nvdashboard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import stage
from .measure import cpu_seconds, percentile
from .peers import Peers
from .report import Figure
from .servers import TOKEN, Failed, Server, jupyter_server, start_kernels

CLIENTS = Path(__file__).with_name("clients.py")
EVERY_CHART = (
    *("gpu_utilization", "gpu_usage", "gpu_resource"),
    *("pci_stats", "nvlink_throughput", "cpu_resource"),
)
SAME_AS_OURS = ("gpu_utilization", "gpu_usage", "cpu_resource")
"""The charts for what our panel shows too; processes and owners nvdashboard does not have."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen while clients were at work, a second."""

    cpu: float
    driver_calls: float
    answers: float
    p50: float
    p99: float
    longest: float


@contextmanager
def server_at_work() -> Iterator[tuple[Server, stage.FakeMachine]]:
    """Our server on 8 devices and 64 processes, half of them of its own kernels."""
    with ExitStack() as stack:
        machine = stack.enter_context(stage.fake_machine())
        server = stack.enter_context(jupyter_server(["jupyter_gpuctl"], env=machine.environment()))
        kernels = start_kernels(server, stage.KERNELS, stage.CHILDREN)
        own = [pid for kernel in kernels for pid in (kernel.pid, *kernel.children)]
        foreign = stack.enter_context(stage.sleepers(stage.PROCESSES - len(own)))
        machine.show(stage.occupied([*own, *foreign]))
        yield server, machine


def window(
    kind: str, server: Server, machine: stage.FakeMachine, seconds: float, *options: object
) -> Window:
    """Let clients work for ``seconds`` after a warm-up, and see what they cost.

    Raises:
        Failed: the clients could not work, or an answer was refused.
    """
    command = [sys.executable, CLIENTS, kind, server.url, TOKEN, "--seconds", seconds, *options]
    client = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    try:
        if client.stdout.readline() != "start\n":
            raise Failed(f"The clients ({kind}) ended before they began.")
        cpu, calls = cpu_seconds(server.pid), machine.log.total()
        line = client.stdout.readline()
        cpu, calls = cpu_seconds(server.pid) - cpu, machine.log.total() - calls
    finally:
        client.terminate()
        client.wait()
    seen = json.loads(line or "{}")
    if not seen or seen["refused"]:
        raise Failed(f"{seen.get('refused', 'All')} answers were refused.")
    latencies = seen["latencies"] or [0.0]
    return Window(
        cpu / seconds,
        calls / seconds,
        seen["messages"] / seconds,
        percentile(latencies, 50),
        percentile(latencies, 99),
        max(latencies),
    )


def figures(peers: Peers, seconds: float) -> Iterator[Figure]:
    """Driver calls, latency and cost with 1, 10 and 200 panels; nvdashboard with 10."""
    # Devices are listed anew every 30 s: a window holds as many of those in each run.
    calls_window = max(seconds, 30.0)
    with server_at_work() as (server, machine):
        one = window("poll", server, machine, calls_window, "--count", 1)
        many = window("poll", server, machine, calls_window, "--count", 200)
        ten = window("poll", server, machine, seconds, "--count", 10)
    yield Figure(
        "driver calls a second, 200 panels",
        "calls/s",
        many.driver_calls,
        "1 panel",
        one.driver_calls,
        "the same",
        abs(many.driver_calls - one.driver_calls) <= 0.05 * one.driver_calls,
    )
    yield Figure("`GET gpus`, 200 panels, median", "ms", many.p50 * 1e3)
    yield Figure(
        "`GET gpus`, 200 panels, p99",
        "ms",
        many.p99 * 1e3,
        target="< 25 ms",
        met=many.p99 < 0.025,
    )
    yield Figure("`GET gpus`, 200 panels, longest", "ms", many.longest * 1e3)
    yield Figure("CPU of the server, 1 panel each second", "ms/s", one.cpu * 1e3)
    yield Figure("CPU of the server, 200 panels each second", "ms/s", many.cpu * 1e3)
    yield from _beside_nvdashboard(peers, seconds, ten)


def _beside_nvdashboard(peers: Peers, seconds: float, ten: Window) -> Iterator[Figure]:
    with ExitStack() as stack:
        machine = stack.enter_context(stage.fake_machine())
        pids = stack.enter_context(stage.sleepers(stage.PROCESSES))
        machine.show(stage.occupied(pids))
        server = stack.enter_context(
            jupyter_server(
                ["jupyterlab_nvdashboard"], python=peers.python, env=machine.environment()
            )
        )

        def cost(interval: float, sockets: tuple[str, ...]) -> float:
            options = ("--count", 10, "--interval", interval, "--sockets", *sockets)
            return window("listen", server, machine, seconds, *options).cpu

        every = cost(1.0, EVERY_CHART)
        same = cost(1.0, SAME_AS_OURS)
        default = cost(0.1, EVERY_CHART)
        default_same = cost(0.1, SAME_AS_OURS)
    what = "CPU of the server, 10 panels each second"
    ours, needed = ten.cpu * 1e3, 5 * ten.cpu
    for peer, theirs in (
        ("nvdashboard, its six sockets, 10 clients, each second", every),
        ("nvdashboard, as above, at its default of 100 ms", default),
    ):
        yield Figure(what, "ms/s", ours, peer, theirs * 1e3, "5 times less", theirs >= needed)
    for peer, theirs in (
        ("nvdashboard, only its three charts of what we show, each second", same),
        ("nvdashboard, those three at its default of 100 ms", default_same),
    ):
        yield Figure(what, "ms/s", ours, peer, theirs * 1e3, "ahead", theirs > ten.cpu)
