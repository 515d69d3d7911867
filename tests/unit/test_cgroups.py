"""Control groups on made trees, with lines as real machines write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.host.cgroups import Cgroups, parse_container_id, parse_groups, parse_mounts
from jupyter_gpuctl.host.limited_groups import can_limit, create, find
from jupyter_gpuctl.validation.model import PeakMeter

GIB = 1024**3
ID = "3f1e5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5061728"
FARGATE = "0123456789abcdef0123456789abcdef-0123456789"
OTHER = "00ff" * 16
V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:15 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
"""
HYBRID = V1 + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"


class Machine:
    """A made ``/proc`` and ``/sys/fs/cgroup``."""

    def __init__(self, folder: Path, mountinfo: str, cgroup: str) -> None:
        self.root, self.proc = folder / "cgroup", folder / "proc"
        self.put(self.proc / "self/mountinfo", mountinfo)
        self.put(self.proc / "self/cgroup", cgroup)
        self.root.mkdir()

    @staticmethod
    def put(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def group(self, path: str, **files: str) -> None:
        """Files of a group; ``__`` in a name stands for a dot."""
        for name, text in files.items():
            self.put(self.root / path / name.replace("__", "."), text + "\n")

    @property
    def cgroups(self) -> Cgroups:
        return Cgroups(self.root, self.proc)


@pytest.fixture
def v2(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path, V2, "0::/user.slice/session-3.scope\n")
    machine.group(".", cgroup__controllers="cpuset cpu io memory pids")
    machine.group("user.slice", memory__max="max", cpu__max="max 100000", pids__max="max")
    machine.group(
        "user.slice/session-3.scope",
        memory__max=str(4 * GIB),
        memory__current=str(3 * GIB),
        memory__stat=f"anon {GIB}\nfile {3 * GIB // 2}\nshmem {GIB // 2}",
        cpu__max="250000 100000",
        pids__max="512",
        pids__current="37",
    )
    return machine


def test_version_2_tells_limits_and_use_without_page_cache(v2: Machine) -> None:
    limits = v2.cgroups.limits()
    assert limits is not None
    assert (limits.version, limits.memory_limit, limits.memory_used) == (2, 4 * GIB, 2 * GIB)
    assert (limits.cpu_limit, limits.pids_limit, limits.pids_used) == (2.5, 512, 37)


def test_the_group_of_another_process_is_found_in_either_version(tmp_path: Path) -> None:
    Machine.put(tmp_path / "2/proc/77/cgroup", f"0::/system.slice/docker-{ID}.scope\n")
    machine = Machine(tmp_path / "2", V2, "0::/\n")
    scope = f"system.slice/docker-{ID}.scope"
    machine.group(".", cgroup__controllers="memory pids")
    machine.group(scope, memory__current="1")
    version, chain = machine.cgroups.chain_of(77, "memory")
    assert (version, chain[0]) == (2, machine.root / scope)
    assert machine.cgroups.container_id(77) == ID
    Machine.put(tmp_path / "1/proc/77/cgroup", f"8:pids:/docker/{ID}\n4:memory:/docker/{ID}\n")
    machine = Machine(tmp_path / "1", V1, "4:memory:/user\n")
    machine.group(f"memory/docker/{ID}", memory__usage_in_bytes="1")
    version, chain = machine.cgroups.chain_of(77, "memory")
    assert (version, chain[0]) == (1, machine.root / "memory/docker" / ID)
    assert machine.cgroups.chain_of(78, "memory") == (0, [])


def test_the_tightest_ancestor_counts_and_its_use_is_told(v2: Machine) -> None:
    v2.group("user.slice", memory__max=str(2 * GIB), memory__current=str(GIB), memory__stat="")
    v2.group("user.slice", cpu__max="50000 100000", pids__max="100", pids__current="99")
    limits = v2.cgroups.limits()
    assert limits is not None
    assert (limits.memory_limit, limits.memory_used) == (2 * GIB, GIB)
    assert (limits.cpu_limit, limits.pids_limit, limits.pids_used) == (0.5, 100, 99)


def test_a_machine_without_limits_has_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2, "0::/\n")
    machine.group(".", cgroup__controllers="cpu memory pids")
    assert machine.cgroups.limits() is None


def test_a_machine_without_control_groups_has_none(tmp_path: Path) -> None:
    assert Machine(tmp_path, "", "").cgroups.limits() is None
    assert Cgroups(tmp_path / "no", tmp_path / "neither").limits() is None


def test_a_namespace_that_shows_the_root_as_own_group_is_read_at_the_mount(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2, "0::/\n")
    machine.group(".", cgroup__controllers="memory", memory__max=str(GIB), memory__current="1000")
    limits = machine.cgroups.limits()
    assert limits is not None
    assert (limits.memory_limit, limits.memory_used) == (GIB, 1000)


def test_a_group_outside_the_namespace_falls_back_to_the_mount(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2, "0::/../../elsewhere\n")
    machine.group(".", cgroup__controllers="memory", memory__max=str(GIB))
    limits = machine.cgroups.limits()
    assert limits is not None
    assert limits.memory_limit == GIB


CGROUP_V1 = "5:cpu,cpuacct:/a\n4:memory:/a/b\n3:pids:/a\n1:name=systemd:/x\n0::/\n"


@pytest.mark.parametrize("mountinfo", [V1, HYBRID])
def test_version_1_tells_limits_and_use_without_page_cache(tmp_path: Path, mountinfo: str) -> None:
    machine = Machine(tmp_path, mountinfo, CGROUP_V1)
    machine.group("memory/a", memory__limit_in_bytes="9223372036854771712")
    machine.group(
        "memory/a/b",
        memory__limit_in_bytes=str(GIB),
        memory__usage_in_bytes=str(900),
        memory__stat="cache 1\ntotal_cache 400\ntotal_shmem 100",
    )
    machine.group("cpu,cpuacct/a", cpu__cfs_quota_us="150000", cpu__cfs_period_us="100000")
    machine.group("pids/a", pids__max="max", pids__current="3")
    machine.group("unified", cgroup__controllers="hugetlb")
    limits = machine.cgroups.limits()
    assert limits is not None
    assert (limits.version, limits.memory_limit, limits.memory_used) == (1, GIB, 600)
    assert (limits.cpu_limit, limits.pids_limit, limits.pids_used) == (1.5, None, None)


def test_version_1_unlimited_numbers_mean_no_limit(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V1, CGROUP_V1)
    machine.group("memory/a/b", memory__limit_in_bytes="9223372036854771712", memory__stat="x 1")
    machine.group("cpu,cpuacct/a", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert machine.cgroups.limits() is None


def test_version_1_ancestors_hidden_by_a_namespace_still_count(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V1, "4:memory:/\n")
    machine.group(
        "memory",
        memory__limit_in_bytes=str(8 * GIB),
        memory__usage_in_bytes="50",
        memory__stat=f"hierarchical_memory_limit {2 * GIB}",
    )
    limits = machine.cgroups.limits()
    assert limits is not None
    assert (limits.memory_limit, limits.memory_used) == (2 * GIB, 50)


def test_docker_on_version_1_without_a_namespace_is_read_at_the_mount(tmp_path: Path) -> None:
    mount = f"35 31 0:32 /docker/{ID} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    machine = Machine(tmp_path, mount, f"4:memory:/docker/{ID}\n")
    machine.group("memory", memory__limit_in_bytes=str(GIB), memory__usage_in_bytes="7")
    limits = machine.cgroups.limits()
    assert limits is not None
    assert (limits.memory_limit, limits.memory_used) == (GIB, 7)


def test_a_process_that_is_moved_has_its_new_limits(v2: Machine) -> None:
    cgroups = v2.cgroups
    assert cgroups.limits() is not None
    v2.put(v2.proc / "self/cgroup", "0::/user.slice\n")
    assert cgroups.limits() is None


CONTAINERS = {
    f"12:memory:/docker/{ID}": ID,
    f"0::/system.slice/docker-{ID}.scope": ID,
    f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope": ID,
    f"11:memory:/kubepods/besteffort/pod1ab/{ID}": ID,
    f"0::/kubepods.slice/kubepods-pod1a.slice/cri-containerd-{ID}.scope": ID,
    f"1:name=systemd:/kubepods-burstable-pod1.slice:cri-containerd:{ID}": ID,
    f"0::/kubepods.slice/kubepods-burstable.slice/crio-{ID}.scope": ID,
    f"0::/machine.slice/libpod-{ID}.scope/container": ID,
    f"0::/machine.slice/libpod-{ID}.scope": ID,
    f"0::/../{ID}": ID,
    f"9:memory:/ecs/55091c13-b8cf-4801-b527-f4601742204d/{ID}": ID,
    "9:memory:/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-2358": None,
    f"9:memory:/ecs/t/{FARGATE}": FARGATE,
    f"0::/docker/{OTHER}/kubelet.slice/kubepods/pod1/{ID}": ID,
    f"0::/machine.slice/libpod-conmon-{ID}.scope": None,
    f"0::/kubepods.slice/crio-conmon-{ID}.scope": None,
    "0::/user.slice/user-1000.slice/session-3.scope": None,
    "0::/init.scope": None,
    "0::/": None,
    "": None,
    "nonsense": None,
}


@pytest.mark.parametrize(("cgroup", "expected"), CONTAINERS.items())
def test_the_innermost_container_is_named(cgroup: str, expected: str | None) -> None:
    assert parse_container_id(cgroup + "\n") == expected


def test_version_1_lines_name_the_container_whichever_comes_first() -> None:
    assert parse_container_id(f"13:rdma:/\n12:memory:/docker/{ID}\n0::/x\n") == ID


def test_the_container_of_a_process_is_read_from_proc(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2, "0::/\n")
    machine.put(machine.proc / "42/cgroup", f"0::/system.slice/docker-{ID}.scope\n")
    assert machine.cgroups.container_id(42) == ID
    assert machine.cgroups.container_id(43) is None


@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    parse_mounts(text)
    parse_groups(text)
    parse_container_id(text)


def test_a_new_version_2_group_is_limited_without_swap_as_a_whole(v2: Machine) -> None:
    v2.group("user.slice/session-3.scope", cgroup__subtree_control="memory pids")
    group = create(v2.cgroups, "gpuctl-x", GIB, 64)
    folder = v2.root / "user.slice/session-3.scope/gpuctl-x"
    assert group.version == 2
    assert group.entrances == (str(folder / "cgroup.procs"),)
    assert (folder / "memory.max").read_text() == str(GIB)
    assert (folder / "memory.oom.group").read_text() == "1"


def test_a_version_2_group_tells_what_came_and_went_from_its_watermark(v2: Machine) -> None:
    v2.group("user.slice", cgroup__subtree_control="memory pids")
    v2.group("user.slice/session-3.scope", memory__max="max", cpu__max="max 100000")
    v2.group(
        "user.slice/gpuctl-test",
        memory__max="max",
        memory__current=str(3 * GIB),
        memory__stat=f"anon {GIB}\nfile {3 * GIB // 2}\nshmem {GIB // 2}",
        memory__peak=str(4 * GIB),
    )
    group = find(v2.cgroups, "gpuctl-test")
    assert group is not None
    memory = group.memory()
    assert (memory.used, memory.cache) == (2 * GIB, GIB)
    assert (memory.anonymous, memory.anon_and_shmem) == (GIB, 3 * GIB // 2)
    meter = PeakMeter()
    meter.add(memory.used, memory.cache, memory.watermark)
    assert meter.total == 3 * GIB


def test_an_unlimited_group_is_left_for_an_ancestor_that_hands_memory_down(v2: Machine) -> None:
    v2.group("user.slice", cgroup__subtree_control="memory")
    v2.group("user.slice/session-3.scope", memory__max="max", cpu__max="max 100000")
    create(v2.cgroups, "gpuctl-x", GIB)
    assert (v2.root / "user.slice/gpuctl-x/memory.max").read_text() == str(GIB)


@pytest.mark.parametrize("limit", [{"memory__max": "5000"}, {"cpu__max": "50000 100000"}])
def test_no_group_is_made_that_would_escape_our_own_limits(
    v2: Machine, limit: dict[str, str]
) -> None:
    v2.group("user.slice", cgroup__subtree_control="memory", cgroup__events="populated 1")
    v2.group("user.slice/session-3.scope", memory__max="max", cpu__max="max 100000")
    v2.group("user.slice/session-3.scope", cgroup__events="populated 1", **limit)
    with pytest.raises(OSError, match="is limited itself"):
        create(v2.cgroups, "gpuctl-x", GIB)
    support = can_limit(v2.cgroups)
    assert support.version is None
    assert "session-3.scope" in support.reason


def test_a_machine_without_control_groups_says_that_it_can_t_limit(tmp_path: Path) -> None:
    support = can_limit(Cgroups(tmp_path, tmp_path))
    assert support.version is None
    assert "no memory controller" in support.reason
