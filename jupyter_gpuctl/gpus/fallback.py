"""One probe, or another where the first finds no driver."""

from __future__ import annotations

from collections.abc import Sequence

from .model import Device, Driver, DriverStatus, RawReading
from .ports import Probe


class FallbackProbe:
    """``first``, but ``second`` where ``first`` says that the driver is missing."""

    def __init__(self, first: Probe, second: Probe) -> None:
        self._second = second
        self._chosen = first

    @property
    def name(self) -> str:
        return self._chosen.name

    def open(self) -> Driver:
        driver = self._chosen.open()
        if driver.status is DriverStatus.MISSING and self._chosen is not self._second:
            self._chosen.close()
            self._chosen = self._second
            driver = self._chosen.open()
        return driver

    def devices(self) -> Sequence[Device]:
        return self._chosen.devices()

    def read(self, device: Device) -> RawReading:
        return self._chosen.read(device)

    def close(self) -> None:
        self._chosen.close()
