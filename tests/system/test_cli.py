"""`jupyter gpuctl status` and `doctor` as programs, at 80 columns, on the fake driver."""

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

import pytest
from pydantic import TypeAdapter

from jupyter_gpuctl.gpus.wire import GpusAnswer
from tests.fake_driver.driver import build_garbage
from tests.fake_driver.scenario import LIB_RM_VERSION_MISMATCH, Fault, Process, h200s, mig_seven
from tests.system.terminal import gpuctl, home


@pytest.fixture
def environment(tmp_path: Path, fake_machine) -> dict[str, str]:
    """The environment of a user with a home of its own, on the fake machine."""
    return {**fake_machine.environment(), **home(tmp_path)}


@pytest.fixture
def sleeper() -> Iterator[int]:
    child = subprocess.Popen(["sleep", "600"])
    yield child.pid
    child.kill()
    child.wait()


def test_status_shows_every_gpu_with_its_users_at_80_columns(environment, fake_machine, sleeper):
    scenario = h200s(8, [])
    fake_machine.show(scenario.with_gpu(1, processes=(Process(sleeper, 61 * 2**30),)))
    done = gpuctl(environment, "status")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert " ".join(lines[0].split()) == "GPU MODEL UTIL MEMORY GiB TEMP POWER USED BY"
    assert [line.split()[:2] for line in lines[1:9]] == [[str(n), "H200"] for n in range(8)]
    assert "61.0 GiB  you" in lines[2]
    assert lines[1].rstrip().endswith("free")
    assert "cores" in done.stdout


def test_status_says_what_is_not_known(environment, fake_machine):
    fake_machine.show(
        h200s(2, [])
        .with_gpu(0, temperature=None, power=None, processes=(Process(4_200_000, None),))
        .with_gpu(1, lost=True)
    )
    done = gpuctl(environment, "status")
    first, second = done.stdout.splitlines()[1:3]
    assert first.count("n/a") == 3  # temperature, power, memory of the process
    assert "pid 4200000" in first
    assert "lost" in second
    assert second.count("n/a") >= 3


def test_status_shows_mig_instances_under_their_gpu(environment, fake_machine):
    fake_machine.show(mig_seven())
    lines = gpuctl(environment, "status").stdout.splitlines()
    assert "split into MIG" in lines[1]
    assert all("1g.18gb" in line for line in lines[2:9])


def test_status_as_json_is_the_answer_of_the_rest_interface(environment, fake_machine):
    fake_machine.show(h200s(2))
    done = gpuctl(environment, "status", "--json")
    answer = TypeAdapter(GpusAnswer).validate_json(done.stdout)
    assert len(answer.devices) == 2
    assert set(json.loads(done.stdout)) == {
        *GpusAnswer.__dataclass_fields__,
        "leases",
        "findings",
    }


def test_status_ends_with_3_where_the_driver_is_broken_and_says_the_mend(environment, fake_machine):
    fake_machine.show(h200s(1).with_faults(Fault("nvmlInit*", LIB_RM_VERSION_MISMATCH)))
    done = gpuctl(environment, "status")
    assert done.returncode == 3
    assert "estart" in done.stdout
    assert "cores" in done.stdout


def test_watching_goes_on_until_interrupted(environment, fake_machine):
    fake_machine.show(h200s(1))
    with subprocess.Popen(
        [sys.executable, "-m", "jupyter_gpuctl", "status", "--watch", "--json", "--interval=0.2"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        seqs = [json.loads(watching.stdout.readline())["seq"] for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
        assert watching.stderr.read().strip() == ""
    assert seqs == sorted(set(seqs))


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GPUCTL_SAMPLE_INTERVAL", "-1"), ("GPUCTL_SIMULATE_GPUS", "some")],
)
def test_a_broken_setting_is_one_line_with_the_mend(environment, variable, value):
    done = gpuctl({**environment, variable: value}, "status")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"{variable}={value!r}" in done.stderr


def test_an_unreadable_configuration_file_is_named(environment, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text("this is not python\n")
    done = gpuctl(environment, "status")
    assert done.returncode == 2
    assert "jupyter_server_config" in done.stderr
    assert str(tmp_path / "config") in done.stderr


def test_wrong_usage_is_status_2(environment):
    for arguments in (["nonsense"], ["status", "--interval", "-1"], ["status", "extra"]):
        done = gpuctl(environment, *arguments)
        assert done.returncode == 2
        assert "Error:" in done.stderr


def test_settings_are_read_from_the_servers_configuration(environment, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.json").write_text(
        json.dumps({"GpuCtl": {"simulate_gpus": 3}})
    )
    answer = json.loads(gpuctl(environment, "status", "--json").stdout)
    assert sum(not d["mig_parent"] for d in answer["devices"]) == 3
    assert all(d["simulated"] for d in answer["devices"])


def test_doctor_names_what_is_broken_and_ends_with_1(environment, fake_machine):
    fake_machine.show(h200s(2).with_gpu(1, lost=True))
    done = gpuctl(environment, "doctor")
    assert done.returncode == 1
    assert "✗ driver" in done.stdout
    found = json.loads(gpuctl(environment, "doctor", "--json").stdout)
    driver = [check for check in found if check["name"] == "driver"]
    assert [check["status"] for check in driver] == ["ok", "error"]
    assert "lost" in driver[1]["message"]


@pytest.fixture
def start_server(environment, tmp_path) -> Iterator[Callable[..., dict]]:
    """Starts real servers: gives what a server writes of itself once it answers."""
    servers = []
    log = tmp_path / "server.log"

    def start(**variables: str) -> dict:
        arguments = ["--port=0", "--no-browser", f"--ServerApp.root_dir={tmp_path}"]
        arguments += ["--GpuCtl.sample_interval=0.2"]
        if os.geteuid() == 0:
            arguments.append("--allow-root")
        with log.open("w") as file:
            server = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *arguments],
                env={**environment, **variables},
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
        servers.append(server)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for path in (tmp_path / "runtime").glob("jpserver-*.json"):
                info = json.loads(path.read_text() or "{}")
                if info and answers(info):
                    return info
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        pytest.fail(log.read_text())

    yield start
    for server in servers:
        server.terminate()
        server.wait(30)


def test_a_running_server_is_asked_and_knows_the_notebooks(environment, fake_machine, start_server):
    fake_machine.show(h200s(1, []))
    info = start_server()
    kernel = {"name": "python3"}
    session = post(
        info,
        "api/sessions",
        {"path": "a.ipynb", "type": "notebook", "name": "a", "kernel": kernel},
    )
    (pid,) = subprocess.check_output(["pgrep", "-f", session["kernel"]["id"]], text=True).split()
    fake_machine.show(h200s(1, [int(pid)]))
    deadline = time.monotonic() + 60
    while "a.ipynb" not in (shown := gpuctl(environment, "status").stdout.split("KERNEL")[0]):
        assert time.monotonic() < deadline, shown
    assert "you  a.ipynb" in shown
    assert f"{info['url']} answers." in gpuctl(environment, "doctor").stdout


@pytest.mark.parametrize("elf", [False, True])
def test_a_server_starts_with_a_driver_library_that_is_garbage(tmp_path, start_server, elf):
    library = build_garbage(tmp_path / "garbage", elf=elf)
    info = start_server(LD_LIBRARY_PATH=str(library.parent))
    answer = get(info, "gpuctl/api/v1/gpus")
    assert answer["driver"]["status"] == "error"
    assert answer["driver"]["hint"]
    assert answer["samples"][-1]["host"]["memory_total"] > 0
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def answers(info: dict) -> bool:
    try:
        return bool(get(info, "gpuctl/api/v1/gpus")["seq"])
    except OSError:
        return False


def get(info: dict, path: str) -> dict:
    request = urllib.request.Request(f"{info['url']}{path}")
    request.add_header("Authorization", f"token {info['token']}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def post(info: dict, path: str, body: dict) -> dict:
    request = urllib.request.Request(f"{info['url']}{path}", data=json.dumps(body).encode())
    request.add_header("Authorization", f"token {info['token']}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
