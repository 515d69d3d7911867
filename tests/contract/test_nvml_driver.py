"""Each trouble that a driver can make as a whole, through the real pynvml on the fake driver."""

from __future__ import annotations

from dataclasses import replace

import pynvml
import pytest

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.gpus.model import DeviceStatus, DriverStatus
from jupyter_gpuctl.gpus.nvml import NvmlProbe
from tests.contract.nvml import is_whole, pids, read_all
from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import (
    DRIVER_NOT_LOADED,
    LIB_RM_VERSION_MISMATCH,
    MIB,
    NO_PERMISSION,
    UNKNOWN,
    Fault,
    Scenario,
    h200s,
)


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
