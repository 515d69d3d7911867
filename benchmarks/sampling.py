"""What a sample costs, beside gpustat and nvitop: each alone in a process, one a second."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from . import nvdashboard, stage
from .peers import Peers
from .report import Figure
from .servers import Failed

LOOPS = Path(__file__).with_name("loops.py")


def figures(
    peers: Peers, beside: Callable[[], nvdashboard.Costs], seconds: float
) -> Iterator[Figure]:
    """Ours whole (driver, processes, owners, kernels, host, encoding) beside theirs."""
    samples = str(round(seconds))
    with (
        stage.fake_machine() as machine,
        stage.sleepers(stage.PROCESSES - stage.KERNELS * (1 + stage.CHILDREN)) as foreign,
    ):
        env = machine.environment()
        ours = _ours(machine, foreign, samples)
        # The kernels have ended; others take their place, so that theirs find as many.
        with stage.sleepers(stage.PROCESSES - len(foreign)) as more:
            machine.show(stage.occupied([*foreign, *more]))
            theirs = {
                name: _loop([peers.python, LOOPS, name, "--samples", samples], env)
                for name in ("gpustat", "nvitop")
            }
            command = _command(peers.prefix / "bin/gpustat", env, runs=10)
    if ours["owned"] != stage.PROCESSES // 2:
        raise Failed(f"Ours found {ours['owned']} processes of notebooks, not half of them.")
    cost = ours["cpu"] * 1e3
    for name, seen in theirs.items():
        peer = f"{name} {peers.versions[name]}, its API, warm"
        peer_cost = seen["cpu"] * 1e3
        yield Figure("CPU a sample", "ms", cost, peer, peer_cost, "ahead", peer_cost > cost)
    peer = f"gpustat {peers.versions['gpustat']}, as a command"
    yield Figure("CPU a sample", "ms", cost, peer, command * 1e3, "ahead", command * 1e3 > cost)
    peer, round_cost = "nvdashboard, one for each socket of 10 clients", beside().every * 1e3
    met = round_cost >= 5 * cost
    yield Figure("CPU a sample", "ms", cost, peer, round_cost, "5 times less", met)


def _ours(machine: stage.FakeMachine, foreign: list[int], samples: str) -> dict[str, Any]:
    command = [sys.executable, str(LOOPS), "gpuctl", "--samples", samples]
    command += ["--kernels", str(stage.KERNELS), "--children", str(stage.CHILDREN)]
    process = subprocess.Popen(
        command,
        env={**machine.environment(), "PYTHONPATH": str(stage.ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        groups = json.loads(process.stdout.readline() or "[]")
        machine.show(stage.occupied([*foreign, *(pid for group in groups for pid in group)]))
        process.stdin.write("go\n")
        process.stdin.flush()
        return _checked("ours", process.stdout.read())


def _loop(command: list[str | Path], env: Mapping[str, str]) -> dict[str, Any]:
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failed(f"{command[2]} failed: {result.stderr[-2000:]}")
    return _checked(str(command[2]), result.stdout)


def _checked(whose: str, output: str) -> dict[str, Any]:
    """The result, if it is one of the whole machine: who reads less would cost less."""
    if not output:
        raise Failed(f"{whose} ended without a result.")
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    if (found["devices"], found["processes"]) != (stage.DEVICES, stage.PROCESSES):
        raise Failed(f"{whose} saw {found}, not {stage.DEVICES} devices and all processes.")
    return found


def _command(command: Path, env: Mapping[str, str], runs: int) -> float:
    """Processor seconds of one run of ``command``."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    subprocess.run([command], env=env, stdout=subprocess.DEVNULL, check=True)
    began = spent()
    for _ in range(runs):
        subprocess.run([command], env=env, stdout=subprocess.DEVNULL, check=True)
    return (spent() - began) / runs
