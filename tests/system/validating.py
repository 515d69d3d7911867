"""Runs the real command on notebooks that tests write, and looks for what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v4

from jupyter_gpuctl.host.cgroups import Cgroups
from jupyter_gpuctl.host.limited_groups import can_limit

SUPPORT = can_limit(Cgroups())
_MARK = "GPUCTL_TEST_RUN"
_PATIENCE = 30.0


def write_notebook(path: Path, cells: Sequence[Any], kernel: str | None = "python3") -> Path:
    """A notebook of code cells: text, or cells made by hand."""
    made = [v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    notebook = v4.new_notebook(cells=made)
    if kernel:
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel}
    nbformat.write(notebook, path)
    return path


def install_bash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that isn't Python's, under the name ``bash``, below ``folder``."""
    spec = folder / "kernels" / "bash" / "kernel.json"
    spec.parent.mkdir(parents=True)
    launch = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    values = {"argv": launch, "display_name": "Bash", "language": "bash", "env": {"PS1": "$"}}
    spec.write_text(json.dumps(values))
    monkeypatch.setenv("JUPYTER_PATH", str(folder))


def tagged(source: str, *tags: str) -> Any:
    return v4.new_code_cell(source, metadata={"tags": list(tags)})


@dataclass
class Run:
    """One call of ``jupyter gpuctl validate``; all that it starts can be told by a mark."""

    folder: Path
    arguments: Sequence[str]
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self) -> subprocess.Popen[str]:
        self.scratch = self.folder / f"tmp-{self.mark}"
        self.scratch.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_gpuctl", "validate", *self.arguments],
            cwd=self.folder,
            env={
                **os.environ,
                _MARK: self.mark,
                "TMPDIR": str(self.scratch),
                "XDG_CACHE_HOME": str(self.scratch / "cache"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )
        return self.process

    def finish(self) -> Run:
        self.stdout, self.stderr = self.process.communicate(timeout=240)
        self.status = self.process.returncode
        return self

    @property
    def report(self) -> Any:
        return json.loads(self.stdout)

    @property
    def notebooks(self) -> dict[str, Any]:
        return {notebook["path"]: notebook for notebook in self.report["notebooks"]}

    def left_behind(self) -> list[str]:
        """Processes, control groups and scratch files of this run that are there now."""
        needle = f"{_MARK}={self.mark}".encode()
        left = [f"process {pid}" for pid in _processes_with(needle)]
        for top in ("/sys/fs/cgroup",):
            for folder, names, _ in os.walk(top):
                owner = f"-{self.process.pid}-"
                left += [
                    f"{folder}/{name}"
                    for name in names
                    if name.startswith("gpuctl-") and owner in name
                ]
        left += [str(path) for path in self.scratch.glob("gpuctl-*")]
        return left

    def wait_until_nothing_is_left(self) -> list[str]:
        deadline = time.monotonic() + _PATIENCE
        while (left := self.left_behind()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


def validate(folder: Path, *arguments: str) -> Run:
    """Run the command in ``folder`` to its end."""
    run = Run(folder, arguments)
    run.start()
    return run.finish()


def _processes_with(needle: bytes) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if needle in file.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                continue
    return found


def wait_for(path: Path) -> None:
    """Until a notebook has made ``path``."""
    deadline = time.monotonic() + _PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
