import asyncio
import json
import os
import re

import pytest
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
from openapi_spec_validator import validate as validate_openapi
from pydantic import TypeAdapter

from jupyter_gpuctl.gpus.wire import GpusAnswer
from jupyter_gpuctl.host.identity import server_user
from jupyter_gpuctl.routes import ROUTES
from tests.fake_driver import scenario as scenarios


def seen(answer):
    return answer["seq"] > 0


async def test_two_simulated_gpus_are_shown_and_said_to_be_simulated(started, api):
    answer = await api.gpus_when(seen)
    assert answer["driver"]["status"] == "simulated"
    assert "simulated" in answer["driver"]["message"].lower()
    assert [device["simulated"] for device in answer["devices"]] == [True, True]
    assert {r["uuid"] for r in answer["samples"][-1]["devices"]} == {
        d["uuid"] for d in answer["devices"]
    }
    TypeAdapter(GpusAnswer).validate_python(answer)


async def test_without_since_the_newest_sample_comes_and_with_it_only_newer_ones(started, api):
    answer = await api.gpus_when(lambda a: a["seq"] >= 4)
    assert [s["seq"] for s in answer["samples"]] == [answer["seq"]]
    later = await api.get("gpus", params={"since": 2})
    assert [s["seq"] for s in later["samples"]] == list(range(3, later["seq"] + 1))
    assert (await api.get("gpus", params={"since": 0}))["samples"][0]["seq"] == 1
    assert (await api.get("gpus", params={"since": later["seq"]}))["seq"] >= later["seq"]


@pytest.mark.parametrize("since", ["abc", "-1", "1.5", "", "٣", "9" * 40, "1e3", " 1 2"])
async def test_a_since_that_is_not_a_number_is_refused_in_one_line(started, api, since):
    await api.gpus_when(seen)
    status, body = await api.refused("gpus", params={"since": since})
    assert status == 400
    assert body["code"] == "request.invalid"
    assert "since=" in body["message"]
    assert "\n" not in body["message"] + body["hint"]
    assert body["hint"]


async def test_a_since_in_the_future_is_refused_with_the_mend(started, api):
    await api.gpus_when(seen)
    status, body = await api.refused("gpus", params={"since": 999999999})
    assert (status, body["code"]) == (400, "gpus.since_in_future")
    assert "999999999" in body["message"]
    assert "since=0" in body["hint"]


async def test_polling_is_no_activity_that_keeps_a_server_alive(started, api):
    before = started.web_app.last_activity()
    for _ in range(5):
        await api.get("gpus")
        await api.get("health")
    assert started.web_app.last_activity() == before


async def test_a_kernel_is_listed_with_its_notebook_and_memory(started, api, jp_fetch):
    await jp_fetch(
        "api",
        "sessions",
        method="POST",
        body=json.dumps(
            {
                "path": "course/train.ipynb",
                "type": "notebook",
                "name": "train",
                "kernel": {"name": "python3"},
            }
        ),
    )
    manager: MappingKernelManager = started.kernel_manager
    (kernel_id,) = manager.list_kernel_ids()
    pid = manager.get_kernel(kernel_id).provisioner.pid
    answer = await api.gpus_when(
        lambda a: seen(a) and a["samples"][-1]["kernels"] and a["samples"][-1]["kernels"][0]["cpu"]
    )
    (kernel,) = answer["samples"][-1]["kernels"]
    assert kernel["kernel_id"] == kernel_id
    assert kernel["notebook"] == "course/train.ipynb"
    assert kernel["kind"] == "notebook"
    assert kernel["memory"] > 10 * 2**20
    assert kernel["processes"] >= 1
    # The simulation puts kernels of this server on its devices: a true pid, and its true owner.
    answer = await api.gpus_when(
        lambda a: any(p["pid"] == pid for d in a["samples"][-1]["devices"] for p in d["processes"])
    )
    owner = next(
        p["owner"]
        for d in answer["samples"][-1]["devices"]
        for p in d["processes"]
        if p["pid"] == pid
    )
    assert owner == {
        "user": server_user().name,
        "notebook": "course/train.ipynb",
        "kernel_id": kernel_id,
        "workload_id": None,
    }
    await jp_fetch("api", "kernels", kernel_id, method="DELETE")
    await api.gpus_when(lambda a: not a["samples"][-1]["kernels"])


async def test_health_tells_each_part_and_the_monitors_own_cost(started, api):
    await api.gpus_when(seen)
    health = await api.get("health")
    assert set(health) >= {"status", "version", "driver", "engine", "store", "authority"}
    assert health["driver"]["detail"]["status"] == "simulated"
    assert health["driver"]["hint"]
    assert health["monitor"]["status"] == "ok"
    assert health["monitor"]["detail"]["cpu_seconds_per_sample"] > 0
    assert health["engine"]["status"] == "off"
    assert health["home"]["detail"]["total"] > 0


async def test_the_openapi_document_is_valid_and_tells_every_field(started, api):
    document = await api.get("openapi.json")
    validate_openapi(document)
    schemas = document["components"]["schemas"]
    assert set(document["paths"]) == {f"/{route.path}" for route in ROUTES}
    assert set(schemas["Device"]["properties"]) >= {"uuid", "index", "name", "memory_total"}
    described = [
        prop
        for name in ("DeviceReading", "KernelReading", "HostReading")
        for prop in schemas[name]["properties"].values()
        if "description" not in prop and "$ref" not in prop
    ]
    assert len(described) <= 4  # uuid, status, kernel_id: they say it themselves


async def test_metrics_show_the_newest_sample_on_the_servers_own_page(started, api, jp_fetch):
    await api.gpus_when(seen)
    text = (await jp_fetch("metrics")).body.decode()
    values = re.findall(
        r'^gpuctl_gpu_memory_total_bytes\{.*uuid="(.+?)".*\} (\S+)$', text, re.MULTILINE
    )
    devices = (await api.get("gpus"))["devices"]
    assert {uuid: float(v) for uuid, v in values} == {d["uuid"]: d["memory_total"] for d in devices}
    for name in ("gpuctl_gpu_utilization_ratio", "gpuctl_samples_total", "gpuctl_home_free_bytes"):
        assert re.search(rf"^{name}(\{{.*\}})? [0-9.e+]+$", text, re.MULTILINE), name


async def test_metrics_go_with_the_extension(started, api, jp_fetch):
    await started.extension_manager.stop_all_extensions()
    assert "gpuctl_" not in (await jp_fetch("metrics")).body.decode()


class TestOnTheFakeDriver:
    """No simulation: real pynvml on a driver of eight GPUs."""

    @pytest.fixture
    def gpuctl_settings(self, machine):
        machine.show(scenarios.h200s(8, range(900_000, 900_064)))
        return {"sample_interval": 0.1}

    async def test_driver_calls_do_not_grow_with_the_clients_and_never_run_on_the_loop(
        self, machine, started, api
    ):
        await api.gpus_when(seen)

        async def calls_per_sample(clients: int) -> float:
            first, before = (await api.get("gpus"))["seq"], machine.log.total()
            while True:
                answers = await asyncio.gather(*(api.get("gpus") for _ in range(clients)))
                newest = max(answer["seq"] for answer in answers)
                if newest >= first + 20:
                    return (machine.log.total() - before) / (newest - first)

        one, many = await calls_per_sample(1), await calls_per_sample(50)
        assert many == pytest.approx(one, rel=0.15)
        assert os.getpid() not in machine.log.threads()
