"""What a kernel's environment says of its GPUs: leases in, variables out. Pure.

``CUDA_VISIBLE_DEVICES`` (CUDA C++ Programming Guide, "CUDA Environment Variables") and
``NVIDIA_VISIBLE_DEVICES`` (NVIDIA Container Toolkit) take UUIDs. The variables of MPS are those of
NVIDIA's "Multi-Process Service", appendix A. Fractions of frameworks' allocators only cap the
process that reads them, and only what that allocator takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..leases.policy import Policy
from .standing import Standing

if TYPE_CHECKING:
    from ..leases.bindings import Held
    from ..leases.model import LeasableDevice, Lease

CUDA = "CUDA_VISIBLE_DEVICES"
CONTAINER = "NVIDIA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
MPS_MEMORY = "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"
MPS_THREADS = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
PYTORCH = "PYTORCH_ALLOC_CONF"
JAX = "XLA_PYTHON_CLIENT_MEM_FRACTION"

MAIN = (CUDA, CONTAINER, ORDER)
_PYTORCH_NAMES = (PYTORCH, "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")
# The old name: every JAX reads it; and where a notebook sets the old one beside the new one, JAX
# raises, while it may set the old one again.
_JAX_NAMES = (JAX, "XLA_CLIENT_MEM_FRACTION")
_MIB = 1024**2


def launch_variables(
    found: Standing,
    policy: Policy,
    devices: Iterable[LeasableDevice],
    base: Mapping[str, str],
    *,
    mps: bool = False,
    pytorch: bool = False,
) -> dict[str, str]:
    """The variables to set before a kernel's start, whose leases stand as ``found``.

    ``base`` is the environment that it would have without us: what the user has said there about
    allocators stays. ``mps``: the MPS daemon runs here. ``pytorch``: the kernel's PyTorch, if it
    has one, reads a fraction from its environment; older ones refuse to work with it.
    """
    wanted = found.wanted(policy)
    if wanted is None:
        return {}
    if not wanted:
        # An empty CUDA_VISIBLE_DEVICES means none; an empty NVIDIA_VISIBLE_DEVICES means nothing.
        return {CUDA: "", CONTAINER: "void"}
    there = {device.uuid: device for device in devices}
    # CUDA hides what comes after an entry that isn't there: a lost device goes to the end.
    wanted = tuple(sorted(wanted, key=lambda uuid: uuid not in there))
    listed = ",".join(wanted)
    variables = {CUDA: listed, CONTAINER: listed, ORDER: "PCI_BUS_ID"}
    caps = _caps(found.active, there)
    if mps:
        variables |= _mps(wanted, caps, found.active)
    fraction = _fraction(wanted, caps)
    if fraction is not None:
        if pytorch and not any(name in base for name in _PYTORCH_NAMES):
            variables[PYTORCH] = f"per_process_memory_fraction:{fraction:g}"
        if not any(name in base for name in _JAX_NAMES):
            variables[JAX] = f"{fraction:g}"
    return variables


def live_variables(
    leases: Sequence[Lease],
    held: Held,
    *,
    before: Mapping[str, str] | None = None,
    base: Mapping[str, str] = os.environ,
    mps: bool = False,
) -> dict[str, str | None]:
    """What to set (``None``: remove) in a running kernel that has these active leases by now.

    What a lease no longer says is put back as in ``base``, the environment of the server.
    ``before`` is what we set earlier: only that is taken back, but for the names of devices.
    """
    found = launch_variables(Standing(tuple(leases)), held.policy, held.devices, base, mps=mps)
    names = dict.fromkeys((*MAIN, *(before or {})))
    return {name: base.get(name) for name in names} | found


def share_of(found: Standing, devices: Iterable[LeasableDevice]) -> float | None:
    """The part of a device's memory that allocators are to keep to; ``None``: all of it, or no
    lease.
    """
    there = {device.uuid: device for device in devices}
    return _fraction(found.devices, _caps(found.active, there)) if found.active else None


_Cap = tuple[int | None, int | None, int]
"""Bytes that may be held (``None``: not limited), bytes that there are, thousandths."""


def _caps(leases: Iterable[Lease], devices: Mapping[str, LeasableDevice]) -> dict[str, _Cap]:
    """By UUID. Several shares of one device add up; whoever has all of it has no cap."""
    from ..leases.model import WHOLE  # Loaded where somebody leases only.

    caps: dict[str, _Cap] = {}
    for lease in leases:
        for uuid in lease.devices:
            device = devices.get(uuid)
            there = device.memory if device else None
            cap = None
            if lease.request.shared:
                cap = lease.request.memory
                if cap is None and there is not None:
                    cap = there * lease.request.milli // WHOLE
            before = caps.get(uuid, (0, there, 0))
            total = None if cap is None or before[0] is None else before[0] + cap
            milli = min(WHOLE, before[2] + (lease.request.milli if lease.request.shared else WHOLE))
            caps[uuid] = (total, there, milli)
    return caps


def _mps(
    wanted: Sequence[str], caps: Mapping[str, _Cap], leases: Sequence[Lease]
) -> dict[str, str]:
    from ..leases.model import WHOLE

    # Devices count from 0 in the order of CUDA_VISIBLE_DEVICES.
    limits = [
        f"{ordinal}={max(1, cap // _MIB)}M"
        for ordinal, uuid in enumerate(wanted)
        if (cap := caps[uuid][0]) is not None
    ]
    variables = {MPS_MEMORY: ",".join(limits)} if limits else {}
    if all(lease.request.shared for lease in leases):
        # One percentage holds for all devices of a process: that of the largest share.
        most = max(caps[uuid][2] for uuid in wanted)
        variables[MPS_THREADS] = f"{max(1, most * 100 // WHOLE)}"
    return variables


def _fraction(wanted: Sequence[str], caps: Mapping[str, _Cap]) -> float | None:
    """The largest part of a device that may be held; ``None``: of one of them, all of it."""
    parts = []
    for uuid in wanted:
        cap, there, _ = caps[uuid]
        if cap is None or not there:
            return None
        parts.append(cap / there)
    most = int(max(parts) * 1000) / 1000
    return max(0.001, most) if most < 1 else None
