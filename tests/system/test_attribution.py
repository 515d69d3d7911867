"""Attribution on real kernels and real processes: the right owner, or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from jupyter_client import KernelManager

from jupyter_gpuctl.gpus.attribution import (
    GONE,
    IN_CONTAINER,
    NO_NOTEBOOK,
    OUTSIDE,
    Attributor,
)
from jupyter_gpuctl.gpus.kernels import KernelMeter
from jupyter_gpuctl.gpus.model import DeviceProcess, GpuProcess, Owner
from jupyter_gpuctl.gpus.ports import Kernel
from jupyter_gpuctl.host.identity import ServerUser, server_user
from jupyter_gpuctl.host.procfs import ProcFs, read_process

ME = server_user({})


class RunningKernel:
    """A real kernel, started by this process as a Jupyter server would."""

    def __init__(self, notebook: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.notebook = notebook

    def run(self, code: str) -> str:
        """What ``code`` prints."""
        printed: list[str] = []

        def take(message: dict) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, output_hook=take, timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed).strip()

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    def seen(self) -> Kernel:
        return Kernel(
            f"id-of-{self.notebook}", "python3", self.notebook, "notebook", "idle", self.pid
        )

    def owner(self) -> Owner:
        return Owner(ME.name, self.notebook, f"id-of-{self.notebook}")

    def stop(self) -> None:
        """End the kernel and whatever is left in its session."""
        self.client.stop_channels()
        left = [pid for pid in ProcFs().pids() if session_of(pid) == self.pid]
        self.manager.shutdown_kernel(now=True)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def session_of(pid: int) -> int | None:
    info = read_process(pid)
    return info.session if info else None


@pytest.fixture
def kernels() -> Iterator[list[RunningKernel]]:
    running = [RunningKernel("train.ipynb"), RunningKernel("eval.ipynb")]
    yield running
    for kernel in running:
        kernel.stop()


@pytest.fixture
def attributor() -> Attributor:
    return Attributor(ProcFs(), ME, os.getpid())


def owner_of(attributor: Attributor, pid: int) -> Owner | None:
    return attributor.attribute(DeviceProcess(pid, 1)).owner


CHILDREN = """
import multiprocessing, os, time
context = multiprocessing.get_context({method!r})
children = [context.Process(target=time.sleep, args=(600,)) for _ in range(2)]
for child in children: child.start()
print(*[child.pid for child in children])
"""

# Starts a sleeper and ends at once: the sleeper is re-parented. It must not keep our pipes open.
MIDDLE = """
import subprocess
quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
print(subprocess.Popen(["sleep", "600"], start_new_session={new_session}, **quiet).pid)
"""

ORPHAN = """
import subprocess, sys
middle = {middle!r}
print(subprocess.run([sys.executable, "-c", middle], capture_output=True, text=True).stdout)
"""


def orphan(kernel: RunningKernel, *, new_session: bool) -> int:
    """The pid of a grandchild of ``kernel`` whose parent has ended."""
    return int(kernel.run(ORPHAN.format(middle=MIDDLE.format(new_session=new_session))))


def test_a_kernel_and_its_workers_belong_to_its_notebook(kernels, attributor):
    train, evaluate = kernels
    forked = [int(pid) for pid in train.run(CHILDREN.format(method="fork")).split()]
    spawned = [int(pid) for pid in evaluate.run(CHILDREN.format(method="spawn")).split()]
    attributor.begin([train.seen(), evaluate.seen()])
    for pid in (train.pid, *forked):
        assert owner_of(attributor, pid) == train.owner()
    for pid in (evaluate.pid, *spawned):
        assert owner_of(attributor, pid) == evaluate.owner()


def test_a_reparented_grandchild_belongs_to_the_kernel_by_its_session(kernels, attributor):
    train, evaluate = kernels
    pid = orphan(train, new_session=False)
    assert ProcFs().info(pid).parent != train.pid
    attributor.begin([evaluate.seen(), train.seen()])
    assert owner_of(attributor, pid) == train.owner()


def test_a_daemon_that_left_the_session_unseen_belongs_to_no_notebook(kernels, attributor):
    train, _ = kernels
    pid = orphan(train, new_session=True)
    attributor.begin([train.seen()])
    owner = owner_of(attributor, pid)
    os.kill(pid, signal.SIGKILL)
    assert owner == Owner(ME.name)


def test_a_daemon_that_was_seen_before_it_was_orphaned_stays_the_kernels(kernels, attributor):
    train, _ = kernels
    pid = int(
        train.run(
            "import subprocess\n"
            "middle = subprocess.Popen(['setsid', 'sh', '-c', 'sleep 600 & echo $!; wait'],"
            " stdout=subprocess.PIPE, text=True)\n"
            "print(middle.stdout.readline())"
        )
    )
    attributor.begin([train.seen()])
    assert owner_of(attributor, pid) == train.owner()
    train.run("middle.kill(); middle.wait()")
    for _ in range(3):
        attributor.begin([train.seen()])
        assert owner_of(attributor, pid) == train.owner()
    os.kill(pid, signal.SIGKILL)


def test_after_a_restart_the_new_process_and_what_the_old_one_left_belong_to_the_notebook(
    kernels, attributor
):
    train, _ = kernels
    before = train.pid
    left = int(
        train.run("import subprocess\nprint(subprocess.Popen(['setsid', 'sleep', '600']).pid)")
    )
    attributor.begin([train.seen()])
    assert owner_of(attributor, left) == train.owner()
    train.manager.restart_kernel(now=True)
    train.client.wait_for_ready(timeout=60)
    assert train.pid != before
    attributor.begin([train.seen()])
    assert owner_of(attributor, train.pid) == train.owner()
    assert owner_of(attributor, left) == train.owner()
    assert attributor.attribute(DeviceProcess(before, 1)).unattributed == GONE
    os.kill(left, signal.SIGKILL)


def test_a_foreign_process_belongs_to_its_user_but_to_no_notebook(kernels):
    # In a session of its own and not below the server: as another person's program.
    with foreign_process() as pid:
        attributor = Attributor(ProcFs(), ME, kernels[0].pid)  # not our descendant
        attributor.begin([])
        found = attributor.attribute(DeviceProcess(pid, 1))
    assert found == GpuProcess(pid, "sleep", 1, Owner(ME.name))


def test_under_the_hub_an_account_that_serves_many_names_nobody(kernels):
    hub_user = ServerUser("ada", from_hub=True, uid=os.getuid())
    with foreign_process() as pid:
        attributor = Attributor(ProcFs(), hub_user, kernels[0].pid)
        attributor.begin([])
        found = attributor.attribute(DeviceProcess(pid, 1))
    assert (found.owner, found.unattributed) == (None, NO_NOTEBOOK)


def test_what_the_server_itself_started_belongs_to_the_servers_user(attributor):
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    attributor.begin([])
    owner = owner_of(attributor, child.pid)
    child.kill()
    child.wait()
    assert owner == Owner(ME.name)


def test_a_pid_that_a_dead_kernel_left_is_not_the_kernels_when_another_process_gets_it(
    kernels, attributor
):
    train, _ = kernels
    seen = train.seen()
    attributor.begin([seen])
    assert owner_of(attributor, train.pid) == train.owner()
    train.client.stop_channels()
    os.kill(train.pid, signal.SIGKILL)
    while train.manager.is_alive():  # also reaps it, so that its pid is free
        time.sleep(0.01)
    with process_with_pid(seen.pid) as pid:
        for _ in range(2):
            attributor.begin([seen])  # the server still believes in the old kernel
            owner = owner_of(attributor, pid)
            assert owner is None or owner.notebook is None


def test_a_recycled_pid_of_a_worker_does_not_inherit_its_owner(kernels, attributor):
    train, _ = kernels
    worker = int(
        train.run(
            "import subprocess; worker = subprocess.Popen(['sleep', '600']); print(worker.pid)"
        )
    )
    attributor.begin([train.seen()])
    assert owner_of(attributor, worker) == train.owner()
    train.run("worker.kill(); worker.wait()")
    with process_with_pid(worker) as pid:
        attributor.begin([train.seen()])
        owner = owner_of(attributor, pid)
        assert owner is None or owner.notebook is None


def test_a_process_that_has_ended_has_no_owner(attributor):
    child = subprocess.Popen(["true"])
    child.wait()
    attributor.begin([])
    assert attributor.attribute(DeviceProcess(child.pid, 7)) == GpuProcess(
        child.pid, None, 7, None, GONE
    )


def test_a_process_in_another_container_has_no_owner_and_names_the_container(kernels):
    with foreign_process() as pid:
        elsewhere = "0123456789abcdef" * 4
        table = ProcFs(lambda asked: elsewhere if asked == pid else None)
        attributor = Attributor(table, ME, kernels[0].pid)
        attributor.begin([])
        found = attributor.attribute(DeviceProcess(pid, 1))
    assert (found.owner, found.unattributed, found.container) == (
        None,
        IN_CONTAINER,
        elsewhere[:12],
    )


def test_in_a_pid_namespace_of_its_own_only_verified_pids_are_attributed(attributor):
    """`unshare` puts a real process table in place in which the driver's pids mean nothing."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make a pid namespace")
    script = (
        "import os\n"
        "from jupyter_gpuctl.gpus.attribution import Attributor\n"
        "from jupyter_gpuctl.gpus.model import DeviceProcess\n"
        "from jupyter_gpuctl.host.identity import server_user\n"
        "from jupyter_gpuctl.host.procfs import ProcFs\n"
        "table = ProcFs()\n"
        "attributor = Attributor(table, server_user(), os.getpid())\n"
        "attributor.begin([])\n"
        "for pid in (os.getpid(), 54321):\n"
        "    print(attributor.attribute(DeviceProcess(pid, 1)).unattributed)\n"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.stdout.splitlines() == [OUTSIDE, OUTSIDE], done.stderr


def test_memory_of_a_kernel_counts_what_its_children_share_only_once(kernels, attributor):
    train, evaluate = kernels
    evaluate.run("kept = bytearray(b'x') * 200_000_000")
    train.run("kept = bytearray(b'x') * 200_000_000")
    forked = train.run(
        "import os, time\n"
        "pids = []\n"
        "for _ in range(4):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        time.sleep(600)\n"
        "    pids.append(pid)\n"
        "print(*pids)"
    ).split()
    meter = KernelMeter(ProcFs(), attributor)
    attributor.begin([train.seen(), evaluate.seen()])
    first = {
        reading.notebook: reading for reading in meter.read([train.seen(), evaluate.seen()], 0)
    }
    for pid in forked:
        os.kill(int(pid), signal.SIGKILL)
    assert first["train.ipynb"].processes == 5
    assert first["eval.ipynb"].processes == 1
    assert first["eval.ipynb"].memory > 200_000_000
    # Five times as many processes hold about the same memory, not five times as much.
    assert first["train.ipynb"].memory < 1.5 * first["eval.ipynb"].memory
    assert first["train.ipynb"].cpu is None  # no span yet


def test_cpu_of_a_kernel_is_the_share_of_one_core_since_the_sample_before(kernels, attributor):
    train, evaluate = kernels
    meter = KernelMeter(ProcFs(), attributor)
    both = [train.seen(), evaluate.seen()]

    def spent(kernel: RunningKernel) -> float:
        return ProcFs().info(kernel.pid).cpu_seconds

    attributor.begin(both)
    meter.read(both, 100.0)
    before = spent(train)
    train.run(
        "import time\nuntil = time.process_time() + 0.5\nwhile time.process_time() < until: pass"
    )
    after = spent(train)
    attributor.begin(both)
    busy, idle = meter.read(both, 102.0)
    assert busy.cpu == pytest.approx(100 * (after - before) / 2, abs=2)
    assert busy.cpu >= 25
    assert idle.cpu < busy.cpu


@contextmanager
def foreign_process() -> Iterator[int]:
    """A process whose parent has ended, in a session of its own."""
    command = [sys.executable, "-c", MIDDLE.format(new_session=True)]
    pid = int(subprocess.check_output(command))
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def process_with_pid(wanted: int) -> Iterator[int]:
    """A new process that the system has given the pid ``wanted``."""
    last = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(last, os.W_OK):
        pytest.skip(f"needs to write {last} to get a pid recycled")
    for _ in range(200):
        last.write_text(str(wanted - 1))
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        try:
            if child.pid == wanted:
                yield child.pid
                return
        finally:
            child.kill()
            child.wait()
    pytest.fail(f"the system did not give pid {wanted} again")
