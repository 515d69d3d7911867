"""How a kernel's control group is judged: version 2, on made trees."""

from __future__ import annotations

import pytest

from jupyter_gpuctl.host.cgroups import Cgroups
from jupyter_gpuctl.host.limited_groups import LimitedGroup, create
from jupyter_gpuctl.kernels.limits.confinement import MISSED, PERSISTENT, GroupConfinement
from jupyter_gpuctl.kernels.limits.deaths import Over
from jupyter_gpuctl.kernels.limits.scopes import ScopeConfinement
from jupyter_gpuctl.kernels.model import DeathReason, KernelLimits

GIB = 1024**3
WANTED = KernelLimits(GIB, 500, 2.0)


@pytest.fixture
def folder(tmp_path):
    """A group as the kernel shows it; ``folder(name, text)`` changes a file."""

    def write(name: str, text: str) -> None:
        (tmp_path / name).write_text(text)

    write("memory.current", str(GIB // 2))
    write("memory.stat", "anon 100\nfile 0\nshmem 0\n")
    write("memory.events", "oom 0\noom_kill 0\n")
    write("memory.peak", str(GIB))
    write("pids.max", "500")
    write("pids.current", "7")
    write("pids.events", "max 0\n")
    write("cgroup.procs", "")
    return write


@pytest.fixture
def confinement(folder, tmp_path):
    return GroupConfinement(LimitedGroup(2, (tmp_path,)), WANTED)


def test_a_kernel_within_its_limits_goes_on(confinement):
    assert confinement.look() is None
    assert not confinement.refused
    assert confinement.tier == "cgroup v2"


def test_a_kernel_that_never_enters_its_group_has_missed_it(confinement):
    confinement.begin(4711)
    for _ in range(MISSED):
        assert not confinement.missed
        confinement.look()
    assert confinement.missed


def test_a_kernel_that_was_in_its_group_has_not_missed_it(confinement, folder):
    confinement.begin(4711)
    confinement.look()
    folder("cgroup.procs", "4711\n")
    confinement.look()
    folder("cgroup.procs", "")
    for _ in range(MISSED):
        confinement.look()
    assert not confinement.missed


def test_what_the_group_can_not_limit_is_not_said_to_be_held(confinement):
    assert confinement.limits == KernelLimits(GIB, 500, None)


def test_a_kill_at_its_own_limit_is_out_of_memory(confinement, folder):
    folder("memory.events", "oom 1\noom_kill 3\n")
    assert confinement.look() == Over(DeathReason.OUT_OF_MEMORY, GIB, GIB)
    assert confinement.over() == confinement.look()


def test_a_kill_below_its_own_limit_is_the_machines(confinement, folder):
    folder("memory.events", "oom 0\noom_kill 1\n")
    found = confinement.look()
    assert found is not None
    assert (found.reason, found.limit) == (DeathReason.MACHINE_OUT_OF_MEMORY, None)


def test_one_process_too_many_is_refused_and_no_more(confinement, folder):
    folder("pids.events", "max 1\n")
    folder("pids.current", "500")
    assert [confinement.look() for _ in range(3 * PERSISTENT)] == [None] * 3 * PERSISTENT
    assert confinement.refused


def test_who_goes_on_trying_at_the_limit_ends(confinement, folder):
    folder("pids.current", "499")
    seen = []
    for count in range(1, PERSISTENT + 1):
        folder("pids.events", f"max {count * 10}\n")
        seen += [confinement.look(), confinement.look()]
    ending = Over(DeathReason.TOO_MANY_PROCESSES, 500, 500)
    assert seen == [None] * (2 * PERSISTENT - 2) + [ending] * 2


def test_who_falls_below_the_limit_in_between_is_let_be(confinement, folder):
    for count in range(1, 3 * PERSISTENT):
        folder("pids.current", "499")
        folder("pids.events", f"max {count}\n")
        assert confinement.look() is None
        folder("pids.current", "20")
        assert confinement.look() is None


def test_a_version_2_group_is_given_its_cores(tmp_path):
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/ours\n")
    mount = "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    (proc / "self" / "mountinfo").write_text(mount)
    (root / "ours").mkdir(parents=True)
    (root / "cgroup.controllers").write_text("cpu memory pids\n")
    (root / "ours" / "cgroup.subtree_control").write_text("cpu memory pids\n")
    # A made tree grows no files by itself: the group is there before it is made.
    made = root / "ours" / "gpuctl-x"
    original = type(made).mkdir

    def mkdir(self, *args, **options):
        original(self, *args, **options)
        for name in ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max"):
            (self / name).touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(made), "mkdir", mkdir)
        group = create(Cgroups(root, proc), "gpuctl-x", GIB, 500, 1.5)
    assert (made / "cpu.max").read_text() == "150000 100000"
    assert (made / "memory.max").read_text() == str(GIB)
    assert (made / "pids.max").read_text() == "500"
    assert group.limits_cpu


def test_a_scope_is_asked_for_by_its_limits():
    scope = ScopeConfinement(3, WANTED)
    command = " ".join(scope.prefix)
    assert command.startswith("systemd-run --user --scope --quiet --unit=gpuctl-kernel-")
    for word in ("MemoryMax=1073741824", "MemorySwapMax=0", "TasksMax=500", "CPUQuota=200%"):
        assert f"-p {word}" in command
    assert command.endswith(" --")
