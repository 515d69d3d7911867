"""Control groups of our own: a hard memory limit for a tree of processes.

Version 2 where a part of the tree is ours to write (a delegated subtree, root on most machines),
version 1 where that is what holds the memory controller. Whether one of them works here is found
out by trying, never by guessing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .cgroups import (
    Cgroups,
    page_cache,
    read_fields,
    read_int,
    read_limit,
    read_table,
    read_text,
)

PREFIX = "gpuctl-"
"""Every group of ours starts so, then the pid namespace, pid and start time of its maker."""
_PATIENCE = 5.0
"""Seconds until killed processes must have left a group: they may be deep in a system call."""
_NEAR = 8 * 1024**2
_STAT = {1: ("total_cache", "total_shmem", "total_rss"), 2: ("file", "shmem", "anon")}
"""What is wanted of ``memory.stat``, by version."""
_READ_OFTEN = (
    *("cgroup.procs", "memory.stat", "memory.current", "memory.usage_in_bytes"),
    *("memory.max_usage_in_bytes", "memory.events", "memory.oom_control"),
)
_PERIOD = 100_000
"""Microseconds over which processor time is shared out: the kernel's own default."""


@dataclass(frozen=True, slots=True)
class LimitSupport:
    """Whether groups with limits can be made here."""

    version: int | None
    """1 or 2; ``None``: they can't."""
    reason: str
    """Why not; empty where they can."""


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """The memory of one group at one time, in bytes."""

    used: int
    """All that can't be freed by dropping page cache: what the limit bites on."""
    cache: int
    """Page cache that can be dropped; the kernel counts it too, until it needs the room."""
    anon_and_shmem: int
    """What the processes allocated, shared memory and tmpfs files included."""
    watermark: int | None
    """The highest of ``used + cache`` since it was set back; ``None``: not kept by this kernel."""
    anonymous: int = 0
    """What the processes allocated for themselves."""


class LimitedGroup:
    """One group of ours. Made by :func:`create`; ``close`` leaves nothing behind."""

    def __init__(self, version: int, folders: tuple[Path, ...]) -> None:
        self.version = version
        self._folders = folders
        self._memory = folders[0]
        # Read many times a second: to put a path together would take longer than to read it.
        self._often = {name: f"{folders[0]}/{name}" for name in _READ_OFTEN}
        self._highest = 0
        self._peak: int | None = None
        if version == 2:
            for way in (os.O_RDWR, os.O_RDONLY):
                # Another's group can be read only, and its watermark not be set back.
                with contextlib.suppress(OSError):
                    self._peak = os.open(self._memory / "memory.peak", way | os.O_CLOEXEC)
                    break

    @property
    def entrances(self) -> tuple[str, ...]:
        """Files: a process of one thread that writes "0" to each has put itself in, with all that
        it starts from then on.

        Who moves into ``cgroup.procs`` waits until no process of the machine is being started or
        ends (5 to 20 ms). A thread that moves itself need not (``cgroup_procs_write_start`` in the
        kernel's ``cgroup.c``, since 5.5), but version 2 knows no memory of single threads.
        """
        name = "tasks" if self.version == 1 else "cgroup.procs"
        return tuple(str(folder / name) for folder in self._folders)

    def add(self, pid: int) -> None:
        """Put a running process in; what it allocated before isn't moved.

        Raises:
            OSError: the process is gone, or this user may not move it.
        """
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def pids(self) -> list[int]:
        """The processes in it now, those in groups made inside it too."""
        found = set(map(int, (read_text(self._often["cgroup.procs"]) or "").split()))
        if _may_have_inner(self._memory):
            for folder in _with_inner(self._memory):
                found.update(map(int, (read_text(folder / "cgroup.procs") or "").split()))
        return sorted(found - {0})

    def memory(self) -> GroupMemory:
        """One reading; a few small files."""
        stat = read_fields(self._often["memory.stat"], _STAT[self.version])
        cache = page_cache(stat, self.version)
        if self.version == 2:
            total, anon = read_int(self._often["memory.current"]), stat.get("anon", 0)
            shared = stat.get("shmem", 0)
        else:
            total, anon = read_int(self._often["memory.usage_in_bytes"]), stat.get("total_rss", 0)
            shared = stat.get("total_shmem", 0)
        watermark = self._read_peak()
        return GroupMemory(
            used=max(0, (total or 0) - cache),
            cache=cache,
            anon_and_shmem=anon + shared,
            watermark=watermark,
            anonymous=anon,
        )

    def _read_peak(self) -> int | None:
        if self.version == 1:
            return read_int(self._often["memory.max_usage_in_bytes"])
        with contextlib.suppress(OSError, ValueError):
            return None if self._peak is None else int(os.pread(self._peak, 64, 0))
        return None

    def set_watermark_back(self) -> bool:
        """To what it holds now; ``False``: this kernel can't (2: before 6.12), or we may not.

        Only for when nothing happens in it: what comes and goes since the last reading is lost.
        """
        try:
            if self.version == 2:
                return self._peak is not None and os.pwrite(self._peak, b"reset", 0) > 0
            self._highest = max(self._highest, self._read_peak() or 0)
            Path(self._often["memory.max_usage_in_bytes"]).write_text("0")
        except OSError:
            return False
        return True

    def oom_kills(self) -> int:
        """How many of its processes the kernel killed for want of memory, here or above."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return read_fields(self._often[name], ("oom_kill",)).get("oom_kill", 0)

    def reached_limit(self) -> bool:
        """Whether its own limit ever refused memory: with :meth:`oom_kills`, that it killed."""
        if self.version == 2:
            return read_table(self._memory / "memory.events").get("oom", 0) > 0
        # Newer kernels leave memory.failcnt at 0; but who is refused stands within a huge page
        # and some reserves of the limit.
        limit = read_limit(self._memory / "memory.limit_in_bytes")
        peak = read_int(self._memory / "memory.max_usage_in_bytes") or 0
        near = max(_NEAR, (limit or 0) // 20)
        return limit is not None and max(self._highest, peak) + near >= limit

    def limit_memory(self, memory: int) -> None:
        """Another limit than it was made with, in bytes.

        Raises:
            OSError: it holds more than that, or is gone.
        """
        if self.version == 2:
            (self._memory / "memory.max").write_text(str(memory))
            return
        names = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        # The limit of memory and swap may never be below that of memory.
        if memory > (read_limit(self._memory / names[0]) or 0):
            names.reverse()
        for name in names:
            if (self._memory / name).exists():
                (self._memory / name).write_text(str(memory))

    @property
    def limits_pids(self) -> bool:
        """Whether the kernel counts its processes and threads."""
        return self._file("pids.max") is not None

    @property
    def limits_cpu(self) -> bool:
        """Whether its processor time can be limited."""
        return self._file("cpu.max" if self.version == 2 else "cpu.cfs_quota_us") is not None

    def forks_refused(self) -> int:
        """How often a process or thread was not started because there were too many."""
        path = self._file("pids.events")
        return 0 if path is None else read_table(path).get("max", 0)

    def tasks(self) -> int | None:
        """Processes and threads in it now; ``None``: not counted."""
        path = self._file("pids.current")
        return None if path is None else read_int(path)

    def _file(self, name: str) -> Path | None:
        paths = (folder / name for folder in self._folders)
        return next((path for path in paths if path.exists()), None)

    def start_no_more(self) -> None:
        """From now on nothing in it can start a process: what is killed isn't replaced."""
        path = self._file("pids.max")
        if path is not None:
            with contextlib.suppress(OSError):
                path.write_text("0")

    def kill(self, patience: float = _PATIENCE) -> list[int]:
        """SIGKILL to all in it until none is left; those still there after ``patience`` seconds.

        Zombies are the parents' to reap: they don't count.
        """
        deadline = time.monotonic() + patience
        while pids := self.pids():
            try:
                (self._memory / "cgroup.kill").write_text("1")
            except OSError:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                return pids
            time.sleep(0.005)
        return []

    def close(self) -> bool:
        """Kill what is in it and remove it; whether it is gone."""
        self.start_no_more()
        self.kill()
        if self._peak is not None:
            os.close(self._peak)
            self._peak = None
        gone = True
        for folder in self._folders:
            gone = _remove(folder) and gone
        return gone


def create(
    cgroups: Cgroups,
    name: str,
    memory: int | None,
    pids: int | None = None,
    cpu: float | None = None,
) -> LimitedGroup:
    """A new group ``name`` limited to ``memory`` bytes without swap, ``pids`` tasks, ``cpu`` cores.

    It lies in the group of this process, or in an ancestor from which nothing limits us more:
    making it never widens what we may use. ``None``: no limit of that kind. Whether the group can
    limit tasks and cores says it itself.

    Raises:
        OSError: it can't be made or limited here; the message says what refused.
    """
    version, parents, processor = _parents(cgroups)
    folders = tuple(parent / name for parent in parents)
    group = None
    try:
        for folder in folders:
            try:
                folder.mkdir(mode=0o755)
            except OSError:
                if cpu is not None or folder.parent != processor:
                    raise
                folders = folders[:-1]
        group = LimitedGroup(version, folders)
        _weigh(folders, version)
        if version == 2:
            _limit_v2(folders[0], memory, pids)
        else:
            _limit_v1(folders, memory, pids)
        if cpu is not None:
            _limit_cpu(folders, version, cpu)
    except OSError:
        if group is not None:
            group.close()
        for folder in folders:
            _remove(folder)
        raise
    return group


def _limit_v2(folder: Path, memory: int | None, pids: int | None) -> None:
    if memory is not None:
        (folder / "memory.max").write_text(str(memory))
        if (folder / "memory.swap.max").exists():
            (folder / "memory.swap.max").write_text("0")
        # All of the tree or none of it: half a process pool hangs for ever.
        (folder / "memory.oom.group").write_text("1")
    if pids is not None and (folder / "pids.max").exists():
        (folder / "pids.max").write_text(str(pids))


def _limit_v1(folders: tuple[Path, ...], memory: int | None, pids: int | None) -> None:
    if memory is not None:
        (folders[0] / "memory.limit_in_bytes").write_text(str(memory))
        swap = folders[0] / "memory.memsw.limit_in_bytes"
        if swap.exists():
            swap.write_text(str(memory))
        else:
            (folders[0] / "memory.swappiness").write_text("0")
    for folder in folders:
        if pids is not None and (folder / "pids.max").exists():
            (folder / "pids.max").write_text(str(pids))


def _limit_cpu(folders: tuple[Path, ...], version: int, cpu: float) -> None:
    quota = round(cpu * _PERIOD)
    if version == 2:
        if (folders[0] / "cpu.max").exists():
            (folders[0] / "cpu.max").write_text(f"{quota} {_PERIOD}")
        return
    for folder in folders:
        if (folder / "cpu.cfs_quota_us").exists():
            (folder / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))


def find(cgroups: Cgroups, name: str) -> LimitedGroup | None:
    """The group of ours with this name, if it is there."""
    try:
        version, parents, _ = _parents(cgroups)
    except OSError:
        return None
    folders = tuple(parent / name for parent in parents)
    if not folders[0].is_dir():
        return None
    return LimitedGroup(version, tuple(folder for folder in folders if folder.is_dir()))


def can_limit(cgroups: Cgroups) -> LimitSupport:
    """Find out by doing: make a group, limit it, put a process in, take all away again."""
    try:
        group = create(cgroups, f"{own_prefix(cgroups)}try", 1 << 30, 64)
    except OSError as error:
        return LimitSupport(None, _reason(error))
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            group.add(child.pid)
            inside = group.pids() == [child.pid]
            child.kill()
        if not inside:
            return LimitSupport(None, "a process that was put into a new group is not in it")
        return LimitSupport(group.version, "")
    except OSError as error:
        return LimitSupport(None, _reason(error))
    finally:
        group.close()


def own_prefix(cgroups: Cgroups) -> str:
    """How the names of this process' groups start; no other process, now or later, shares it."""
    stat = read_text(cgroups.proc / "self" / "stat") or ""
    started = stat.rpartition(")")[2].split()[19:20]
    return f"{PREFIX}{_pid_namespace(cgroups)}-{os.getpid()}-{''.join(started)}-"


def remove_stale(cgroups: Cgroups) -> list[str]:
    """Remove groups whose maker died without doing it, with all that still runs in them."""
    namespace, removed = _pid_namespace(cgroups), []
    try:
        version, parents, _ = _parents(cgroups)
    except OSError:
        return []
    for first in list(parents[0].glob(f"{PREFIX}{namespace}-*")):
        if not is_alive(cgroups, first.name):
            folders = tuple(parent / first.name for parent in parents)
            LimitedGroup(version, folders).close()
            removed.append(first.name)
    return removed


def is_alive(cgroups: Cgroups, name: str) -> bool:
    """Whether the maker of what has this name lives, or may: one of another pid namespace may."""
    mine = f"{PREFIX}{_pid_namespace(cgroups)}-"
    if not name.startswith(mine):
        return True
    pid, _, rest = name.removeprefix(mine).partition("-")
    stat = read_text(cgroups.proc / pid / "stat") or ""
    return stat.rpartition(")")[2].split()[19:20] == [rest.partition("-")[0]]


def _weigh(folders: tuple[Path, ...], version: int) -> None:
    """Let the group be one among others on each core, however many tasks it has: the thousands of
    a fork bomb leave the rest of the machine its half.
    """
    cores = os.cpu_count() or 1
    for folder in folders:
        name, weight = ("cpu.weight", 100 * cores) if version == 2 else ("cpu.shares", 1024 * cores)
        if (folder / name).exists():
            with contextlib.suppress(OSError):
                (folder / name).write_text(str(min(weight, 10_000 if version == 2 else 1 << 18)))


def _parents(cgroups: Cgroups) -> tuple[int, list[Path], Path | None]:
    """Version, and the folders to make a group in: memory first, then pids where that is apart,
    then the processor where that is. Last, again, the one that is there for the processor only: a
    group can do without it.

    Raises:
        OSError: there is none.
    """
    version, chain = cgroups.chain("memory")
    if not chain:
        raise OSError("no memory controller is mounted under /sys/fs/cgroup")
    if version == 1:
        found, processor = [chain[0]], None
        for name in ("pids", "cpu"):
            other_version, other = cgroups.chain(name)
            # Two controllers may share a hierarchy, and then the group.
            if other_version == 1 and other[0] not in found:
                found.append(other[0])
                processor = other[0] if name == "cpu" else None
        return 1, found, processor
    for group in chain:
        if "memory" in (read_text(group / "cgroup.subtree_control") or "").split():
            return 2, [group], None
        if not (group / "cgroup.events").exists() and (group / "cgroup.controllers").exists():
            # Only the true root has no events; only there may groups and processes lie together.
            (group / "cgroup.subtree_control").write_text("+memory +pids")
            with contextlib.suppress(OSError):
                (group / "cgroup.subtree_control").write_text("+cpu")
            return 2, [group], None
        bound = [name for name in ("memory.max", "memory.high") if read_limit(group / name)]
        if bound or not (read_text(group / "cpu.max") or "max").startswith("max"):
            raise OSError(f"{group} is limited itself and hands no memory controller down")
    raise OSError(f"{chain[-1]} hands no memory controller down (cgroup.subtree_control)")


def _pid_namespace(cgroups: Cgroups) -> str:
    try:
        return os.readlink(cgroups.proc / "self" / "ns" / "pid").strip("pid:[]")
    except OSError:
        return "0"


def _reason(error: OSError) -> str:
    if error.errno is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)


def _may_have_inner(folder: Path) -> bool:
    """A folder's links are itself, its entry, and each folder in it; not on every file system."""
    try:
        return os.stat(folder).st_nlink != 2
    except OSError:
        return False


def _with_inner(folder: Path) -> Iterator[Path]:
    """The group and those that its own processes made inside it, innermost first."""
    for inner, _, _ in os.walk(folder, topdown=False):
        yield Path(inner)


def _remove(folder: Path) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while folder.exists():
        try:
            for inner in _with_inner(folder):
                inner.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
    return True
