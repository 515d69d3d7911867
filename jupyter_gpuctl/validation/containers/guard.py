"""The worker's side: the container of one kernel, its limits, what it uses, and its end."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ...core.errors import Unavailable
from ...engines.docker import DockerEngine
from ...engines.model import ContainerSpec, ContainerState, Mount
from ...host.cgroups import Cgroups, read_int, read_table
from ...host.limited_groups import LimitedGroup
from ...host.model import ProcessInfo
from ...host.procfs import read_process
from ...host.trees import Tree
from ..accounts import Accounts
from ..events import Job, KernelWanted
from ..limits import OVER_LIMIT, OVER_MACHINE, TASKS, Reading, census
from ..model import ProcessMemory, Tier
from .model import LINK, Container, signal_or_status

_PATIENCE = 10.0
"""Seconds that the engine has to see that a container has ended."""
_NEAR = 8 * 1024**2
_LOG_LINES = 100


class ContainerGuard:
    """The :class:`~jupyter_gpuctl.validation.limits.Guard` of a kernel in a container.

    Its control group is the engine's: we only read it.
    """

    entrances: tuple[str, ...] = ()

    def __init__(self, job: Job, container: Container) -> None:
        self._job, self._container = job, container
        self._limit = job.limits.memory
        self._engine = DockerEngine(container.engine)
        self._id: str | None = None
        self._pid = 0
        self._group: LimitedGroup | None = None
        self._cpu: Path | None = None
        self._cpu_seconds = 0.0
        self._state: ContainerState | None = None
        self._used = self._highest = 0
        self._ooms = 0
        self.tier = Tier.CGROUP_V2 if container.cgroup_version == 2 else Tier.CGROUP_V1

    def start(self, wanted: KernelWanted) -> int:
        """Start the kernel; the pid of its container's first process.

        Raises:
            GpuCtlError: it can't be started; the message says why.
        """
        one, link = self._container, f"{self._job.scratch}/{LINK}"
        _hand_over(link, one.user)
        mounts = [Mount(link), *mounts_of(one.course)]
        spec = ContainerSpec(
            name=one.name,
            image=one.image,
            command=wanted.command,
            labels=one.labels,
            user=one.user,
            folder=wanted.folder,
            env=wanted.environment,
            mounts=tuple(mounts),
            network=one.network,
            memory=self._limit,
            shm=min(one.shm, self._limit or one.shm),
            pids=TASKS,
            cpus=one.cpus,
            host_users=one.host_users,
        )
        self._id = self._engine.create(spec)
        state = self._engine.start(self._id)
        if not state.running:
            self._state = state
            return state.pid
        self._pid = state.pid
        self._look_for_group()
        return state.pid

    def _look_for_group(self) -> None:
        cgroups = Cgroups()
        version, chain = cgroups.chain_of(self._pid, "memory")
        # A group that can't be seen from here is told as the nearest that can, such as our own.
        if not chain or not self._id or self._id not in chain[0].name:
            self._state = self._engine.state(self._id or "")
            if self._state.running:
                raise Unavailable(
                    "engine.elsewhere",
                    "the control group of its container can't be found: the Docker engine sees "
                    "another machine than we do",
                )
            return
        folders = [chain[0]]
        pids_version, pids = cgroups.chain_of(self._pid, "pids")
        if pids_version == 1 and pids[0] not in folders:
            folders.append(pids[0])
        self._group = LimitedGroup(version, tuple(folders))
        _, cpu = cgroups.chain_of(self._pid, "cpuacct" if version == 1 else "memory")
        self._cpu = cpu[0] if cpu else None

    def read(self) -> Reading:
        if self._group is None or self._state is not None:
            return Reading(self._used if self._ended_for() else 0, self._ended_for())
        memory = self._group.memory()
        if memory.used == 0:
            # The group went away with its container.
            self._end()
            return Reading(self._used if self._ended_for() else 0, self._ended_for())
        self._read_cpu()
        self._used = memory.used
        self._highest = max(self._highest, memory.used, (memory.watermark or 0) - memory.cache)
        self._ooms = max(self._ooms, self._group.oom_kills())
        over = None
        if self._ooms > 0:
            over = OVER_LIMIT if self._group.reached_limit() else OVER_MACHINE
        shared = max(0, memory.anon_and_shmem - memory.anonymous)
        return Reading(memory.used, over, memory.cache, memory.watermark, shared=shared)

    def _end(self) -> ContainerState | None:
        """How it ended; ``None`` while it may run."""
        if self._state is None and self._id is not None and self._pid:
            if not self._engine.wait(self._id, _PATIENCE):
                return None
            self._state = self._engine.state(self._id)
        return self._state

    def _ended_for(self) -> str | None:
        """Whether memory ended it. With it goes its control group, and what that would tell."""
        state = self._state
        if state is None:
            return None
        killed = signal_or_status(state.exit_code) == -9
        near = (self._limit or 0) - max(_NEAR, (self._limit or 0) // 20)
        if self._limit is not None and (
            state.ran_out_of_memory or self._ooms or (killed and self._highest >= near)
        ):
            # Who is refused memory has reached the limit.
            self._used = max(self._used, self._limit)
            return OVER_LIMIT
        return OVER_MACHINE if state.ran_out_of_memory or self._ooms else None

    @property
    def exit_code(self) -> int | None:
        """As ``subprocess`` has it; ``None``: it is not known."""
        state = self._end()
        return None if state is None else signal_or_status(state.exit_code)

    @property
    def pids(self) -> Collection[int]:
        """On this machine; the container's own first process left out."""
        return [] if self._group is None else [p for p in self._group.pids() if p != self._pid]

    def members(self) -> list[ProcessInfo]:
        """The processes in the container."""
        found = (read_process(pid) for pid in self.pids)
        return [process for process in found if process is not None]

    def kernel(self, members: Collection[ProcessInfo]) -> int | None:
        """The pid of the kernel among these."""
        return next((one.pid for one in members if one.parent == self._pid), None)

    def cpu_seconds(self) -> float:
        """Of all in the container, so far."""
        self._read_cpu()
        return self._cpu_seconds

    def _read_cpu(self) -> None:
        if self._cpu is None:
            return
        used = read_int(self._cpu / "cpuacct.usage")
        if used is not None:
            self._cpu_seconds = max(self._cpu_seconds, used / 1e9)
            return
        used = read_table(self._cpu / "cpu.stat").get("usage_usec")
        if used is not None:
            self._cpu_seconds = max(self._cpu_seconds, used / 1e6)

    def output(self) -> bytes:
        """The end of what it wrote past Jupyter."""
        return b"" if self._id is None else self._engine.log(self._id, _LOG_LINES)

    def mark(self) -> bool:
        return self._group is not None and self._group.set_watermark_back()

    def kill(self) -> None:
        if self._id is not None and self._state is None:
            self._read_cpu()
            self._engine.kill(self._id)
            self._end()

    def close(self) -> None:
        self._engine.remove(self._id or self._container.name)
        self._engine.close()


class ContainerAccounts(Accounts):
    """What the container used: its control group counts, whoever of it has ended."""

    def __init__(self, tree: Tree, guard: ContainerGuard) -> None:
        super().__init__(tree)
        self._guard = guard

    def cpu_seconds(self) -> float:
        return self._guard.cpu_seconds()

    def exit_code(self) -> int | None:
        return self._guard.exit_code

    def _census(self, used: int) -> tuple[ProcessMemory, ...]:
        members = self._guard.members()
        return census(members, self._guard.kernel(members), None, used)


def mounts_of(course: str) -> list[Mount]:
    """The course and, to be read only, what git runs: hooks, and commands that it is set to call.

    Git here is called by whoever validates, with all rights.
    """
    if not course:
        return []
    git = os.path.join(course, ".git")
    return [Mount(course), *([Mount(git, writable=False)] if os.path.exists(git) else [])]


def _hand_over(folder: str, user: str) -> None:
    """Give the folder and what is in it to the user of the container, if we may."""
    uid, _, gid = user.partition(":")
    if os.getuid() == 0 and int(uid):
        for path in (folder, *(os.path.join(folder, name) for name in os.listdir(folder))):
            os.chown(path, int(uid), int(gid))
