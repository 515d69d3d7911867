"""Groups of our own, on the real control groups of this machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_gpuctl.host.cgroups import Cgroups
from jupyter_gpuctl.host.limited_groups import (
    PREFIX,
    LimitedGroup,
    can_limit,
    create,
    find,
    own_prefix,
    remove_stale,
)

MIB = 1024**2
support = can_limit(Cgroups())
pytestmark = pytest.mark.skipif(
    support.version is None, reason=f"no group can be limited here: {support.reason}"
)


@contextlib.contextmanager
def group_of(megabytes: int, name: str = "test") -> Iterator[LimitedGroup]:
    cgroups = Cgroups()
    group = create(cgroups, own_prefix(cgroups) + name, megabytes * MIB, 32)
    try:
        yield group
    finally:
        assert group.close()


def python_in(group: LimitedGroup, code: str) -> subprocess.Popen[bytes]:
    """Python that runs ``code`` in the group, then says so and waits."""
    enter = "".join(f"open({path!r}, 'w').write('0')\n" for path in group.entrances)
    child = subprocess.Popen(
        [sys.executable, "-c", f"{enter}{code}\nprint('done', flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_what_exceeds_the_limit_is_killed_and_counted() -> None:
    with group_of(80) as group, python_in(group, f"b = bytearray({160 * MIB})") as child:
        assert child.wait() == -9
        assert group.oom_kills() == 1
        assert group.reached_limit()


def test_memory_is_measured_within_five_percent() -> None:
    with group_of(400) as group:
        with python_in(group, "import os") as child:
            empty = group.memory()
            child.kill()
        with python_in(group, f"b = bytearray({200 * MIB})") as child:
            full = group.memory()
            child.kill()
    assert full.used - empty.used == pytest.approx(200 * MIB, rel=0.05)
    assert full.anon_and_shmem <= full.used + 4 * MIB


def test_memory_that_came_and_went_shows_in_the_watermark() -> None:
    with group_of(400) as group, python_in(group, f"b = bytearray({200 * MIB}); del b") as child:
        memory = group.memory()
        child.kill()
        if memory.watermark is None:
            pytest.skip("this kernel keeps no watermark (memory.peak, since 5.19)")
        assert memory.used < 100 * MIB
        assert memory.watermark >= 200 * MIB
        assert group.memory().watermark == memory.watermark
        if group.set_watermark_back():
            assert (group.memory().watermark or 0) < 100 * MIB


def test_all_in_a_group_are_killed_and_it_is_removed() -> None:
    code = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)"
    cgroups = Cgroups()
    with group_of(100, "kill") as group, python_in(group, code) as child:
        assert len(group.pids()) == 2
        assert group.kill() == []
        assert group.pids() == []
        assert child.wait() == -9
    assert find(cgroups, own_prefix(cgroups) + "kill") is None


def test_who_enters_by_itself_is_in_with_all_that_it_starts_from_then_on() -> None:
    code = (
        "import subprocess, threading\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "threading.Thread(target=input, daemon=True).start()"
    )
    with group_of(100, "enter") as group, python_in(group, code) as child:
        inside = Path(f"/proc/{child.pid}/cgroup").read_text()
        name = Path(group.entrances[0]).parent.name
        for task in Path(f"/proc/{child.pid}/task").iterdir():
            assert (task / "cgroup").read_text() == inside
        assert inside.count(f"/{name}\n") == len(group.entrances)
        assert child.pid in group.pids()
        assert len(group.pids()) == 2
        # Itself, its thread, and what it has started.
        assert group.tasks() in (None, 3)


def test_a_running_process_is_put_in_with_all_its_threads() -> None:
    code = (
        "import threading\n"
        "for _ in range(3): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print('ready', flush=True)\n"
        "input()"
    )
    with (
        group_of(100, "add") as group,
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child,
    ):
        assert child.stdout is not None
        child.stdout.readline()
        group.add(child.pid)
        assert group.pids() == [child.pid]
        assert group.tasks() in (None, 4)
        child.kill()


def test_a_group_whose_maker_died_is_removed_with_what_runs_in_it() -> None:
    cgroups = Cgroups()
    mine = own_prefix(cgroups)
    namespace = mine.removeprefix(PREFIX).split("-")[0]
    with subprocess.Popen(["true"]) as gone:
        pass
    stale = create(cgroups, f"{PREFIX}{namespace}-{gone.pid}-1-9", 100 * MIB)
    with group_of(100) as living, python_in(stale, "") as child:
        assert remove_stale(cgroups) == [f"{PREFIX}{namespace}-{gone.pid}-1-9"]
        assert child.wait() == -9
        assert living.memory().used >= 0
        assert find(cgroups, mine + "test") is not None


def test_a_version_2_group_is_killed_by_the_kernel_itself() -> None:
    """Needs no memory controller: hybrid machines have version 2 without one."""
    _, chain = Cgroups().chain("")
    if not chain:
        pytest.skip("no version 2 hierarchy is mounted under /sys/fs/cgroup")
    folder = chain[0] / f"{own_prefix(Cgroups())}v2"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no version 2 group can be made here: {error}")
    group = LimitedGroup(2, (folder,))
    code = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)"
    try:
        with python_in(group, code) as child:
            assert len(group.pids()) == 2
            (folder / "cgroup.kill").write_text("1")
            assert child.wait() == -9
    finally:
        assert group.close()
    assert not folder.exists()
