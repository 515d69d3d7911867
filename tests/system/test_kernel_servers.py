"""A real Jupyter server that is killed while a lease is in use, and one that follows it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient

from jupyter_gpuctl.store.check import problems
from jupyter_gpuctl.store.location import DatabaseFile

API = "gpuctl/api/v1/"
WRITES = """
import os, threading, time
def tell():
    while True:
        with open({0!r} + ".new", "w") as file:
            file.write(os.environ.get("CUDA_VISIBLE_DEVICES", "nothing"))
        os.replace({0!r} + ".new", {0!r})
        time.sleep(0.05)
threading.Thread(target=tell, daemon=True).start()
"""
"""Says what the kernel sees, for as long as it lives."""


class Server:
    """One ``jupyter server`` on two simulated GPUs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        log = folder / "server.log"
        arguments = ["--port=0", "--no-browser", f"--ServerApp.root_dir={folder}"]
        arguments += ["--GpuCtl.simulate_gpus=2", "--GpuCtl.sample_interval=0.2"]
        arguments += [f"--GpuCtl.database_url=sqlite:///{folder / 'gpuctl.sqlite'}"]
        if os.geteuid() == 0:
            arguments.append("--allow-root")
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *arguments],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
        written = folder / "runtime" / f"jpserver-{self.process.pid}.json"

        def answers() -> bool:
            assert self.process.poll() is None, log.read_text()
            if not written.exists():
                return False
            self.info = json.loads(written.read_text() or "{}")
            try:
                return bool(self.info) and bool(self.ask("GET", f"{API}gpus")["samples"])
            except OSError:
                return False

        until(answers)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.info['url']}{path}", data=data, method=method)
        request.add_header("Authorization", f"token {self.info['token']}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def kernel(self) -> str:
        return self.ask("POST", "api/kernels", {"name": "python3"})["id"]

    def run(self, kernel_id: str, code: str) -> None:
        """Run a cell by the kernel's connection file, as no server need do."""
        client = BlockingKernelClient()
        client.load_connection_file(str(self._folder / "runtime" / f"kernel-{kernel_id}.json"))
        client.start_channels()
        client.wait_for_ready(60)
        reply = client.execute_interactive(code, timeout=60)
        client.stop_channels()
        assert reply["content"]["status"] == "ok", reply["content"]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


def until(condition: Callable[[], Any]) -> Any:
    """What ``condition`` gives once it gives anything."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail("it never came so")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    environment = dict(os.environ)
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        environment.pop(name, None)
    for name in ("runtime", "data", "config"):
        environment[f"JUPYTER_{name.upper()}_DIR"] = str(tmp_path / name)
    servers = []

    def begin() -> Server:
        servers.append(Server(tmp_path, environment))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(30)


def test_a_server_that_is_killed_leaves_leases_and_kernels_as_they_were(start, tmp_path):
    server, seen = start(), tmp_path / "seen"
    kernel_id = server.kernel()
    lease = server.ask("POST", f"{API}leases", {"gpus": 1, "duration": "1h"})
    attach = {"lease_id": lease["id"]}
    kernel = server.ask("POST", f"{API}kernels/{kernel_id}/attach", attach)
    assert kernel["applied"] == "live"
    server.run(kernel_id, WRITES.format(str(seen)))
    until(lambda: seen.exists() and seen.read_text() == lease["devices"][0])
    before = server.ask("GET", f"{API}leases/{lease['id']}")

    server.kill()
    follower = start()
    # Jupyter's kernels end when they miss their server; until then this one saw what it had.
    assert seen.read_text() == lease["devices"][0]
    after = follower.ask("GET", f"{API}leases/{lease['id']}")
    assert after == before | {"gpu_hours": after["gpu_hours"]}
    assert after["status"] == "active"
    assert after["kernel_id"] == kernel_id

    one = follower.ask("POST", f"{API}leases", {"gpus": 1, "duration": "1h"})
    assert one["status"] == "active"
    assert not set(one["devices"]) & set(lease["devices"])
    assert follower.ask("POST", f"{API}leases", {"gpus": 1, "duration": "1h"})["status"] == "queued"
    assert problems(DatabaseFile(tmp_path / "gpuctl.sqlite")) == []

    other = follower.kernel()
    kernel = follower.ask("POST", f"{API}kernels/{other}/attach", attach)
    assert (kernel["attachment"], kernel["applied"]) == ("attached", "live")
    follower.run(other, WRITES.format(str(tmp_path / "other")))
    until(lambda: (tmp_path / "other").exists())
    assert (tmp_path / "other").read_text() == lease["devices"][0]


def test_a_server_that_ends_as_asked_gives_back_what_was_leased_for_its_kernels(start):
    server = start()
    kernel_id = server.kernel()
    made_for = {"gpus": 1, "duration": "1h", "kernel_id": kernel_id}
    theirs = server.ask("POST", f"{API}leases", made_for)
    free = server.ask("POST", f"{API}leases", {"gpus": 1, "duration": "1h"})
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)
    follower = start()
    assert follower.ask("GET", f"{API}leases/{theirs['id']}")["reason"] == "released"
    assert follower.ask("GET", f"{API}leases/{free['id']}")["status"] == "active"
