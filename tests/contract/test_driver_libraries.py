"""Driver libraries that are absent, broken or old: each met by a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fake_driver.driver import FakeMachine, build, build_garbage
from tests.fake_driver.scenario import FIRST_PID, MIB, h200s

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from jupyter_gpuctl.core.encoding import to_json
from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.gpus.nvml import NvmlProbe
assert "pynvml" not in sys.modules, "importing the probe costs nothing"
probe = NvmlProbe()
driver = probe.open()
again = probe.open()
try:
    devices = probe.devices()
except Unavailable:
    devices = []
readings = [probe.read(device) for device in devices]
probe.close()
print(json.dumps(to_json([driver, again, devices, readings])))
"""


def meet(environment: dict[str, str]) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """What a program sees that opens the probe: driver, devices, readings."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    driver, again, devices, readings = json.loads(done.stdout)
    assert driver == again
    return driver, devices, readings


def with_library(library: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}


def test_a_machine_without_driver_library() -> None:
    trial = "import ctypes; ctypes.CDLL('libnvidia-ml.so.1')"
    found = subprocess.run([sys.executable, "-c", trial], capture_output=True, check=False)
    if found.returncode == 0:
        pytest.skip("this machine has a driver library")
    driver, devices, _ = meet(dict(os.environ))
    assert driver["status"] == "missing"
    assert "No NVIDIA driver" in driver["message"]
    assert driver["hint"]
    assert devices == []


def test_a_library_that_is_a_text_file(tmp_path: Path) -> None:
    driver, devices, _ = meet(with_library(build_garbage(tmp_path, elf=False)))
    assert driver["status"] == "error"
    assert "can't be loaded" in driver["message"]
    # The loader's own words: which file, and what is wrong with it.
    assert str(tmp_path) in driver["message"]
    assert "Install" in driver["hint"]
    assert devices == []


@pytest.mark.usefixtures("fake_library")  # skips where there is no compiler
def test_a_library_without_a_single_function(tmp_path: Path) -> None:
    driver, devices, _ = meet(with_library(build_garbage(tmp_path, elf=True)))
    assert driver["status"] == "error"
    assert "not NVIDIA's" in driver["message"]
    assert "ldconfig" in driver["hint"]
    assert devices == []


def test_a_program_finds_the_fake_driver_by_its_path(fake_machine: FakeMachine) -> None:
    fake_machine.show(h200s(2))
    driver, devices, readings = meet(fake_machine.environment())
    assert driver["status"] == "ok"
    assert len(devices) == 2
    assert all(reading["memory_used"] for reading in readings)


@pytest.mark.usefixtures("fake_library")
def test_an_old_driver_without_the_newer_functions(tmp_path: Path) -> None:
    """As before 510: version 2 of the process lists and version 1 of the memory figures."""
    missing = [f"nvmlDeviceGet{kind}RunningProcesses_v3" for kind in ("Compute", "Graphics")]
    missing += ["nvmlDeviceGetMPSComputeRunningProcesses_v3"]
    missing += ["nvmlDeviceGetMPSComputeRunningProcesses_v2"]
    missing += ["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetTemperatureV", "nvmlDeviceGetMigMode"]
    machine = FakeMachine(build(tmp_path / "library", without=missing), tmp_path)
    machine.show(h200s(1))
    driver, devices, readings = meet(machine.environment())
    assert driver["status"] == "ok"
    assert devices[0]["memory_total"] == 143_771 * MIB
    (reading,) = readings
    assert reading["status"] == "ok"
    assert [process["pid"] for process in reading["processes"]] == list(
        range(FIRST_PID, FIRST_PID + 8)
    )
    assert None not in (
        reading["memory_used"],
        reading["utilization"],
        reading["temperature"],
        reading["power"],
        reading["power_limit"],
    )


@pytest.mark.usefixtures("fake_library")
def test_a_future_driver_without_the_older_functions(tmp_path: Path) -> None:
    """What nvidia-ml-py announces for CUDA 14: the older temperature call goes."""
    machine = FakeMachine(
        build(tmp_path / "library", without=["nvmlDeviceGetTemperature"]), tmp_path
    )
    machine.show(h200s(1))
    _, _, (reading,) = meet(machine.environment())
    assert reading["temperature"] == 60
