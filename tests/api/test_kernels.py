"""Leases reach real kernels of a real server: simulated GPUs, a stand-in for CUDA's library."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

import pytest

from jupyter_gpuctl.composition import participant
from jupyter_gpuctl.config import GpuCtl
from jupyter_gpuctl.host.identity import server_user
from jupyter_gpuctl.kernels.events import SCHEMA_ID
from jupyter_gpuctl.leases.model import Request
from jupyter_gpuctl.leases.service import Actor
from tests.api.conftest import Events
from tests.fake_driver.scenario import h200s

ME = server_user().name
HOUR = {"gpus": 1, "duration": "1h"}
SEES = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
UNSET = "None"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "shared" / "gpuctl.sqlite"


@pytest.fixture
def gpuctl_settings(database):
    return {"simulate_gpus": 2, "sample_interval": 0.1, "database_url": f"sqlite:///{database}"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    """The machine of the tests may have GPUs, and say which."""
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bash_spec(jp_data_dir):
    """A kernel in a second language."""
    folder = jp_data_dir / "kernels" / "bash"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Bash", "language": "bash"}
    (folder / "kernel.json").write_text(json.dumps(spec))


class Desk:
    """The API, and the kernels of the server as a user meets them."""

    def __init__(self, api, fetch, serverapp) -> None:
        self.api = api
        self._fetch = fetch
        self.manager = serverapp.kernel_manager
        self._clients: dict[str, Any] = {}

    async def start(self, name: str = "python3") -> str:
        answer = await self._fetch("api", "kernels", method="POST", body=json.dumps({"name": name}))
        kernel_id = json.loads(answer.body)["id"]
        await self._client(kernel_id)
        return kernel_id

    async def restart(self, kernel_id: str) -> None:
        self._clients.pop(kernel_id).stop_channels()
        await self._fetch("api", "kernels", kernel_id, "restart", method="POST", body="{}")
        await self._client(kernel_id)

    async def shut_down(self, kernel_id: str) -> None:
        self._clients.pop(kernel_id).stop_channels()
        await self._fetch("api", "kernels", kernel_id, method="DELETE")

    async def run(self, kernel_id: str, code: str) -> str:
        """What a cell prints."""
        printed = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        client = await self._client(kernel_id)
        reply = await client.execute_interactive(code, output_hook=hear, allow_stdin=False)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed).strip()

    async def sees(self, kernel_id: str) -> str:
        return await self.run(kernel_id, SEES)

    async def begin(self, kernel_id: str, code: str) -> None:
        """Run a cell, and go on once the server knows that the kernel is busy."""
        (await self._client(kernel_id)).execute(code)
        while self.manager.get_kernel(kernel_id).execution_state != "busy":
            await asyncio.sleep(0.02)

    async def kernel(self, kernel_id: str) -> dict[str, Any]:
        items = (await self.api.get("kernels"))["items"]
        (found,) = [item for item in items if item["kernel_id"] == kernel_id]
        return found

    async def kernel_when(self, kernel_id: str, **fields: Any) -> dict[str, Any]:
        """The kernel, once it has these fields."""
        for _ in range(400):
            found = await self.kernel(kernel_id)
            if fields.items() <= found.items():
                return found
            await asyncio.sleep(0.05)
        pytest.fail(f"never {fields}: {found}")

    async def attach(self, kernel_id: str, lease: dict[str, Any]) -> dict[str, Any]:
        return await self.api.post(f"kernels/{kernel_id}/attach", {"lease_id": lease["id"]})

    async def detach(self, kernel_id: str) -> dict[str, Any]:
        return await self.api.delete(f"kernels/{kernel_id}/attach")

    async def lease(self, **more: Any) -> dict[str, Any]:
        return await self.api.post("leases", HOUR | more)

    async def _client(self, kernel_id: str) -> Any:
        if kernel_id not in self._clients:
            client = self.manager.get_kernel(kernel_id).client()
            client.start_channels()
            await client.wait_for_ready(60)
            self._clients[kernel_id] = client
        return self._clients[kernel_id]

    async def close(self) -> None:
        for client in self._clients.values():
            client.stop_channels()
        await self.manager.shutdown_all(now=True)


@pytest.fixture
def desk(started, api, jp_fetch, jp_asyncio_loop):
    jp_asyncio_loop.run_until_complete(api.gpus_when(lambda answer: answer["samples"]))
    desk = Desk(api, jp_fetch, started)
    yield desk
    jp_asyncio_loop.run_until_complete(desk.close())


@pytest.fixture
def kernel_events(started):
    heard = Events()
    started.event_logger.add_listener(schema_id=SCHEMA_ID, listener=heard.listen)
    return heard


@pytest.fixture
def neighbour(desk, database):
    """Another program on the same database, such as another user's server."""
    settings = GpuCtl(simulate_gpus=2, database_url=f"sqlite:///{database}")
    with participant(settings, log=logging.getLogger("neighbour")) as authority:
        yield authority


async def test_where_nobody_leases_kernels_are_shown_and_no_database_is_made(desk, database):
    kernel_id = await desk.start()
    answer = await desk.api.get("kernels")
    (kernel,) = answer["items"]
    assert kernel["kernel_id"] == kernel_id
    assert (kernel["attachment"], kernel["applied"]) == ("none", "untouched")
    assert (kernel["lease_ids"], kernel["devices"], kernel["death"]) == ([], [], None)
    assert (answer["strength"], answer["guard_mode"]) == ("advisory", "dry-run")
    assert (answer["idle"], answer["findings"]) == ([], [])
    assert await desk.sees(kernel_id) == UNSET
    unknown = {"lease_id": "00000000"}
    path = f"kernels/{kernel_id}/attach"
    assert (await desk.api.refused_send("POST", path, unknown))[0] == 404
    assert not database.exists()


async def test_a_lease_is_attached_live_to_a_fresh_kernel_and_detached(desk, kernel_events):
    kernel_id = await desk.start()
    lease = await desk.lease()
    kernel = await desk.attach(kernel_id, lease)
    assert (kernel["attachment"], kernel["applied"]) == ("attached", "live")
    assert kernel["lease_ids"] == [lease["id"]]
    assert kernel["devices"] == lease["devices"]
    assert kernel["message"] == "It sees 1 GPU."
    assert await desk.sees(kernel_id) == lease["devices"][0]
    assert (await desk.api.get(f"leases/{lease['id']}"))["kernel_id"] == kernel_id
    told = await kernel_events.wait_for("kernel.told", kernel_id=kernel_id)
    assert told["lease_id"] == lease["id"]

    again = await desk.attach(kernel_id, lease)
    assert again == kernel

    kernel = await desk.detach(kernel_id)
    assert (kernel["attachment"], kernel["lease_ids"]) == ("none", [])
    assert await desk.sees(kernel_id) == UNSET
    assert (await desk.api.get(f"leases/{lease['id']}"))["status"] == "active"


async def test_telling_leaves_no_trace_in_the_users_notebook(desk):
    kernel_id = await desk.start()
    counted = "print(get_ipython().execution_count)"
    before = int(await desk.run(kernel_id, f"before = set(dir())\n{counted}"))
    lease = await desk.lease()
    await desk.attach(kernel_id, lease)
    left = "print([x for x in set(dir()) - before if not x.startswith('_') and x != 'before'])"
    assert await desk.run(kernel_id, left) == "[]"
    assert int(await desk.run(kernel_id, counted)) == before + 2
    assert "GPU-" not in await desk.run(kernel_id, "print(In, Out)")


async def test_a_kernel_that_has_used_cuda_is_restarted_first(desk, cuda_stand_in, kernel_events):
    kernel_id = await desk.start()
    await desk.run(kernel_id, f"import ctypes; cuda = ctypes.CDLL({str(cuda_stand_in)!r})")
    lease = await desk.lease()
    kernel = await desk.attach(kernel_id, lease)
    assert (kernel["attachment"], kernel["applied"]) == ("attached", "restart")
    assert "It has used CUDA" in kernel["message"]
    assert "variables of this kernel are lost" in kernel["message"]
    assert await desk.sees(kernel_id) == UNSET
    await kernel_events.wait_for("kernel.restart", kernel_id=kernel_id)

    await desk.restart(kernel_id)
    kernel = await desk.kernel_when(kernel_id, applied="launch")
    assert kernel["devices"] == lease["devices"]
    assert await desk.sees(kernel_id) == lease["devices"][0]


async def test_a_kernel_in_another_language_is_told_too(desk, bash_spec, cuda_stand_in):
    kernel_id = await desk.start("bash")
    lease = await desk.lease()
    kernel = await desk.attach(kernel_id, lease)
    assert kernel["applied"] == "live"
    sees = 'echo "$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER"'
    assert await desk.run(kernel_id, sees) == f"{lease['devices'][0]} PCI_BUS_ID"
    await desk.restart(kernel_id)
    assert await desk.run(kernel_id, sees) == f"{lease['devices'][0]} PCI_BUS_ID"
    await desk.detach(kernel_id)
    assert await desk.run(kernel_id, sees) == ""


async def test_a_busy_kernel_is_told_as_soon_as_its_cell_has_ended(desk, kernel_events, tmp_path):
    kernel_id = await desk.start()
    lease = await desk.lease()
    goes_on = tmp_path / "goes-on"
    wait = f"import os, time\nwhile not os.path.exists({str(goes_on)!r}): time.sleep(0.05)"
    await desk.begin(kernel_id, wait)
    kernel = await desk.attach(kernel_id, lease)
    assert kernel["applied"] == "when_idle"
    assert "as soon as the cell that runs has ended" in kernel["message"]
    goes_on.touch()
    await desk.kernel_when(kernel_id, applied="live")
    assert await desk.sees(kernel_id) == lease["devices"][0]
    kinds = [event["kind"] for event in kernel_events.seen]
    assert kinds[-2:] == ["kernel.waiting", "kernel.told"]


async def test_after_its_end_a_lease_shows_no_gpu_any_more(desk, kernel_events):
    kernel_id = await desk.start()
    lease = await desk.lease(duration="2s", kernel_id=kernel_id)
    kernel = await desk.kernel_when(kernel_id, attachment="attached", applied="live")
    assert kernel["devices"] == lease["devices"]
    assert await desk.sees(kernel_id) == lease["devices"][0]
    await desk.kernel_when(kernel_id, attachment="none", applied="untouched")
    assert await desk.sees(kernel_id) == UNSET


class TestWhereEverybodyNeedsALease:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"quotas": {"without_lease": "none"}}

    async def test_a_kernel_sees_no_gpu_before_a_lease_and_after_it(self, desk, bash_spec):
        shown = {
            await desk.start(): SEES,
            await desk.start("bash"): 'echo "$CUDA_VISIBLE_DEVICES"',
        }
        for kernel_id, sees in shown.items():
            assert await desk.run(kernel_id, sees) == ""
            lease = await desk.lease(duration="3s")
            await desk.attach(kernel_id, lease)
            assert await desk.run(kernel_id, sees) == lease["devices"][0]
            await desk.kernel_when(kernel_id, attachment="none", applied="live")
            assert await desk.run(kernel_id, sees) == ""
            kernel = await desk.kernel(kernel_id)
            assert kernel["message"] == "No lease is attached to it: it sees no GPU."


async def test_attaching_takes_a_lease_from_the_kernel_that_had_it(desk):
    first, second = await desk.start(), await desk.start()
    lease = await desk.lease()
    await desk.attach(first, lease)
    kernel = await desk.attach(second, lease)
    assert kernel["devices"] == lease["devices"]
    assert await desk.sees(first) == UNSET
    assert await desk.sees(second) == lease["devices"][0]
    assert (await desk.kernel(first))["attachment"] == "none"


async def test_two_leases_of_one_kernel_give_it_both_gpus_in_order(desk):
    kernel_id = await desk.start()
    one, two = await desk.lease(), await desk.lease()
    await desk.attach(kernel_id, two)
    kernel = await desk.attach(kernel_id, one)
    both = one["devices"] + two["devices"]
    assert kernel["devices"] == both
    assert await desk.sees(kernel_id) == ",".join(both)
    await desk.api.delete(f"leases/{one['id']}")
    await desk.kernel_when(kernel_id, devices=two["devices"], applied="live")
    assert await desk.sees(kernel_id) == two["devices"][0]


async def test_a_lease_that_waits_takes_effect_when_it_starts(desk, neighbour):
    other = Actor("user-b")
    blocking = neighbour.request(other, Request(2000, 3600))
    kernel_id = await desk.start()
    lease = await desk.lease()
    assert lease["status"] == "queued"
    kernel = await desk.attach(kernel_id, lease)
    assert (kernel["attachment"], kernel["devices"]) == ("queued", [])
    neighbour.release(other, blocking.id)
    await desk.kernel_when(kernel_id, attachment="offered")
    assert await desk.sees(kernel_id) == UNSET
    lease = await desk.api.patch(f"leases/{lease['id']}", {"accept": True})
    await desk.kernel_when(kernel_id, attachment="attached", applied="live")
    assert await desk.sees(kernel_id) == lease["devices"][0]


async def test_what_is_not_there_or_not_ones_own_is_a_404(desk, neighbour):
    kernel_id = await desk.start()
    lease = await desk.lease()
    theirs = neighbour.request(Actor("user-b"), Request(1000, 3600))
    nowhere, path = "kernels/00000000/attach", f"kernels/{kernel_id}/attach"
    for method, where, body, code in (
        ("POST", nowhere, {"lease_id": lease["id"]}, "kernel.unknown"),
        ("DELETE", nowhere, None, "kernel.unknown"),
        ("POST", path, {"lease_id": theirs.id}, "lease.unknown"),
        ("POST", path, {"lease_id": "00000000"}, "lease.unknown"),
    ):
        status, answer = await desk.api.refused_send(method, where, body)
        assert (status, answer["code"]) == (404, code)
        assert answer["hint"]
    await desk.api.delete(f"leases/{lease['id']}")
    status, answer = await desk.api.refused_send("POST", path, {"lease_id": lease["id"]})
    assert (status, answer["code"]) == (409, "lease.ended")


@pytest.mark.parametrize(
    "body", [{}, {"lease_id": 7}, {"lease_id": " "}, {"lease": "x"}, {"lease_id": "x", "force": 1}]
)
async def test_a_body_that_can_not_be_read_is_a_400(desk, body):
    kernel_id = await desk.start()
    status, answer = await desk.api.refused_send("POST", f"kernels/{kernel_id}/attach", body)
    assert (status, answer["code"]) == (400, "request.invalid")
    assert "lease_id" in answer["message"] + answer["hint"]


async def test_a_kernel_that_dies_while_attached_is_told_again_when_it_starts_anew(desk):
    kernel_id = await desk.start()
    lease = await desk.lease()
    manager = desk.manager.get_kernel(kernel_id)
    pid = manager.provisioner.pid
    attaching = asyncio.ensure_future(desk.attach(kernel_id, lease))
    await manager.provisioner.kill()
    await attaching
    while manager.provisioner.pid in (None, pid):
        await asyncio.sleep(0.05)
    kernel = await desk.kernel_when(kernel_id, attachment="attached", devices=lease["devices"])
    assert kernel["lease_ids"] == [lease["id"]]
    await desk.kernel_when(kernel_id, applied="launch")
    assert await desk.sees(kernel_id) == lease["devices"][0]


async def test_a_lease_that_ends_during_a_restart_is_not_seen_after_it(desk):
    kernel_id = await desk.start()
    lease = await desk.lease()
    await desk.attach(kernel_id, lease)
    restarting = asyncio.ensure_future(desk.restart(kernel_id))
    await desk.api.delete(f"leases/{lease['id']}")
    await restarting
    await desk.kernel_when(kernel_id, attachment="none", applied="untouched")
    assert await desk.sees(kernel_id) == UNSET


async def test_a_kernel_that_is_shut_down_lets_go_of_its_lease(desk):
    kernel_id = await desk.start()
    lease = await desk.lease()
    made_for = await desk.lease(kernel_id=kernel_id)
    await desk.attach(kernel_id, lease)
    await desk.shut_down(kernel_id)
    assert (await desk.api.get("kernels"))["items"] == []
    assert (await desk.api.get(f"leases/{lease['id']}"))["kernel_id"] is None
    assert (await desk.api.get(f"leases/{made_for['id']}"))["status"] == "ended"


class TestAKernelThatSomebodyElseStarts:
    @pytest.fixture(autouse=True)
    def spec(self, jp_data_dir):
        folder = jp_data_dir / "kernels" / "theirs"
        folder.mkdir(parents=True)
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Theirs",
            "language": "python",
            "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
        }
        (folder / "kernel.json").write_text(json.dumps(spec))

    async def test_is_respected_and_told_about_in_one_line(self, desk):
        kernel_id = await desk.start("theirs")
        lease = await desk.lease()
        kernel = await desk.attach(kernel_id, lease)
        assert (kernel["attachment"], kernel["applied"]) == ("attached", "unsupported")
        assert "another provisioner (LocalProvisioner) starts it." in kernel["message"]
        assert await desk.sees(kernel_id) == UNSET


class TestWithEnforcementOff:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"enforcement": "off"}

    async def test_kernels_are_left_as_they_are(self, desk):
        kernel_id = await desk.start()
        lease = await desk.lease()
        kernel = await desk.attach(kernel_id, lease)
        assert (kernel["attachment"], kernel["applied"]) == ("attached", "untouched")
        assert "enforcement is off" in kernel["message"]
        assert await desk.sees(kernel_id) == UNSET
        health = await desk.api.get("health")
        assert health["guard"]["status"] == "off"
        assert lease["strength"] == "off"


class TestWhereNothingMayLieIdle:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"idle_after": 1.0, "idle_grace": 2.0}

    async def test_an_idle_lease_is_asked_about_kept_and_at_last_given_back(
        self, desk, kernel_events
    ):
        kernel_id = await desk.start()
        lease = await desk.lease()
        await desk.attach(kernel_id, lease)
        asked = await kernel_events.wait_for("idle.asked", lease_id=lease["id"])
        assert asked["kernel_id"] == kernel_id
        assert asked["detail"]["release_at"]
        (idle,) = (await desk.api.get("kernels"))["idle"]
        assert idle["lease_id"] == lease["id"]
        kept = await desk.api.patch(f"leases/{lease['id']}", {"keep": True})
        assert kept["status"] == "active"
        actions = [row["action"] for row in (await desk.api.get("audit"))["items"]]
        assert "lease.keep" in actions
        await kernel_events.wait_for("idle.reminded", lease_id=lease["id"])
        await kernel_events.wait_for("idle.released", lease_id=lease["id"])
        over = await desk.api.get(f"leases/{lease['id']}")
        assert (over["status"], over["reason"]) == ("ended", "idle")
        await desk.kernel_when(kernel_id, attachment="none", applied="untouched")
        assert await desk.sees(kernel_id) == UNSET

    async def test_a_busy_kernel_keeps_its_lease(self, desk, kernel_events, tmp_path):
        kernel_id = await desk.start()
        mine, other = await desk.lease(kernel_id=kernel_id), await desk.lease()
        goes_on = tmp_path / "goes-on"
        wait = f"import os, time\nwhile not os.path.exists({str(goes_on)!r}): time.sleep(0.05)"
        await desk.begin(kernel_id, wait)
        # The other one, on which nothing runs, shows that the rules were at work meanwhile.
        await kernel_events.wait_for("idle.released", lease_id=other["id"])
        assert (await desk.api.get(f"leases/{mine['id']}"))["status"] == "active"
        assert "idle.released" not in [
            event["kind"] for event in kernel_events.seen if event["lease_id"] == mine["id"]
        ]
        goes_on.touch()


async def test_health_says_what_guards_and_what_limits(desk):
    health = await desk.api.get("health")
    assert health["guard"]["status"] == "ok"
    assert "only reports" in health["guard"]["message"]
    assert health["guard"]["detail"] == {"mode": "dry-run", "strength": "advisory", "findings": 0}
    assert health["limits"]["status"] in ("ok", "off")


class TestAskedForIsolation:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"enforcement": "isolated", "guard_mode": "enforce"}

    async def test_it_is_said_that_kernels_are_guarded_only(self, desk):
        check = (await desk.api.get("health"))["guard"]
        assert check["status"] == "warning"
        assert "guarded, not isolated" in check["message"]
        assert (await desk.api.get("kernels"))["strength"] == "guarded"
        lease = await desk.lease()
        assert lease["strength"] == "guarded"


class TestOnADriver:
    @pytest.fixture
    def gpuctl_settings(self, database):
        return {"sample_interval": 0.1, "database_url": f"sqlite:///{database}"}

    @pytest.fixture(autouse=True)
    def driver(self, machine):
        machine.show(h200s(2, []))
        return machine

    async def test_a_kernel_that_the_driver_tells_of_is_restarted_first(self, desk, driver):
        on_it, free = await desk.start(), await desk.start()
        pid = desk.manager.get_kernel(on_it).provisioner.pid
        driver.show(h200s(2, [pid]))
        await desk.api.gpus_when(
            lambda answer: answer["samples"][-1]["devices"][0]["processes"],
        )
        first, second = await desk.lease(), await desk.lease()
        assert (await desk.attach(on_it, first))["applied"] == "restart"
        assert (await desk.attach(free, second))["applied"] == "live"
        assert await desk.sees(free) == second["devices"][0]
        assert first["devices"] != second["devices"]


class TestGuardedOnADriver:
    @pytest.fixture
    def gpuctl_settings(self, database):
        return {
            "sample_interval": 0.1,
            "database_url": f"sqlite:///{database}",
            "enforcement": "guarded",
            "guard_mode": "enforce",
        }

    @pytest.fixture(autouse=True)
    def driver(self, machine):
        machine.show(h200s(2, []))
        return machine

    @pytest.fixture
    def neighbour(self, desk, database):
        settings = GpuCtl(database_url=f"sqlite:///{database}", enforcement="guarded")
        with participant(settings, log=logging.getLogger("neighbour")) as authority:
            yield authority

    async def test_a_kernel_on_somebody_elses_gpu_is_found_warned_and_written_down(
        self, desk, driver, neighbour, kernel_events
    ):
        kernel_id = await desk.start()
        assert await desk.sees(kernel_id) == UNSET
        neighbour.request(Actor("user-b"), Request(2000, 3600))
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
