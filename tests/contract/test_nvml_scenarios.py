"""Each trouble that a driver can make, through the real pynvml on the fake driver."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import fields, replace

import pynvml
import pytest

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.gpus.model import Device, DeviceStatus, DriverStatus, RawReading
from jupyter_gpuctl.gpus.nvml import NvmlProbe, host_memory_from_proc
from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import (
    DRIVER_NOT_LOADED,
    FIRST_PID,
    GPU_IS_LOST,
    LIB_RM_VERSION_MISMATCH,
    MIB,
    NO_PERMISSION,
    NOT_SUPPORTED,
    RESET_REQUIRED,
    UNKNOWN,
    Fault,
    Process,
    Scenario,
    h200,
    h200s,
    mig_seven,
    mig_uuid,
    unified_memory,
)


@pytest.fixture
def probe() -> Iterator[NvmlProbe]:
    probe = NvmlProbe()
    yield probe
    probe.close()


def read_all(probe: NvmlProbe) -> list[tuple[Device, RawReading]]:
    return [(device, probe.read(device)) for device in probe.devices()]


def pids(reading: RawReading) -> list[int]:
    return [process.pid for process in reading.processes or ()]


def is_whole(reading: RawReading) -> bool:
    """Whether everything that an H200 tells was read."""
    left_out = ("problem", "pcie_rx", "pcie_tx")
    names = [field.name for field in fields(reading) if field.name not in left_out]
    return reading.status is DeviceStatus.OK and all(
        getattr(reading, name) is not None for name in names
    )


# A machine in good order.


def test_eight_h200_with_sixty_four_processes(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(h200s(8))
    driver = probe.open()
    assert driver.status is DriverStatus.OK
    assert (driver.version, driver.cuda_version) == ("580.65.06", "13.0")
    read = read_all(probe)
    assert [device.index for device, _ in read] == list(range(8))
    assert {device.name for device, _ in read} == {"NVIDIA H200"}
    assert {device.memory_total for device, _ in read} == {143_771 * MIB}
    assert all(is_whole(reading) for _, reading in read)
    assert sorted(pid for _, reading in read for pid in pids(reading)) == list(
        range(FIRST_PID, FIRST_PID + 64)
    )
    first = read[0][1]
    assert (first.utilization, first.temperature) == (97, 60)
    assert (first.power, first.power_limit) == (640, 700)
    # The driver's own share (600 MiB) is not in use by anybody.
    assert first.memory_used == (8 * 512 + 28 * 128 + 4) * MIB
    assert [process.memory for process in first.processes or ()] == [
        (512 + 128 * n) * MIB for n in range(8)
    ]


def test_a_tick_asks_a_busy_gpu_seven_questions(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(h200s(8))
    probe.open()
    listed = probe.devices()
    for device in listed:
        probe.read(device)
    before = machine.log.counts()
    for device in listed:
        probe.read(device)
    asked = machine.log.counts() - before
    assert asked.total() == 7 * 8
    assert set(asked.values()) == {8, 16}


def test_pcie_throughput_is_asked_only_on_request(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(h200s(1).with_gpu(0, pcie=(1_000, 2_000)))
    probe.open()
    (_, reading), *_ = read_all(probe)
    assert (reading.pcie_rx, reading.pcie_tx) == (None, None)
    assert machine.log.counts()["nvmlDeviceGetPcieThroughput"] == 0
    curious = NvmlProbe(pcie_throughput=True)
    curious.open()
    (_, reading), *_ = read_all(curious)
    assert (reading.pcie_rx, reading.pcie_tx) == (2_000 * 1024, 1_000 * 1024)
    curious.close()


def test_a_process_that_ends_is_gone_from_the_next_reading(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    machine.show(Scenario((h200(0, [100, 200]),)))
    probe.open()
    ((device, reading),) = read_all(probe)
    assert pids(reading) == [100, 200]
    machine.show(Scenario((h200(0, [200]),)))
    assert pids(probe.read(device)) == [200]


def test_a_process_in_several_lists_is_told_once(machine: FakeMachine, probe: NvmlProbe) -> None:
    held = (
        Process(100, 3 * MIB),
        Process(100, 3 * MIB, "graphics"),
        Process(200, None, "graphics"),
        Process(200, 5 * MIB, "mps"),
        Process(300, 7 * MIB, "mps"),
    )
    machine.show(h200s(1).with_gpu(0, processes=held))
    probe.open()
    ((_, reading),) = read_all(probe)
    assert [(process.pid, process.memory) for process in reading.processes or ()] == [
        (100, 3 * MIB),
        (200, 5 * MIB),
        (300, 7 * MIB),
    ]


def test_mps_is_noticed_with_the_next_listing(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(h200s(1, []))
    probe.open()
    ((device, reading),) = read_all(probe)
    assert pids(reading) == []
    machine.show(h200s(1).with_gpu(0, processes=(Process(300, 7 * MIB, "mps"),)))
    assert [pids(reading) for _, reading in read_all(probe)] == [[300]]
    assert pids(probe.read(device)) == [300]


# MIG.


def test_seven_instances_hold_their_own_processes_and_the_parent_none_of_them(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    machine.show(mig_seven([100, 200, 300]).with_gpu(0, processes=(Process(999, MIB),)))
    probe.open()
    (parent, whole), *instances = read_all(probe)
    assert parent.mig_enabled
    assert whole.utilization is None
    assert (whole.power, whole.temperature) == (300, 30)
    assert pids(whole) == [999]
    assert len(instances) == 7
    assert {device.mig_parent for device, _ in instances} == {parent.uuid}
    assert [device.index for device, _ in instances] == list(range(7))
    assert {device.name for device, _ in instances} == {"NVIDIA H200 MIG 1g.18gb"}
    assert {device.memory_total for device, _ in instances} == {16_384 * MIB}
    assert [pids(reading) for _, reading in instances] == [[100], [200], [300], [], [], [], []]
    assert all(reading.memory_used for _, reading in instances)
    assert {reading.utilization for _, reading in instances} == {None}
    assert {reading.status for _, reading in instances} == {DeviceStatus.OK}


def test_an_instance_made_anew_is_found_again(machine: FakeMachine, probe: NvmlProbe) -> None:
    scenario = mig_seven([100])
    machine.show(scenario)
    probe.open()
    instance = probe.devices()[1]
    instances = tuple(replace(one, generation=1) for one in scenario.gpus[0].instances)
    machine.show(scenario.with_gpu(0, instances=instances))
    reading = probe.read(instance)
    assert reading.status is DeviceStatus.OK
    assert pids(reading) == [100]
    assert reading.memory_used


def test_an_instance_that_is_gone_says_so_and_leaves_the_list(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    scenario = mig_seven([100])
    machine.show(scenario)
    probe.open()
    listed = probe.devices()
    machine.show(scenario.with_gpu(0, instances=scenario.gpus[0].instances[1:]))
    reading = probe.read(listed[1])
    assert reading.status is DeviceStatus.ERROR
    assert reading.problem == "This MIG instance is gone."
    assert probe.read(listed[2]).status is DeviceStatus.OK
    left = [device.uuid for device in probe.devices()]
    assert left == [listed[0].uuid, *(mig_uuid(index) for index in range(1, 7))]


def test_a_parent_that_refuses_everything_does_not_hide_its_instances(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    """As in a container that was given one instance."""
    refuse = tuple(
        Fault(f"nvmlDeviceGet{what}*", NO_PERMISSION)
        for what in ("Memory", "Temp", "Power", "Enforced", "Compute", "Graphics", "MPS")
    )
    machine.show(mig_seven([100]).with_gpu(0, faults=refuse))
    probe.open()
    (parent, whole), *instances = read_all(probe)
    assert parent.memory_total is None
    assert not parent.unified_memory
    assert whole.status is DeviceStatus.OK
    assert (whole.memory_used, whole.power, whole.processes) == (None, None, None)
    assert all(reading.memory_used for _, reading in instances)
    assert pids(instances[0][1]) == [100]


def test_a_split_gpu_is_not_asked_what_it_can_not_tell(
    machine: FakeMachine, probe: NvmlProbe
) -> None:
    machine.show(mig_seven().with_gpu(0, memory=None))
    probe.open()
    (parent, whole), *instances = read_all(probe)
    assert machine.log.counts()["nvmlDeviceGetUtilizationRates"] == 0
    assert not parent.unified_memory
    assert (parent.memory_total, whole.memory_used) == (None, None)
    assert whole.status is DeviceStatus.OK
    assert all(reading.memory_used for _, reading in instances)


# Memory that isn't the GPU's own.


@pytest.mark.parametrize("total_zero", [False, True])
def test_unified_memory_is_the_hosts(machine: FakeMachine, total_zero: bool) -> None:
    machine.show(unified_memory(total_zero=total_zero))
    probe = NvmlProbe(host_memory=lambda: (128 * 1024 * MIB, 40 * 1024 * MIB))
    probe.open()
    ((device, reading),) = read_all(probe)
    assert device.unified_memory
    assert device.memory_total == 128 * 1024 * MIB
    assert reading.memory_used == 40 * 1024 * MIB
    assert (reading.utilization, reading.power_limit) == (42, None)
    assert pids(reading) == [FIRST_PID]
    probe.close()


def test_host_memory_is_read_from_the_machine() -> None:
    memory = host_memory_from_proc()
    assert memory is not None
    total, used = memory
    assert 0 < used < total


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


# The driver as a whole.


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        (LIB_RM_VERSION_MISMATCH, DriverStatus.MISMATCH, "Restart the machine"),
        (DRIVER_NOT_LOADED, DriverStatus.MISSING, "modprobe"),
        (NO_PERMISSION, DriverStatus.ERROR, "/dev/nvidia"),
        (UNKNOWN, DriverStatus.ERROR, "dmesg"),
    ],
)
def test_a_driver_that_does_not_start_is_told_with_the_mend(
    machine: FakeMachine, probe: NvmlProbe, code: int, status: DriverStatus, word: str
) -> None:
    machine.show(h200s(2).with_faults(Fault("nvmlInit*", code)))
    driver = probe.open()
    assert driver.status is status
    assert driver.message
    assert word in driver.hint
    with pytest.raises(Unavailable):
        probe.devices()
    # Once it is mended, opening again is all it takes.
    machine.show(h200s(2))
    assert probe.open().status is DriverStatus.OK
    assert all(is_whole(reading) for _, reading in read_all(probe))


def test_a_driver_without_a_gpu_counts_as_missing(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(Scenario())
    driver = probe.open()
    assert driver.status is DriverStatus.MISSING
    assert "no GPU" in driver.message
    assert driver.version == "580.65.06"
    assert list(probe.devices()) == []


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("code", [DRIVER_NOT_LOADED, LIB_RM_VERSION_MISMATCH, 1])
def test_a_driver_that_is_reloaded_is_opened_again(
    machine: FakeMachine, probe: NvmlProbe, code: int, counted: bool
) -> None:
    machine.show(h200s(2))
    probe.open()
    listed = probe.devices()
    # Some drivers still count their devices while they come down.
    away = ("nvmlDeviceGetHandle*", "nvmlDeviceGetMemory*") if counted else ("nvmlDevice*",)
    faults = [Fault(function, code) for function in (*away, "nvmlInit*")]
    machine.show(h200s(2).with_faults(*faults))
    for device in listed:
        reading = probe.read(device)
        assert reading.status is DeviceStatus.ERROR
        assert reading.problem
    with pytest.raises(Unavailable) as told:
        probe.devices()
    assert told.value.hint
    assert probe.open().status is not DriverStatus.OK
    machine.show(h200s(2))
    assert probe.open().status is DriverStatus.OK
    assert list(probe.devices()) == list(listed)
    assert all(is_whole(probe.read(device)) for device in listed)


def test_every_opening_is_closed(machine: FakeMachine, probe: NvmlProbe) -> None:
    machine.show(h200s(1))
    for _ in range(3):
        assert probe.open().status is DriverStatus.OK
    probe.close()
    probe.close()
    counts = machine.log.counts()
    assert counts["nvmlInitWithFlags"] == counts["nvmlShutdown"] == 3


# Drivers of another age.


@pytest.mark.parametrize("version", ["535.43.02", "535.54.03", "535.85.99"])
def test_process_lists_of_early_535_drivers_are_not_scrambled(
    machine: FakeMachine, probe: NvmlProbe, version: str
) -> None:
    held = [100, 200, 300, 400]
    machine.show(replace(h200s(1, held), driver=version, legacy_layout=True))
    probe.open()
    ((_, reading),) = read_all(probe)
    assert pids(reading) == held
    assert [process.memory for process in reading.processes or ()] == [
        (512 + 128 * n) * MIB for n in range(4)
    ]
    # What others see there: the fake driver does scramble version 3.
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    scrambled = pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    assert [entry.pid for entry in scrambled] != held


@pytest.mark.parametrize("version", ["535.86.05", "535.104.05", "550.54.14", "530.30.02"])
def test_other_drivers_are_asked_for_version_3(
    machine: FakeMachine, probe: NvmlProbe, version: str
) -> None:
    machine.show(replace(h200s(1, [100]), driver=version))
    probe.open()
    ((_, reading),) = read_all(probe)
    assert pids(reading) == [100]
    assert machine.log.counts()["nvmlDeviceGetComputeRunningProcesses_v2"] == 0
