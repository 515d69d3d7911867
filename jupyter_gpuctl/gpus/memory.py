"""GPU memory by process: what a validator asks of the driver, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..core.errors import Unavailable
from .model import Device, DriverStatus
from .ports import Probe, ProcessTable


class GpuMemory:
    """Adds up a process' memory over all devices. Used from one thread; may block in the driver."""

    def __init__(self, probe: Probe, table: ProcessTable) -> None:
        self._probe, self._table = probe, table
        self._devices: Sequence[Device] = ()

    def open(self) -> str:
        """Look for devices; why there is nothing to read, or the empty text."""
        driver = self._probe.open()
        if driver.status is not DriverStatus.OK:
            return driver.message
        try:
            self._devices = self._probe.devices()
        except Unavailable as error:
            return error.message
        return ""

    def read(self) -> Mapping[int, int]:
        """Pid to bytes, of processes whose memory the driver tells and that this machine knows.

        A device that can't be read has none.
        """
        held: Counter[int] = Counter()
        for device in self._devices:
            for process in self._probe.read(device).processes or ():
                if process.memory is not None and self._table.verified(process.pid):
                    held[process.pid] += process.memory
        return held

    def close(self) -> None:
        """Give the driver back."""
        self._probe.close()
