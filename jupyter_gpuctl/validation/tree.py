"""The processes of one notebook: all descendants of its worker, found in ``/proc``.

The worker is a *subreaper* (prctl(2)): whoever loses its parent, by a double fork or otherwise,
becomes the worker's child and can't leave the tree, whatever session it starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time

from ..host.model import ProcessInfo
from ..host.procfs import read_process

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_AGAIN = 20
"""Listings after which a pid that was another's is looked at again: pids are recycled."""
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
        """SIGKILL to all descendants until none lives; those left after ``patience`` seconds.

        First all are stopped: what is stopped can't fork away from the killing.
        """
        deadline = time.monotonic() + patience
        stopped: set[int] = set()
        while time.monotonic() < deadline:
            living = {process.pid for process in self.members() if not process.zombie}
            if living <= stopped:
                break
            _signal_all(living - stopped, signal.SIGSTOP)
            stopped |= living
        while living := {process.pid for process in self.members() if not process.zombie}:
            _signal_all(living, signal.SIGKILL)
            if time.monotonic() > deadline:
                return sorted(living)
            time.sleep(0.005)
        return []


def _signal_all(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def resident(pid: int) -> int:
    """Bytes that the process holds: anonymous, shared and swapped; pages of files left out.

    A page that several share counts for each in full. 0 when it is gone.
    """
    return _sum_fields(f"/proc/{pid}/status", ("RssAnon:", "RssShmem:", "VmSwap:"))


def proportional(pid: int) -> int:
    """As :func:`resident`, but a page that several share is divided among them. Slow: it walks
    the page tables. Where it may not be read, :func:`resident`.
    """
    fields = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
    return _sum_fields(f"/proc/{pid}/smaps_rollup", fields) or resident(pid)


def _sum_fields(path: str, names: tuple[str, ...]) -> int:
    total = 0
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(names):
                    total += int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return 0
    return total
