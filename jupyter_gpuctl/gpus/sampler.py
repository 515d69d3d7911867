"""One sampling pass: probes, processes, kernels and machine to one sample. Runs off the loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..core.clock import Clock
from ..core.errors import Unavailable
from ..core.quantities import format_bytes
from ..host.model import DiskUse
from .attribution import Attributor
from .kernels import KernelMeter
from .model import (
    Device,
    DeviceReading,
    DeviceStatus,
    Driver,
    DriverStatus,
    RawReading,
    Sample,
)
from .patience import Overdue, PatientCaller
from .ports import HostMeter, Kernel, Probe
from .wire import Notice

DEVICES_EVERY = 30.0
"""Seconds between two looks at which devices there are."""
REOPEN_EVERY = 30.0
"""Seconds between two tries at a driver that is missing or broken."""
DISK_EVERY = 30.0
"""Seconds between two looks at the home's disk."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one sampling pass found."""

    driver: Driver
    devices: tuple[Device, ...]
    sample: Sample
    notices: tuple[Notice, ...]


class _Source:
    """One probe, and what it said last."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.opened: Driver | None = None
        """What ``open`` said, where it said that devices can be asked for."""
        self.trouble: Driver | None = None
        """What stands against it now."""
        self.devices: tuple[Device, ...] = ()
        self.next_open = 0.0
        self.next_devices = 0.0

    @property
    def driver(self) -> Driver:
        """The state to show."""
        return self.trouble or self.opened or Driver(DriverStatus.UNRESPONSIVE, self.probe.name)


class Sampler:
    """Takes samples. Called by the monitor, on one thread at a time, never on the event loop."""

    def __init__(
        self,
        probes: Sequence[Probe],
        *,
        attributor: Attributor,
        kernel_meter: KernelMeter,
        host: HostMeter,
        home: Callable[[], DiskUse],
        clock: Clock,
        deadline: float = 1.0,
    ) -> None:
        self._sources = [_Source(probe) for probe in probes]
        self._attributor = attributor
        self._kernel_meter = kernel_meter
        self._host = host
        self._ask_home = home
        self._home: DiskUse | None = None
        self._next_home = 0.0
        self._clock = clock
        self._caller = PatientCaller(deadline)
        self._seq = 0
        self._cpu = 0.0

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all passes so far, the probes' included."""
        return self._cpu + self._caller.cpu_seconds

    def sample(self, kernels: Sequence[Kernel]) -> Pass:
        """One pass. Never raises for what a driver, a disk or a process refuses."""
        began = time.thread_time()
        now = self._clock.monotonic()
        self._refresh(now)
        readings = self._read_devices()
        self._attributor.begin(kernels)
        self._seq += 1
        devices = tuple(device for source in self._sources for device in source.devices)
        sample = Sample(
            seq=self._seq,
            time=self._clock.now(),
            devices=tuple(self._attribute(device, readings[device.uuid]) for device in devices),
            kernels=self._kernel_meter.read(kernels, now),
            host=self._host.read(self._home),
        )
        self._cpu += time.thread_time() - began
        return Pass(self._driver(), devices, sample, tuple(self._notices()))

    def close(self) -> None:
        """Give the drivers back, as far as they answer."""
        self._caller.call([((id(s), "close"), s.probe.close) for s in self._sources])

    def _refresh(self, now: float) -> None:
        """Open probes, list devices and ask about the disk, each when its time has come."""
        for source in self._sources:
            if source.opened is None and now >= source.next_open:
                self._open(source, now)
            if source.opened is not None and now >= source.next_devices:
                self._list_devices(source, now)
        if now >= self._next_home:
            self._next_home = now + DISK_EVERY
            answer = self._caller.call([("home", self._ask_home)])["home"]
            # A network disk that is away: its last figures would only mislead.
            self._home = answer if isinstance(answer, DiskUse) else None

    def _open(self, source: _Source, now: float) -> None:
        if self._caller.hanging(id(source)):
            return  # A driver is not to be closed and opened under a call that is still in it.
        answer = self._ask(source, "open")
        # What is overdue is "asked" at each tick: that costs nothing until it has come back.
        source.next_open = now if isinstance(answer, Overdue) else now + REOPEN_EVERY
        source.next_devices = now
        if isinstance(answer, Driver) and answer.status in (
            DriverStatus.OK,
            DriverStatus.SIMULATED,
        ):
            source.opened, source.trouble = answer, None
        else:
            source.trouble = self._trouble(source, answer)

    def _list_devices(self, source: _Source, now: float) -> None:
        answer = self._ask(source, "devices")
        source.next_devices = now if isinstance(answer, Overdue) else now + DEVICES_EVERY
        if isinstance(answer, Overdue | Exception):
            source.trouble = self._trouble(source, answer)
            if isinstance(answer, Unavailable):
                source.opened, source.next_open = None, now
        else:
            source.devices, source.trouble = tuple(answer), None

    def _ask(self, source: _Source, what: str) -> Any:
        key = (id(source), what)
        return self._caller.call([(key, getattr(source.probe, what))])[key]

    @staticmethod
    def _trouble(source: _Source, answer: Any) -> Driver:
        """``answer`` of a probe as the driver's state, whatever came back."""
        if isinstance(answer, Driver):
            return answer
        name = source.probe.name
        if isinstance(answer, Overdue):
            return Driver(
                DriverStatus.UNRESPONSIVE,
                name,
                message=f"The driver ({name}) has not answered for {answer.seconds:.0f} s.",
                hint="It is asked again by itself. If this stays, look at the system's log "
                "(dmesg) for NVRM or Xid lines; a reboot may be needed.",
            )
        text = answer.message if isinstance(answer, Unavailable) else repr(answer)
        return Driver(
            DriverStatus.ERROR,
            name,
            message=f"The driver ({name}) failed: {text}",
            hint="It is asked again by itself every 30 s.",
        )

    def _read_devices(self) -> dict[str, RawReading]:
        jobs = [
            ((id(source), device.uuid), partial(source.probe.read, device))
            for source in self._sources
            if source.opened is not None
            for device in source.devices
        ]
        answers = self._caller.call(jobs)
        readings = {}
        for source in self._sources:
            for device in source.devices:
                answer = answers.get((id(source), device.uuid))
                readings[device.uuid] = (
                    answer if isinstance(answer, RawReading) else _unread(device, answer, source)
                )
        return readings

    def _attribute(self, device: Device, raw: RawReading) -> DeviceReading:
        processes = raw.processes
        return DeviceReading(
            uuid=raw.uuid,
            status=raw.status,
            problem=raw.problem,
            utilization=raw.utilization,
            memory_used=raw.memory_used,
            temperature=raw.temperature,
            power=raw.power,
            power_limit=raw.power_limit,
            pcie_rx=raw.pcie_rx,
            pcie_tx=raw.pcie_tx,
            processes=None
            if processes is None
            else tuple(
                self._attributor.attribute(process, simulated=device.simulated)
                for process in processes
            ),
        )

    def _driver(self) -> Driver:
        """The state to show: of the first probe that works, else of the first."""
        working = (s for s in self._sources if s.devices and s.trouble is None)
        return next(working, self._sources[0]).driver

    def _notices(self) -> list[Notice]:
        home = self._home
        if home is None or not home.nearly_full:
            return []
        return [
            Notice(
                "home.nearly_full",
                f"The disk of your home is nearly full: {format_bytes(home.free)} of "
                f"{format_bytes(home.total)} are free ({home.path}).",
                "Delete or move what you don't need before saving fails.",
            )
        ]


def _unread(device: Device, answer: Any, source: _Source) -> RawReading:
    """The reading of a device that gave none."""
    blank = RawReading(uuid=device.uuid, processes=None)
    if isinstance(answer, Overdue):
        problem = f"The driver has not answered for this GPU for {answer.seconds:.0f} s."
        return replace(blank, status=DeviceStatus.UNRESPONSIVE, problem=problem)
    problem = source.driver.message if answer is None else f"It can't be read: {answer!r}"
    return replace(blank, status=DeviceStatus.ERROR, problem=problem)
