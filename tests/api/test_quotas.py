"""A quota file and the server that follows it: two simulated GPUs, a database of its own."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.leasing import BOTH, HOUR


@pytest.fixture
def quotas(tmp_path, request):
    """The file, as it is when the server starts."""
    path = tmp_path / "quotas.yaml"
    path.write_text(getattr(request, "param", "default: {gpus: 1, max_lease: 2h}"))
    return path


@pytest.fixture
def gpuctl_settings(lease_settings, quotas):
    return lease_settings | {"quotas": str(quotas)}


async def quota_when(api, condition):
    """``GET quota`` again and again until ``condition(answer)``."""
    async with asyncio.timeout(30):
        while not condition(answer := await api.get("quota")):
            await asyncio.sleep(0.05)
    return answer


def allowed(answer):
    """Devices at once."""
    gauges = {(g["scope"], g["kind"]): g["allowed"] for g in answer["gauges"]}
    return gauges["user", "gpus"]


async def test_a_changed_file_binds_the_next_request(quotas, leases):
    status, body = await leases.refused_send("POST", "leases", BOTH)
    assert (status, body["code"]) == (422, "quota.exceeded")
    assert (body["detail"]["limit"], body["detail"]["allowed"]) == ("user.gpus", 1.0)
    assert body["message"] == "You may hold 1 GPU at once and 2 are asked for."
    assert body["hint"] == "Ask for at most 1 GPU."
    quotas.write_text("default: {gpus: 2}")
    await quota_when(leases, lambda answer: allowed(answer) == 2)
    assert (await leases.post("leases", BOTH))["status"] == "active"


async def test_a_mistake_is_told_and_the_quotas_before_it_hold_on(quotas, leases):
    assert (await leases.get("quota"))["problem"] is None
    quotas.write_text("default: {gpus: 2}\nusers: {user-a: {gpu: 3}}")
    answer = await quota_when(leases, lambda answer: answer["problem"])
    assert "users.user-a.gpu is not known. Did you mean gpus?" in answer["problem"]
    assert allowed(answer) == 1
    health = (await leases.get("health"))["authority"]
    assert health["status"] == "warning"
    assert "users.user-a.gpu is not known" in health["message"]
    assert (await leases.refused_send("POST", "leases", BOTH))[0] == 422
    quotas.unlink()
    answer = await quota_when(leases, lambda answer: "No such file" in answer["problem"])
    assert allowed(answer) == 1


@pytest.mark.parametrize("quotas", ["default: {gpus: -1}"], indirect=True)
async def test_without_a_readable_file_at_the_start_all_but_new_leases_works_until_it_is_mended(
    quotas, leases
):
    assert (await leases.get("leases"))["items"] == []
    assert (await leases.get("audit"))["items"] == []
    answer = await leases.get("quota")
    assert (answer["known"], answer["gauges"]) == (False, [])
    assert "default.gpus=-1 is below 0" in answer["problem"]
    status, body = await leases.refused_send("POST", "leases", HOUR)
    assert (status, body["code"]) == (503, "config.invalid")
    assert str(quotas) in body["message"]
    assert "default.gpus=-1 is below 0. Write a number of GPUs" in body["message"]
    assert (await leases.get("gpus"))["devices"]
    health = (await leases.get("health"))["authority"]
    assert health["status"] == "error"
    assert health["message"].startswith(f"No lease can be taken: {body['message']}")
    quotas.write_text("default: {gpus: 1}")
    await quota_when(leases, lambda answer: answer["known"])
    assert (await leases.post("leases", HOUR))["status"] == "active"


async def test_the_limit_that_decided_is_named_with_its_use_and_the_mend(leases):
    status, answer = await leases.refused_send("POST", "leases", HOUR | {"duration": "3h"})
    assert (status, answer["detail"]["limit"]) == (422, "max_lease")
    assert answer["hint"]
    gauges = (await leases.get("quota"))["gauges"]
    (gpus,) = [gauge for gauge in gauges if gauge["kind"] == "gpus"]
    assert (gpus["used"], gpus["allowed"], gpus["left"]) == (0, 1, 1)
