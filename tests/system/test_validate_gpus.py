"""GPU memory of notebooks: the real command and the real pynvml on the fake driver."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..fake_driver.driver import FakeMachine
from ..fake_driver.scenario import DRIVER_NOT_LOADED, Fault, Gpu, Scenario
from .validating import validate, write_notebook

MIB = 1024**2
HOLD = f"""
import os, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.fake_driver.log import CallLog
from tests.fake_driver.scenario import Gpu, Process, Scenario
def hold(*devices):
    gpus = [
        Gpu(f"GPU-{{number}}", processes=tuple(Process(pid, size * 2**20) for pid, size in held))
        for number, held in enumerate(devices)
    ]
    Scenario(gpus=tuple(gpus)).write(Path(os.environ["FAKE_NVML_SCENARIO"]))
    # Two whole readings of two devices and a bit: one of them began after this, and was judged.
    log, name = CallLog(Path(os.environ["FAKE_NVML_LOG"])), "nvmlDeviceGetMemoryInfo_v2"
    log.wait_for(name, log.counts()[name] + 5)
"""
CHILD = "child = subprocess.Popen(['sleep', '600'], start_new_session=True)"


@pytest.mark.parametrize("start", ["forked", "cold"])
def test_each_notebook_is_held_to_what_its_processes_have_on_all_gpus(
    fake_machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: str
) -> None:
    """What strangers hold on the same devices is nobody's."""
    for name, value in fake_machine.environment().items():
        monkeypatch.setenv(name, value)
    fake_machine.show(Scenario(gpus=(Gpu("GPU-0"), Gpu("GPU-1"))))
    stranger = f"(1, 9000), ({os.getpid()}, 9000)"
    most = f"hold([{stranger}, (os.getpid(), 700)], [(os.getpid(), 300), (child.pid, 500)])"
    write_notebook(tmp_path / "1.ipynb", [HOLD, CHILD, most, "hold([], [])"])
    over = f"hold([{stranger}, (os.getpid(), 1200)], [(child.pid, 900)])\ntime.sleep(600)"
    write_notebook(tmp_path / "2.ipynb", [HOLD, CHILD, over])
    write_notebook(tmp_path / "3.ipynb", [HOLD, f"hold([{stranger}], [])"])
    run = validate(
        tmp_path, ".", "--gpu-memory-limit", "2000MiB", "--jobs", "1", "--no-cache", "--json",
        "--recommend", "json=needs.json", "--report", "html=r.html", "--report", "junit=r.xml",
        "--report", "markdown=r.md", *(["--cold"] if start == "cold" else []),
    )  # fmt: skip
    found = [run.notebooks[f"{number}.ipynb"] for number in (1, 2, 3)]
    assert [one["verdict"] for one in found] == ["passed", "out-of-memory", "passed"], run.stderr
    assert [one["peak_gpu_memory"] for one in found] == [1500 * MIB, 2100 * MIB, 0]
    assert [one["started"] for one in found] == [start] * 3
    assert found[1]["reason"].startswith("cell 3 held more than 2.0 GiB of GPU memory after")
    assert [(one["memory"] // MIB, one["kernel"]) for one in found[1]["processes"]] == [
        (1200, True), (900, False)
    ]  # fmt: skip
    assert run.wait_until_nothing_is_left() == []
    assert run.report["limits"]["gpu_memory"] == 2000 * MIB
    # What ran out has no peak to go by; 1.2 times 1500 MiB in steps of 128 MiB.
    assert run.report["recommendation"]["gpu_memory"] == 1920 * MIB
    assert run.report["recommendation"]["left_out"][0]["more_than"] is None
    assert "1 worker process held 900 MiB of it" in run.stderr
    assert "GPU 1.5 GiB" in run.stderr
    assert "It held 1.5 GiB of GPU memory at most." in (tmp_path / "r.html").read_text()
    assert f'name="peak_gpu_memory" value="{1500 * MIB}"' in (tmp_path / "r.xml").read_text()
    assert "GPU 1.5 GiB" in (tmp_path / "r.md").read_text()


def test_without_a_driver_a_limit_is_said_to_hold_nothing(
    fake_machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in fake_machine.environment().items():
        monkeypatch.setenv(name, value)
    fake_machine.show(Scenario(faults=(Fault("nvmlInit*", DRIVER_NOT_LOADED),)))
    write_notebook(tmp_path / "1.ipynb", ["x = 1"])
    run = validate(tmp_path, ".", "--gpu-memory-limit", "2GiB", "--no-cache", "--json", "--cold")
    assert run.status == 0
    assert run.notebooks["1.ipynb"]["peak_gpu_memory"] is None
    assert "GPU memory was neither measured nor limited: no driver answered" in run.stderr
