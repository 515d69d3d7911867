"""What the provisioner adds to the start of a kernel: with a lease attached, and with limits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.multikernelmanager import AsyncMultiKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets.config import LoggingConfigurable

from jupyter_gpuctl.composition import authority as make_authority
from jupyter_gpuctl.composition import sampler
from jupyter_gpuctl.config import GpuCtl
from jupyter_gpuctl.kernels.events import KernelEvents
from jupyter_gpuctl.kernels.launches import Launches
from jupyter_gpuctl.kernels.model import Enforcement, KernelLimits
from jupyter_gpuctl.kernels.provisioner import NAME, SETTING
from jupyter_gpuctl.kernels.records import Records
from jupyter_gpuctl.leases.answers import Actor
from jupyter_gpuctl.leases.desk import LeaseDesk
from jupyter_gpuctl.leases.devices import SampledDevices
from jupyter_gpuctl.leases.model import Request

from .report import Figure
from .servers import Failed

OWNER = "user-a"
PLAIN, LEASED, LIMITED = "local-provisioner", "a lease", "a lease and limits"
SLOWER = 0.03
PATIENCE = 60.0
"""Seconds for a kernel's first answer."""


class _Server(LoggingConfigurable):  # type: ignore[misc]
    """What of a ``ServerApp`` the provisioner looks for."""

    def __init__(self, broker: Any) -> None:
        super().__init__()
        self.web_app = SimpleNamespace(settings={} if broker is None else {SETTING: broker})


def figures(rounds: int) -> Iterator[Figure]:
    """Medians of interleaved starts, each measured until the kernel answers."""
    took = asyncio.run(_measure(rounds))
    for what in ("start", "restart"):
        plain = statistics.median(took[PLAIN, what])
        for kind in (LEASED, LIMITED):
            ours = statistics.median(took[kind, what])
            yield Figure(
                f"{what} of a kernel with {kind}, until it answers",
                *("ms", ours * 1e3, "jupyter_client's own provisioner", plain * 1e3),
                *(f"at most {SLOWER:.0%} more", ours <= plain * (1 + SLOWER)),
            )


async def _measure(rounds: int) -> dict[tuple[str, str], list[float]]:
    took: dict[tuple[str, str], list[float]] = {
        (kind, what): [] for kind in (PLAIN, LEASED, LIMITED) for what in ("start", "restart")
    }
    kinds = [PLAIN, LEASED, LIMITED]
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpuctl-bench-")))
        settings = GpuCtl(simulate_gpus=2, database_url=f"sqlite:///{folder}/gpuctl.sqlite")
        log = logging.getLogger("gpuctl.bench")
        # The samples are taken beforehand, as a server's monitor does.
        probe = sampler(settings, log=log)
        stack.callback(probe.close)
        seen = probe.sample(())
        authority = make_authority(settings, SampledDevices(lambda: seen), log=log)
        stack.callback(authority.close)
        desk = LeaseDesk(lambda: authority)
        managers = {
            PLAIN: AsyncMultiKernelManager(parent=_Server(None)),
            LEASED: AsyncMultiKernelManager(parent=_Server(_launches(desk, KernelLimits()))),
            LIMITED: AsyncMultiKernelManager(
                parent=_Server(_launches(desk, KernelLimits(4 << 30, 4096)))
            ),
        }
        for number in range(rounds + 1):
            # Each kind goes first in turn; the first round only warms the disk's cache up.
            for kind in kinds[number % 3 :] + kinds[: number % 3]:
                started, restarted = await _one(managers[kind], kind, authority)
                if number > 0:
                    took[kind, "start"].append(started)
                    took[kind, "restart"].append(restarted)
    return took


def _launches(desk: LeaseDesk, limits: KernelLimits) -> Launches:
    log = logging.getLogger("gpuctl.bench")
    return Launches(
        Records(),
        desk,
        exists=lambda: True,
        owner=OWNER,
        enforcement=Enforcement.ADVISORY,
        limits=limits,
        announcer=KernelEvents(log),
        log=log,
    )


async def _one(manager: Any, kind: str, authority: Any) -> tuple[float, float]:
    """Seconds of one start and one restart."""
    factory = KernelProvisionerFactory.instance()
    factory.default_provisioner_name = PLAIN if kind == PLAIN else NAME
    kernel_id = os.urandom(8).hex()
    request = Request(1000, 3600, interactive=False, kernel_id=kernel_id)
    if kind != PLAIN:
        await asyncio.to_thread(authority.request, Actor(OWNER), request)
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    await manager.start_kernel(kernel_name="python3", kernel_id=kernel_id, stderr=quiet)
    await _answer(manager.get_kernel(kernel_id))
    started = time.perf_counter() - began
    began = time.perf_counter()
    await manager.restart_kernel(kernel_id, now=True)
    await _answer(manager.get_kernel(kernel_id))
    restarted = time.perf_counter() - began
    await manager.shutdown_kernel(kernel_id, now=True)
    return started, restarted


async def _answer(kernel: Any) -> None:
    """Until the kernel answers. Jupyter's own clients try to connect every 100 ms only, which
    would hide what is to be seen.
    """
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as channel:
        channel.setsockopt(zmq.LINGER, 0)
        channel.setsockopt(zmq.RECONNECT_IVL, 2)
        channel.connect(f"tcp://{kernel.ip}:{kernel.shell_port}")
        kernel.session.send(zmq.Socket.shadow(channel), "kernel_info_request")
        try:
            await asyncio.wait_for(channel.recv_multipart(), PATIENCE)
        except TimeoutError:
            raise Failed("A kernel did not answer.") from None
