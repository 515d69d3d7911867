"""Which parts are used, and how they are joined: for the server extension and for the CLI."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .config import GpuCtl
from .core.clock import Clock, SystemClock
from .gpus.absent import AbsentProbe
from .gpus.attribution import Attributor
from .gpus.fallback import FallbackProbe
from .gpus.kernels import KernelMeter
from .gpus.nvml import NvmlProbe
from .gpus.plugins import third_party_probes
from .gpus.ports import Probe
from .gpus.sampler import Sampler
from .gpus.simulated import SimulatedProbe
from .host.cgroups import Cgroups
from .host.identity import server_user
from .host.machine import Machine, disk_use
from .host.procfs import ProcFs

if TYPE_CHECKING:
    from .leases.changes import Change
    from .leases.ports import DeviceDirectory
    from .leases.service import Authority

SIMULATED_IN_PLACE_OF_A_DRIVER = 2


def probes(
    config: GpuCtl, clock: Clock, local_pids: Callable[[], Sequence[int]], log: logging.Logger
) -> list[Probe]:
    """The probes that ``config`` asks for, those of other packages after our own."""
    real: Probe
    if sys.platform == "darwin":
        real = AbsentProbe(
            "There is no NVIDIA driver for macOS, so no GPU can be shown.",
            "To try the panel, simulate two: --GpuCtl.simulate_gpus=2",
        )
    else:
        real = NvmlProbe(pcie_throughput=config.pcie_throughput)
    count = config.simulate_gpus

    def simulated(devices: int) -> Probe:
        return SimulatedProbe(devices, clock=clock, local_pids=local_pids)

    own: Probe = real
    if count > 0:
        own = simulated(count)
    elif count < 0:
        own = FallbackProbe(real, simulated(SIMULATED_IN_PLACE_OF_A_DRIVER))
    others, problems = third_party_probes()
    for name, message in problems:
        log.error("gpuctl: the probe %r of another package is left out: %s", name, message)
    return [own, *others]


def sampler(
    config: GpuCtl,
    *,
    log: logging.Logger,
    local_pids: Callable[[], Sequence[int]] = lambda: (),
    clock: Clock | None = None,
) -> Sampler:
    """A sampler on this machine. Nothing is opened before its first sample."""
    clock = clock or SystemClock()
    cgroups = Cgroups()
    table = ProcFs(cgroups.container_id)
    attributor = Attributor(table, server_user(), os.getpid())
    home = str(Path.home())
    return Sampler(
        probes(config, clock, local_pids, log),
        attributor=attributor,
        kernel_meter=KernelMeter(table, attributor),
        host=Machine(cgroups.limits),
        home=lambda: disk_use(home),
        clock=clock,
    )


def database_exists(config: GpuCtl) -> bool:
    """Whether anybody has ever leased here. Looks at the disk."""
    from .store.location import database_file

    return database_file(config.database_url).exists()


def somebody_leases(config: GpuCtl) -> bool:
    """Whether leases matter to kernels: there is a database, or there are quotas."""
    return config.quotas is not None or database_exists(config)


def authority(
    config: GpuCtl,
    devices: DeviceDirectory,
    *,
    log: logging.Logger,
    announce: Callable[[Change], None] = lambda _change: None,
) -> Authority:
    """The authority of this process on the configured database, which is opened when needed.

    Reads the quota file: call it on a worker thread.

    Raises:
        InvalidConfig: the database's URL can't be read.
    """
    from .host.clocks import MachineClocks
    from .kernels.model import Enforcement, GuardMode, strength
    from .leases.policy import Policy
    from .leases.quotas import file as quota_file
    from .leases.service import Authority
    from .store.location import database_file

    enforcement = Enforcement(config.enforcement)
    base = Policy(
        offer_window=round(config.offer_window),
        max_lease=round(config.max_lease),
        strength=strength(enforcement, GuardMode(config.guard_mode)),
        unleased_devices=enforcement in (Enforcement.OFF, Enforcement.ADVISORY),
    )
    return Authority(
        database_file(config.database_url),
        devices,
        quota_file.source(config.quotas, base),
        clock=MachineClocks(),
        log=log,
        announce=announce,
        retention_days=config.retention_days,
    )


@contextmanager
def participant(config: GpuCtl, *, log: logging.Logger) -> Iterator[Authority]:
    """The authority of a program without a server: it samples the GPUs itself."""
    from .leases.devices import OwnSamples

    own = sampler(config, log=log)
    try:
        found = authority(config, OwnSamples(own, SystemClock()), log=log)
        try:
            yield found
        finally:
            found.close()
    finally:
        own.close()
