"""What the fake driver is to answer: frozen values, written as the lines that scenario.c reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

MIB = 1024**2

NOT_SUPPORTED = 3
NO_PERMISSION = 4
DRIVER_NOT_LOADED = 9
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
UNKNOWN = 999


@dataclass(frozen=True)
class Fault:
    """A function that fails, or blocks first.

    ``function`` is a symbol of the C library (``nvmlDeviceGetMemoryInfo_v2``), or a prefix
    followed by ``*``. A blocked call comes back after ``seconds``, or as soon as a new scenario
    has no such fault; with ``whole_driver`` no other call gets through meanwhile.
    """

    function: str
    code: int = 0
    seconds: float = 0
    whole_driver: bool = False

    def lines(self) -> Iterator[str]:
        if self.seconds:
            yield f"hang {self.function} {self.seconds}{' global' if self.whole_driver else ''}"
        if self.code:
            yield f"fail {self.function} {self.code}"


@dataclass(frozen=True)
class Process:
    pid: int
    memory: int | None = 512 * MIB
    """Bytes; ``None``: NVML_VALUE_NOT_AVAILABLE."""
    kind: str = "compute"
    """``compute``, ``graphics`` or ``mps``."""
    gi: int = -1
    ci: int = -1

    def lines(self) -> Iterator[str]:
        memory = "na" if self.memory is None else self.memory
        yield f"process {self.kind} {self.pid} {memory} {self.gi} {self.ci}"


@dataclass(frozen=True)
class Instance:
    """A MIG instance. Another ``generation`` makes handles of the one before stale."""

    uuid: str
    gi: int
    ci: int = 0
    name: str = "NVIDIA H200 MIG 1g.18gb"
    memory: tuple[int, int, int] | None = (16_384 * MIB, 0, 13 * MIB)
    """Bytes: total, reserved, used."""
    processes: tuple[Process, ...] = ()
    faults: tuple[Fault, ...] = ()
    generation: int = 0

    def lines(self) -> Iterator[str]:
        yield f"instance {self.uuid} {self.gi} {self.ci} {self.generation}"
        yield f"name {self.name}"
        if self.memory is not None:
            yield "memory {} {} {}".format(*self.memory)
        for process in self.processes:
            yield from replace(process, gi=self.gi, ci=self.ci).lines()
        for fault in self.faults:
            yield from fault.lines()


@dataclass(frozen=True)
class Gpu:
    """A whole GPU. A reading of ``None`` is one that the driver doesn't support."""

    uuid: str
    name: str = "NVIDIA H200"
    pci: str = "00000000:1B:00.0"
    memory: tuple[int, int, int] | None = (143_771 * MIB, 600 * MIB, 4 * MIB)
    """Bytes: total, reserved, used."""
    utilization: int | None = 0
    """Percent."""
    temperature: int | None = 34
    power: int | None = 74_000
    """Milliwatts."""
    power_limit: int | None = 700_000
    """Milliwatts."""
    pcie: tuple[int, int] | None = (1_000, 2_000)
    """KB/s to the host, and from it."""
    mig: tuple[int, int] | None = (0, 7)
    """MIG mode (0 off, 1 on) and the most instances there could be."""
    lost: bool = False
    processes: tuple[Process, ...] = ()
    instances: tuple[Instance, ...] = ()
    faults: tuple[Fault, ...] = ()

    def lines(self) -> Iterator[str]:
        yield f"gpu {self.uuid}"
        yield f"name {self.name}"
        yield f"pci {self.pci}"
        if self.memory is not None:
            yield "memory {} {} {}".format(*self.memory)
        if self.utilization is not None:
            yield f"utilization {self.utilization} {self.utilization // 2}"
        if self.temperature is not None:
            yield f"temperature {self.temperature}"
        if self.power is not None:
            yield f"power {self.power}"
        if self.power_limit is not None:
            yield f"power-limit {self.power_limit}"
        if self.pcie is not None:
            yield "pcie {} {}".format(*self.pcie)
        if self.mig is not None:
            yield "mig {} {}".format(*self.mig)
        if self.lost:
            yield "lost"
        parts: tuple[Process | Fault | Instance, ...]
        parts = (*self.processes, *self.faults, *self.instances)
        for part in parts:
            yield from part.lines()


@dataclass(frozen=True)
class Scenario:
    """A machine with its driver."""

    gpus: tuple[Gpu, ...] = ()
    driver: str = "580.65.06"
    cuda: int = 13000
    legacy_layout: bool = False
    """Running-process entries as in drivers 535.43 to before 535.86."""
    faults: tuple[Fault, ...] = field(default=())

    def text(self) -> str:
        lines = [f"driver {self.driver}", f"nvml 13.{self.driver}", f"cuda {self.cuda}"]
        if self.legacy_layout:
            lines.append("legacy-layout")
        parts: tuple[Fault | Gpu, ...] = (*self.faults, *self.gpus)
        for part in parts:
            lines.extend(part.lines())
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Put the scenario in place at once: no call sees half of it."""
        draft = path.with_name(path.name + ".draft")
        draft.write_text(self.text())
        os.replace(draft, path)

    def with_gpu(self, index: int, **changes: object) -> Scenario:
        """The same machine with one GPU changed."""
        gpus = list(self.gpus)
        gpus[index] = replace(gpus[index], **changes)  # type: ignore[arg-type]
        return replace(self, gpus=tuple(gpus))

    def with_faults(self, *faults: Fault) -> Scenario:
        """The same machine with faults of the driver as a whole."""
        return replace(self, faults=(*self.faults, *faults))


def gpu_uuid(index: int) -> str:
    return f"GPU-{index:08x}-fa4e-4000-8000-{index:012x}"


def mig_uuid(index: int) -> str:
    return f"MIG-{index:08x}-fa4e-5000-8000-{index:012x}"


def h200(index: int = 0, pids: Iterable[int] = ()) -> Gpu:
    """An H200 with 143,771 MiB and a process for each of ``pids``."""
    processes = tuple(Process(pid, (512 + 128 * n) * MIB) for n, pid in enumerate(pids))
    used = sum(process.memory or 0 for process in processes)
    return Gpu(
        gpu_uuid(index),
        pci=f"00000000:{0x1B + 16 * index:02X}:00.0",
        memory=(143_771 * MIB, 600 * MIB, used + 4 * MIB),
        utilization=97 - index if processes else 0,
        temperature=60 + index if processes else 30 + index,
        power=(640 - index) * 1000 if processes else 74_000,
        processes=processes,
    )


FIRST_PID = 4_194_400
"""Above every pid that Linux gives out: the default processes are nobody's."""


def h200s(count: int = 8, pids: Iterable[int] | None = None) -> Scenario:
    """``count`` H200s; ``pids`` (by default eight for each) are dealt to them in turn."""
    held = list(pids) if pids is not None else list(range(FIRST_PID, FIRST_PID + 8 * count))
    return Scenario(tuple(h200(index, held[index::count]) for index in range(count)))


def mig_seven(pids: Iterable[int] = (FIRST_PID, FIRST_PID + 1, FIRST_PID + 2)) -> Scenario:
    """One H200 split into seven 1g.18gb; ``pids`` are dealt to the instances in turn."""
    held = list(pids)
    instances = tuple(
        Instance(
            mig_uuid(index),
            gi=7 + index,
            memory=(16_384 * MIB, 0, 13 * MIB + 512 * MIB * len(held[index::7])),
            processes=tuple(Process(pid) for pid in held[index::7]),
        )
        for index in range(7)
    )
    used = sum(instance.memory[2] for instance in instances if instance.memory)
    gpu = replace(h200(), mig=(1, 7), instances=instances, utilization=50, power=300_000)
    return Scenario((replace(gpu, memory=(143_771 * MIB, 600 * MIB, used)),))


def unified_memory(*, total_zero: bool = False) -> Scenario:
    """A GB10: the driver gives no memory of its own (or 0 bytes), no limit of power, no MIG."""
    return Scenario(
        (
            Gpu(
                gpu_uuid(0),
                name="NVIDIA GB10",
                memory=(0, 0, 0) if total_zero else None,
                utilization=42,
                power_limit=None,
                mig=None,
                processes=(Process(FIRST_PID, 256 * MIB),),
            ),
        )
    )
