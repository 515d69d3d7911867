"""What of a sample matters to leases."""

from datetime import UTC, datetime

import pytest

from jupyter_gpuctl.gpus.model import (
    Device,
    DeviceReading,
    DeviceStatus,
    Driver,
    DriverStatus,
    GpuProcess,
    Owner,
    Sample,
)
from jupyter_gpuctl.gpus.sampler import Pass
from jupyter_gpuctl.host.model import HostReading
from jupyter_gpuctl.leases.devices import GONE_AFTER, Presence, SampledDevices, view_of

DRIVER = Driver(DriverStatus.OK, "nvml")
HOST = HostReading(1, 0.0, 1, 0, None, None)


def device(uuid: str, **more) -> Device:
    return Device(uuid, more.pop("index", 0), "NVIDIA H200", 141 * 2**30, **more)


def reading(uuid: str, *users: str | None, status=DeviceStatus.OK, processes=()) -> DeviceReading:
    found = None
    if processes is not None:
        found = tuple(
            GpuProcess(pid, "python", None, Owner(user) if user else None)
            for pid, user in enumerate(users)
        )
    return DeviceReading(uuid, status, None, *[None] * 7, processes=found)


def found(*pairs, driver=DRIVER) -> Pass:
    time = datetime(2027, 1, 4, tzinfo=UTC)
    devices, readings = zip(*pairs, strict=True) if pairs else ((), ())
    return Pass(driver, devices, Sample(1, time, readings, (), HOST), ())


def test_whole_gpus_and_instances_can_be_leased_and_a_split_gpu_cannot():
    view = view_of(
        found(
            (device("GPU-a"), reading("GPU-a")),
            (device("GPU-b", mig_enabled=True), reading("GPU-b")),
            (device("MIG-1", mig_parent="GPU-b"), reading("MIG-1")),
            (device("MIG-2", mig_parent="GPU-b", index=1), reading("MIG-2")),
        )
    )
    assert [device.uuid for device in view.devices] == ["GPU-a", "MIG-1", "MIG-2"]
    assert len({device.index for device in view.devices}) == 3, "an order without ties"
    assert not view.processes
    assert not view.problem


def test_the_users_of_a_device_are_told_and_the_unknown_too():
    view = view_of(
        found(
            (device("GPU-a"), reading("GPU-a", "user-a", "user-a", None)),
            (device("GPU-b"), reading("GPU-b", "user-b")),
            (device("GPU-c"), reading("GPU-c")),
        )
    )
    assert view.processes == {"GPU-a": {"user-a", None}, "GPU-b": {"user-b"}}


def test_a_lost_gpu_is_not_there_and_one_that_cannot_be_read_counts_as_in_use():
    view = view_of(
        found(
            (device("GPU-a"), reading("GPU-a", status=DeviceStatus.LOST)),
            (device("GPU-b"), reading("GPU-b", status=DeviceStatus.UNRESPONSIVE)),
            (device("GPU-c"), reading("GPU-c", status=DeviceStatus.ERROR)),
        )
    )
    assert [device.uuid for device in view.devices] == ["GPU-b", "GPU-c"]
    assert view.processes == {"GPU-b": {None}, "GPU-c": {None}}


def test_a_driver_that_tells_of_no_processes_does_not_make_every_gpu_taken():
    view = view_of(found((device("GPU-a"), reading("GPU-a", processes=None))))
    assert view.processes == {}


def test_what_a_simulation_shows_as_processes_stands_in_nobodys_way():
    view = view_of(found((device("GPU-a", simulated=True), reading("GPU-a", None, "user-a"))))
    assert view.devices
    assert view.processes == {}


@pytest.mark.parametrize("message", ["There is no driver.", ""])
def test_no_devices_is_a_problem_with_a_sentence(message):
    view = view_of(found(driver=Driver(DriverStatus.MISSING, "nvml", message=message, hint="Mend")))
    assert view.devices == ()
    assert view.problem
    assert view.hint == "Mend"


def test_before_the_first_sample_it_is_said_that_nothing_is_known_yet():
    passes = [None, found((device("GPU-a"), reading("GPU-a")))]
    directory = SampledDevices(lambda: passes[0])
    assert "not been read yet" in directory.view().problem
    passes.pop(0)
    assert directory.view().devices
    assert directory.view() is directory.view()


BOTH = found((device("GPU-a"), reading("GPU-a")), (device("GPU-b"), reading("GPU-b")))
ONE = found((device("GPU-a"), reading("GPU-a")))
LOST = found(
    (device("GPU-a"), reading("GPU-a")),
    (device("GPU-b"), reading("GPU-b", status=DeviceStatus.LOST)),
)
ALL_LOST = found((device("GPU-b"), reading("GPU-b", status=DeviceStatus.LOST)))
AWAY = found(driver=Driver(DriverStatus.MISSING, "nvml", message="It is away."))


def gone(*passes: Pass) -> list[str]:
    """The devices that are gone after these samples."""
    presence = Presence()
    return [[device.uuid for device in presence.view(each).gone] for each in passes][-1]


@pytest.mark.parametrize("without", [ONE, LOST])
def test_a_gpu_that_stays_away_is_gone_and_one_that_is_missed_for_a_moment_is_not(without):
    assert gone(BOTH, *[without] * (GONE_AFTER - 1)) == []
    assert gone(BOTH, *[without] * GONE_AFTER) == ["GPU-b"]
    assert gone(BOTH, *[without] * (GONE_AFTER - 1), BOTH, without) == []
    assert gone(BOTH, *[without] * GONE_AFTER, BOTH) == []


def test_a_driver_that_is_away_as_a_whole_has_lost_no_gpu():
    assert gone(BOTH, *[AWAY] * 10) == []
    assert gone(*[AWAY] * 10, BOTH) == []
    # What is known to be gone stays so meanwhile.
    assert gone(BOTH, *[ONE] * GONE_AFTER, *[AWAY] * 3) == ["GPU-b"]


def test_a_gpu_that_the_driver_names_as_lost_is_gone_even_if_it_is_the_only_one():
    assert gone(*[ALL_LOST] * GONE_AFTER) == ["GPU-b"]


def test_a_gpu_that_was_never_seen_here_is_not_gone():
    assert gone(*[ONE] * 10) == []


def test_a_gpu_that_was_split_is_gone_as_a_whole():
    split = found(
        (device("GPU-a"), reading("GPU-a")),
        (device("GPU-b", mig_enabled=True), reading("GPU-b")),
        (device("MIG-1", mig_parent="GPU-b"), reading("MIG-1")),
    )
    assert gone(BOTH, *[split] * GONE_AFTER) == ["GPU-b"]
