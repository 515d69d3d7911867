"""Validations of a server that is killed: nothing of them goes on."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.browser.lab import TOKEN, LabServer, eventually

pytestmark = pytest.mark.timeout(120)


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


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("cold", [True, False])
def test_a_killed_server_leaves_nothing_of_its_validations(
    tmp_path: Path, how: signal.Signals, cold: bool
) -> None:
    server = LabServer(tmp_path / "lab", command="server")
    course = server.notebooks / "course"
    course.mkdir()
    server.add_notebook("course/long.ipynb", "import time; time.sleep(600)")
    server.start()
    try:
        request = urllib.request.Request(
            f"{server.url}/gpuctl/api/v1/validations",
            data=json.dumps({"paths": ["course"], "cold": cold}).encode(),
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            begun = json.load(answer)

        def in_cell() -> bool:
            found = server.get(f"gpuctl/api/v1/validations/{begun['id']}")
            return any(one["cell"] is not None for one in found["progress"]["running"])

        eventually(in_cell, "the cell runs")
        assert commands(course)
    finally:
        server.stop(how)
    eventually(lambda: not commands(course), "all has ended")
