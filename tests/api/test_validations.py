"""Validations through the REST interface: real notebooks, real kernels, processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from tests.api.test_lease_people import NamesPeople, Operators

pytestmark = pytest.mark.timeout(180)
COLD = {"cold": True, "cache": False}
LONG = "import time; time.sleep(600)"


def write(path: Path, *cells: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": spec}), path)


def commands(folder: Path) -> list[str]:
    """What runs in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if Path(os.readlink(entry / "cwd")) == folder:
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found


class Validations:
    """The API, followed until something is so."""

    def __init__(self, api: Any, fetch: Any) -> None:
        self.api, self.fetch = api, fetch

    async def start(self, *paths: str, **body: Any) -> dict[str, Any]:
        return await self.api.post("validations", {"paths": list(paths), **COLD, **body})

    async def when(self, run_id: str, condition) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for _ in range(1200):
            answer = await self.api.get(f"validations/{run_id}")
            if condition(answer):
                return answer
            await asyncio.sleep(0.05)
        pytest.fail(f"never so: {answer}")

    async def end(self, run_id: str) -> dict[str, Any]:
        return await self.when(run_id, lambda answer: answer["ended_at"] is not None)

    async def runs_cell(self, run_id: str) -> dict[str, Any]:
        def in_cell(answer):
            return any(one["cell"] is not None for one in answer["progress"]["running"])

        return await self.when(run_id, in_cell)


@pytest.fixture
def validations(started, api, jp_fetch):
    return Validations(api, jp_fetch)


@pytest.fixture
def course(jp_root_dir):
    return Path(jp_root_dir).resolve() / "course"


async def test_a_folder_is_validated_and_its_reports_can_be_had(validations, course, tmp_path):
    write(course / "good.ipynb", "x = 1", "print(x)")
    write(course / "labs" / "bad.ipynb", "# first", "y = 2\n1/0")
    write(tmp_path / "elsewhere" / "secret.ipynb", "open('ran', 'w')")
    (course / "leads-away.ipynb").symlink_to(tmp_path / "elsewhere" / "secret.ipynb")
    (course / "labs" / "again.ipynb").symlink_to(course / "good.ipynb")
    begun = await validations.start("course", memory_limit="1GiB")
    assert begun["status"] in ("queued", "running")
    assert begun["paths"] == ["course"]
    done = await validations.end(begun["id"])
    assert (done["status"], done["problem"]) == ("done", None)
    assert done["progress"] == {"done": 2, "total": 2, "running": []}
    assert done["limits"] == {
        "time": 600.0,
        "cell_time": None,
        "memory": 1024**3,
        "gpu_memory": None,
    }
    found = {one["path"]: one for one in done["notebooks"]}
    assert not (course / "ran").exists()
    assert found["course/good.ipynb"]["verdict"] == "passed"
    bad = found["course/labs/bad.ipynb"]
    assert (bad["verdict"], bad["cell"], bad["first_line"]) == ("failed", 1, "y = 2")
    assert bad["error"]["name"] == "ZeroDivisionError"
    listed = (await validations.api.get("validations"))["items"]
    assert [one["id"] for one in listed] == [begun["id"]]

    kinds = {
        "html": "text/html",
        "json": "application/json",
        "junit": "application/xml",
        "markdown": "text/markdown",
    }
    assert set(done["reports"]) == set(kinds)
    for name, kind in kinds.items():
        path = f"gpuctl/api/v1/validations/{begun['id']}/report"
        answer = await validations.fetch(path, params={"format": name})
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert begun["id"] in answer.headers["Content-Disposition"]
        assert b"bad.ipynb" in answer.body
        assert b"leads-away" not in answer.body
        if name == "json":
            assert json.loads(answer.body)["schema"] == "gpuctl.validation/1"


async def test_what_is_stopped_keeps_what_is_done_and_leaves_no_process(validations, course):
    write(course / "1.ipynb", "x = 1")
    write(course / "2.ipynb", LONG)
    begun = await validations.start("course/1.ipynb", "course/2.ipynb")
    await validations.when(begun["id"], lambda answer: answer["progress"]["done"] == 1)
    await validations.runs_cell(begun["id"])
    assert commands(course)
    stopping = await validations.api.delete(f"validations/{begun['id']}")
    assert stopping["cancelling"] or stopping["status"] == "cancelled"
    ended = await validations.end(begun["id"])
    assert ended["status"] == "cancelled"
    verdicts = {one["path"]: one["verdict"] for one in ended["notebooks"]}
    assert verdicts == {"course/1.ipynb": "passed", "course/2.ipynb": "skipped"}
    assert "json" in ended["reports"]
    assert commands(course) == []
    await validations.api.delete(f"validations/{begun['id']}")
    status, body = await validations.api.refused(f"validations/{begun['id']}")
    assert (status, body["code"]) == (404, "validation.not_found")


async def test_more_than_may_run_at_a_time_wait_their_turn(validations, course):
    write(course / "long.ipynb", LONG)
    write(course / "short.ipynb", "x = 1")
    first = await validations.start("course/long.ipynb")
    second = await validations.start("course/short.ipynb")
    third = await validations.start("course/long.ipynb")
    assert (second["status"], second["position"]) == ("queued", 1)
    assert (third["status"], third["position"]) == ("queued", 2)
    cancelled = await validations.api.delete(f"validations/{third['id']}")
    assert (cancelled["status"], cancelled["reports"]) == ("cancelled", [])
    status, body = await validations.api.refused(f"validations/{second['id']}/report")
    assert (status, body["code"]) == (409, "validation.no_report")
    await validations.runs_cell(first["id"])
    await validations.api.delete(f"validations/{first['id']}")
    assert (await validations.end(second["id"]))["status"] == "done"


async def test_a_server_that_ends_takes_its_validations_with_it(validations, course, jp_serverapp):
    write(course / "long.ipynb", LONG)
    begun = await validations.start("course")
    await validations.runs_cell(begun["id"])
    assert commands(course)
    await jp_serverapp.extension_manager.stop_all_extensions()
    assert commands(course) == []


async def test_settings_of_the_course_hold_and_what_is_asked_goes_before(validations, course):
    write(course / "one.ipynb", "x = 1")
    settings = '[validate]\ntime-limit = "90s"\nmemory-limit = "1GiB"\nreport = ["json=out.json"]\n'
    (course / "gpuctl.toml").write_text(settings)
    begun = await validations.start("course", time_limit="2m")
    done = await validations.end(begun["id"])
    assert (done["limits"]["time"], done["limits"]["memory"]) == (120.0, 1024**3)
    assert not (course / "out.json").exists()


async def test_settings_that_can_not_be_read_are_told(validations, course):
    write(course / "one.ipynb", "x = 1")
    (course / "gpuctl.toml").write_text("[validate]\ntimelimit = 3\n")
    done = await validations.end((await validations.start("course"))["id"])
    assert done["status"] == "failed"
    assert "timelimit is not a setting. Did you mean time-limit?" in done["problem"]["message"]


async def test_a_folder_without_notebooks_says_so(validations, course):
    course.mkdir()
    done = await validations.end((await validations.start("course"))["id"])
    assert done["status"] == "failed"
    assert "holds no notebook" in done["problem"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"paths": ["course"], "limit": 3}, 400, "request.invalid"),
        ({"paths": ["course/../.."]}, 400, "request.invalid"),
        ({"paths": ["/etc"]}, 400, "request.invalid"),
        ({"paths": ["course"], "memory_limit": "much"}, 400, "quantity.invalid"),
        ({"paths": ["nowhere"]}, 404, "validation.path_not_found"),
        ({"paths": ["away"]}, 404, "validation.path_not_found"),
        ({"paths": ["notes.txt"]}, 422, "validation.not_a_notebook"),
    ],
)
async def test_what_can_not_be_validated_is_refused_before_it_starts(
    validations, course, jp_root_dir, tmp_path, body, status, code
):
    course.mkdir()
    (Path(jp_root_dir) / "notes.txt").touch()
    (Path(jp_root_dir) / "away").symlink_to(tmp_path)
    refused = await validations.api.refused_send("POST", "validations", body)
    assert (refused[0], refused[1]["code"]) == (status, code)
    assert refused[1]["hint"]
    assert (await validations.api.get("validations"))["items"] == []


class TestSeveralPeopleOnOneServer:
    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        jp_server_config["ServerApp"]["identity_provider_class"] = NamesPeople
        jp_server_config["ServerApp"]["authorizer_class"] = Operators
        return jp_server_config

    async def test_see_and_stop_their_own_validations_only_and_operators_all(
        self, validations, course, http_server_port
    ):
        def person(name: str) -> dict[str, str]:
            referer = f"http://127.0.0.1:{http_server_port[-1]}/"
            cookie = {"Cookie": "_xsrf=1f", "X-XSRFToken": "1f", "Referer": referer}
            return {"X-Remote-User": name, **cookie}

        write(course / "long.ipynb", LONG)
        api, mine, other = validations.api, person("user-a"), person("user-b")
        begun = await api.post("validations", {"paths": ["course"], **COLD}, headers=mine)
        assert begun["user"] == "user-a"
        path = f"validations/{begun['id']}"
        assert (await api.get("validations", headers=other))["items"] == []
        assert (await api.refused(path, headers=other))[0] == 404
        assert (await api.refused(f"{path}/report", headers=other))[0] == 404
        assert (await api.refused_send("DELETE", path, headers=other))[0] == 404
        assert (await api.get(path, headers=mine))["status"] in ("queued", "running")
        operator = person("operator-a")
        assert len((await api.get("validations", headers=operator))["items"]) == 1
        stopping = await api.delete(path, headers=operator)
        assert stopping["cancelling"] or stopping["status"] == "cancelled"


class NoKernels(Authorizer):
    """Allows everything but to run code."""

    def is_authorized(self, handler, user, action, resource):
        return (action, resource) != ("execute", "kernels")


class TestWhoMayNotRunCode:
    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        jp_server_config["ServerApp"]["authorizer_class"] = NoKernels
        return jp_server_config

    async def test_may_not_validate(self, validations, course):
        write(course / "one.ipynb", "x = 1")
        body = {"paths": ["course"]}
        status, answer = await validations.api.refused_send("POST", "validations", body)
        assert (status, answer["code"]) == (403, "auth.forbidden")


async def test_a_report_in_no_format_we_know_is_refused(validations):
    path = "gpuctl/api/v1/validations/00000000/report"
    with pytest.raises(HTTPClientError) as refused:
        await validations.fetch(path, params={"format": "pdf"})
    assert refused.value.code == 400
