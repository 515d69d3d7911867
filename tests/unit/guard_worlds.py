"""Small worlds for the tests of the guard: samples and leases, in one line each."""

from __future__ import annotations

from datetime import UTC, datetime

from jupyter_gpuctl.gpus.model import (
    Device,
    DeviceReading,
    DeviceStatus,
    Driver,
    DriverStatus,
    GpuProcess,
    Owner,
    Sample,
)
from jupyter_gpuctl.gpus.sampler import Pass
from jupyter_gpuctl.host.model import HostReading
from jupyter_gpuctl.leases.bindings import Held
from jupyter_gpuctl.leases.model import Lease, LeaseStatus, Request
from jupyter_gpuctl.leases.policy import Policy

GIB = 2**30
NOW = 1_799_143_200.0
"""Tuesday 2027-01-05 10:00 UTC."""
GUARDED = Policy(unleased_devices=False)
HOST = HostReading(None, 1, None, None, None, None)


def device(number: int = 0, **more: object) -> Device:
    return Device(f"GPU-{number}", number, "Fake 80GB", 80 * GIB, **more)


def process(pid: int, user: str | None, memory: int | None = GIB, **more: object) -> GpuProcess:
    owner = None if user is None else Owner(user, kernel_id=more.pop("kernel_id", None))
    why = None if owner else more.pop("why", "It runs in another container.")
    return GpuProcess(pid, "python", memory, owner, why, **more)


def reading(
    uuid: str, *processes: GpuProcess, status: DeviceStatus = DeviceStatus.OK, told: bool = True
) -> DeviceReading:
    seen = processes if told else None
    return DeviceReading(uuid, status, None, 0.0, 0, None, None, None, None, None, seen)


def seen(
    *on: tuple[GpuProcess, ...], seq: int = 1, devices: tuple[Device, ...] | None = None, **how
) -> Pass:
    """A sample of as many devices as there are tuples of processes."""
    devices = devices or tuple(device(number) for number in range(len(on)))
    readings = tuple(
        reading(each.uuid, *processes, **how) for each, processes in zip(devices, on, strict=True)
    )
    when = datetime.fromtimestamp(NOW, UTC)
    driver = Driver(DriverStatus.OK, "nvml")
    return Pass(driver, devices, Sample(seq, when, readings, (), HOST), ())


def lease(
    owner: str,
    *numbers: int,
    share: int | None = None,
    ends: float = NOW + 3600,
    name: str = "",
    status: LeaseStatus = LeaseStatus.ACTIVE,
) -> Lease:
    """A lease of whole devices, or of a share with ``share`` bytes of one."""
    request = Request(len(numbers) * 1000, 3600) if share is None else Request(250, 3600, share)
    return Lease(
        name or f"{owner}-{'-'.join(map(str, numbers))}",
        owner,
        request,
        status,
        created_at=NOW - 60,
        devices=tuple(f"GPU-{number}" for number in numbers),
        started_at=NOW - 60,
        expires_at=ends,
    )


def held(*leases: Lease, policy: Policy = GUARDED, now: float = NOW) -> Held:
    return Held(leases, (), policy, now)
