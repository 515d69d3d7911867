"""What tests of the adapters share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpuctl.gpus.nvml import NvmlProbe


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a database that isn't there yet."""
    return tmp_path / "folder" / "gpuctl.sqlite"


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def probe() -> Iterator[NvmlProbe]:
    probe = NvmlProbe()
    yield probe
    probe.close()
