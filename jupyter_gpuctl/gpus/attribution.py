"""Whose process is it? From the driver's pid to kernel, notebook and user. Never a wrong owner.

A kernel leads a session of its own, and what it starts stays in that session or below it. So a
process belongs to a kernel if its session is the kernel's, or if one of its ancestors does. Once
seen so, a process is remembered by pid *and start time*: it stays the kernel's when it is
re-parented or when the kernel is restarted, and a recycled pid never inherits it.

Outside kernels the operating system's user is told, where it means something: not for processes
in other containers, whose user ids are their own, and not for the Hub's user by the Hub's name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ..host.identity import ServerUser
from ..host.model import ProcessInfo
from .model import DeviceProcess, GpuProcess, Owner
from .ports import Kernel, ProcessTable

MAX_ANCESTORS = 64
LOOK_AT_ALL_EVERY = 30
"""Ticks between two readings of every process of the machine; see :meth:`Attributor._look`."""

OUTSIDE = "It runs outside this container."
GONE = "It has ended, or may not be seen from here."
SIMULATED = "It is simulated."
IN_CONTAINER = "It runs in another container."
NO_NOTEBOOK = "No notebook of this server started it."
UNNAMED = "Its user has no name on this machine."

Identity = tuple[int, int]


class Attributor:
    """Attributes processes, tick by tick. Used from one thread at a time."""

    def __init__(self, table: ProcessTable, user: ServerUser, server_pid: int) -> None:
        self._table = table
        self._user = user
        self._server_pid = server_pid
        self._kernels: dict[str, Kernel] = {}
        self._firsts: dict[tuple[str, int], int] = {}
        self._leaders: dict[int, tuple[str, int]] = {}
        self._known: dict[Identity, str] = {}
        self._infos: dict[int, ProcessInfo | None] = {}
        self._strangers: dict[int, ProcessInfo] = {}
        self._members: dict[str, list[ProcessInfo]] = {}
        self._look_at_all = 0
        self._others: dict[Identity, GpuProcess] = {}
        self._seen: set[Identity] = set()

    def begin(self, kernels: Sequence[Kernel]) -> None:
        """Start a tick: these are the kernels now."""
        self._infos = {}
        # What was not asked about in the last tick has ended, or left the devices.
        self._known = {key: value for key, value in self._known.items() if key in self._seen}
        self._others = {key: value for key, value in self._others.items() if key in self._seen}
        self._seen = set()
        self._kernels |= {kernel.kernel_id: kernel for kernel in kernels}
        remembered = {kernel.kernel_id for kernel in kernels} | set(self._known.values())
        self._kernels = {k: v for k, v in self._kernels.items() if k in remembered}
        leaders = self._leaders
        self._lead(kernels)
        self._look(all_anew=self._leaders != leaders)

    def _look(self, *, all_anew: bool) -> None:
        """Find the processes of kernels among those of the machine.

        There may be thousands, and a process is a kernel's from its start or never. So only those
        that are new or a kernel's are read each tick, and the strangers again when a kernel has
        come or gone, or after a while, when a stranger's pid may have been given away.
        """
        self._look_at_all -= 1
        if all_anew or self._look_at_all <= 0:
            self._strangers, self._look_at_all = {}, LOOK_AT_ALL_EVERY
        strangers, members = {}, defaultdict(list)
        for pid in self._table.pids() if self._leaders or self._known else ():
            info = self._strangers.get(pid)
            if info is None:
                info = self._info(pid)
                kernel_id = None if info is None else self.kernel_of(info)
                if info is None:
                    continue
                if kernel_id is not None:
                    members[kernel_id].append(info)
                    continue
            strangers[pid] = info
        self._strangers, self._members = strangers, members

    def _lead(self, kernels: Sequence[Kernel]) -> None:
        """Find the processes that lead the kernels.

        A kernel that died leaves its pid behind until it is restarted, and the machine may give
        that pid away. So the process that is accepted is a descendant of this server, and it is
        the one that had the pid when the kernel was first seen with it.
        """
        firsts, self._leaders = self._firsts, {}
        self._firsts = {}
        for kernel in kernels:
            if kernel.pid is None:
                continue
            leader = self._info(kernel.pid)
            key = (kernel.kernel_id, kernel.pid)
            started = firsts.get(key)
            if started is None and leader is not None:
                ancestors = {ancestor.pid for ancestor in self._ancestors(leader)}
                started = leader.started if self._server_pid in ancestors else None
            if started is not None:
                self._firsts[key] = started
                if leader is not None and leader.started == started:
                    self._leaders[leader.pid] = (kernel.kernel_id, started)

    @property
    def members(self) -> Mapping[str, Sequence[ProcessInfo]]:
        """The processes of each kernel in this tick, by its id."""
        return self._members

    def kernel_of(self, info: ProcessInfo) -> str | None:
        """The id of the kernel that ``info`` belongs to, itself or by session or ancestors."""
        self._seen.add(info.identity)
        if info.identity in self._known:
            return self._known[info.identity]
        stranger = self._strangers.get(info.pid)
        if stranger is not None and stranger.started == info.started:
            return None
        for each in (info, *self._ancestors(info)):
            found = self._known.get(each.identity) or self._led(each)
            if found is not None:
                self._known[info.identity] = found
                return found
            if each.pid == self._server_pid:
                break
        return None

    def attribute(self, process: DeviceProcess, *, simulated: bool = False) -> GpuProcess:
        """``process`` with its owner, or with the reason why there is none."""
        info = self._info(process.pid)
        if info is None:
            reason = SIMULATED if simulated else OUTSIDE if self._confined(process.pid) else GONE
            return GpuProcess(process.pid, None, process.memory, None, reason)
        if not simulated and self._confined(process.pid):
            return GpuProcess(process.pid, None, process.memory, None, OUTSIDE)
        kernel_id = self.kernel_of(info)
        if kernel_id is not None:
            owner = Owner(self._user.name, self._kernels[kernel_id].notebook, kernel_id)
            return GpuProcess(process.pid, info.name, process.memory, owner)
        other = self._others.get(info.identity)
        if other is None:
            other = self._others[info.identity] = self._without_kernel(info)
        return GpuProcess(
            process.pid, info.name, process.memory, other.owner, other.unattributed, other.container
        )

    def _without_kernel(self, info: ProcessInfo) -> GpuProcess:
        def answer(
            owner: Owner | None, reason: str | None = None, container: str | None = None
        ) -> GpuProcess:
            return GpuProcess(info.pid, info.name, None, owner, reason, container)

        if any(each.pid == self._server_pid for each in (info, *self._ancestors(info))):
            return answer(Owner(self._user.name))
        container = self._table.container(info.pid)
        if container is not None:
            return answer(None, IN_CONTAINER, container[:12])
        name = self._table.user(info.pid)
        if name is None:
            return answer(None, UNNAMED)
        if self._user.from_hub and self._table.user(self._server_pid) == name:
            # Under one account the Hub may serve many people.
            return answer(None, NO_NOTEBOOK)
        return answer(Owner(name))

    def _confined(self, pid: int) -> bool:
        return not self._table.verified(pid)

    def _led(self, info: ProcessInfo) -> str | None:
        """The kernel that ``info`` leads, or in whose session it is."""
        for pid in (info.pid, info.session):
            kernel_id, started = self._leaders.get(pid, (None, 0))
            if kernel_id is not None and (
                info.started == started if pid == info.pid else info.started >= started
            ):
                return kernel_id
        return None

    def _info(self, pid: int) -> ProcessInfo | None:
        if pid not in self._infos:
            self._infos[pid] = self._table.info(pid)
        return self._infos[pid]

    def _parent(self, pid: int) -> ProcessInfo | None:
        # A stranger from an earlier tick will do: what it is not the parent of is nobody's.
        return self._infos.get(pid) or self._strangers.get(pid) or self._info(pid)

    def _ancestors(self, info: ProcessInfo) -> Iterator[ProcessInfo]:
        for _ in range(MAX_ANCESTORS):
            parent = self._parent(info.parent) if info.parent > 0 else None
            # A parent is older than its child; one that isn't has taken over a recycled pid.
            if parent is None or parent.started > info.started:
                return
            yield parent
            info = parent
