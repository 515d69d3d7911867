"""The machine that all benchmarks share: the fake driver, 8 devices, and 64 real processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The fake driver is the tests' own: see tests/fake_driver.
sys.path.insert(0, str(ROOT / "tests"))

from fake_driver.driver import FakeMachine as FakeMachine  # noqa: E402
from fake_driver.driver import build  # noqa: E402
from fake_driver.scenario import Scenario, h200s  # noqa: E402

DEVICES = 8
PROCESSES = 64
KERNELS = 4
CHILDREN = 7
"""Of each kernel: with the kernel itself, half of all processes belong to notebooks."""


@contextmanager
def fake_machine() -> Iterator[FakeMachine]:
    """A driver that knows no processes yet; see :func:`occupy`."""
    with tempfile.TemporaryDirectory(prefix="gpuctl-bench-") as name:
        folder = Path(name)
        machine = FakeMachine(build(folder / "lib"), folder)
        machine.show(h200s(DEVICES, pids=()))
        yield machine


@contextmanager
def sleepers(count: int) -> Iterator[list[int]]:
    """Real processes that do nothing, for those who look up what the driver names."""
    started = [subprocess.Popen(["sleep", "86400"]) for _ in range(count)]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def occupied(pids: Sequence[int]) -> Scenario:
    """Each process on one device, eight on each."""
    return h200s(DEVICES, pids=pids)
