"""The validator's side of one warm process: what it says of itself, and what it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SOCKET = socket.SOCK_SEQPACKET
_READY = 150.0
"""Seconds until a warm process must have said that it is."""
_ANSWER = 30.0
_GONE = "the process that it would be forked from has ended"


class Unforkable(Exception):
    """No process could be forked; the message says why."""


class LeftOut(Unforkable):
    """A module can't be imported ahead; the message says why."""


class Gone(Unforkable):
    """Something has killed the warm process that ``control`` leads to."""

    def __init__(self, control: socket.socket) -> None:
        super().__init__(_GONE)
        self.control = control


@dataclass(frozen=True, slots=True)
class Forked:
    """A process that was forked for us. It is not our child."""

    pid: int
    descriptor: int
    """Its pidfd."""
    link: socket.socket

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)

    def wait(self) -> int | None:
        """Until it has ended; its exit status, ``None`` where nobody is left to tell it."""
        readable(self.descriptor, None)
        status: int | None = None
        with contextlib.suppress(OSError, ValueError):
            self.link.settimeout(_ANSWER)
            status = json.loads(self.link.recv(4096)).get("status")
        self.link.close()
        os.close(self.descriptor)
        return status


@dataclass(frozen=True, slots=True)
class WarmProcess:
    """One warm process and what it holds. Several threads may ask it at once."""

    control: socket.socket
    memory: int
    """Bytes that a kernel forked from it has from the start."""
    loaded: frozenset[str]
    """Names of modules that a file beside a notebook would hide from a new kernel."""

    def ask(self, kernel: str) -> Any:
        """``argv``, ``env`` and ``metadata`` of a kernel's specification; empty: there is none.

        Raises:
            Gone: the warm process is.
        """
        link, theirs = socket.socketpair(socket.AF_UNIX, SOCKET)
        with link:
            with theirs:
                self._tell({"do": "ask", "kernel": kernel}, [theirs.fileno()])
            try:
                link.settimeout(_ANSWER)
                answer = link.recv(65536)
            except OSError:
                answer = b""
        if not answer:
            raise Gone(self.control)
        return json.loads(answer)

    def grow(self, module: str, link: socket.socket) -> None:
        """Fork a warm process that imports ``module``; ``link`` is going to be its control.

        Raises:
            Gone: this one is.
        """
        self._tell({"do": "grow", "module": module}, [link.fileno()])

    def fork(
        self,
        role: str,
        mark: str,
        descriptors: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> Forked:
        """A process that begins as ``role``, with ``descriptors`` as its 0, 1, 2, 3 ….

        Raises:
            Gone: the warm process is, or it can't fork.
        """
        link = self._fork(role, mark, descriptors, environment, tied=False)
        try:
            link.settimeout(_ANSWER)
            data, found, _, _ = socket.recv_fds(link, 4096, 4)
            if data and found:
                return Forked(int(json.loads(data)["pid"]), found[0], link)
        except OSError:
            pass
        link.close()
        raise Gone(self.control)

    def fork_tied(
        self,
        role: str,
        mark: str,
        descriptors: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> socket.socket:
        """As :meth:`fork`, for another process to follow: the link, on which its pid and pidfd
        are told. It is killed when all copies of the link are closed.

        Raises:
            Gone: the warm process is.
        """
        return self._fork(role, mark, descriptors, environment, tied=True)

    def _fork(
        self,
        role: str,
        mark: str,
        descriptors: Sequence[int],
        environment: Mapping[str, str] | None,
        *,
        tied: bool,
    ) -> socket.socket:
        wanted = {
            "do": "fork",
            "role": role,
            "mark": mark,
            "tied": tied,
            "environment": dict(environment or {}),
        }
        link, theirs = socket.socketpair(socket.AF_UNIX, SOCKET)
        with theirs:
            try:
                self._tell(wanted, [theirs.fileno(), *descriptors])
            except Gone:
                link.close()
                raise
        return link

    def _tell(self, wanted: dict[str, Any], descriptors: list[int]) -> None:
        try:
            socket.send_fds(self.control, [json.dumps(wanted).encode()], descriptors)
        except OSError as error:
            raise Gone(self.control) from error


def greet(control: socket.socket) -> WarmProcess:
    """Wait until the process that ``control`` leads to is ready.

    Raises:
        LeftOut: what it was to import may not be imported ahead.
        Unforkable: it has ended.
    """
    try:
        control.settimeout(_READY)
        told: Any = json.loads(control.recv(65536) or b"{}")
        control.settimeout(None)
    except (OSError, ValueError):
        told = {}
    if "ready" in told:
        return WarmProcess(control, int(told["warm"]), frozenset(told["loaded"]))
    if "left_out" in told:
        raise LeftOut(told["left_out"])
    if "status" in told:
        raise LeftOut("its import ends the process, or takes too long")
    raise Unforkable("the warm process has ended while it was made ready")


def readable(descriptor: int, seconds: float | None) -> bool:
    """Whether there is something to read, or the process of a pidfd has ended; waits for it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
