"""Trees of processes, found in ``/proc``: who belongs to one, what it holds, and its end.

A process that is a *subreaper* (prctl(2)) becomes the parent of all its descendants that lose
theirs, by a double fork or otherwise: none can leave :class:`Tree`, whatever session it starts. A
server is no subreaper; who left the tree of a kernel unseen is known by a mark in its environment
(:class:`Families`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from .model import ProcessInfo
from .procfs import read_process

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_AGAIN = 20
"""Listings after which a pid that was another's is looked at again: pids are recycled."""
_PSS_SHARE = 4
"""Proportional readings may take at most one part in four of the time."""
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the parent of all descendants that lose theirs."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent() -> None:
    """Ask for SIGKILL when the thread that started this process ends. Safe before an exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Tree:
    """All descendants of the process ``root``. One listing costs little: others' are remembered."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._others: set[int] = set()
        self._listings = 0

    def members(self) -> list[ProcessInfo]:
        """The descendants now, zombies included, the root left out."""
        self._listings += 1
        if self._listings % _LOOK_AGAIN == 0:
            self._others.clear()
        pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        self._others &= pids
        seen = {
            pid: process
            for pid in pids - self._others
            if (process := read_process(pid)) is not None
        }
        members = []
        for process in seen.values():
            ours = self._belongs(process, seen)
            if ours:
                members.append(process)
            elif ours is False:
                self._others.add(process.pid)
        return members

    def _belongs(self, process: ProcessInfo, seen: dict[int, ProcessInfo]) -> bool | None:
        """``None``: can't be told, because its parent went away while we looked."""
        if process.pid == self._root:
            return False
        parent = process.parent
        while parent != self._root:
            if parent in (0, 1) or parent in self._others:
                return False
            if parent not in seen:
                return None
            parent = seen[parent].parent
        return True

    def kill(self, patience: float = 5.0) -> list[int]:
        """SIGKILL to all descendants until none lives; those left after ``patience`` seconds."""
        return kill_all(self.members, patience)


class Families:
    """The processes of several roots at once, each the leader of a session of its own.

    To a root belong: itself, its session, their descendants, whoever was seen to belong before,
    and whoever carries the root's mark, ``variable=value``, in the environment it was started
    with. One listing serves all roots, and others' processes are remembered.
    """

    def __init__(self, variable: str) -> None:
        self._lock = threading.RLock()
        self._variable = variable.encode() + b"="
        self._roots: dict[int, bytes] = {}
        self._started: dict[int, int] = {}
        self._ours: dict[int, tuple[int, int]] = {}
        """Pid to start time and root."""
        self._others: set[int] = set()
        self._unmarked: dict[int, int] = {}
        self._listings = 0

    def follow(self, root: int, value: str) -> None:
        """From now on. ``value`` marks whoever it starts."""
        process = read_process(root)
        with self._lock:
            self._roots[root] = value.encode()
            self._started[root] = process.started if process is not None else -1
            self._others.clear()
            self._unmarked.clear()

    def leave(self, root: int) -> None:
        """No longer."""
        with self._lock:
            self._roots.pop(root, None)
            self._started.pop(root, None)
            self._ours = {pid: kept for pid, kept in self._ours.items() if kept[1] != root}

    def look(self) -> Mapping[int, Sequence[ProcessInfo]]:
        """Root to its processes now, zombies left out."""
        with self._lock:
            return self._look()

    def _look(self) -> Mapping[int, Sequence[ProcessInfo]]:
        self._listings += 1
        if self._listings % _LOOK_AGAIN == 0:
            self._others.clear()
        pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        self._others &= pids
        self._unmarked = {pid: at for pid, at in self._unmarked.items() if pid in pids}
        seen = {
            pid: process
            for pid in sorted(pids - self._others)
            if (process := read_process(pid)) is not None
        }
        ours: dict[int, tuple[int, int]] = {}
        found: dict[int, list[ProcessInfo]] = {root: [] for root in self._roots}
        for process in seen.values():
            root = self._root(process, seen)
            if root is None:
                self._others.add(process.pid)
                continue
            ours[process.pid] = process.started, root
            if not process.zombie:
                found[root].append(process)
        self._ours = ours
        return found

    def crowds(self) -> Mapping[int, int]:
        """Root to the number of processes in the group that it leads, zombies included.

        Far less than its family, but one system call a process: where a bomb has gone off,
        :meth:`look` takes seconds, for its thread must wait its turn among thousands.
        """
        with self._lock:
            found = dict.fromkeys(self._roots, 0)
            others = self._others
        for name in os.listdir("/proc"):
            if name.isdecimal() and (pid := int(name)) not in others:
                with contextlib.suppress(OSError):
                    group = os.getpgid(pid)
                    if group in found:
                        found[group] += 1
        return found

    def members(self, root: int) -> Sequence[ProcessInfo]:
        """Of one root, now."""
        return self.look().get(root, ())

    def _root(self, process: ProcessInfo, seen: Mapping[int, ProcessInfo]) -> int | None:
        above: ProcessInfo | None = process
        while above is not None:
            if self._started.get(above.pid) == above.started:
                return above.pid
            if above.session in self._roots:
                return above.session
            started, root = self._ours.get(above.pid, (None, 0))
            if started == above.started and root in self._roots:
                return root
            above = seen.get(above.parent)
        if self._unmarked.get(process.pid) == process.started:
            return None
        marked = self._marked(process.pid)
        if marked is None:
            self._unmarked[process.pid] = process.started
        return marked

    def _marked(self, pid: int) -> int | None:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            return None  # It has ended, or is another user's.
        for word in words:
            if word.startswith(self._variable):
                value = word[len(self._variable) :]
                return next((root for root, mark in self._roots.items() if mark == value), None)
        return None


def kill_all(members: Callable[[], Iterable[ProcessInfo]], patience: float = 5.0) -> list[int]:
    """SIGKILL to all ``members`` until none lives; those left after ``patience`` seconds.

    First all are stopped: what is stopped can't fork away from the killing.
    """
    deadline = time.monotonic() + patience
    stopped: set[int] = set()
    while time.monotonic() < deadline:
        living = {process.pid for process in members() if not process.zombie}
        if living <= stopped:
            break
        _signal_all(living - stopped, signal.SIGSTOP)
        stopped |= living
    while living := {process.pid for process in members() if not process.zombie}:
        _signal_all(living, signal.SIGKILL)
        if time.monotonic() > deadline:
            return sorted(living)
        time.sleep(0.005)
    return []


class SharedMemory:
    """What a tree of processes holds together.

    The sum of resident memory is cheap but counts shared pages many times (ipykernel#935: 11.6 GB
    for 1.08 GB). So with several processes the exact sum is read: as often as may be, and always
    when the cheap one, which can only be too high, is over the limit. In between each process is
    taken to share as much as it did then, and a new one all that it had when it was first seen.
    """

    def __init__(
        self, limit: int | None, beside: Callable[[Sequence[int]], int] = lambda pids: 0
    ) -> None:
        """``beside``: bytes that belong to these processes too, though others have a share."""
        self._limit = limit
        self._beside = beside
        self._others = 0
        self.held: dict[int, int] = {}
        """Pid to what it had, by itself or shared, at the last reading."""
        self._shared: dict[int, int] = {}
        """Pid to what of that is counted elsewhere."""
        self._exact_until = 0.0

    def read(self, pids: Sequence[int]) -> int:
        """Bytes that these hold now."""
        held = self.held = {pid: resident(pid) for pid in pids}
        used = sum(held.values())
        if len(held) < 2:
            self._shared = {}
            return used
        begun = time.monotonic()
        if begun >= self._exact_until or (self._limit is not None and used > self._limit):
            used = min(used, self._read_exact(held))
            ended = time.monotonic()
            self._exact_until = ended + (ended - begun) * (_PSS_SHARE - 1)
            return used
        self._shared = {pid: self._shared.get(pid, size) for pid, size in held.items()}
        own = sum(max(0, size - self._shared[pid]) for pid, size in held.items())
        return min(used, own + self._others)

    def _read_exact(self, held: dict[int, int]) -> int:
        pids = list(held)
        shares = {pid: proportional(pid) for pid in pids}
        self._others = self._beside(pids)
        exact = sum(shares.values()) + self._others
        # A page is counted twice if one that had it ends between two of the readings.
        again = {pid: proportional(pid) for pid in reversed(pids)}
        others = self._beside(pids)
        if sum(again.values()) + others < exact:
            shares, self._others = again, others
            exact = sum(shares.values()) + others
        now = {pid: resident(pid) for pid in pids}
        self._shared = {pid: max(0, min(held[pid], now[pid]) - shares[pid]) for pid in pids}
        return exact


def _signal_all(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def resident(pid: int) -> int:
    """Bytes that the process holds: anonymous, shared and swapped; pages of files left out.

    A page that several share counts for each in full. 0 when it is gone.
    """
    return _sum_fields(f"/proc/{pid}/status", ("RssAnon:", "RssShmem:", "VmSwap:"))


def anonymous(pid: int) -> int:
    """Bytes that the process holds for itself, swapped ones too; shared memory left out.

    Pages that it shares since a fork count in full. 0 when it is gone.
    """
    return _sum_fields(f"/proc/{pid}/status", ("RssAnon:", "VmSwap:"))


def same_program(pid: int) -> tuple[int, int] | None:
    """What a process has in common with those it forked, until they run another program.

    That is where in memory it was given its environment; ``None``: it may not be seen.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[47]), int(fields[48])  # env_start and env_end: see proc(5).
    except (OSError, ValueError, IndexError):
        return None


def proportional(pid: int) -> int:
    """As :func:`resident`, but a page that several share is divided among them. Slow: it walks
    the page tables. Where it may not be read, :func:`resident`.
    """
    fields = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
    return _sum_fields(f"/proc/{pid}/smaps_rollup", fields) or resident(pid)


def shared(pid: int) -> int:
    """Bytes of pages written to that the process shares with others, as since a fork.

    Slow: it walks the page tables. 0 when it is gone, or where it may not be read.
    """
    return _sum_fields(f"/proc/{pid}/smaps_rollup", ("Shared_Dirty:",))


def _sum_fields(path: str, names: tuple[str, ...]) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = b"\n" + os.read(descriptor, 1 << 16)
        finally:
            os.close(descriptor)
        # Split at the names, not into lines: this is read 20 times a second and more.
        parts = (text.partition(b"\n" + name.encode())[2] for name in names)
        return sum(int(part.split(None, 1)[0]) for part in parts if part) * 1024
    except (OSError, ValueError, IndexError):
        return 0
