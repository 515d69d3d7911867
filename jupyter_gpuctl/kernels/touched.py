"""Whether a kernel has used CUDA: then it never reads ``CUDA_VISIBLE_DEVICES`` again.

CUDA reads that variable when it is initialised (CUDA C++ Programming Guide, "CUDA Environment
Variables"). What initialises it maps the driver's library, ``libcuda.so``, and opens
``/dev/nvidia-uvm`` (``/dev/dxg`` on WSL).
"""

from __future__ import annotations

import os
from collections.abc import Collection

from ..gpus.sampler import Pass
from ..host.model import ProcessInfo
from ..host.procfs import read_process

LIBRARY = b"/libcuda.so"
NODES = ("/dev/nvidia-uvm", "/dev/dxg")


def used_cuda(pid: int, on_devices: Collection[int] = ()) -> bool:
    """Whether the kernel that ``pid`` leads, or what it has started, has used CUDA.

    ``on_devices`` are pids that the driver has told of. Reads ``/proc``: not for the event loop.
    """
    members = family(pid)
    return any(each in on_devices or _mapped(each) or _opened(each) for each in members)


def on_devices(found: Pass | None) -> frozenset[int]:
    """The pids that the driver tells of, as far as they are known to be processes of this machine.

    Processes on simulated devices use no CUDA.
    """
    if found is None:
        return frozenset()
    simulated = {device.uuid for device in found.devices if device.simulated}
    return frozenset(
        process.pid
        for reading in found.sample.devices
        if reading.uuid not in simulated
        for process in reading.processes or ()
        if process.owner is not None
    )


def family(pid: int) -> frozenset[int]:
    """``pid``, what is in the session that it leads, and what descends from these."""
    infos = [info for info in map(read_process, _pids()) if info is not None and not info.zombie]
    members = {info.pid for info in infos if pid in (info.pid, info.session)}
    rest: list[ProcessInfo] = [info for info in infos if info.pid not in members]
    while found := [info for info in rest if info.parent in members]:
        members |= {info.pid for info in found}
        rest = [info for info in rest if info.pid not in members]
    return frozenset(members)


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _mapped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            return any(LIBRARY in line for line in file)
    except OSError:
        return False  # It has ended, or is another user's: not for us to tell.


def _opened(pid: int) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    for name in names:
        try:
            if os.readlink(f"{folder}/{name}") in NODES:
                return True
        except OSError:
            continue
    return False
