"""The validator's side of the warm processes: starts them, lets them grow, has them fork.

Notebooks that import the same are forked from the same process. For numpy and pandas that is one
which was forked from one with numpy, and imported pandas: each import is done once, and no kernel
holds what its notebook doesn't import.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from .marks import MARK, mark_of

_READY = 150.0
"""Seconds until a warm process must have said that it is."""
_ANSWER = 30.0
_MOST = 24
"""Warm processes with modules of their own, at most: each is there until the end."""
_LIVES = 3
"""How often they are started anew after something has killed them."""
_SOCKET = socket.SOCK_SEQPACKET


class Unforkable(Exception):
    """No process could be forked; the message says why."""


class _LeftOut(Unforkable):
    """A module can't be imported ahead; the message says why."""


@dataclass(frozen=True, slots=True)
class Warmth:
    """One warm process and what it holds."""

    control: socket.socket
    memory: int
    """Bytes that a kernel forked from it has from the start."""
    loaded: frozenset[str]
    """Names of modules that a new kernel would not have loaded."""


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
        _readable(self.descriptor, None)
        status: int | None = None
        with contextlib.suppress(OSError, ValueError):
            self.link.settimeout(_ANSWER)
            status = json.loads(self.link.recv(4096)).get("status")
        self.link.close()
        os.close(self.descriptor)
        return status


class Nurseries:
    """All warm processes of one runner. Used from several threads."""

    def __init__(self, validation: str) -> None:
        self._validation = validation
        # Reentrant: a signal handler may come to give up while its own thread is in here.
        self._lock = threading.RLock()
        self._roots: dict[tuple[str, ...], Future[Warmth]] = {}
        """By kind and the flags of Python."""
        self._grown: dict[tuple[str, ...], Future[Warmth]] = {}
        self._left_out: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._controls: list[socket.socket] = []
        self._deaths = 0
        self._closed = False

    def start(self) -> None:
        """Start both, without waiting until they are ready. May be said twice."""
        for kind in ("kernels", "engines"):
            self._root((kind,))

    def engines(self) -> Warmth:
        """Raises Unforkable: there is none."""
        return self._root(("engines",)).result()

    def kernels(
        self, modules: Sequence[str], flags: Sequence[str] = ()
    ) -> tuple[Warmth, tuple[str, ...]]:
        """The warm process with these modules, and which it doesn't have, each with the reason.

        ``flags``: of Python, ahead of the program.

        Raises:
            Unforkable: there is none at all.
        """
        path: tuple[str, ...] = ("kernels", *flags)
        warmth = self._root(path).result()
        left_out = []
        for module in modules:
            if module not in self._left_out:
                found = self._grow(warmth, (*path, module))
                if found is not None:
                    warmth, path = found, (*path, module)
                    continue
            left_out.append(f"{module}: {self._left_out.get(module, 'there are enough')}")
        return warmth, tuple(left_out)

    def _root(self, kind: tuple[str, ...]) -> Future[Warmth]:
        with self._lock:
            future = self._roots.get(kind)
            if future is not None:
                return future
            future = self._roots[kind] = Future()
            if self._closed or self._deaths > _LIVES:
                why = "it was stopped" if self._closed else "warm processes have ended too often"
                future.set_exception(Unforkable(why))
                return future
            try:
                control = self._launch(kind)
            except OSError as error:
                future.set_exception(Unforkable(f"no warm process can be started: {error}"))
                return future

        def wait() -> None:
            try:
                future.set_result(_warmth(control))
            except Unforkable as error:
                future.set_exception(error)

        threading.Thread(target=wait, name=f"warm-{kind[0]}", daemon=True).start()
        return future

    def _launch(self, kind: tuple[str, ...]) -> socket.socket:
        control, theirs = socket.socketpair(socket.AF_UNIX, _SOCKET)
        # Where it is started from must not be where it imports from.
        code = (
            "import sys\nif sys.path[:1] == ['']: del sys.path[0]\n"
            "from jupyter_gpuctl.validation.nursery import main\n"
            "main(sys.argv[1], int(sys.argv[2]))"
        )
        with theirs:
            process = subprocess.Popen(
                [sys.executable, *kind[1:], "-c", code, kind[0], str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, MARK: mark_of(self._validation, 0)},
                start_new_session=True,
            )
        self._processes.append(process)
        self._controls.append(control)
        return control

    def _grow(self, parent: Warmth, path: tuple[str, ...]) -> Warmth | None:
        """``None``: its last module is left out, or there are enough already."""
        with self._lock:
            future = self._grown.get(path)
            mine = future is None
            if future is None:
                if len(self._grown) >= _MOST:
                    return None
                future = self._grown[path] = Future()
        if mine:
            try:
                future.set_result(self._grow_now(parent, path[-1]))
            except Unforkable as error:
                with self._lock:
                    self._grown.pop(path, None)
                    if isinstance(error, _LeftOut):
                        self._left_out.setdefault(path[-1], str(error))
                future.set_exception(error)
        try:
            return future.result()
        except Unforkable:
            return None

    def _grow_now(self, parent: Warmth, module: str) -> Warmth:
        control, theirs = socket.socketpair(socket.AF_UNIX, _SOCKET)
        with theirs:
            with self._lock:
                if self._closed:
                    control.close()
                    raise Unforkable("it was stopped")
                self._controls.append(control)
            _tell(parent.control, {"do": "grow", "module": module}, [theirs.fileno()])
        return _warmth(control)

    def ask(self, engines: Warmth, kernel: str) -> Any:
        """``argv``, ``env`` and ``metadata`` of a kernel's specification; empty: there is none.

        Raises:
            Unforkable: the warm process is gone.
        """
        link, theirs = socket.socketpair(socket.AF_UNIX, _SOCKET)
        with link:
            with theirs:
                _tell(engines.control, {"do": "ask", "kernel": kernel}, [theirs.fileno()])
            try:
                link.settimeout(_ANSWER)
                answer = link.recv(65536)
            except OSError:
                answer = b""
        if not answer:
            self.lost(engines)
            raise Unforkable("the process that it would be forked from has ended")
        return json.loads(answer)

    def fork(
        self,
        warmth: Warmth,
        role: str,
        mark: str,
        descriptors: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> Forked:
        """A process that begins as ``role``, with ``descriptors`` as its 0, 1, 2, 3 ….

        Raises:
            Unforkable: the warm process is gone, or can't fork.
        """
        link, theirs = socket.socketpair(socket.AF_UNIX, _SOCKET)
        with theirs:
            self._ask(warmth, role, mark, theirs, descriptors, environment, tied=False)
        try:
            link.settimeout(_ANSWER)
            data, found, _, _ = socket.recv_fds(link, 4096, 4)
            if data and found:
                return Forked(int(json.loads(data)["pid"]), found[0], link)
        except OSError:
            pass
        link.close()
        self.lost(warmth)
        raise Unforkable("the process that it would be forked from has ended")

    def fork_tied(
        self,
        warmth: Warmth,
        role: str,
        mark: str,
        descriptors: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> socket.socket:
        """As :meth:`fork`, for another process to follow: the link, on which its pid and pidfd
        are told. It is killed when all copies of the link are closed.

        Raises:
            Unforkable: the warm process is gone.
        """
        link, theirs = socket.socketpair(socket.AF_UNIX, _SOCKET)
        with theirs:
            try:
                self._ask(warmth, role, mark, theirs, descriptors, environment, tied=True)
            except Unforkable:
                link.close()
                raise
        return link

    def _ask(
        self,
        warmth: Warmth,
        role: str,
        mark: str,
        link: socket.socket,
        descriptors: Sequence[int],
        environment: Mapping[str, str] | None,
        *,
        tied: bool,
    ) -> None:
        wanted = {
            "do": "fork",
            "role": role,
            "mark": mark,
            "tied": tied,
            "environment": dict(environment or {}),
        }
        try:
            _tell(warmth.control, wanted, [link.fileno(), *descriptors])
        except Unforkable:
            self.lost(warmth)
            raise

    def lost(self, warmth: Warmth) -> None:
        """Something has killed this one: what is asked for next is started anew."""
        with self._lock:
            if all(control is not warmth.control for control in self._controls):
                return
            self._deaths += 1
            self._forget()

    def _forget(self) -> None:
        for control in self._controls:
            # Closing alone would not wake who waits for an answer.
            with contextlib.suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
            control.close()
        self._controls.clear()
        self._roots.clear()
        self._grown.clear()

    def give_up(self) -> None:
        """Nothing more is asked for, and nobody waits any longer. Returns at once.

        Called from any thread, and from signal handlers.
        """
        with self._lock:
            self._closed = True
            for control in list(self._controls):
                with contextlib.suppress(OSError):
                    control.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End them all. What was forked goes on."""
        with self._lock:
            self._closed = True
            self._forget()
            processes = list(self._processes)
            self._processes.clear()
        for process in processes:
            try:
                process.wait(2.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _warmth(control: socket.socket) -> Warmth:
    """What a warm process says when it is ready."""
    try:
        control.settimeout(_READY)
        told: Any = json.loads(control.recv(65536) or b"{}")
        control.settimeout(None)
    except (OSError, ValueError):
        told = {}
    if "ready" in told:
        return Warmth(control, int(told["warm"]), frozenset(told["loaded"]))
    if "left_out" in told:
        raise _LeftOut(told["left_out"])
    if "status" in told:
        raise _LeftOut("its import ends the process, or takes too long")
    raise Unforkable("the warm process has ended while it was made ready")


def _tell(control: socket.socket, wanted: dict[str, Any], descriptors: list[int]) -> None:
    try:
        socket.send_fds(control, [json.dumps(wanted).encode()], descriptors)
    except OSError as error:
        raise Unforkable("the process that it would be forked from has ended") from error


def _readable(descriptor: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
