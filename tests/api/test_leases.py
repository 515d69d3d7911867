"""Leases over HTTP: a real server, two simulated GPUs, a database of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from datetime import datetime
from unittest.mock import ANY

import pytest

from jupyter_gpuctl.composition import participant
from jupyter_gpuctl.config import GpuCtl
from jupyter_gpuctl.host.identity import server_user
from jupyter_gpuctl.leases.model import Request
from jupyter_gpuctl.leases.service import Actor

ME = server_user().name
HOUR = {"gpus": 1, "duration": "1h"}
BOTH = {"gpus": 2, "duration": "1h"}
OTHER = Actor("user-b")


@pytest.fixture
def database(tmp_path):
    return tmp_path / "shared" / "gpuctl.sqlite"


@pytest.fixture
def gpuctl_settings(database):
    return {"simulate_gpus": 2, "sample_interval": 0.1, "database_url": f"sqlite:///{database}"}


@pytest.fixture
def leases(started, api, jp_asyncio_loop):
    """The API, once the GPUs have been read."""
    jp_asyncio_loop.run_until_complete(api.gpus_when(lambda answer: answer["samples"]))
    return api


@pytest.fixture
def neighbour(leases, database):
    """Another program on the same database, such as another user's server."""
    settings = GpuCtl(simulate_gpus=2, database_url=f"sqlite:///{database}")
    with participant(settings, log=logging.getLogger("neighbour")) as authority:
        yield authority


def wants(gpus: int = 1, seconds: int = 3600, *, interactive: bool = False) -> Request:
    return Request(milli=1000 * gpus, duration=seconds, interactive=interactive)


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


async def test_a_lease_that_expires_is_told_and_makes_room(leases, events):
    first = await leases.post("leases", {"gpus": 2, "duration": 2})
    second = await leases.post("leases", HOUR | {"interactive": False})
    assert second["status"] == "queued"
    ended = await events.wait_for("lease.ended")
    assert ended["lease_id"] == first["id"]
    started = await events.wait_for("lease.started", lease_id=second["id"])
    assert started["owner"] == ME
    over = await leases.get(f"leases/{first['id']}")
    assert (over["status"], over["reason"]) == ("ended", "expired")


async def test_it_is_said_before_a_lease_ends(leases, events):
    lease = await leases.post("leases", {"gpus": 1, "duration": "5m2s"})
    warning = await events.wait_for("lease.expiring")
    assert warning["lease_id"] == lease["id"]
    assert 290 < warning["left"] <= 300
    assert "5 min" in warning["message"]
    # Extended and shortened by nothing, it isn't said again; extended, it will be in its time.
    await leases.patch(f"leases/{lease['id']}", {"extend": "1h"})
    await events.wait_for("lease.extended")
    assert [event["kind"] for event in events.seen].count("lease.expiring") == 1


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


async def test_health_says_where_leases_are_and_who_decides(leases, database):
    await leases.get("leases")
    health = await leases.get("health")
    assert health["store"]["status"] == "ok"
    assert str(database) in health["store"]["message"] + str(health["store"]["detail"])
    assert health["authority"]["status"] == "ok"
    assert health["authority"]["message"]


async def test_a_server_on_which_nobody_leases_makes_no_database(leases, database):
    assert (await leases.get("health"))["store"]["status"] in ("ok", "off")
    assert not database.exists()


def test_a_server_that_starts_loads_neither_the_databases_library_nor_the_rules(tmp_path):
    """Loading it would cost every start a tenth of a second or more."""
    script = """
import asyncio, sys
from jupyter_server.serverapp import ServerApp

async def main():
    app = ServerApp()
    app.initialize(["--port=0", "--no-browser", "--allow-root", "--GpuCtl.simulate_gpus=2"])
    await app.extension_manager.start_all_extensions()
    assert "jupyter_gpuctl" in app.extension_manager.extension_apps
    await asyncio.sleep(0)
    await app.extension_manager.stop_all_extensions()

asyncio.run(main())
dear = {"sqlalchemy", "alembic", "pydantic", "jupyter_gpuctl.leases.model"}
print(sorted(dear & set(sys.modules)))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "GPUCTL"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "HOME": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


class TestWithQuotas:
    @pytest.fixture
    def quotas(self, tmp_path):
        path = tmp_path / "quotas.yaml"
        path.write_text("default: {gpus: 1, max_lease: 2h}\n")
        return path

    @pytest.fixture
    def gpuctl_settings(self, gpuctl_settings, quotas):
        return gpuctl_settings | {"quotas": str(quotas)}

    async def test_the_limit_that_decided_is_named_with_its_use_and_the_mend(self, leases):
        status, answer = await leases.refused_send("POST", "leases", BOTH)
        assert status == 422
        verdict = answer["detail"]
        assert (verdict["limit"], verdict["allowed"]) == ("user.gpus", 1)
        assert answer["hint"]
        long = {"gpus": 1, "duration": "3h"}
        status, answer = await leases.refused_send("POST", "leases", long)
        assert answer["detail"]["limit"] == "max_lease"
        gauges = (await leases.get("quota"))["gauges"]
        (gpus,) = [gauge for gauge in gauges if gauge["kind"] == "gpus"]
        assert (gpus["used"], gpus["allowed"], gpus["left"]) == (0, 1, 1)

    async def test_a_file_that_was_broken_later_leaves_the_old_quotas_and_says_so(
        self, leases, quotas
    ):
        assert (await leases.get("quota"))["problem"] is None
        quotas.write_text("default: {gpus: many}\n")
        answer = await until(lambda: leases.get("quota"), lambda answer: answer["problem"])
        assert str(quotas) in answer["problem"]
        assert answer["max_lease"] == 7200
        health = await leases.get("health")
        assert health["authority"]["status"] == "warning"
        assert str(quotas) in health["authority"]["message"]

    class TestBrokenFromTheStart:
        @pytest.fixture
        def quotas(self, tmp_path):
            path = tmp_path / "quotas.yaml"
            path.write_text("default: [\n")
            return path

        async def test_leases_are_away_with_the_mend_and_gpus_are_shown(self, leases, quotas):
            status, answer = await leases.refused("quota")
            assert (status, answer["code"]) == (503, "config.invalid")
            assert str(quotas) in answer["message"]
            health = await leases.get("health")
            assert health["authority"]["status"] == "error"
            assert (await leases.get("gpus"))["devices"]
            quotas.write_text("default: {gpus: 1}\n")
            assert (await leases.get("quota"))["problem"] is None


class TestAwayDatabase:
    @pytest.fixture
    def database(self, tmp_path):
        path = tmp_path / "gpuctl.sqlite"
        path.write_bytes(b"This is not a database, it is a letter. " * 100)
        return path

    async def test_leases_are_away_with_the_mend_until_it_is_mended(self, leases, database):
        for path in ("quota", "leases", "audit"):
            status, answer = await leases.refused(path)
            assert status == 503, path
            assert str(database) in answer["message"] + answer["hint"]
        status, _ = await leases.refused_send("POST", "leases", HOUR)
        assert status == 503
        health = await leases.get("health")
        assert health["store"]["status"] == "error"
        assert health["store"]["hint"]
        assert (await leases.get("gpus"))["devices"]
        database.unlink()
        assert (await leases.post("leases", HOUR))["status"] == "active"
        assert (await leases.get("health"))["store"]["status"] == "ok"


async def until(ask, condition):
    for _ in range(300):
        answer = await ask()
        if condition(answer):
            return answer
        await asyncio.sleep(0.05)
    pytest.fail(f"never so: {answer}")
