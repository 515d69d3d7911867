"""Real Jupyter servers, with one extension or none, and kernels in them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .loops import KERNEL_CODE

TOKEN = "benchmark"
PATIENCE = 60.0


class Failed(Exception):
    """A benchmark can't go on; one line for people."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    pid: int
    folder: Path
    """Its root, data and log are below."""

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON answer of ``path``; POST where there is a body."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)


@contextmanager
def jupyter_server(
    extensions: Sequence[str] = (),
    *,
    python: str | Path = sys.executable,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Server]:
    """A server with exactly ``extensions``: whatever else is installed is not loaded."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpuctl-bench-")))
        for name in ("data", "runtime", "root"):
            (folder / name).mkdir()
        log = stack.enter_context((folder / "log").open("w"))
        process = subprocess.Popen(
            [
                python,
                *("-m", "jupyter_server", "--no-browser", "--allow-root", "--port=0"),
                *("--ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}"),
                f"--ServerApp.root_dir={folder / 'root'}",
                f"--ServerApp.jpserver_extensions={dict.fromkeys(extensions, True)}",
                *options,
            ],
            env={
                **os.environ,
                **(env or {}),
                # A blank configuration, so that no other extension is enabled by a file.
                "JUPYTER_NO_CONFIG": "1",
                "JUPYTER_DATA_DIR": str(folder / "data"),
                "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
                "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            },
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        stack.callback(_stop, process)
        yield Server(_address(process, folder), process.pid, folder)


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Where the server listens, once it answers."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"The Jupyter server ended: {(folder / 'log').read_text()[-2000:]}")
        for file in (folder / "runtime").glob("jpserver-*.json"):
            try:
                url: str = json.loads(file.read_text())["url"]
                with urllib.request.urlopen(f"{url}api?token={TOKEN}", timeout=5):
                    return url
            except (OSError, ValueError):
                pass  # Still being written, or not listening yet.
        time.sleep(0.05)
    raise Failed(f"The Jupyter server has not answered within {PATIENCE:.0f} s.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class RunningKernel:
    """A kernel with a notebook, and the children that its code started."""

    kernel_id: str
    notebook: str
    pid: int
    children: tuple[int, ...]


def _wait_for(client: Any) -> None:
    """Return once the kernel answers; on a busy machine a heart that starts late seems dead."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            client.wait_for_ready(timeout=PATIENCE)
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise Failed("A kernel has not answered.") from None


def start_kernels(server: Server, count: int, children: int) -> list[RunningKernel]:
    """Kernels with a session each, whose code has started ``children`` sleeping processes."""
    from jupyter_client.blocking.client import BlockingKernelClient

    found = []
    code = KERNEL_CODE.format(children=children)
    for number in range(count):
        path = f"lesson-{number}.ipynb"
        session = server.ask(
            "api/sessions",
            {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}},
        )
        kernel_id = session["kernel"]["id"]
        client = BlockingKernelClient()
        client.load_connection_file(str(server.folder / f"runtime/kernel-{kernel_id}.json"))
        client.start_channels()
        try:
            _wait_for(client)
            printed: list[str] = []
            client.execute_interactive(
                code,
                timeout=PATIENCE,
                output_hook=lambda message, out=printed: out.append(
                    message["content"].get("text", "")
                ),
            )
        finally:
            client.stop_channels()
        pid, *others = map(int, "".join(printed).split())
        found.append(RunningKernel(kernel_id, path, pid, tuple(others)))
    return found
