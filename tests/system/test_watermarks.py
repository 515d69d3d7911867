"""What came and went in a process between two readings, of a real one that does as it is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from jupyter_gpuctl.host.trees import resident
from jupyter_gpuctl.host.watermarks import Watermarks

MIB = 1024**2
CHILD = """
import mmap, sys
held = None
for line in sys.stdin:
    size = int(line)
    if held is not None:
        held.close()
    held = mmap.mmap(-1, size * 2**20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) if size else None
    for at in range(0, size * 2**20, mmap.PAGESIZE):
        held[at] = 1
    print("done", flush=True)
"""
Hold = Callable[[int], None]


@pytest.fixture
def child() -> Iterator[tuple[int, Hold]]:
    """Its pid, and what has it hold so many MiB, and nothing else."""
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def hold(size: int) -> None:
            process.stdin.write(f"{size}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        hold(0)
        yield process.pid, hold
        process.kill()


def test_what_came_and_went_is_told_once(child: tuple[int, Hold]) -> None:
    pid, hold = child
    marks = Watermarks()
    marks.read({pid: resident(pid)})
    marks.set_back()
    hold(100)
    hold(0)
    assert marks.read({pid: resident(pid)}) == pytest.approx(100 * MIB, rel=0.02)
    assert marks.read({pid: resident(pid)}) < MIB


def test_it_is_told_again_once_it_is_set_back(child: tuple[int, Hold]) -> None:
    pid, hold = child
    marks = Watermarks()
    for size in (100, 50):
        marks.read({pid: resident(pid)})
        marks.set_back()
        hold(size)
        hold(0)
        assert marks.read({pid: resident(pid)}) == pytest.approx(size * MIB, rel=0.02)


def test_who_was_at_the_top_when_it_was_looked_at_is_told_when_that_is_gone(
    child: tuple[int, Hold],
) -> None:
    """It had grown after the first of two readings, and shrank after the second."""
    pid, hold = child
    marks = Watermarks()
    before = resident(pid)
    hold(100)
    assert marks.read({pid: before}) < MIB
    hold(0)
    assert marks.read({pid: resident(pid)}) == pytest.approx(100 * MIB, rel=0.02)


def test_what_is_held_is_no_fall(child: tuple[int, Hold]) -> None:
    pid, hold = child
    marks = Watermarks()
    hold(100)
    assert marks.read({pid: resident(pid)}) < MIB
    hold(0)
    # Told as held: it isn't told again as gone.
    assert marks.read({pid: resident(pid)}) < MIB


def test_who_has_ended_is_forgotten(child: tuple[int, Hold]) -> None:
    pid, _ = child
    marks = Watermarks()
    marks.read({pid: resident(pid)})
    assert marks.read({}) == 0
    assert marks.read({2**22 + 1: 0}) == 0
