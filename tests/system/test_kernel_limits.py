"""Real kernels that take too much: each ends, is told why, and takes nobody along."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from jupyter_gpuctl.host.cgroups import Cgroups
from jupyter_gpuctl.host.limited_groups import can_limit, own_prefix
from jupyter_gpuctl.kernels.launches import Launches
from jupyter_gpuctl.kernels.limits.scopes import scopes_work
from jupyter_gpuctl.kernels.model import DeathReason, Enforcement, KernelLimits
from jupyter_gpuctl.kernels.provisioner import NAME
from jupyter_gpuctl.kernels.records import Records
from jupyter_gpuctl.leases.desk import LeaseDesk
from tests.system.kernel_server import Kernels

MIB = 1024**2
MEMORY, PIDS = 256 * MIB, 64
HOG = "data = []\nwhile True: data.append(b'x' * (16 << 20))"
CHILD = (
    "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', 'b = bytes(1) * (600 << 20); input()'])"
)
BOMB = "import subprocess\nsubprocess.run(['bash', '-c', ':(){ :|:& };:; sleep 600'])"
# A watcher sees a bomb when it has gone off: this one has 2,047 shells and 1,024 sleepers at most,
# so that a machine on which the watcher fails goes on.
BOUNDED_BOMB = (
    "import subprocess\n"
    "subprocess.run(['bash', '-c', 'b() { if (($1)); then b $(($1-1)) | b $(($1-1));"
    " else sleep 600; fi; }; b 10'])"
)
ESCAPE = """
import subprocess, sys
code = '''
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(0.5)
held = b"x" * (600 << 20)
time.sleep(600)
'''
subprocess.run([sys.executable, "-c", code])
import time
time.sleep(600)
"""
support = can_limit(Cgroups())


def group_tier(version: int):
    reason = support.reason or f"the memory controller is of version {support.version} here"
    skip = pytest.mark.skipif(
        support.version != version, reason=f"no group of version {version} here: {reason}"
    )
    return pytest.param(f"cgroup v{version}", marks=skip)


TIERS = [
    group_tier(2),
    pytest.param(
        "systemd",
        marks=pytest.mark.skipif(not scopes_work(), reason="no systemd of the user's limits here"),
    ),
    group_tier(1),
    "watcher",
]


class Heard:
    """What was announced."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str | None, dict]] = []
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    def announce(self, kind, message, *, kernel_id=None, lease_id=None, detail=None) -> None:
        self.events.append((kind, message, kernel_id, dict(detail or {})))
        self._loop.call_soon_threadsafe(self._more.set)

    async def wait_for(self, kind: str) -> tuple[str, dict]:
        async with asyncio.timeout(60):
            while True:
                for event in self.events:
                    if event[0] == kind:
                        return event[1], event[3]
                self._more.clear()
                await self._more.wait()


class Place(Kernels):
    """Kernels under one broker."""

    def __init__(self, tier: str, limits: KernelLimits) -> None:
        self.heard, self.records = Heard(), Records()
        self.launches = Launches(
            self.records,
            LeaseDesk(lambda: pytest.fail("nobody leases here")),
            exists=lambda: False,
            owner="user-a",
            enforcement=Enforcement.ADVISORY,
            limits=limits,
            announcer=self.heard,
            log=logging.getLogger("gpuctl"),
            tiers=(tier,),
        )
        super().__init__(self.launches)

    async def start(self, notebook: str) -> str:
        env = {**os.environ, "JPY_SESSION_NAME": f"work/{notebook}"}
        return await self.manager.start_kernel(kernel_name="python3", env=env)

    async def close(self) -> None:
        await super().close()
        self.launches.close()


@pytest.fixture
def place(jp_asyncio_loop, monkeypatch, tmp_path):
    """Makes the place, once the tier and the limits are known."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(KernelProvisionerFactory.instance(), "default_provisioner_name", NAME)
    places = []

    async def make(tier: str, memory: int | None = MEMORY, pids: int | None = PIDS, cpu=None):
        places.append(Place(tier, KernelLimits(memory, pids, cpu)))
        return places[-1]

    yield make
    for each in places:
        jp_asyncio_loop.run_until_complete(each.close())
    assert groups() == []


def groups() -> list[Path]:
    """Groups of kernels of this process that are still there."""
    prefix = own_prefix(Cgroups())
    return list(Path("/sys/fs/cgroup").rglob(f"{prefix}kernel*"))


@pytest.mark.parametrize("tier", TIERS)
async def test_a_memory_hog_ends_alone_and_its_cell_and_peak_are_named(place, tier):
    here = await place(tier)
    other, hog = await here.start("other.ipynb"), await here.start("train.ipynb")
    others, hogs = await here.client(other), await here.client(hog)
    await here.run(others, "kept = 42")
    await here.run(hogs, "first = 1")
    await here.run(hogs, "second = 2")
    hogs.execute(HOG)
    message, detail = await here.heard.wait_for("kernel.died")
    assert message.startswith("train.ipynb ran out of memory: limit 256 MiB, peak ")
    assert message.endswith(", cell [3].")
    assert detail["reason"] == "out_of_memory"
    assert detail["limit"] == MEMORY
    assert detail["execution_count"] == 3
    least = MEMORY * 0.9
    assert least <= detail["peak"]
    record = here.records.get(hog)
    assert record.death is not None
    assert record.death.message == message
    assert record.enforced_by == tier
    reply = await here.run(others, "assert kept == 42")
    assert reply["status"] == "ok"
    assert here.records.get(other).death is None


@pytest.mark.parametrize("tier", TIERS)
async def test_a_child_that_takes_too_much_ends_the_kernel_and_it_is_said(place, tier):
    here = await place(tier)
    kernel = await here.start("train.ipynb")
    client = await here.client(kernel)
    client.execute(CHILD)
    message, detail = await here.heard.wait_for("kernel.died")
    assert message.startswith("train.ipynb ran out of memory: limit 256 MiB, peak ")
    assert message.endswith(", cell [1].")
    assert detail["reason"] == "out_of_memory"


@pytest.mark.parametrize("tier", TIERS)
async def test_a_fork_bomb_ends_with_its_kernel(place, tier):
    here = await place(tier, memory=None)
    other, bomb = await here.start("other.ipynb"), await here.start("train.ipynb")
    others, client = await here.client(other), await here.client(bomb)
    client.execute(BOMB if tier.startswith("cgroup") else BOUNDED_BOMB)
    message, detail = await here.heard.wait_for("kernel.died")
    assert message == f"train.ipynb reached its limit of {PIDS} processes and threads, cell [1]."
    assert detail["reason"] == "too_many_processes"
    assert (await here.run(others, "1"))["status"] == "ok"


async def test_who_leaves_the_tree_of_a_watched_kernel_is_found_and_killed_too(place):
    here = await place("watcher")
    client = await here.client(await here.start("train.ipynb"))
    client.execute(ESCAPE)
    message, _ = await here.heard.wait_for("kernel.died")
    assert "ran out of memory" in message


@pytest.mark.parametrize("tier", TIERS)
async def test_a_kernel_that_is_restarted_after_its_death_is_held_again(place, tier):
    here = await place(tier)
    kernel = await here.start("train.ipynb")
    client = await here.client(kernel)
    client.execute(HOG)
    await here.heard.wait_for("kernel.died")
    await here.restart(kernel)
    assert here.records.get(kernel).death is not None
    again = await here.client(kernel)
    await here.run(again, "first = 1")
    async with asyncio.timeout(60):
        while here.records.get(kernel).death is not None:
            await asyncio.sleep(0.05)
    here.heard.events.clear()
    again.execute(HOG)
    message, _ = await here.heard.wait_for("kernel.died")
    assert message.endswith(", cell [2].")


async def test_a_kernel_that_is_told_to_end_is_not_announced_as_dead(place):
    here = await place("watcher")
    kernel = await here.start("train.ipynb")
    await here.client(kernel)
    await here.restart(kernel)
    await here.manager.shutdown_kernel(kernel)
    assert here.heard.events == []
    assert here.records.get(kernel).death is None


async def test_a_kernel_that_ends_by_itself_says_how(place):
    here = await place("watcher", memory=None, pids=None)
    client = await here.client(await here.start("train.ipynb"))
    client.execute("import os; os._exit(3)")
    message, detail = await here.heard.wait_for("kernel.died")
    assert message == "train.ipynb ended by itself: exit code 3."
    assert detail["reason"] == DeathReason.UNKNOWN
    assert detail["exit_code"] == 3


@pytest.mark.skipif(support.version is None, reason=f"no group here: {support.reason}")
async def test_a_process_too_many_is_refused_and_told_and_the_kernel_goes_on(place):
    here = await place(f"cgroup v{support.version}", memory=None)
    client = await here.client(await here.start("train.ipynb"))
    code = "import subprocess\nheld = [subprocess.Popen(['sleep', '600']) for _ in range(99)]"
    assert (await here.run(client, code))["ename"] == "BlockingIOError"
    message, _ = await here.heard.wait_for("kernel.at_limit")
    assert message.startswith(f"train.ipynb reached its limit of {PIDS} processes and threads")
    assert (await here.run(client, "1"))["status"] == "ok"


@pytest.mark.skipif(support.version is None, reason=f"no group here: {support.reason}")
async def test_a_kernel_gets_no_more_processor_time_than_its_cores(place):
    here = await place(f"cgroup v{support.version}", cpu=0.5)
    kernel = await here.start("train.ipynb")
    client = await here.client(kernel)
    if here.records.get(kernel).limits.cpu is None:
        pytest.skip("the processor can't be limited in a group here")
    # Seconds of all its threads within two seconds of the clock, where two would be had.
    code = (
        "import os, threading, time\n"
        "def turn():\n"
        "    end = time.monotonic() + 2\n"
        "    while time.monotonic() < end: sum(range(1000))\n"
        "began = time.process_time(), time.monotonic()\n"
        "turn()\n"
        "share = (time.process_time() - began[0]) / (time.monotonic() - began[1])\n"
        "assert share < 0.75, share"
    )
    assert (await here.run(client, code))["status"] == "ok"


@pytest.mark.skipif(support.version is None, reason=f"no group here: {support.reason}")
async def test_a_kernel_whose_group_has_gone_is_not_said_to_be_held(place, monkeypatch):
    here = await place(f"cgroup v{support.version}")
    ask = here.launches.before_launch

    async def ask_and_lose_the_group(*args, **options):
        launch = await ask(*args, **options)
        for entrance in launch.entrances:
            os.rmdir(os.path.dirname(entrance))
        return launch

    monkeypatch.setattr(here.launches, "before_launch", ask_and_lose_the_group)
    kernel = await here.start("train.ipynb")
    assert (await here.run(await here.client(kernel), "1"))["status"] == "ok"
    async with asyncio.timeout(60):
        while here.records.get(kernel).enforced_by is not None:
            await asyncio.sleep(0.05)
    assert here.records.get(kernel).limits == KernelLimits()
