"""The devices that can be leased, as the GPU wing's newest sample knows them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

from ..core.clock import Clock
from ..gpus.model import DeviceReading, DeviceStatus
from ..gpus.sampler import Pass, Sampler
from .model import LeasableDevice
from .ports import DeviceView

GONE_AFTER = 3
"""Samples in a row without a device that was there before, until it counts as gone."""

_NOT_YET = DeviceView(
    (), {}, "The GPUs of this machine have not been read yet.", "Ask again in a few seconds."
)


class SampledDevices:
    """A :class:`.ports.DeviceDirectory` on samples that somebody else takes."""

    def __init__(self, newest: Callable[[], Pass | None]) -> None:
        self._newest = newest
        self._presence = Presence()
        self._of: Pass | None = None
        self._view = _NOT_YET

    def view(self) -> DeviceView:
        """As of the newest sample."""
        found = self._newest()
        if found is not None and found is not self._of:
            self._view, self._of = self._presence.view(found), found
        return self._view


class OwnSamples:
    """A :class:`.ports.DeviceDirectory` that takes its samples itself, where no monitor runs."""

    def __init__(self, sampler: Sampler, clock: Clock, interval: float = 5.0) -> None:
        self._sampler = sampler
        self._clock = clock
        self._interval = interval
        self._presence = Presence()
        self._read_at: float | None = None
        self._view = _NOT_YET

    def view(self) -> DeviceView:
        """As of a sample that is at most the interval old; may take one."""
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at >= self._interval:
            found = self._sampler.sample(())
            self._view, self._read_at = self._presence.view(found), now
        return self._view


class Presence:
    """Remembers which devices there were, and notices which are not there any more.

    A driver that is away as a whole says nothing about any device, nor does the list of a program
    that has never seen the device: it may run where only some can be seen.
    """

    def __init__(self) -> None:
        self._seen: dict[str, LeasableDevice] = {}
        self._missed: dict[str, int] = {}

    def view(self, found: Pass) -> DeviceView:
        """What the newest sample says, and which devices are gone."""
        view = view_of(found)
        lost = _lost(found)
        self._seen.update({device.uuid: device for device in lost})
        self._seen.update({device.uuid: device for device in view.devices})
        here = {device.uuid for device in view.devices}
        for uuid in here:
            self._missed.pop(uuid, None)
        missing = self._seen.keys() - here if here else {device.uuid for device in lost}
        for uuid in missing:
            self._missed[uuid] = self._missed.get(uuid, 0) + 1
        gone = [self._seen[u] for u, times in self._missed.items() if times >= GONE_AFTER]
        return replace(view, gone=tuple(sorted(gone, key=lambda d: (d.index, d.uuid))))


def _lost(found: Pass) -> list[LeasableDevice]:
    """Those that the driver names and can't find."""
    lost = {r.uuid for r in found.sample.devices if r.status is DeviceStatus.LOST}
    host = socket.gethostname()
    return [
        LeasableDevice(device.uuid, host, device.name, device.memory_total, index)
        for index, device in enumerate(found.devices)
        if device.uuid in lost
    ]


def view_of(found: Pass) -> DeviceView:
    """What of a sample matters to leases.

    A GPU that is split is not leased, its MIG instances are. One that has fallen off the bus is
    not there. One that can't be read counts as in use by nobody knows whom.
    """
    host = socket.gethostname()
    readings = {reading.uuid: reading for reading in found.sample.devices}
    devices, processes = [], {}
    for index, device in enumerate(found.devices):
        reading = readings.get(device.uuid)
        if device.mig_enabled or reading is None or reading.status is DeviceStatus.LOST:
            continue
        devices.append(LeasableDevice(device.uuid, host, device.name, device.memory_total, index))
        # Simulated processes are there to be looked at, and take nothing from anybody.
        if not device.simulated and (users := _users(reading)):
            processes[device.uuid] = users
    if not devices:
        message = found.driver.message or "There is no GPU on this machine that can be leased."
        return DeviceView((), {}, message, found.driver.hint)
    return DeviceView(tuple(devices), processes)


def _users(reading: DeviceReading) -> frozenset[str | None]:
    if reading.status is not DeviceStatus.OK:
        return frozenset({None})
    # A driver that tells of no processes at all (WSL) would else make every device taken.
    return frozenset(
        process.owner.user if process.owner else None for process in reading.processes or ()
    )
