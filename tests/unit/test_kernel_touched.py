"""Whether a process has used CUDA: real processes, and a stand-in for the driver's library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_gpuctl.kernels.touched import family, used_cuda

LOADS = "import ctypes; ctypes.CDLL({!r}); print('ready', flush=True); input()"
WAITS = "print('ready', flush=True); input()"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE,
    stdout=subprocess.PIPE, start_new_session=len(sys.argv) > 2)
child.stdout.readline()
print("ready", flush=True)
input()
child.communicate(b"end")
"""


@pytest.fixture
def start():
    """Starts a Python program as a kernel is started, and waits until it says that it is ready."""
    running = []

    def begin(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        running.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.communicate(b"end")


def test_a_process_that_has_not_loaded_the_drivers_library_is_untouched(start):
    assert not used_cuda(start(WAITS).pid)


def test_one_that_has_is_touched(start, cuda_stand_in):
    assert used_cuda(start(LOADS.format(str(cuda_stand_in))).pid)


@pytest.mark.parametrize("apart", [(), ("in a session of its own",)])
def test_what_it_has_started_counts(start, cuda_stand_in, apart):
    process = start(PARENT, LOADS.format(str(cuda_stand_in)), *apart)
    assert used_cuda(process.pid)
    assert len(family(process.pid)) == 2


def test_what_the_driver_tells_of_counts(start):
    process = start(PARENT, WAITS)
    (child,) = family(process.pid) - {process.pid}
    assert used_cuda(process.pid, {child})
    assert not used_cuda(process.pid, {1, process.pid + 100_000})


def test_a_process_that_is_gone_has_used_nothing(start):
    process = start(WAITS)
    process.communicate(b"end")
    assert not used_cuda(process.pid)
