"""Leases over HTTP: a real server, two simulated GPUs, a database of its own."""

from __future__ import annotations

import asyncio
from datetime import datetime
from unittest.mock import ANY

import pytest

from tests.api.leasing import BOTH, HOUR, ME, OTHER, wants


@pytest.fixture
def gpuctl_settings(lease_settings):
    return lease_settings


async def test_a_free_gpu_is_granted_at_once_and_shown_to_all(leases):
    lease = await leases.post("leases", HOUR | {"note": "fine-tuning"})
    assert lease["status"] == "active"
    assert lease["verdict"]["outcome"] == "admitted"
    assert lease["owner"] == ME
    assert lease["mine"]
    assert lease["gpus"] == 1
    assert lease["note"] == "fine-tuning"
    assert len(lease["devices"]) == 1
    started, ends = map(datetime.fromisoformat, (lease["started_at"], lease["expires_at"]))
    assert (ends - started).total_seconds() == 3600

    assert (await leases.get(f"leases/{lease['id']}"))["id"] == lease["id"]
    listed = await leases.get("leases")
    assert [item["id"] for item in listed["items"]] == [lease["id"]]
    assert listed["next"] is None

    over = await leases.delete(f"leases/{lease['id']}")
    assert (over["status"], over["reason"]) == ("ended", "released")
    assert (await leases.get("leases"))["items"] == []
    ended = await leases.get("leases", params={"status": "ended"})
    assert [item["id"] for item in ended["items"]] == [lease["id"]]


async def test_what_is_made_answers_201_and_a_dry_run_makes_nothing(leases):
    answer = await leases.send("POST", "leases", BOTH | {"dry_run": True})
    assert answer.code == 200
    preview = leases.read(answer)
    assert preview["verdict"]["outcome"] == "admitted"
    assert len(preview["devices"]) == 2
    assert preview["gpu_hours"] == 2
    assert (await leases.get("leases"))["items"] == []

    assert (await leases.send("POST", "leases", BOTH)).code == 201
    preview = await leases.post("leases", HOUR | {"dry_run": True})
    assert preview["verdict"]["outcome"] == "queued"
    assert preview["verdict"]["limit"] == "devices"
    assert preview["position"] == 1
    assert preview["estimated_start"]


async def test_a_share_needs_a_memory_cap_and_leaves_room_for_another(leases):
    share = {"gpus": 0.5, "gpu_memory": "4GiB", "duration": "1h"}
    first, second = [await leases.post("leases", share) for _ in range(2)]
    assert first["gpus"] == second["gpus"] == 0.5
    assert first["gpu_memory"] == 4 * 2**30
    assert first["devices"] == second["devices"], "not packed"
    status, body = await leases.refused_send("POST", "leases", {"gpus": 0.5, "duration": "1h"})
    assert (status, body["code"]) == (400, "request.invalid")
    assert "gpu_memory is missing" in body["message"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"gpus": 0, "duration": "1h"}, "gpus=0 is not above 0"),
        ({"gpus": "two", "duration": "1h"}, "gpus='two' is not a number"),
        ({"gpus": 1, "duration": "soon"}, "duration='soon' is not a duration"),
        ({"gpu": 1, "duration": "1h"}, "'gpu' is not a field"),
        ({}, "empty object"),
        ([], "a list, not an object"),
        (b"{", "not JSON"),
        (b"", "empty"),
        (b"\xff", "not UTF-8"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_one_line_with_the_mend(leases, body, says):
    status, answer = await leases.refused_send("POST", "leases", body)
    assert (status, answer["code"]) == (400, "request.invalid")
    assert says in answer["message"]
    assert answer["hint"]


async def test_more_than_there_is_is_refused_with_the_limit_that_decided(leases):
    status, answer = await leases.refused_send("POST", "leases", {"gpus": 3, "duration": "1h"})
    assert status == 422
    verdict = answer["detail"]
    assert (verdict["outcome"], verdict["limit"]) == ("refused", "capacity")
    assert verdict["allowed"] == 2
    assert answer["message"]
    assert answer["hint"]
    assert (await leases.get("leases"))["items"] == []


async def test_a_double_click_is_one_lease(leases):
    key = {"Idempotency-Key": "click-1"}
    first, second = await asyncio.gather(
        *(leases.post("leases", HOUR, headers=key) for _ in range(2))
    )
    assert first["id"] == second["id"]
    assert len((await leases.get("leases"))["items"]) == 1
    status, answer = await leases.refused_send("POST", "leases", BOTH, headers=key)
    assert status == 409
    assert answer["hint"]
    long = {"Idempotency-Key": "x" * 201}
    assert (await leases.refused_send("POST", "leases", HOUR, headers=long))[0] == 400


async def test_a_lease_is_extended_until_the_quota_says_stop(leases):
    lease = await leases.post("leases", HOUR)
    longer = await leases.patch(f"leases/{lease['id']}", {"extend": "30m"})
    before, after = map(datetime.fromisoformat, (lease["expires_at"], longer["expires_at"]))
    assert (after - before).total_seconds() == 1800
    assert longer["duration"] == 5400
    longest = await leases.patch(f"leases/{lease['id']}", {"extend": "100d"})
    assert 86000 < longest["duration"] <= 86400, "as much as the rules grant"
    assert longest["verdict"]["limit"] == "max_lease"
    assert longest["verdict"]["message"]
    status, answer = await leases.refused_send("PATCH", f"leases/{lease['id']}", {"extend": "1h"})
    assert status == 422
    assert answer["detail"]["limit"] == "max_lease"
    status, answer = await leases.refused_send("PATCH", f"leases/{lease['id']}", {"exten": "1h"})
    assert (status, answer["hint"]) == (400, "Did you mean extend?")


@pytest.mark.parametrize("lease_id", ["nothing", "..%2f..%2fhealth", "a" * 3000, "%00", "é"])
async def test_an_id_of_nobodys_is_not_found(leases, lease_id):
    for method, body in (("GET", None), ("PATCH", {"accept": True}), ("DELETE", None)):
        status, answer = await leases.refused_send(method, f"leases/{lease_id}", body)
        assert (status, answer["code"]) == (404, "lease.unknown")


async def test_somebody_elses_lease_is_shown_but_is_not_yours(leases, neighbour):
    lease = await asyncio.to_thread(neighbour.request, OTHER, wants(), None)
    (shown,) = (await leases.get("leases"))["items"]
    assert (shown["owner"], shown["mine"], shown["id"]) == ("user-b", False, "")
    for method, body in (("GET", None), ("PATCH", {"extend": 60}), ("DELETE", None)):
        status, answer = await leases.refused_send(method, f"leases/{lease.id}", body)
        assert (status, answer["code"]) == (404, "lease.unknown"), method
    assert (await asyncio.to_thread(neighbour.lease, OTHER, lease.id)).status == "active"


async def test_a_queue_of_two_users_who_have_a_server_each(leases, neighbour, events):
    """B holds both; A waits, is offered, accepts, and all is told on A's event bus."""
    held = await asyncio.to_thread(neighbour.request, OTHER, wants(2), None)
    waiting = await leases.post("leases", HOUR)
    assert (waiting["status"], waiting["position"]) == ("queued", 1)
    assert waiting["verdict"]["limit"] == "devices"
    assert waiting["verdict"]["message"]
    assert waiting["estimated_start"]
    assert [item["status"] for item in (await leases.get("leases"))["items"]] == [
        "active",
        "queued",
    ]

    await asyncio.to_thread(neighbour.release, OTHER, held.id)
    offered = await events.wait_for("lease.offered")
    assert offered["lease_id"] == waiting["id"]
    lease = await leases.get(f"leases/{waiting['id']}")
    assert lease["status"] == "offered"
    assert lease["offer_expires_at"]
    assert lease["gpu_hours"] == 0

    lease = await leases.patch(f"leases/{waiting['id']}", {"accept": True})
    assert lease["status"] == "active"
    await events.wait_for("lease.started")
    again = await leases.patch(f"leases/{waiting['id']}", {"accept": True})
    assert again == lease | {"gpu_hours": ANY}
    await leases.delete(f"leases/{waiting['id']}")
    status, answer = await leases.refused_send("PATCH", f"leases/{waiting['id']}", {"accept": True})
    assert (status, answer["code"]) == (409, "lease.ended")
    assert answer["hint"]
    ended = await events.wait_for("lease.ended")
    assert ended["owner"] == ME
    assert ended["message"]
    kinds = [event["kind"] for event in events.seen if event["lease_id"]]
    assert kinds == ["lease.queued", "lease.offered", "lease.started", "lease.ended"]
    others = [event for event in events.seen if event["kind"] == "lease.others"]
    assert all(event["owner"] is event["lease_id"] is None for event in others)


async def test_quota_and_audit_tell_what_is_so_and_who_did_it(leases):
    lease = await leases.post("leases", HOUR)
    quota = await leases.get("quota")
    assert quota["user"] == ME
    assert not quota["admin"]
    assert quota["largest"] == 2
    assert quota["max_lease"] == 86400
    assert quota["problem"] is None
    rows = (await leases.get("audit"))["items"]
    assert {row["lease_id"] for row in rows} == {lease["id"]}
    assert {row["actor"] for row in rows} <= {ME, "gpuctl"}
    page = await leases.get("audit", params={"limit": 1})
    assert page["items"] == rows[:1]
    assert page["next"]
    again = await leases.get("audit", params={"limit": 1, "cursor": page["next"]})
    assert again["items"] == rows[1:2]
    for params in ({"limit": 0}, {"limit": "x"}, {"cursor": "x"}):
        assert (await leases.refused("audit", params=params))[0] == 400
    assert (await leases.refused("leases", params={"status": "queued"}))[0] == 400
