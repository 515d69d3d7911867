"""Each trouble of a driver, seen through a whole Jupyter server and the real pynvml.

In each: what can be read is read, what is missing is ``null``, and no driver call ever happens on
the thread of the event loop, so that the loop can't wait for one.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from tests.fake_driver.scenario import (
    LIB_RM_VERSION_MISMATCH,
    NO_PERMISSION,
    NOT_SUPPORTED,
    Fault,
    Process,
    Scenario,
    h200s,
    mig_seven,
    unified_memory,
)

READINGS = ("utilization", "memory_used", "temperature", "power", "power_limit", "processes")
FUNCTIONS = {
    "utilization": ["nvmlDeviceGetUtilizationRates"],
    "memory_used": ["nvmlDeviceGetMemoryInfo*"],
    "temperature": ["nvmlDeviceGetTemperature*"],
    "power": ["nvmlDeviceGetPowerUsage"],
    "power_limit": ["nvmlDeviceGetEnforcedPowerLimit"],
    "processes": [
        "nvmlDeviceGetComputeRunningProcesses*",
        "nvmlDeviceGetGraphicsRunningProcesses*",
        "nvmlDeviceGetMPSComputeRunningProcesses*",
    ],
}
REFUSALS = [
    (field, code)
    for field in FUNCTIONS
    for code in (NOT_SUPPORTED, NO_PERMISSION)
    # Memory that is not supported is unified memory, which has a test of its own.
    if (field, code) != ("memory_used", NOT_SUPPORTED)
]


def refusing(field: str, code: int) -> Scenario:
    """Two GPUs, of which the first refuses what gives ``field``."""
    faults = tuple(Fault(function, code) for function in FUNCTIONS[field])
    return h200s(2).with_gpu(0, faults=faults)


@pytest.fixture
def gpuctl_settings():
    return {"sample_interval": 0.1}


@pytest.fixture
def shown(machine, request):
    """The machine as it is when the server starts; a test may change it later."""
    machine.show(request.param)
    return machine


@pytest.fixture
def gpus(shown, started, api, jp_asyncio_loop):
    """Asks until a sample suits; in the end, proves that the loop never met the driver."""

    async def ask(condition=lambda by_index: True):
        answer = await api.gpus_when(
            lambda a: a["seq"] > 0 and condition(readings(a)),
        )
        return answer, readings(answer)

    yield ask
    assert threading.get_native_id() not in shown.log.threads()


def readings(answer) -> list[dict]:
    by_uuid = {r["uuid"]: r for r in answer["samples"][-1]["devices"]}
    return [by_uuid[d["uuid"]] for d in answer["devices"]]


def whole(reading) -> bool:
    return reading["status"] == "ok" and all(reading[name] is not None for name in READINGS)


@pytest.mark.parametrize("shown", [h200s(8)], indirect=True)
async def test_eight_h200_with_64_processes(gpus):
    answer, found = await gpus()
    assert len(found) == 8
    assert all(whole(reading) for reading in found)
    assert sum(len(reading["processes"]) for reading in found) == 64
    assert answer["driver"]["version"] == "580.65.06"
    assert all(reading["pcie_rx"] is None for reading in found)


@pytest.mark.parametrize("shown", [mig_seven()], indirect=True)
async def test_seven_mig_instances(gpus):
    answer, (parent, *instances) = await gpus()
    assert [d["mig_parent"] for d in answer["devices"][1:]] == [answer["devices"][0]["uuid"]] * 7
    assert parent["utilization"] is None
    assert all(reading["memory_used"] is not None for reading in instances)
    assert sum(len(reading["processes"]) for reading in instances) == 3
    assert parent["processes"] == []


@pytest.mark.parametrize(
    "shown", [unified_memory(), unified_memory(total_zero=True)], indirect=True
)
async def test_unified_memory_is_the_hosts(gpus):
    answer, (reading,) = await gpus()
    (device,) = answer["devices"]
    host = answer["samples"][-1]["host"]
    assert device["unified_memory"]
    assert device["memory_total"] == host["memory_total"]
    assert reading["memory_used"] == pytest.approx(host["memory_used"], rel=0.2)
    assert reading["power_limit"] is None


@pytest.mark.parametrize("shown", [h200s(8)], indirect=True)
async def test_a_gpu_lost_in_the_middle_of_a_run_is_said_and_the_others_go_on(gpus, shown):
    await gpus(lambda found: all(whole(reading) for reading in found))
    shown.show(h200s(8).with_gpu(3, lost=True))
    answer, found = await gpus(lambda found: found[3]["status"] == "lost")
    lost = found.pop(3)
    assert lost["problem"]
    assert all(lost[name] is None for name in READINGS)
    assert all(whole(reading) for reading in found)
    assert len(answer["devices"]) == 8


@pytest.mark.parametrize(
    ("shown", "field"),
    [(refusing(field, code), field) for field, code in REFUSALS],
    ids=[f"{field}-{code}" for field, code in REFUSALS],
    indirect=["shown"],
)
async def test_a_field_that_the_driver_refuses_is_null_and_nothing_else(gpus, field):
    _, (refused, other) = await gpus()
    assert refused["status"] == "ok"
    assert {name for name in READINGS if refused[name] is None} == {field}
    assert whole(other)


@pytest.mark.parametrize(
    "shown",
    [h200s(1).with_gpu(0, processes=(Process(4_200_000, None), Process(4_200_001, 1024)))],
    indirect=True,
)
async def test_memory_of_a_process_that_is_not_available_is_null(gpus):
    _, (reading,) = await gpus()
    assert [p["memory"] for p in reading["processes"]] == [None, 1024]


@pytest.mark.parametrize(
    "shown", [replace(h200s(2), driver="535.54.03", legacy_layout=True)], indirect=True
)
async def test_the_changed_struct_of_early_535_drivers_gives_true_pids(gpus):
    _, found = await gpus()
    pids = {p["pid"] for reading in found for p in reading["processes"]}
    assert pids == {p.pid for gpu in h200s(2).gpus for p in gpu.processes}


@pytest.mark.parametrize(
    "shown", [h200s(1).with_faults(Fault("nvmlInit*", LIB_RM_VERSION_MISMATCH))], indirect=True
)
async def test_a_mismatch_of_driver_and_library_is_said_with_the_mend(gpus):
    answer, found = await gpus()
    assert found == []
    assert answer["driver"]["status"] == "mismatch"
    assert "restart" in answer["driver"]["hint"].lower()
    assert answer["samples"][-1]["host"]["memory_total"] > 0


@pytest.mark.parametrize("shown", [Scenario()], indirect=True)
async def test_a_machine_without_a_gpu_still_shows_itself(gpus):
    answer, found = await gpus()
    assert found == []
    assert answer["driver"]["status"] == "missing"
    assert answer["driver"]["hint"]
    assert answer["samples"][-1]["host"]["home"]["total"] > 0


HANGING = h200s(8).with_gpu(5, faults=(Fault("nvmlDeviceGetTemperature*", seconds=5),))


@pytest.mark.parametrize("shown", [h200s(8)], indirect=True)
async def test_a_call_that_hangs_holds_up_neither_the_other_gpus_nor_the_server(
    gpus, shown, jp_fetch
):
    await gpus(lambda found: all(whole(reading) for reading in found))
    shown.show(HANGING)
    answer, found = await gpus(lambda found: found[5]["status"] == "unresponsive")
    hanging = found.pop(5)
    assert "not answered" in hanging["problem"]
    assert hanging["temperature"] is None
    assert all(whole(reading) for reading in found)
    # While that call still hangs, samples go on and other pages answer.
    first = answer["seq"]
    _, found = await gpus(lambda found: found[5]["status"] == "unresponsive")
    assert json.loads((await jp_fetch("api", "status")).body)["started"]
    assert REGISTRY.get_sample_value("gpuctl_samples_total") >= first
    shown.show(h200s(8))  # the driver comes back to itself
    await gpus(lambda found: all(whole(reading) for reading in found))


@pytest.mark.parametrize(
    "shown",
    [h200s(2).with_faults(Fault("nvmlDeviceGetMemoryInfo*", seconds=5, whole_driver=True))],
    indirect=True,
)
async def test_a_driver_that_hangs_as_a_whole_is_said_and_the_server_answers(gpus, shown, api):
    answer = await api.gpus_when(lambda a: "has not answered for" in a["driver"]["message"])
    assert answer["driver"]["status"] == "unresponsive"
    assert answer["samples"][-1]["host"]["memory_total"] > 0
    assert (await api.get("health"))["driver"]["status"] == "error"
    shown.show(h200s(2))
    await gpus(lambda found: found and all(whole(reading) for reading in found))


@pytest.mark.parametrize("shown", [h200s(2)], indirect=True)
async def test_gpus_that_hang_with_the_whole_driver_stay_listed(gpus, shown):
    await gpus(lambda found: found and all(whole(reading) for reading in found))
    shown.show(h200s(2).with_faults(Fault("nvmlDeviceGet*", seconds=5, whole_driver=True)))
    await gpus(lambda found: [r["status"] for r in found] == ["unresponsive"] * 2)
    shown.show(h200s(2))
    await gpus(lambda found: all(whole(reading) for reading in found))
