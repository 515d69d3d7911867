"""Devices, samples, history: frozen values and pure rules. No I/O, no clock, no Jupyter.

These classes are also the wire types of ``GET gpus``: a field here is a field there. A reading
that the driver doesn't give is ``None``, never 0.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from ..host.model import HostReading

_DOCUMENTED = {"use_attribute_docstrings": True}


class DriverStatus(StrEnum):
    """How it stands with the driver of this machine."""

    OK = "ok"
    SIMULATED = "simulated"
    """Not a driver: devices of a simulation, asked for by ``simulate_gpus``."""
    MISSING = "missing"
    """No driver library, or no device at all."""
    MISMATCH = "mismatch"
    """Kernel module and library are of different versions: the machine wants a reboot."""
    ERROR = "error"
    """Anything else the driver says."""
    UNRESPONSIVE = "unresponsive"
    """The driver was asked and has not answered yet."""


@dataclass(frozen=True, slots=True)
class Driver:
    """The state of the driver, with the mend where one is known."""

    __pydantic_config__ = _DOCUMENTED

    status: DriverStatus
    probe: str
    """Which probe speaks: ``nvml``, ``simulated``, ``none``, or the name of a third-party one."""
    version: str | None = None
    """Of the driver."""
    cuda_version: str | None = None
    """The newest CUDA that the driver supports."""
    message: str = ""
    """One sentence for people; empty when all is well."""
    hint: str = ""
    """What to do about it."""


class DeviceStatus(StrEnum):
    """Whether a device could be read."""

    OK = "ok"
    LOST = "lost"
    """Fallen off the bus; wants a reset or a reboot."""
    UNRESPONSIVE = "unresponsive"
    """The driver has not answered for this device within the deadline."""
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or a MIG instance of one. Named by its UUID, never by its index."""

    __pydantic_config__ = _DOCUMENTED

    uuid: str
    index: int | None
    """The driver's number: for people's eyes; it changes when devices come and go. MIG
    instances carry their number within the parent."""
    name: str
    memory_total: int | None
    """Bytes; of the host where ``unified_memory``."""
    mig_parent: str | None = None
    """The UUID of the GPU that this MIG instance is a part of."""
    mig_enabled: bool = False
    """A GPU that is split: its MIG instances are what can be used."""
    unified_memory: bool = False
    """The device shares the host's memory (GB10, Jetson)."""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a process belongs to. What is not known for certain is ``None``."""

    __pydantic_config__ = _DOCUMENTED

    user: str
    notebook: str | None = None
    """Path of the notebook, relative to the server's root."""
    kernel_id: str | None = None
    workload_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceProcess:
    """A process as the driver tells it, before anyone asked whose it is."""

    pid: int
    memory: int | None
    """Bytes of device memory; ``None`` where the driver can't tell."""


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a device, and whose it is."""

    __pydantic_config__ = _DOCUMENTED

    pid: int
    """As the driver reports it."""
    name: str | None
    memory: int | None
    """Bytes of device memory."""
    owner: Owner | None
    """``None``: not known, and then ``unattributed`` says why."""
    unattributed: str | None = None
    container: str | None = None
    """The short id of the container it runs in, where that is not ours."""


@dataclass(frozen=True, slots=True)
class RawReading:
    """What a probe reads of one device at one time."""

    uuid: str
    status: DeviceStatus = DeviceStatus.OK
    problem: str | None = None
    utilization: float | None = None
    memory_used: int | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None
    pcie_rx: int | None = None
    pcie_tx: int | None = None
    processes: tuple[DeviceProcess, ...] | None = ()


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One device at one time."""

    __pydantic_config__ = _DOCUMENTED

    uuid: str
    status: DeviceStatus
    problem: str | None
    """One sentence where ``status`` is not ``ok``."""
    utilization: float | None
    """Percent of the time in which a kernel ran, 0 to 100."""
    memory_used: int | None
    """Bytes."""
    temperature: float | None
    """Degrees Celsius."""
    power: float | None
    """Watts."""
    power_limit: float | None
    """Watts."""
    pcie_rx: int | None
    """Bytes a second from the host; read only with ``GpuCtl.pcie_throughput``."""
    pcie_tx: int | None
    """Bytes a second to the host; read only with ``GpuCtl.pcie_throughput``."""
    processes: tuple[GpuProcess, ...] | None
    """``None``: the driver doesn't tell. Empty in older samples unless ``detail=all``."""


@dataclass(frozen=True, slots=True)
class KernelReading:
    """One kernel of this server at one time, its children counted in."""

    __pydantic_config__ = _DOCUMENTED

    kernel_id: str
    name: str
    """Of the kernelspec."""
    notebook: str | None
    """Path of the notebook or console that it belongs to."""
    kind: str | None
    """``notebook``, ``console``, ``file``; ``None`` for a kernel without a session."""
    state: str
    """As the kernel says: ``idle``, ``busy``, ``starting``, ``unknown`` …"""
    memory: int | None
    """Bytes of host memory, shared pages counted once; ``None``: it runs elsewhere."""
    cpu: float | None
    """Percent of one core since the sample before; 250 is two and a half cores."""
    processes: int
    """How many, the kernel itself counted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of all devices and their processes, at one time."""

    __pydantic_config__ = _DOCUMENTED

    seq: int
    """Counts samples from 1; ``GET gpus?since=SEQ`` takes it."""
    time: datetime
    devices: tuple[DeviceReading, ...]
    kernels: tuple[KernelReading, ...]
    """Left out (empty) in older samples unless ``detail=all``."""
    host: HostReading


class Timed(Protocol):
    """What can be kept in a :class:`History`."""

    @property
    def seq(self) -> int: ...

    @property
    def time(self) -> datetime: ...


_T = TypeVar("_T", bound=Timed)


class History(Generic[_T]):
    """What was in the last hour: everything for ten minutes, then one thing in ten seconds.

    What is thinned out is gone; what stays is real, not an average. Memory is bounded by the two
    counts, whatever the clock does.
    """

    FULL = 600
    """Samples kept as they came: 10 min at 1 s."""
    THIN_EVERY = 10.0
    """Seconds between the samples kept after that."""
    SPAN = 3600.0
    """Seconds after which a sample is forgotten."""

    def __init__(self) -> None:
        self._recent: deque[_T] = deque()
        self._old: deque[_T] = deque()

    def append(self, sample: _T) -> None:
        """Take the newest; thin and forget what has aged.

        Raises:
            ValueError: ``seq`` doesn't count up.
        """
        if self._recent and sample.seq <= self._recent[-1].seq:
            raise ValueError(f"sample {sample.seq} comes after {self._recent[-1].seq}")
        self._recent.append(sample)
        if len(self._recent) > self.FULL:
            aged = self._recent.popleft()
            gap = (aged.time - self._old[-1].time).total_seconds() if self._old else None
            # A clock that was set back gives a negative gap: such a sample is kept.
            if gap is None or gap < 0 or gap >= self.THIN_EVERY:
                self._old.append(aged)
        cap = int(self.SPAN / self.THIN_EVERY)
        while self._old and (
            len(self._old) > cap or (sample.time - self._old[0].time).total_seconds() > self.SPAN
        ):
            self._old.popleft()

    @property
    def newest(self) -> _T | None:
        return self._recent[-1] if self._recent else None

    def since(self, seq: int) -> list[_T]:
        """What is newer than ``seq``, oldest first."""
        found: list[_T] = []
        for kept in (self._recent, self._old):
            for sample in reversed(kept):
                if sample.seq <= seq:
                    break
                found.append(sample)
        return found[::-1]
