"""GPUs that aren't there, for demonstrations and machines without any."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.clock import Clock, SystemClock
from . import simulation
from .model import Device, DeviceProcess, DeviceStatus, Driver, DriverStatus, RawReading
from .simulation import GIB

_NAMES = uuid.UUID("6d0f6f0e-5b1c-4b62-9a3e-0c7a3a5d9f10")
_MODEL = "Simulated GPU 80GB"
_MEMORY = 80 * GIB
_RESERVED = GIB // 2
_POWER_IDLE, _POWER_LIMIT = 55.0, 400.0
_DEGREES_IDLE, _DEGREES_SPAN = 31.0, 47.0
_PROFILES = (("3g.40gb", 40 * GIB, 3), ("2g.20gb", 20 * GIB, 2), ("1g.10gb", 10 * GIB, 1))
"""MIG instances of the split GPU: name, bytes, and compute slices out of seven."""
_LOCAL_SHARE = 0.2
"""Fraction of a device's memory that real kernels are shown to hold at most."""


def _no_pids() -> Sequence[int]:
    return ()


@dataclass(frozen=True)
class _Place:
    """A simulated device, and where it stands in the timetable."""

    device: Device
    number: int
    slices: int = 7
    instances: tuple[_Place, ...] = ()


class SimulatedProbe:
    """``count`` simulated GPUs; from three on, the last one is split into MIG instances.

    A reading depends on ``seed``, the clock's time of day and ``local_pids`` alone. The pids of
    ``local_pids`` (the kernels of this server) are shown as processes too, each always on the same
    device, so that a demonstration has notebooks in it. Other pids are higher than real ones.
    """

    name = "simulated"

    def __init__(
        self,
        count: int,
        seed: int = 0,
        clock: Clock | None = None,
        *,
        local_pids: Callable[[], Sequence[int]] = _no_pids,
    ) -> None:
        self._seed = seed
        self._clock = clock or SystemClock()
        self._local_pids = local_pids
        self._places: dict[str, _Place] = {}
        for index in range(count):
            self._add(index, split=count >= 3 and index == count - 1)
        # What can be used: whole GPUs that aren't split, and instances.
        self._usable = [place for place in self._places.values() if not place.instances]

    def _add(self, index: int, *, split: bool) -> None:
        gpu = self._uuid("GPU", index)
        instances = tuple(
            _Place(
                Device(
                    self._uuid("MIG", index, n),
                    n,
                    f"{_MODEL} MIG {profile}",
                    memory,
                    mig_parent=gpu,
                    simulated=True,
                ),
                1000 * (index + 1) + n,
                slices,
            )
            for n, (profile, memory, slices) in enumerate(_PROFILES)
            if split
        )
        device = Device(gpu, index, _MODEL, _MEMORY, mig_enabled=split, simulated=True)
        for place in (_Place(device, index, instances=instances), *instances):
            self._places[place.device.uuid] = place

    def _uuid(self, kind: str, *numbers: int) -> str:
        return f"{kind}-{uuid.uuid5(_NAMES, repr((self._seed, *numbers)))}"

    def open(self) -> Driver:
        return Driver(
            DriverStatus.SIMULATED,
            self.name,
            message="These GPUs are simulated: they show how it looks, and can't be used.",
            hint="Set GpuCtl.simulate_gpus to 0 to see those of this machine.",
        )

    def devices(self) -> Sequence[Device]:
        return [place.device for place in self._places.values()]

    def read(self, device: Device) -> RawReading:
        place = self._places.get(device.uuid)
        if place is None:
            problem = "There is no such simulated GPU."
            return RawReading(
                device.uuid, status=DeviceStatus.ERROR, problem=problem, processes=None
            )
        time = self._clock.now().timestamp()
        processes = self._processes(place, time)
        used = _held(processes) + (_RESERVED if device.mig_parent is None else 0)
        used += sum(_held(self._processes(part, time)) for part in place.instances)
        if device.mig_parent is not None:
            # Drivers give neither utilisation nor sensors of an instance.
            return RawReading(device.uuid, memory_used=used, processes=processes)
        heat = self._felt(place, time, lag=45.0, step=3.0)
        work = self._felt(place, time, lag=1.5, step=1.0)
        return RawReading(
            device.uuid,
            utilization=None if place.instances else self._utilization(place, time, processes),
            memory_used=used,
            temperature=float(round(_DEGREES_IDLE + _DEGREES_SPAN * heat)),
            power=round(_POWER_IDLE + (0.97 * _POWER_LIMIT - _POWER_IDLE) * work, 1),
            power_limit=_POWER_LIMIT,
            processes=processes,
        )

    def close(self) -> None:
        pass

    def _felt(self, place: _Place, time: float, *, lag: float, step: float) -> float:
        """Load with inertia, 0 to 1; of a split GPU, of its instances by their slices."""
        if not place.instances:
            return simulation.lagged(self._seed, place.number, time, lag=lag, step=step)
        return sum(
            part.slices / 7 * self._felt(part, time, lag=lag, step=step) for part in place.instances
        )

    def _utilization(self, place: _Place, time: float, processes: Sequence[DeviceProcess]) -> float:
        """Percent. A kernel alone on a device is shown to work a little now and then."""
        percent = simulation.utilization(self._seed, place.number, time)
        if any(process.pid < simulation.FIRST_PID for process in processes):
            burst = simulation.chance(self._seed, place.number, int(time) // 7, 1)
            percent = max(percent, float(round(30 * burst)))
        return percent

    def _processes(self, place: _Place, time: float) -> tuple[DeviceProcess, ...]:
        total = place.device.memory_total or 0
        if place.instances:
            return ()
        own = simulation.processes(self._seed, place.number, time, total)
        here = [pid for pid in self._local_pids() if self._usable[self._home(pid)] is place]
        room = int(_LOCAL_SHARE * total) // max(1, len(here))
        local = (
            DeviceProcess(pid, int(room * (0.2 + 0.8 * simulation.chance(self._seed, pid))))
            for pid in sorted(set(here))
        )
        return (*local, *own)

    def _home(self, pid: int) -> int:
        """Which of the usable devices shows a kernel: always the same one."""
        return int(simulation.chance(pid, self._seed) * len(self._usable))


def _held(processes: Sequence[DeviceProcess]) -> int:
    return sum(process.memory or 0 for process in processes)
