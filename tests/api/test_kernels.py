"""Leases reach real kernels of a real server: simulated GPUs, a stand-in for CUDA's library."""

from __future__ import annotations

import json
import sys

import pytest

from tests.api.desk import UNSET
from tests.api.leasing import OTHER, wants
from tests.fake_driver.scenario import h200s

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def gpuctl_settings(lease_settings):
    return lease_settings


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
    # Meanwhile the kernel may have come up: its state is not what attaching is about.
    assert {**again, "state": None} == {**kernel, "state": None}

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
    await desk.kernel_when(kernel_id, applied="live")
    assert await desk.sees(kernel_id) == ",".join(both)
    await desk.api.delete(f"leases/{one['id']}")
    await desk.kernel_when(kernel_id, devices=two["devices"], applied="live")
    assert await desk.sees(kernel_id) == two["devices"][0]


async def test_a_lease_that_waits_takes_effect_when_it_starts(desk, neighbour):
    blocking = neighbour.request(OTHER, wants(2))
    kernel_id = await desk.start()
    lease = await desk.lease()
    assert lease["status"] == "queued"
    kernel = await desk.attach(kernel_id, lease)
    assert (kernel["attachment"], kernel["devices"]) == ("queued", [])
    neighbour.release(OTHER, blocking.id)
    await desk.kernel_when(kernel_id, attachment="offered")
    assert await desk.sees(kernel_id) == UNSET
    lease = await desk.api.patch(f"leases/{lease['id']}", {"accept": True})
    await desk.kernel_when(kernel_id, attachment="attached", applied="live")
    assert await desk.sees(kernel_id) == lease["devices"][0]


async def test_what_is_not_there_or_not_ones_own_is_a_404(desk, neighbour):
    kernel_id = await desk.start()
    lease = await desk.lease()
    theirs = neighbour.request(OTHER, wants(1))
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
