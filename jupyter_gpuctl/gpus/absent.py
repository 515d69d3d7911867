"""No devices, and why."""

from __future__ import annotations

from collections.abc import Sequence

from .model import Device, DeviceStatus, Driver, DriverStatus, RawReading


class AbsentProbe:
    """Lists nothing. ``message`` says why in a sentence, ``hint`` what to do about it."""

    name = "none"

    def __init__(self, message: str, hint: str) -> None:
        self._message = message
        self._hint = hint

    def open(self) -> Driver:
        return Driver(DriverStatus.MISSING, self.name, message=self._message, hint=self._hint)

    def devices(self) -> Sequence[Device]:
        return []

    def read(self, device: Device) -> RawReading:
        return RawReading(
            device.uuid, status=DeviceStatus.ERROR, problem=self._message, processes=None
        )

    def close(self) -> None:
        pass
