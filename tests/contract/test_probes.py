"""What every probe owes to the monitor, whatever the driver does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from jupyter_gpuctl.core.encoding import encode
from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.gpus.absent import AbsentProbe
from jupyter_gpuctl.gpus.fallback import FallbackProbe
from jupyter_gpuctl.gpus.model import Device, DeviceStatus, Driver, DriverStatus, RawReading
from jupyter_gpuctl.gpus.nvml import NvmlProbe
from jupyter_gpuctl.gpus.ports import Probe
from jupyter_gpuctl.gpus.simulated import SimulatedProbe
from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    LIB_RM_VERSION_MISMATCH,
    NO_PERMISSION,
    NOT_SUPPORTED,
    RESET_REQUIRED,
    UNKNOWN,
    Fault,
    Gpu,
    Process,
    Scenario,
    gpu_uuid,
    h200s,
    mig_seven,
    unified_memory,
)

WORKING = {
    "8 H200, 64 processes": h200s(8),
    "MIG 7 x 1g": mig_seven(),
    "unified memory, refused": unified_memory(),
    "unified memory, 0 bytes": unified_memory(total_zero=True),
    "one GPU lost": h200s(4).with_gpu(2, lost=True),
    "one GPU to be reset": h200s(2).with_gpu(1, faults=(Fault("nvml*", RESET_REQUIRED),)),
    "one GPU answers nothing sensible": h200s(2).with_gpu(0, faults=(Fault("nvml*", UNKNOWN),)),
    "one GPU supports nothing": h200s(2).with_gpu(0, faults=(Fault("nvml*", NOT_SUPPORTED),)),
    "one GPU is forbidden": h200s(2).with_gpu(0, faults=(Fault("nvml*", NO_PERMISSION),)),
    "nothing but the name": Scenario(
        (Gpu(gpu_uuid(0), memory=None, utilization=None, temperature=None, power=None, mig=None),)
    ),
    "memory of processes unknown": h200s(1).with_gpu(0, processes=(Process(4_200_000, None),)),
    "535.54 with the changed struct": replace(h200s(2), driver="535.54.03", legacy_layout=True),
    "no version of the driver": h200s(1).with_faults(Fault("nvmlSystem*", UNKNOWN)),
}
BROKEN = {
    "no driver": None,
    "no GPU": Scenario(),
    "mismatch": h200s(1).with_faults(Fault("nvmlInit*", LIB_RM_VERSION_MISMATCH)),
    "not loaded": h200s(1).with_faults(Fault("nvmlInit*", DRIVER_NOT_LOADED)),
    "forbidden": h200s(1).with_faults(Fault("nvmlInit*", NO_PERMISSION)),
    "unknown error": h200s(1).with_faults(Fault("nvmlInit*", UNKNOWN)),
    "no count": h200s(1).with_faults(Fault("nvmlDeviceGetCount*", GPU_IS_LOST)),
}
OTHERS: dict[str, Callable[[], Probe]] = {
    "simulated, one": lambda: SimulatedProbe(1),
    "simulated, three with MIG and kernels": lambda: SimulatedProbe(3, local_pids=lambda: [4242]),
    "simulated, none": lambda: SimulatedProbe(0),
    "absent": lambda: AbsentProbe("There is no driver.", "Install one."),
    "fallback without a driver": lambda: FallbackProbe(NvmlProbe(), SimulatedProbe(2)),
}


@pytest.fixture(params=[*WORKING, *BROKEN, *OTHERS])
def probe(request: pytest.FixtureRequest, machine: FakeMachine) -> Iterator[Probe]:
    """Each probe on each machine."""
    case = request.param
    made: Probe
    made = OTHERS[case]() if case in OTHERS else NvmlProbe(pcie_throughput=True)
    scenario = (WORKING | BROKEN).get(case)
    if scenario is None:
        # Without a scenario the library answers as pynvml does where there is none.
        request.getfixturevalue("monkeypatch").delenv("FAKE_NVML_SCENARIO")
    else:
        machine.show(scenario)
    yield made
    made.close()


def test_opening_tells_the_state_and_never_raises(probe: Probe) -> None:
    driver = probe.open()
    assert driver.probe == probe.name
    if driver.status is not DriverStatus.OK:
        assert driver.message.endswith(".")
        assert driver.hint
        assert "\n" not in driver.message + driver.hint
    else:
        assert driver.message == ""


def test_devices_are_named_once_and_instances_follow_their_parent(probe: Probe) -> None:
    for _ in range(2):
        seen: dict[str, Device] = {}
        for device in devices(probe, probe.open()):
            assert device.uuid not in seen
            assert device.name
            if device.mig_parent is not None:
                assert seen[device.mig_parent].mig_enabled
            assert device.memory_total is None or device.memory_total > 0
            seen[device.uuid] = device


def test_every_device_can_be_asked_and_answers_within_the_limits(probe: Probe) -> None:
    for device in devices(probe, probe.open()):
        reading = probe.read(device)
        assert reading.uuid == device.uuid
        check(device, reading)


def test_a_device_that_is_not_there_is_told_and_not_raised(probe: Probe) -> None:
    stranger = Device("GPU-of-another-machine", 0, "GPU", 1)
    for _ in range(2):
        reading = probe.read(stranger)
        assert reading.status is DeviceStatus.ERROR
        assert reading.problem
        assert reading.processes is None
        probe.open()


def test_devices_can_be_read_on_several_threads(probe: Probe) -> None:
    listed = devices(probe, probe.open())
    with ThreadPoolExecutor(8) as threads:
        for device, reading in zip(listed, threads.map(probe.read, listed), strict=True):
            assert reading.uuid == device.uuid
            check(device, reading)


def test_it_can_be_closed_and_opened_again(probe: Probe) -> None:
    probe.close()
    first = probe.open()
    before = devices(probe, first)
    probe.close()
    probe.close()
    assert probe.open() == first
    assert devices(probe, first) == before
    assert probe.open() == first
    assert devices(probe, first) == before


def test_all_that_it_tells_can_be_sent(probe: Probe) -> None:
    driver = probe.open()
    encode(driver)
    for device in devices(probe, driver):
        encode(device)
        encode(probe.read(device))


def devices(probe: Probe, driver: Driver) -> list[Device]:
    """What the probe lists; none where it says that the driver is away."""
    try:
        return list(probe.devices())
    except Unavailable as error:
        away = error
    assert away.message
    assert away.hint
    assert driver.status not in (DriverStatus.OK, DriverStatus.SIMULATED)
    return []


def check(device: Device, reading: RawReading) -> None:
    if reading.status is DeviceStatus.OK:
        assert reading.problem is None
    else:
        assert reading.problem
        assert reading.problem.endswith(".")
        assert reading.memory_used is None
        assert reading.processes is None
    assert reading.utilization is None or 0 <= reading.utilization <= 100
    assert reading.temperature is None or 0 < reading.temperature < 150
    assert reading.power is None or 0 <= reading.power <= 2000
    assert reading.power_limit is None or 0 < reading.power_limit <= 2000
    if reading.memory_used is not None and device.memory_total is not None:
        assert 0 <= reading.memory_used <= device.memory_total
    pids = [process.pid for process in reading.processes or ()]
    assert len(pids) == len(set(pids))
