"""The guard within a real server on the fake driver: what its user reads of it."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from tests.api.desk import UNSET
from tests.api.leasing import ME, OTHER, another_program, wants
from tests.fake_driver.scenario import Process, h200s


@pytest.fixture
def gpuctl_settings(database):
    return {
        "sample_interval": 0.1,
        "database_url": f"sqlite:///{database}",
        "enforcement": "guarded",
    }


@pytest.fixture
def intruder(machine):
    """A process of this server's that uses no GPU yet."""
    machine.show(h200s(2, []))
    child = subprocess.Popen(["sleep", "600"])
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def told(intruder, kernel_events):
    """Events about kernels and processes."""
    return kernel_events.seen


async def kernels_when(api, condition):
    """``GET kernels`` again and again, with somebody who looks, until ``condition(answer)``."""
    for _ in range(600):
        await api.get("gpus")
        answer = await api.get("kernels")
        if condition(answer):
            return answer
        await asyncio.sleep(0.05)
    pytest.fail(f"never so: {answer}")


async def lease_and_intrude(api, machine, pid) -> None:
    """The one GPU is leased, the process uses the other one."""
    await api.gpus_when(lambda answer: answer["samples"])
    (leased,) = (await api.post("leases", {"gpus": 1, "duration": "1h"}))["devices"]
    scenario = h200s(2, [])
    assert leased == scenario.gpus[0].uuid
    machine.show(scenario.with_gpu(1, processes=(Process(pid),)))


async def test_a_dry_run_tells_its_user_of_a_process_without_a_lease(told, machine, intruder, api):
    await lease_and_intrude(api, machine, intruder.pid)
    answer = await kernels_when(api, lambda answer: answer["findings"])
    (finding,) = answer["findings"]
    assert (finding["pid"], finding["user"], finding["kind"]) == (intruder.pid, ME, "not_held")
    assert (finding["stage"], finding["next_at"], finding["mine"]) == ("reported", None, True)
    assert finding["message"] == (
        f"pid {intruder.pid} (sleep) would be stopped because it uses GPU 1 without a lease, and "
        "here every program needs one. Nothing is done to it: the guard only reports here. "
        "Lease this GPU, or end it."
    )
    assert answer["guard_mode"] == "dry-run"
    rows = [row for row in (await api.get("audit"))["items"] if row["action"][:5] == "guard"]
    ((action, detail),) = [(row["action"], row["detail"]) for row in rows]
    assert (action, detail["pid"]) == ("guard.would_stop", intruder.pid)
    assert [event["kind"] for event in told if event["kind"][:5] == "guard"] == ["guard.reported"]
    health = await api.get("health")
    assert health["guard"]["detail"]["findings"] == 1


async def test_a_lease_of_the_gpu_ends_the_finding(told, machine, intruder, api):
    await lease_and_intrude(api, machine, intruder.pid)
    await kernels_when(api, lambda answer: answer["findings"])
    await api.post("leases", {"gpus": 1, "duration": "1h"})
    await kernels_when(api, lambda answer: not answer["findings"])
    assert intruder.poll() is None


@pytest.mark.timeout(120)
class TestWhereItEnforces:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"guard_mode": "enforce"}

    @pytest.fixture(autouse=True)
    def driver(self, machine):
        machine.show(h200s(2, []))
        return machine

    @pytest.fixture
    def neighbour(self, desk, database):
        with another_program(database, simulate_gpus=0, enforcement="guarded") as authority:
            yield authority

    async def test_a_kernel_on_somebody_elses_gpu_is_found_warned_and_written_down(
        self, desk, driver, neighbour, kernel_events
    ):
        kernel_id = await desk.start()
        assert await desk.sees(kernel_id) == UNSET
        neighbour.request(OTHER, wants(2))
        await desk.kernel_when(kernel_id, applied="live")
        assert await desk.sees(kernel_id) == ""
        driver.show(h200s(2, [desk.manager.get_kernel(kernel_id).provisioner.pid]))
        warned = await kernel_events.wait_for("guard.warned", kernel_id=kernel_id)
        assert warned["detail"]["next_at"]
        answer = await desk.api.get("kernels")
        (finding,) = answer["findings"]
        assert (finding["kind"], finding["stage"]) == ("not_held", "warned")
        assert finding["kernel_id"] == kernel_id
        assert answer["strength"] == "guarded"
        rows = (await desk.api.get("audit"))["items"]
        assert "guard.warn" in [row["action"] for row in rows]
        assert (await desk.api.get("health"))["guard"]["detail"]["findings"] == 1
