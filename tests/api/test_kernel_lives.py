"""A lease and its kernel as time goes on: cells, restarts, deaths, ends, idleness."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.desk import UNSET

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def gpuctl_settings(lease_settings):
    return lease_settings


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


async def test_a_kernel_that_dies_while_attached_is_told_again_when_it_starts_anew(desk):
    kernel_id = await desk.start()
    lease = await desk.lease()
    manager = desk.manager.get_kernel(kernel_id)
    pid = manager.provisioner.pid
    attaching = asyncio.ensure_future(desk.attach(kernel_id, lease))
    desk.hang_up(kernel_id)
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


class TestWhereNothingMayLieIdle:
    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings):
        return gpuctl_settings | {"idle_after": 1.0, "idle_grace": 2.0}

    async def test_an_idle_lease_is_asked_about_kept_and_at_last_given_back(
        self, desk, kernel_events
    ):
        kernel_id = await desk.start()
        lease = await desk.lease(kernel_id=kernel_id)
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
