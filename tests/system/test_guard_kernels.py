"""The guard and the kernels of a server: which process is stopped, and what is told of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from jupyter_client import KernelManager

from jupyter_gpuctl.gpus.ports import Kernel
from tests.system.guarding import ENFORCE, STEPS, World, lease

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as several users")


@pytest.fixture
def notebook(machine) -> Iterator[SimpleNamespace]:
    """A kernel of this process as server, in a world in which ``mail`` holds GPU 0."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        pid = manager.provisioner.pid
        world = World(machine, ENFORCE, server=os.getpid())
        world.kernels = (Kernel("k-1", "python3", "train.ipynb", "notebook", "idle", pid),)
        world.leases = (lease("mail", 0),)
        yield SimpleNamespace(manager=manager, client=client, pid=pid, world=world)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_kernel_that_was_stopped_is_told_why_and_others_arent(notebook):
    manager, world = notebook.manager, notebook.world
    world.show([(notebook.pid, 500)])
    world.until(3)
    (finding,) = world.found().values()
    assert (finding.kernel_id, finding.notebook) == ("k-1", "train.ipynb")
    assert world.guard.stopped("k-1") is None
    world.until(72)
    assert manager.provisioner.process.wait(60) is not None
    assert world.guard.stopped("k-1") == (
        "The guard stopped it because it uses GPU 0, which mail holds."
    )
    assert world.guard.stopped("k-2") is None
    world.clock.advance(61)
    assert world.guard.stopped("k-1") is None


def test_what_a_kernel_has_started_is_stopped_alone_and_the_kernel_goes_on(notebook):
    client, world = notebook.client, notebook.world
    printed: list[str] = []
    client.execute_interactive(
        "import subprocess; worker = subprocess.Popen(['sleep', '600']); print(worker.pid)",
        output_hook=lambda message: printed.append(message["content"].get("text", "")),
        timeout=60,
    )
    worker = int("".join(printed))
    world.show([(worker, 500)])
    world.until(62)
    reply = client.execute_interactive("worker.wait()", timeout=60)
    assert reply["content"]["status"] == "ok"
    assert world.guard.stopped("k-1") is None
    assert world.done(worker)[:2] == STEPS[:2]
    assert world.done(notebook.pid) == []
