"""Each trouble that a device can make, through the real pynvml on the fake driver."""

from __future__ import annotations

import threading

import pytest

from jupyter_gpuctl.gpus.model import DeviceStatus, DriverStatus, RawReading
from jupyter_gpuctl.gpus.nvml import NvmlProbe
from tests.contract.nvml import is_whole, pids, read_all
from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import (
    GPU_IS_LOST,
    MIB,
    NO_PERMISSION,
    NOT_SUPPORTED,
    RESET_REQUIRED,
    UNKNOWN,
    Fault,
    Process,
    h200s,
    mig_seven,
)

# Fields that fail alone.

FIELDS = {
    "utilization": "nvmlDeviceGetUtilizationRates",
    "memory_used": "nvmlDeviceGetMemoryInfo*",
    "temperature": "nvmlDeviceGetTemperature*",
    "power": "nvmlDeviceGetPowerUsage",
    "power_limit": "nvmlDeviceGetEnforcedPowerLimit",
    "processes": "nvmlDeviceGet*",
}
LISTS = tuple(f"nvmlDeviceGet{kind}RunningProcesses*" for kind in ("Compute", "Graphics", "MPS"))


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION, UNKNOWN])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_fails_is_missing_and_the_others_are_read(
    machine: FakeMachine, probe: NvmlProbe, field: str, code: int
) -> None:
    functions = LISTS if field == "processes" else (FIELDS[field],)
    faults = tuple(Fault(function, code) for function in functions)
    machine.show(h200s(2).with_gpu(1, faults=faults))
    probe.open()
    (_, untouched), (device, reading) = read_all(probe)
    assert is_whole(untouched)
    assert reading.status is DeviceStatus.OK
    # A GPU without memory figures of its own counts as one that shares the host's.
    missing = {field} - ({"memory_used"} if code == NOT_SUPPORTED else set())
    assert device.unified_memory is (field == "memory_used" and code == NOT_SUPPORTED)
    for name in FIELDS:
        assert (getattr(reading, name) is None) is (name in missing), name


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION])
def test_what_was_refused_is_asked_again_only_after_the_next_listing(
    machine: FakeMachine, probe: NvmlProbe, code: int
) -> None:
    function = "nvmlDeviceGetPowerUsage"
    machine.show(h200s(1).with_gpu(0, faults=(Fault(function, code),)))
    probe.open()
    (device,) = probe.devices()
    for _ in range(3):
        assert probe.read(device).power is None
    assert machine.log.counts()[function] == 1
    machine.show(h200s(1))
    (device,) = probe.devices()
    assert probe.read(device).power == 640


def test_a_new_power_limit_is_seen_with_the_next_listing(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    machine.show(h200s(1))
    probe.open()
    assert [reading.power_limit for _, reading in read_all(probe)] == [700]
    machine.show(h200s(1).with_gpu(0, power_limit=500_000))
    assert [reading.power_limit for _, reading in read_all(probe)] == [500]


def test_graphics_processes_are_told_where_compute_ones_are_withheld(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    machine.show(
        h200s(1).with_gpu(
            0,
            processes=(Process(100), Process(200, MIB, "graphics")),
            faults=(Fault(LISTS[0], NO_PERMISSION),),
        )
    )
    probe.open()
    ((_, reading),) = read_all(probe)
    assert pids(reading) == [200]


def test_a_process_whose_memory_is_not_known_is_still_listed(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    machine.show(h200s(1).with_gpu(0, processes=(Process(100, None), Process(200, MIB))))
    probe.open()
    ((_, reading),) = read_all(probe)
    assert [(process.pid, process.memory) for process in reading.processes or ()] == [
        (100, None),
        (200, MIB),
    ]


# Devices that fail.


@pytest.mark.parametrize("code", [GPU_IS_LOST, RESET_REQUIRED])
def test_a_gpu_lost_in_the_middle_of_a_run_does_not_hide_the_others(
    machine: FakeMachine, probe: NvmlProbe, code: int
) -> None:
    scenario = h200s(8)
    machine.show(scenario)
    probe.open()
    before = read_all(probe)
    assert all(is_whole(reading) for _, reading in before)

    machine.show(scenario.with_gpu(3, faults=(Fault("nvml*", code),)))
    listed = [device for device, _ in before]
    for _ in range(2):
        for device, reading in ((device, probe.read(device)) for device in listed):
            if device is listed[3]:
                assert reading.status is DeviceStatus.LOST
                assert reading.problem
                assert (reading.memory_used, reading.processes) == (None, None)
            else:
                assert is_whole(reading)
        # It stays in the list, under the name that it had.
        assert list(probe.devices()) == listed

    machine.show(scenario)
    assert is_whole(probe.read(listed[3]))


def test_a_lost_gpu_costs_one_call_a_tick(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(h200s(1))
    probe.open()
    (device,) = probe.devices()
    machine.show(h200s(1).with_gpu(0, lost=True))
    probe.read(device)
    before = machine.log.total()
    assert probe.read(device).status is DeviceStatus.LOST
    assert machine.log.total() - before == 1


def test_a_gpu_lost_before_the_start_is_listed_without_a_name(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    machine.show(h200s(3).with_gpu(1, lost=True))
    assert probe.open().status is DriverStatus.OK
    first, (device, reading), last = read_all(probe)
    assert is_whole(first[1])
    assert is_whole(last[1])
    assert device.index == 1
    assert device.memory_total is None
    assert reading.status is DeviceStatus.LOST
    machine.show(h200s(3))
    assert all(is_whole(reading) for _, reading in read_all(probe))


def test_the_instances_of_a_lost_gpu_are_lost_with_it(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    scenario = mig_seven()
    machine.show(scenario)
    probe.open()
    listed = list(probe.devices())
    machine.show(scenario.with_gpu(0, lost=True))
    assert {probe.read(device).status for device in listed} == {DeviceStatus.LOST}
    assert list(probe.devices()) == listed


def test_a_gpu_that_may_not_be_read_says_so(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(h200s(2).with_gpu(0, faults=(Fault("nvml*", NO_PERMISSION),)))
    probe.open()
    (_, forbidden), (_, allowed) = read_all(probe)
    assert forbidden.status is DeviceStatus.ERROR
    assert forbidden.problem == "The driver doesn't let this user read this GPU."
    assert is_whole(allowed)


# A call that hangs.


def test_a_call_that_hangs_for_one_gpu_holds_up_no_other(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    function = "nvmlDeviceGetTemperature"
    scenario = h200s(8)
    machine.show(scenario)
    probe.open()
    listed = probe.devices()
    machine.show(scenario.with_gpu(2, faults=(Fault(function, seconds=300),)))
    results: list[RawReading] = []
    thread = threading.Thread(target=lambda: results.append(probe.read(listed[2])))
    thread.start()
    machine.log.wait_for(function)
    for device in listed:
        if device is not listed[2]:
            assert is_whole(probe.read(device))
    assert list(probe.devices()) == list(listed)
    assert thread.is_alive()
    assert results == []
    machine.show(scenario)
    thread.join(60)
    assert [is_whole(reading) for reading in results] == [True]


def test_a_call_that_comes_back_late_and_fails_leaves_its_field_out(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    late = Fault("nvmlDeviceGetPowerUsage", code=UNKNOWN, seconds=0.05)
    machine.show(h200s(1).with_gpu(0, faults=(late,)))
    probe.open()
    ((_, reading),) = read_all(probe)
    assert (reading.power, reading.temperature) == (None, 60)
