"""One NVML device: what is known of it, and how a tick reads it.

``nvml`` is the module ``pynvml``, which ``gpus.nvml`` imports and hands in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import nvml_troubles as troubles
from .model import Device, DeviceProcess, RawReading

_LISTS = ("Compute", "Graphics", "MPSCompute")


@dataclass
class Session:
    """What the devices of one opened driver share."""

    nvml: Any
    host_memory: Callable[[], tuple[int, int] | None]
    """Total and used bytes of the machine."""
    pcie: bool
    list_version: str
    """Of the process lists: ``_v3``, or ``_v2`` where that is missing or wrong."""

    def or_none(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the driver answers, or ``None``; for questions that nothing else hangs on."""
        try:
            return function(*arguments)
        except (self.nvml.NVMLError, UnicodeDecodeError):
            return None


class Unreadable(Exception):
    """A device, or the whole driver, answers nothing any more."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class NvmlDevice:
    """A GPU or a MIG instance. Read by one thread at a time."""

    def __init__(self, session: Session, device: Device, handle: Any) -> None:
        self.device = device
        self.handle = handle
        self.instance: tuple[int, int] | None = None
        """GPU and compute instance id of a MIG instance."""
        self.siblings: frozenset[tuple[int, int]] = frozenset()
        """Ids of the instances listed beside this GPU: their processes are theirs alone."""
        self._session = session
        self._described = False
        self._power_limit: float | None = None
        self._refused: dict[str, int] = {}
        self._mps = True
        self._answers = 0
        self._failures: set[int] = set()

    def refresh(self, handle: Any, *, mig_enabled: bool = False) -> None:
        """Take a fresh handle, and ask again what seldom changes."""
        self.handle = handle
        self._refused = {}
        self._power_limit = None
        self._mps = True
        self._describe(mig_enabled)

    def _describe(self, mig_enabled: bool) -> None:
        """Fill in what never changes, until it is all known."""
        self.device = replace(self.device, mig_enabled=mig_enabled)
        if self._described:
            return
        nvml, device = self._session.nvml, self.device
        name = self._session.or_none(nvml.nvmlDeviceGetName, self.handle)
        try:
            memory = self._memory()
        except Unreadable:
            return
        # GB10 and Jetson refuse, or say 0 [nvitop#195]. A split GPU refuses for other reasons.
        refused = self._refused.get("memory") == troubles.NOT_SUPPORTED
        whole = device.mig_parent is None and not mig_enabled
        unified = whole and (memory[0] == 0 if memory else refused)
        if unified:
            memory = self._session.host_memory()
        self.device = replace(
            device,
            name=name or device.name,
            memory_total=memory[0] if memory else None,
            unified_memory=unified,
        )
        self._described = bool(name) and memory is not None

    def read(self) -> RawReading:
        """One reading, with ``None`` for what the driver refuses.

        Raises:
            Unreadable: nothing at all could be read.
        """
        nvml, device, session = self._session.nvml, self.device, self._session
        self._answers, self._failures = 0, set()
        memory = session.host_memory() if device.unified_memory else self._memory()
        utilization = temperature = power = rx = tx = None
        # An instance has no such readings; those of its parent are shown there.
        if device.mig_parent is None:
            if not device.mig_enabled:
                rates = self._ask("utilization", nvml.nvmlDeviceGetUtilizationRates)
                utilization = None if rates is None or rates.gpu > 100 else float(rates.gpu)
            temperature = self._temperature()
            power = self._ask("power", nvml.nvmlDeviceGetPowerUsage)
            if self._power_limit is None:
                limit = self._ask("power_limit", nvml.nvmlDeviceGetEnforcedPowerLimit)
                self._power_limit = None if limit is None else limit / 1000
            if session.pcie:
                throughput = nvml.nvmlDeviceGetPcieThroughput
                rx = self._ask("pcie_rx", throughput, nvml.NVML_PCIE_UTIL_RX_BYTES)
                tx = self._ask("pcie_tx", throughput, nvml.NVML_PCIE_UTIL_TX_BYTES)
        processes = self._processes()
        self._check()
        return RawReading(
            device.uuid,
            utilization=utilization,
            memory_used=memory[1] if memory else None,
            temperature=temperature,
            power=None if power is None else power / 1000,
            power_limit=self._power_limit,
            pcie_rx=None if rx is None else rx * 1024,
            pcie_tx=None if tx is None else tx * 1024,
            processes=processes,
        )

    def _check(self) -> None:
        """Raise where the driver gave no answer, and more is wrong than missing abilities."""
        # In a container the parent of one's own instance refuses everything; that is in order.
        if self._answers or self.device.mig_enabled:
            return
        failures = self._failures | set(self._refused.values())
        serious = failures - {troubles.NOT_SUPPORTED, troubles.FUNCTION_NOT_FOUND}
        if serious:
            code = min(serious)
            raise Unreadable(code, str(self._session.nvml.NVMLError(code)))

    def _ask(self, key: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """One answer, or ``None``. What was refused is not asked again before the next refresh.

        Raises:
            Unreadable: the device has fallen away, so that nothing else need be asked.
        """
        if key in self._refused:
            return None
        try:
            answer = function(self.handle, *arguments)
        except self._session.nvml.NVMLError as error:
            code = error.value
            if code in troubles.LOST or code in troubles.AWAY:
                raise Unreadable(code, str(error)) from None
            if code in troubles.REFUSED:
                self._refused[key] = code
            self._failures.add(code)
            return None
        self._answers += 1
        return answer

    def _memory(self) -> tuple[int, int] | None:
        """Bytes in all and in use. Version 2 doesn't count the driver's own share as used."""
        nvml = self._session.nvml
        read = nvml.nvmlDeviceGetMemoryInfo
        info = self._ask("memory_v2", read, nvml.nvmlMemory_v2)
        if info is None and "memory_v2" in self._refused:
            info = self._ask("memory", read)
        return None if info is None else (info.total, info.used)

    def _temperature(self) -> float | None:
        """Degrees. The older call is everywhere today and goes with CUDA 14, so it comes first."""
        nvml = self._session.nvml
        sensor = nvml.NVML_TEMPERATURE_GPU
        degrees = self._ask("temperature", nvml.nvmlDeviceGetTemperature, sensor)
        if self._refused.get("temperature") == troubles.FUNCTION_NOT_FOUND:
            degrees = self._ask("temperature_v", nvml.nvmlDeviceGetTemperatureV, sensor)
        return None if degrees is None else float(degrees)

    def _processes(self) -> tuple[DeviceProcess, ...] | None:
        """Processes of the compute, graphics and MPS lists, each pid once.

        ``None`` where the list that matters, of compute, is withheld and no other names any.
        """
        merged: dict[int, int | None] = {}
        known = False
        for kind in _LISTS:
            if kind == "MPSCompute" and not self._mps:
                continue
            entries = self._list(kind)
            if kind == "Compute":
                known = entries is not None
            elif kind == "MPSCompute":
                # MPS seldom comes: while it names nobody it is asked after each refresh only.
                self._mps = bool(entries)
            if entries:
                for pid, memory in self._memory_by_pid(entries).items():
                    merged[pid] = _most(merged.get(pid), memory)
        if not known and not merged:
            return None
        return tuple(DeviceProcess(pid, memory) for pid, memory in sorted(merged.items()))

    def _list(self, kind: str) -> Any:
        session = self._session
        key = f"nvmlDeviceGet{kind}RunningProcesses{session.list_version}"
        entries = self._ask(key, getattr(session.nvml, key))
        missing = self._refused.get(key) == troubles.FUNCTION_NOT_FOUND
        if missing and session.list_version == "_v3":
            session.list_version = "_v2"
            return self._list(kind)
        return entries

    def _memory_by_pid(self, entries: Sequence[Any]) -> dict[int, int | None]:
        """Bytes by pid; a process in several instances of a GPU has a share in each."""
        if not self.siblings:
            return {entry.pid: entry.usedGpuMemory for entry in entries}
        shares: dict[int, int | None] = {}
        for entry in entries:
            if (entry.gpuInstanceId, entry.computeInstanceId) in self.siblings:
                continue
            before, memory = shares.get(entry.pid), entry.usedGpuMemory
            shares[entry.pid] = memory if before is None else before + (memory or 0)
        return shares


def _most(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
