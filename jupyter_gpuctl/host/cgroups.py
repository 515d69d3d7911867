"""Control groups, versions 1, 2 and hybrid: what limits this process, and whose container a pid is.

The only reader of ``/sys/fs/cgroup`` and ``/proc/*/cgroup``; groups that *we* make are in
``limited_groups``. Rules from the kernel's ``admin-guide/cgroup-v2`` and ``cgroup-v1/memory``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .model import CgroupLimits

_MOUNTED_AT = Path("/sys/fs/cgroup")
_HUGE = 1 << 60
"""Version 1 writes "no limit" as the largest multiple of a page; nobody has an exbibyte."""

_CONTAINER = re.compile(
    r"""(?:^|[-:])            # alone, or after a runtime: docker-ID.scope, slice:cri-containerd:ID
        ([0-9a-f]{64}|[0-9a-f]{32}-[0-9]{8,})   # the second form is AWS Fargate's
        (?:\.scope)?$""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted cgroup hierarchy, as ``mountinfo`` tells it."""

    version: int
    controllers: frozenset[str]
    """Of version 1; empty for version 2, which lists its own in ``cgroup.controllers``."""
    root: str
    """The group that is seen at ``point``."""
    point: Path


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The cgroup hierarchies among the lines of ``/proc/self/mountinfo`` (see ``proc(5)``)."""
    mounts = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if separator and len(fields) >= 5 and kind[0] in ("cgroup", "cgroup2"):
            options = kind[2] if len(kind) > 2 and kind[0] == "cgroup" else ""
            version = 2 if kind[0] == "cgroup2" else 1
            point = fields[4].replace(r"\040", " ")
            mounts.append(Mount(version, frozenset(options.split(",")), fields[3], Path(point)))
    return mounts


def parse_groups(cgroup: str) -> dict[str, str]:
    """Controller → path in the lines of ``/proc/PID/cgroup``; version 2 has the key ``""``."""
    groups = {}
    for line in cgroup.splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def parse_container_id(cgroup: str) -> str | None:
    """The innermost container named in the lines of ``/proc/PID/cgroup``.

    Knows the paths of Docker, containerd and CRI, CRI-O, Podman, ECS and Fargate. A runtime's own
    monitor (``conmon``) is not in the container that it watches.
    """
    for path in parse_groups(cgroup).values():
        for part in reversed(path.split("/")):
            if "conmon" in part:
                break
            if match := _CONTAINER.search(part):
                return match[1]
    return None


class Cgroups:
    """The control groups of this machine, as this process sees them.

    ``root`` stands for ``/sys/fs/cgroup`` and ``proc`` for ``/proc``: tests give made trees.
    """

    def __init__(self, root: str | Path = _MOUNTED_AT, proc: str | Path = "/proc") -> None:
        self._root, self._proc = Path(root), Path(proc)
        self._known = ""
        self._chains: dict[str, tuple[int, list[Path]]] = {}

    @property
    def proc(self) -> Path:
        return self._proc

    def container_id(self, pid: int) -> str | None:
        """The id of the container that ``pid`` runs in; ``None``: in none, or it can't be told."""
        return parse_container_id(read_text(self._proc / str(pid) / "cgroup") or "")

    def chain(self, controller: str) -> tuple[int, list[Path]]:
        """Version, and the folders from this process' own group up to the topmost visible one.

        ``(0, [])`` where no hierarchy with this controller is mounted. Found anew only when this
        process has been moved.
        """
        own = read_text(self._proc / "self" / "cgroup") or ""
        if own != self._known or not self._chains:
            self._known, self._chains = own, self._find_chains(own)
        return self._chains.get(controller, (0, []))

    def chain_of(self, pid: int, controller: str) -> tuple[int, list[Path]]:
        """As :meth:`chain`, of another process; ``(0, [])`` for one that is gone."""
        groups = read_text(self._proc / str(pid) / "cgroup")
        return self._find_chains(groups).get(controller, (0, [])) if groups else (0, [])

    def limits(self) -> CgroupLimits | None:
        """What this process may use at most, ancestors counted in; ``None``: nothing is limited.

        Never raises. A few small reads: the monitor calls this every tick.
        """
        version, groups = self.chain("memory")
        memory_limit, memory_used = self._memory(version, groups)
        pids_version, pids_groups = self.chain("pids")
        pids_limit, bound = _tightest(pids_groups, lambda group: read_limit(group / "pids.max"))
        cpu_version, cpu_groups = self.chain("cpu")
        quota = _quota_v2 if cpu_version == 2 else _quota_v1
        cpu_limit, _ = _tightest(cpu_groups, quota)
        if memory_limit is None and pids_limit is None and cpu_limit is None:
            return None
        return CgroupLimits(
            version=version or pids_version or cpu_version,
            memory_limit=None if memory_limit is None else int(memory_limit),
            memory_used=memory_used,
            cpu_limit=cpu_limit,
            pids_limit=None if pids_limit is None else int(pids_limit),
            pids_used=read_int(bound / "pids.current") if bound else None,
        )

    def _memory(self, version: int, groups: list[Path]) -> tuple[float | None, int | None]:
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        limit, bound = _tightest(groups, lambda group: read_limit(group / name))
        if version == 1 and groups:
            # Ancestors that a cgroup namespace hides still count here.
            stated = read_table(groups[0] / "memory.stat").get("hierarchical_memory_limit", _HUGE)
            if stated < (_HUGE if limit is None else limit):
                limit, bound = stated, groups[-1]
        group = bound or (groups[0] if groups else None)
        return limit, undroppable(group, version) if group else None

    def _find_chains(self, own: str) -> dict[str, tuple[int, list[Path]]]:
        paths = parse_groups(own)
        chains: dict[str, tuple[int, list[Path]]] = {}
        for mount in parse_mounts(read_text(self._proc / "self" / "mountinfo") or ""):
            if not mount.point.is_relative_to(_MOUNTED_AT):
                continue
            point = self._root / mount.point.relative_to(_MOUNTED_AT)
            if mount.version == 2:
                folders = _chain_of(mount, point, paths.get("", "/"))
                for name in (read_text(point / "cgroup.controllers") or "").split():
                    chains.setdefault(name, (2, folders))
                chains.setdefault("", (2, folders))
            for name in mount.controllers & paths.keys():
                chains[name] = (1, _chain_of(mount, point, paths[name]))
        return chains


def _chain_of(mount: Mount, point: Path, path: str) -> list[Path]:
    """From the group at ``path`` up to the mount point, all within what can be seen."""
    if mount.root not in ("", "/") and not mount.root.startswith("/.."):
        # Without a cgroup namespace a container sees full paths, and its own group mounted.
        inside = path == mount.root or path.startswith(mount.root + "/")
        path = path[len(mount.root) :] if inside else "/"
    # "/.." means: outside this cgroup namespace; what is mounted is the nearest that we see.
    folder = point if ".." in path.split("/") else point / path.lstrip("/")
    if not folder.is_dir():
        folder = point
    return [folder, *(up for up in folder.parents if up.is_relative_to(point))]


def _tightest(
    groups: Iterable[Path], read: Callable[[Path], float | None]
) -> tuple[float | None, Path | None]:
    found = [(limit, group) for group in groups if (limit := read(group)) is not None]
    return min(found, key=lambda pair: pair[0]) if found else (None, None)


def _quota_v2(group: Path) -> float | None:
    quota, _, period = (read_text(group / "cpu.max") or "max").strip().partition(" ")
    return int(quota) / int(period or 100_000) if quota.isdigit() else None


def _quota_v1(group: Path) -> float | None:
    quota = read_int(group / "cpu.cfs_quota_us")
    period = read_int(group / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def undroppable(group: Path, version: int) -> int | None:
    """Bytes of the group that can't be freed by dropping page cache: what a limit bites on."""
    used = read_int(group / ("memory.current" if version == 2 else "memory.usage_in_bytes"))
    if used is None:
        return None
    return max(0, used - page_cache(read_table(group / "memory.stat"), version))


def page_cache(stat: dict[str, int], version: int) -> int:
    """Bytes of file pages in ``memory.stat``, which can be dropped; shared memory can't be.

    Not the sum of active_file and inactive_file: pages just read are for a while on neither
    list, tens of megabytes of them where the file system reads in large folios.
    """
    if version == 2:
        return max(0, stat.get("file", 0) - stat.get("shmem", 0))
    return max(0, stat.get("total_cache", 0) - stat.get("total_shmem", 0))


def read_text(path: Path | str) -> str | None:
    """``None`` for whatever can't be read: groups and processes go away at any time."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.read(descriptor, 1 << 16)
        finally:
            os.close(descriptor)
        return found.decode(errors="replace")
    except OSError:
        return None


def read_int(path: Path | str) -> int | None:
    """The number that the file holds; ``None`` where it holds none."""
    try:
        return int(read_text(path) or "")
    except ValueError:
        return None


def read_limit(path: Path | str) -> int | None:
    """The limit that the file holds; ``None`` for "max" and for numbers that mean it."""
    limit = read_int(path)
    return None if limit is None or limit < 0 or limit >= _HUGE else limit


def read_table(path: Path | str) -> dict[str, int]:
    """``name number`` lines, as ``memory.stat`` has them."""
    table = {}
    for line in (read_text(path) or "").splitlines():
        name, _, number = line.partition(" ")
        if number.isdigit():
            table[name] = int(number)
    return table


def read_fields(path: str, names: Iterable[str]) -> dict[str, int]:
    """As :func:`read_table`, of these names only: a fifth of the work, for who reads it often."""
    text = "\n" + (read_text(path) or "")
    found = {}
    for name in names:
        _, there, rest = text.partition(f"\n{name} ")
        number = rest.partition("\n")[0]
        if there and number.isdigit():
            found[name] = int(number)
    return found
