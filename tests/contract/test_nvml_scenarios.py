"""What machines in good order are read as, through the real pynvml on the fake driver."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_gpuctl.gpus.model import DeviceStatus, DriverStatus
from jupyter_gpuctl.gpus.nvml import NvmlProbe, host_memory_from_proc
from tests.contract.nvml import is_whole, pids, read_all
from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import (
    FIRST_PID,
    MIB,
    NO_PERMISSION,
    Fault,
    Process,
    Scenario,
    h200,
    h200s,
    mig_seven,
    mig_uuid,
    unified_memory,
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
