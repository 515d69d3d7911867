"""Stopping processes: the only place of this package that signals what it has not started.

A process is named by its pid *and* its start time. It is pinned by a pidfd (pidfd_open(2), Linux
5.3) before the start time is read, so that what is signalled is what was looked at; on an older
kernel the start time is read once more, right before kill(2).
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ...gpus.ports import ProcessTable
from ...host.identity import user_name
from ...host.model import ProcessInfo

MAX_ANCESTORS = 64
SHORT_ID = 12
"""Characters of a container's id that Docker shows."""

DAEMONS = frozenset(
    {
        # Of the driver and its tools.
        *("nvidia-persistenced", "nvidia-powerd", "nv-fabricmanager", "nv-hostengine"),
        *("nvidia-cuda-mps-control", "nvidia-cuda-mps-server", "dcgm-exporter", "nvsm_core"),
        # What draws the screen of whoever sits in front of the machine.
        *("Xorg", "X", "Xwayland", "gnome-shell", "kwin_x11", "kwin_wayland", "plasmashell"),
        *("gdm-x-session", "sddm", "lightdm", "weston", "sway", "cinnamon", "xfwm4"),
        *("containerd", "dockerd", "systemd", "systemd-logind"),
    }
)
"""Programs that nobody leases a GPU for. Only where the file that runs is root's: a name is
quickly taken."""

_OPEN_PIDFD: Callable[[int], int] | None = getattr(os, "pidfd_open", None)
_NO_PIDFD = (errno.ENOSYS, errno.EPERM)
"""An old kernel; a container whose seccomp profile is older than the call."""


class Reason(StrEnum):
    """Why a process is not to be stopped by this server."""

    GONE = "gone"
    """It has ended; another one may have its pid."""
    FIRST = "first"
    """Pid 1."""
    OURSELVES = "ourselves"
    """This server, or what has started it."""
    OUTSIDE = "outside"
    """The driver's pid means nothing in this pid namespace."""
    CONTAINER = "container"
    DAEMON = "daemon"
    ROOTS = "roots"
    ANOTHER_USERS = "another_users"
    UNKNOWN = "unknown"
    """Nobody knows whose it is."""
    FORBIDDEN = "forbidden"
    """The system refused, though it should not have."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a process is not stopped."""

    reason: Reason
    message: str
    """What is so, and who can stop it; goes after a colon, and ends without a full stop."""


class Processes(ProcessTable, Protocol):
    """What is asked about processes, from one thread at a time."""

    def uid(self, pid: int) -> int | None:
        """The real user id; ``None``: no such process."""
        ...

    def program(self, pid: int) -> tuple[str, int] | None:
        """Name and owner (user id) of the file that it runs; ``None``: it may not be seen."""
        ...


class Signals:
    """Signals processes, as far as this server has the right. Used from one thread at a time."""

    def __init__(
        self,
        table: Processes,
        *,
        server_pid: int,
        open_pidfd: Callable[[int], int] | None = _OPEN_PIDFD,
    ) -> None:
        self._table = table
        self._server_pid = server_pid
        self._open_pidfd = open_pidfd

    def refusal(self, pid: int, started: int, *, ours: bool = False) -> Refusal | None:
        """Why this server may not stop a process; ``None``: it may.

        ``ours``: it belongs to a kernel of this server, though it may have been re-parented.
        """
        if pid <= 1:
            return Refusal(Reason.FIRST, f"pid {pid} is the system's first process")
        info = self._table.info(pid)
        if info is None or info.started != started:
            return _gone(pid)
        if pid in (self._server_pid, os.getpid()):
            return Refusal(Reason.OURSELVES, "it is this Jupyter server")
        server = self._table.info(self._server_pid)
        if server is not None and any(each.pid == pid for each in self._ancestors(server)):
            return Refusal(Reason.OURSELVES, "it has started this Jupyter server")
        if not self._table.verified(pid):
            return Refusal(Reason.OUTSIDE, "it runs outside this server's container")
        return self._no_right(info, ours=ours)

    def _no_right(self, info: ProcessInfo, *, ours: bool) -> Refusal | None:
        pid = info.pid
        container = self._table.container(pid)
        if container is not None:
            return contained(container)
        program = self._table.program(pid)
        if program is not None and program[0] in DAEMONS and program[1] == 0:
            return Refusal(Reason.DAEMON, f"{program[0]} belongs to the system")
        uid, own = self._table.uid(pid), os.geteuid()
        if uid is None:
            return _gone(pid)
        if uid == 0 and own == 0:
            if ours or any(each.pid == self._server_pid for each in self._ancestors(info)):
                return None
            message = f"it is root's, and not of this server; whoever started it can: kill {pid}"
            return Refusal(Reason.ROOTS, message)
        if own in (0, uid):
            return None
        can = f"an administrator of the machine can stop it with: sudo kill {pid}"
        if uid == 0:
            return Refusal(Reason.ROOTS, f"it is root's; {can}")
        return Refusal(Reason.ANOTHER_USERS, f"it is {user_name(uid) or f'user {uid}'}'s; {can}")

    def send(
        self,
        pid: int,
        started: int,
        number: signal.Signals,
        *,
        ours: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> Refusal | None:
        """Signal a process; ``None``: it was done.

        ``before`` is called when nothing stands against it any more; what it raises is raised,
        and then nothing is sent.
        """
        pinned: int | None = None
        if pid > 1 and self._open_pidfd is not None:
            try:
                pinned = self._open_pidfd(pid)
            except OSError as error:
                if error.errno not in _NO_PIDFD:
                    return _gone(pid)
        try:
            refusal = self.refusal(pid, started, ours=ours)
            if refusal is not None:
                return refusal
            before()
            if pinned is not None:
                signal.pidfd_send_signal(pinned, number)
                return None
            info = self._table.info(pid)
            if info is None or info.started != started:
                return _gone(pid)
            os.kill(pid, number)
        except ProcessLookupError:
            return _gone(pid)
        except PermissionError:
            return Refusal(
                Reason.FORBIDDEN,
                "the system doesn't let this server stop it; "
                f"an administrator of the machine can: sudo kill {pid}",
            )
        finally:
            if pinned is not None:
                os.close(pinned)
        return None

    def _ancestors(self, info: ProcessInfo) -> Iterator[ProcessInfo]:
        for _ in range(MAX_ANCESTORS):
            parent = self._table.info(info.parent) if info.parent > 0 else None
            # A parent is older than its child; one that isn't has taken over a recycled pid.
            if parent is None or parent.started > info.started:
                return
            yield parent
            info = parent


def contained(container: str) -> Refusal:
    """What runs in another container has its user ids from there: they mean nothing here."""
    name = container[:SHORT_ID]
    return Refusal(Reason.CONTAINER, f"it runs in container {name}: docker stop {name}")


def _gone(pid: int) -> Refusal:
    return Refusal(Reason.GONE, f"it has ended; if there is a pid {pid}, it is another process")
