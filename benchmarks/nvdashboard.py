"""What jupyterlab-nvdashboard costs its server with 10 clients on its own sockets."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from . import stage
from .clients import at_work
from .peers import Peers
from .servers import jupyter_server

CLIENTS = 10
EVERY_CHART = (
    *("gpu_utilization", "gpu_usage", "gpu_resource"),
    *("pci_stats", "nvlink_throughput", "cpu_resource"),
)
SAME_AS_OURS = ("gpu_utilization", "gpu_usage", "cpu_resource")
"""The charts of what our panel shows too. It has no processes, owners, temperature or power."""
DEFAULT_INTERVAL = 0.1
"""Its setting ``updateFrequency``, 100 ms."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor seconds a second of the whole server process."""

    every: float
    """All six charts, one reading a second."""
    same: float
    every_at_default: float
    same_at_default: float


def costs(peers: Peers, seconds: float) -> Costs:
    """Measure it in a server of its own, on the same devices and as many processes."""
    with ExitStack() as stack:
        machine = stack.enter_context(stage.fake_machine())
        machine.show(stage.occupied(stack.enter_context(stage.sleepers(stage.PROCESSES))))
        name, env = "jupyterlab_nvdashboard", machine.environment()
        server = stack.enter_context(jupyter_server([name], python=peers.python, env=env))

        def cost(interval: float, sockets: tuple[str, ...]) -> float:
            options = ("--count", CLIENTS, "--interval", interval, "--sockets", *sockets)
            return at_work("listen", server, machine, seconds, *options).cpu

        return Costs(
            cost(1.0, EVERY_CHART),
            cost(1.0, SAME_AS_OURS),
            cost(DEFAULT_INTERVAL, EVERY_CHART),
            cost(DEFAULT_INTERVAL, SAME_AS_OURS),
        )
