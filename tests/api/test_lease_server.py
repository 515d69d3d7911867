"""Leases over HTTP, as the server tells of them: events, health, a database that is away."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.api.leasing import HOUR, ME


@pytest.fixture
def gpuctl_settings(lease_settings):
    return lease_settings


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
