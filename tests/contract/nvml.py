"""What is read of all GPUs at once."""

from __future__ import annotations

from dataclasses import fields

from jupyter_gpuctl.gpus.model import Device, DeviceStatus, RawReading
from jupyter_gpuctl.gpus.nvml import NvmlProbe


def read_all(probe: NvmlProbe) -> list[tuple[Device, RawReading]]:
    return [(device, probe.read(device)) for device in probe.devices()]


def pids(reading: RawReading) -> list[int]:
    return [process.pid for process in reading.processes or ()]


def is_whole(reading: RawReading) -> bool:
    """Whether everything that an H200 tells was read."""
    left_out = ("problem", "pcie_rx", "pcie_tx")
    names = [field.name for field in fields(reading) if field.name not in left_out]
    return reading.status is DeviceStatus.OK and all(
        getattr(reading, name) is not None for name in names
    )
