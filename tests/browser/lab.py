"""A real JupyterLab (or Notebook) server in a process of its own, with folders of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

START = Path(__file__).with_name("start_server.py")
TOKEN = "browser-test"
PATIENCE = 30.0
"""Seconds that anything may take on a busy machine before a test gives up."""

T = TypeVar("T")


def eventually(
    ask: Callable[[], T | None], what: str, *, patience: float = PATIENCE, pause: float = 0.1
) -> T:
    """The first answer of ``ask`` that is true.

    Raises:
        AssertionError: none came within ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {patience:g} s")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class LabServer:
    """One server. The same object can be stopped and started again, on the same port."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        command: str = "lab",
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        home: Path | None = None,
    ) -> None:
        self.folder = folder
        self.home = home or folder / "home"
        self.notebooks = folder / "notebooks"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments: Sequence[str] = arguments
        self._command = command
        self._environment = dict(environment or os.environ)
        self._process: subprocess.Popen[bytes] | None = None
        self.notebooks.mkdir(parents=True)
        self._write_settings(
            {
                "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
                "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
                **(settings or {}),
            }
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.home.mkdir(exist_ok=True)
        environment = self._environment | {
            "HOME": str(self.home),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
        }
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", str(START), self._command),
                    *("--no-browser", "--allow-root", "--ServerApp.port_retries=0"),
                    *(f"--ServerApp.port={self.port}", f"--IdentityProvider.token={TOKEN}"),
                    f"--ServerApp.root_dir={self.notebooks}",
                    # So that a test can run a command of the application by its name.
                    "--LabApp.expose_app_in_browser=True",
                    "--JupyterNotebookApp.expose_app_in_browser=True",
                    *self._arguments,
                ],
                cwd=self.notebooks,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._answers, f"the server of {self.folder}\n{self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, kernels too; ``SIGKILL`` as a crash would, leaving kernels to the system."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._end_kernels()

    def get(self, path: str) -> Any:
        """The JSON at ``path``, below the server's root."""
        request = urllib.request.Request(
            f"{self.url}/{path}", headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    @property
    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text() if path.exists() else ""

    def add_notebook(self, name: str, *cells: str) -> Path:
        import nbformat

        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={
                "kernelspec": {
                    "name": "python3",
                    "display_name": "Python 3 (ipykernel)",
                    "language": "python",
                }
            },
        )
        path = self.notebooks / name
        nbformat.write(notebook, path)
        return path

    def kernel_pid(self, notebook: str) -> int:
        """The process of the kernel of ``notebook``."""
        for session in self.get("api/sessions"):
            if session["path"] == notebook:
                needle = f"kernel-{session['kernel']['id']}.json"
                for entry in Path("/proc").iterdir():
                    if entry.name.isdigit():
                        try:
                            if needle in (entry / "cmdline").read_text():
                                return int(entry.name)
                        except OSError:
                            continue
        raise AssertionError(f"no kernel of {notebook}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server has ended:\n{self.log}"
        try:
            return bool(self.get("api/status"))
        except (urllib.error.URLError, OSError):
            return False

    def _end_kernels(self) -> None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_text()
                except OSError:
                    continue
                # The connection file lies in this server's own runtime folder.
                if f"{self.folder}/runtime/kernel-" in command:
                    os.kill(int(entry.name), signal.SIGKILL)

    def _write_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        for plugin, values in settings.items():
            package, _, name = plugin.rpartition(":")
            path = self.folder / "settings" / package / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))


def chromium() -> str | None:
    """Where Debian, or the person, has put Chromium."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")
