"""What the provisioner adds to the start of a kernel: with a lease attached, and with limits.

Twice: until an ordinary kernel answers, which swings by tens of milliseconds by itself; and until
the first step of a program that does nothing but say when that was, which shows what comes before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpecManager
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
ANSWERS, BEGINS = "python3", "begins"
PATIENCE = 60.0
"""Seconds for a kernel's first answer."""
_SAYS_WHEN = 'date +%s.%N > "$0.new" && mv "$0.new" "$0" && exec sleep 600'


class _Server(LoggingConfigurable):  # type: ignore[misc]
    """What of a ``ServerApp`` the provisioner looks for."""

    def __init__(self, broker: Any) -> None:
        super().__init__()
        self.web_app = SimpleNamespace(settings={} if broker is None else {SETTING: broker})


def figures(rounds: int) -> Iterator[Figure]:
    """Medians of interleaved starts and restarts."""
    took, tier = asyncio.run(_measure(rounds))
    for what in ("start", "restart"):
        plain = statistics.median(took[PLAIN, ANSWERS, what])
        for kind in (LEASED, LIMITED):
            ours = statistics.median(took[kind, ANSWERS, what])
            yield Figure(
                f"{what} of a kernel with {_named(kind, tier)}, until it answers",
                *("ms", ours * 1e3, "jupyter_client's own provisioner", plain * 1e3),
                *(f"at most {SLOWER:.0%} more", ours <= plain * (1 + SLOWER)),
            )
        before = statistics.median(took[PLAIN, BEGINS, what])
        for kind in (LEASED, LIMITED):
            ours = statistics.median(took[kind, BEGINS, what])
            yield Figure(
                f"{what} of a kernel with {_named(kind, tier)}, until its program begins",
                *("ms", ours * 1e3, "jupyter_client's own provisioner", before * 1e3),
                f"at most {SLOWER:.0%} of the whole {what} more",
                ours - before <= plain * SLOWER,
            )


def _named(kind: str, tier: str) -> str:
    return f"{kind} ({tier})" if kind == LIMITED else kind


async def _measure(rounds: int) -> tuple[dict[tuple[str, str, str], list[float]], str]:
    """Seconds by kind, kernelspec and step; and what holds the limits here."""
    kinds, specs = [PLAIN, LEASED, LIMITED], (ANSWERS, BEGINS)
    took: dict[tuple[str, str, str], list[float]] = {
        (kind, spec, what): [] for kind in kinds for spec in specs for what in ("start", "restart")
    }
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
        limited = _launches(desk, KernelLimits(4 << 30, 4096))
        brokers = {PLAIN: None, LEASED: _launches(desk, KernelLimits()), LIMITED: limited}
        kernelspecs = _kernelspecs(folder)
        managers = {
            kind: AsyncMultiKernelManager(
                parent=_Server(broker), kernel_spec_manager=kernelspecs, connection_dir=str(folder)
            )
            for kind, broker in brokers.items()
        }
        for number in range(rounds + 1):
            for spec, until in ((ANSWERS, _answers), (BEGINS, _begins)):
                # Each kind goes first in turn; the first round only warms the disk's cache up.
                for kind in kinds[number % 3 :] + kinds[: number % 3]:
                    started, restarted = await _one(managers[kind], kind, authority, spec, until)
                    if number > 0:
                        took[kind, spec, "start"].append(started)
                        took[kind, spec, "restart"].append(restarted)
        return took, str(limited.check().detail["enforced_by"])


def _kernelspecs(folder: Path) -> KernelSpecManager:
    """Those of this environment, and one whose program says when it began."""
    place = folder / "kernels" / BEGINS
    place.mkdir(parents=True)
    argv = ["/bin/sh", "-c", _SAYS_WHEN, "{connection_file}.began"]
    spec = {"argv": argv, "display_name": BEGINS, "language": "none"}
    (place / "kernel.json").write_text(json.dumps(spec))
    found = KernelSpecManager()
    found.kernel_dirs = [str(place.parent), *found.kernel_dirs]
    return found


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


async def _one(
    manager: Any,
    kind: str,
    authority: Any,
    spec: str,
    until: Callable[[Any], Awaitable[float]],
) -> tuple[float, float]:
    """Seconds of one start and one restart. ``until`` says the time at which it was there."""
    factory = KernelProvisionerFactory.instance()
    factory.default_provisioner_name = PLAIN if kind == PLAIN else NAME
    kernel_id = os.urandom(8).hex()
    request = Request(1000, 3600, interactive=False, kernel_id=kernel_id)
    if kind != PLAIN:
        await asyncio.to_thread(authority.request, Actor(OWNER), request)
    began = time.time()
    quiet = subprocess.DEVNULL
    await manager.start_kernel(kernel_name=spec, kernel_id=kernel_id, stderr=quiet)
    started = await until(manager.get_kernel(kernel_id)) - began
    began = time.time()
    await manager.restart_kernel(kernel_id, now=True)
    restarted = await until(manager.get_kernel(kernel_id)) - began
    await manager.shutdown_kernel(kernel_id, now=True)
    return started, restarted


async def _begins(kernel: Any) -> float:
    """When its program began, as that has written down."""
    said = Path(f"{kernel.connection_file}.began")
    try:
        async with asyncio.timeout(PATIENCE):
            while not said.exists():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise Failed("A kernel did not begin.") from None
    began = float(said.read_text())
    said.unlink()
    return began


async def _answers(kernel: Any) -> float:
    """When the kernel answered. Jupyter's own clients try to connect every 100 ms only, which
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
    return time.time()
