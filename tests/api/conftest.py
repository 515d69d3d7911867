"""A real Jupyter server in this process, with the extension and two simulated GPUs."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from jupyter_gpuctl.kernels.events import SCHEMA_ID as KERNEL_EVENTS
from jupyter_gpuctl.leases.events import SCHEMA_ID
from tests.api.desk import Desk
from tests.api.leasing import another_program

API = ("gpuctl", "api", "v1")


@pytest.fixture
def gpuctl_settings() -> dict[str, Any]:
    """Traits of ``GpuCtl``; a test module or class overrides this."""
    return {"simulate_gpus": 2, "sample_interval": 0.1}


@pytest.fixture
def jp_server_config(jp_server_config, gpuctl_settings):
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_gpuctl": True}},
        "GpuCtl": gpuctl_settings,
    }


class Api:
    """The REST interface as a client meets it."""

    def __init__(self, fetch) -> None:
        self._fetch = fetch

    async def get(self, path: str, **options: Any) -> Any:
        answer = await self._fetch(*API, path, **options)
        return json.loads(answer.body)

    async def refused(self, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of a call that must fail."""
        with pytest.raises(HTTPClientError) as refused:
            await self._fetch(*API, path, **options)
        return refused.value.code, json.loads(refused.value.response.body)

    async def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The answer to a call with a body: bytes as they are, anything else as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body)
        return await self._fetch(
            *API, path, method=method, body=body, allow_nonstandard_methods=True, **options
        )

    @staticmethod
    def read(answer: Any) -> Any:
        return json.loads(answer.body)

    async def post(self, path: str, body: Any, **options: Any) -> Any:
        return self.read(await self.send("POST", path, body, **options))

    async def patch(self, path: str, body: Any, **options: Any) -> Any:
        return self.read(await self.send("PATCH", path, body, **options))

    async def delete(self, path: str, **options: Any) -> Any:
        return self.read(await self.send("DELETE", path, **options))

    async def refused_send(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of a call with a body that must fail."""
        with pytest.raises(HTTPClientError) as refused:
            await self.send(method, path, body, **options)
        return refused.value.code, json.loads(refused.value.response.body)

    async def gpus_when(self, condition, **params: Any) -> dict[str, Any]:
        """``GET gpus`` again and again until ``condition(answer)``."""
        for _ in range(300):
            answer = await self.get("gpus", params=params)
            if condition(answer):
                return answer
            await asyncio.sleep(0.05)
        pytest.fail(f"never so: {answer}")


@pytest.fixture
def api(jp_serverapp, jp_fetch):
    return Api(jp_fetch)


@pytest.fixture
def started(jp_serverapp, jp_asyncio_loop):
    """Starts extensions as a server does once its loop runs, and stops them at the end."""
    manager = jp_serverapp.extension_manager
    jp_asyncio_loop.run_until_complete(manager.start_all_extensions())
    yield jp_serverapp
    jp_asyncio_loop.run_until_complete(manager.stop_all_extensions())


@pytest.fixture
def database(tmp_path):
    """Where leases are kept, for settings that name it."""
    return tmp_path / "shared" / "gpuctl.sqlite"


@pytest.fixture
def lease_settings(database):
    """Traits of ``GpuCtl`` with a database of the test's own."""
    return {"simulate_gpus": 2, "sample_interval": 0.1, "database_url": f"sqlite:///{database}"}


@pytest.fixture
def leases(started, api, jp_asyncio_loop):
    """The API, once the GPUs have been read."""
    jp_asyncio_loop.run_until_complete(api.gpus_when(lambda answer: answer["samples"]))
    return api


@pytest.fixture
def neighbour(leases, database):
    """Another program on the same database, such as another user's server."""
    with another_program(database) as authority:
        yield authority


class Events:
    """What the server's event bus has told of leases."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self._more = asyncio.Event()

    async def listen(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        self.seen.append(data)
        self._more.set()

    async def wait_for(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first event of ``kind`` with these fields, past or to come."""
        wanted = {"kind": kind, **fields}
        async with asyncio.timeout(30):
            while True:
                for event in self.seen:
                    if wanted.items() <= event.items():
                        return event
                self._more.clear()
                await self._more.wait()


@pytest.fixture
def events(started):
    heard = Events()
    started.event_logger.add_listener(schema_id=SCHEMA_ID, listener=heard.listen)
    return heard


@pytest.fixture
def kernel_events(started):
    heard = Events()
    started.event_logger.add_listener(schema_id=KERNEL_EVENTS, listener=heard.listen)
    return heard


@pytest.fixture
def no_gpus_named(monkeypatch):
    """The machine of the tests may have GPUs, and say which."""
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def desk(no_gpus_named, started, leases, jp_fetch, jp_asyncio_loop):
    """A user who has kernels."""
    desk = Desk(leases, jp_fetch, started)
    yield desk
    jp_asyncio_loop.run_until_complete(desk.close())


@pytest.fixture
def bash_spec(jp_data_dir):
    """A kernel in a second language."""
    folder = jp_data_dir / "kernels" / "bash"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Bash", "language": "bash"}
    (folder / "kernel.json").write_text(json.dumps(spec))
