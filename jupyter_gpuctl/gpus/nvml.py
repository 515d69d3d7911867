"""NVIDIA GPUs through NVML. The only importer of pynvml, which costs nothing before ``open``.

A tick asks seven questions of a GPU that runs something: memory, utilisation, temperature, power,
compute processes (two calls: size, then list) and graphics processes. What doesn't change is
asked once; what seldom changes (the power limit, MPS) and what the driver has refused is asked
again after each :meth:`NvmlProbe.devices`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import Unavailable
from . import nvml_troubles as troubles
from .model import Device, DeviceStatus, Driver, DriverStatus, RawReading
from .nvml_device import NvmlDevice, Session, Unreadable

_NAMELESS = "GPU-unreadable-"


def host_memory_from_proc() -> tuple[int, int] | None:
    """Bytes of host memory in all and in use; ``None`` where /proc doesn't tell."""
    figures = {}
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                key, _, rest = line.partition(":")
                figures[key] = int(rest.split()[0]) * 1024
        return figures["MemTotal"], figures["MemTotal"] - figures["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return None


class NvmlProbe:
    """GPUs and MIG instances, as the NVIDIA driver tells.

    ``pcie_throughput``: measure PCIe traffic too, which blocks 20 ms a counter. ``host_memory``
    gives total and used bytes of the machine, for GPUs that have no memory of their own.
    """

    name = "nvml"

    def __init__(
        self,
        *,
        pcie_throughput: bool = False,
        host_memory: Callable[[], tuple[int, int] | None] = host_memory_from_proc,
    ) -> None:
        self._pcie = pcie_throughput
        self._host_memory = host_memory
        self._nvml: Any = None
        self._initialised = False
        self._session: Session | None = None
        self._known: dict[str, NvmlDevice] = {}

    def open(self) -> Driver:
        self.close()
        try:
            import pynvml
        except Exception as error:
            return Driver(
                DriverStatus.ERROR,
                self.name,
                message=f"The Python package nvidia-ml-py can't be loaded: {error}.",
                hint="Install it again: pip install --force-reinstall nvidia-ml-py",
            )
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._initialised = True
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            # pynvml says "not found" of a library that is there and broken; the loader knows why.
            cause = str(error.__context__ or "")
            return troubles.driver_trouble(error.value, str(error), cause=cause)
        session = Session(pynvml, self._host_memory, self._pcie, "_v3")
        version = session.or_none(pynvml.nvmlSystemGetDriverVersion)
        cuda = session.or_none(pynvml.nvmlSystemGetCudaDriverVersion_v2)
        cuda_version = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
        if troubles.changed_process_struct(version):
            session.list_version = "_v2"
        self._session = session
        if count == 0:
            return troubles.no_gpu(version, cuda_version)
        return Driver(DriverStatus.OK, self.name, version=version, cuda_version=cuda_version)

    def close(self) -> None:
        initialised, self._initialised = self._initialised, False
        self._session, self._known = None, {}
        if initialised:
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                pass  # It is gone already, which is what was wanted.

    def devices(self) -> Sequence[Device]:
        session = self._session
        if session is None:
            raise _away(troubles.UNINITIALIZED, "Uninitialized")
        try:
            count = session.nvml.nvmlDeviceGetCount()
        except session.nvml.NVMLError as error:
            raise _away(error.value, str(error)) from None
        listed: dict[str, NvmlDevice] = {}
        for index in range(count):
            self._list_gpu(session, index, listed)
        # A read that hangs in another thread goes on with what it has.
        self._known = listed
        return [known.device for known in listed.values()]

    def read(self, device: Device) -> RawReading:
        known, session = self._known.get(device.uuid), self._session
        failure = Unreadable(troubles.UNINITIALIZED, "Uninitialized")
        # A handle may be stale, so before a device is given up it is found anew, once.
        fresh = False
        while known is not None and session is not None:
            try:
                if known.handle is None:
                    fresh = True
                    known.handle = _find(session, known.device)
                return known.read()
            except Unreadable as unreadable:
                failure = unreadable
            except session.nvml.NVMLError as error:
                failure = Unreadable(error.value, str(error))
            known.handle = None
            if fresh or failure.code in troubles.AWAY:
                break
        instance = device.mig_parent is not None
        return RawReading(
            device.uuid,
            status=DeviceStatus.LOST if failure.code in troubles.LOST else DeviceStatus.ERROR,
            problem=troubles.device_trouble(failure.code, failure.text, instance=instance),
            processes=None,
        )

    def _list_gpu(self, session: Session, index: int, listed: dict[str, NvmlDevice]) -> None:
        """Put the GPU at ``index`` and its instances into ``listed``."""
        nvml = session.nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = nvml.nvmlDeviceGetUUID(handle)
        except nvml.NVMLError as error:
            if error.value in troubles.AWAY:
                raise _away(error.value, str(error)) from None
            self._list_unreadable(session, index, listed)
            return
        mode = session.or_none(nvml.nvmlDeviceGetMigMode, handle)
        split = bool(mode) and mode[0] == 1
        gpu = self._known.get(uuid)
        if gpu is None:
            gpu = NvmlDevice(session, Device(uuid, index, "NVIDIA GPU", None), handle)
        gpu.device = replace(gpu.device, index=index)
        gpu.refresh(handle, mig_enabled=split)
        listed[uuid] = gpu
        instances = self._instances(session, gpu) if split else []
        listed |= {instance.device.uuid: instance for instance in instances}
        gpu.siblings = frozenset(one.instance for one in instances if one.instance is not None)

    def _list_unreadable(self, session: Session, index: int, listed: dict[str, NvmlDevice]) -> None:
        """List the GPU that was at ``index`` before, with its instances; else a nameless one."""
        for known in self._known.values():
            device = known.device
            if device.mig_parent is None and device.index == index and device.uuid not in listed:
                break
        else:
            device = Device(f"{_NAMELESS}{index}", index, "NVIDIA GPU", None)
            known = NvmlDevice(session, device, None)
        listed[device.uuid] = known
        for other in self._known.values():
            if other.device.mig_parent == device.uuid:
                listed[other.device.uuid] = other

    def _instances(self, session: Session, gpu: NvmlDevice) -> list[NvmlDevice]:
        """The MIG instances of a split GPU, in the driver's order."""
        nvml, parent = session.nvml, gpu.device
        instances = []
        for index in range(session.or_none(nvml.nvmlDeviceGetMaxMigDeviceCount, gpu.handle) or 0):
            try:
                handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu.handle, index)
                uuid = nvml.nvmlDeviceGetUUID(handle)
            except nvml.NVMLError:
                continue  # There is no instance with this number.
            found = self._known.get(uuid)
            if found is None:
                device = Device(uuid, index, parent.name, None, mig_parent=parent.uuid)
                found = NvmlDevice(session, device, handle)
            found.device = replace(found.device, index=index)
            found.refresh(handle)
            if found.instance is None:
                gpu_instance = session.or_none(nvml.nvmlDeviceGetGpuInstanceId, handle)
                compute_instance = session.or_none(nvml.nvmlDeviceGetComputeInstanceId, handle)
                if gpu_instance is not None and compute_instance is not None:
                    found.instance = gpu_instance, compute_instance
            instances.append(found)
        return instances


def _find(session: Session, device: Device) -> Any:
    if device.uuid.startswith(_NAMELESS):
        return session.nvml.nvmlDeviceGetHandleByIndex(device.index)
    return session.nvml.nvmlDeviceGetHandleByUUID(device.uuid)


def _away(code: int, text: str) -> Unavailable:
    driver = troubles.driver_trouble(code, text)
    return Unavailable("gpus.driver_away", driver.message, hint=driver.hint)
