"""The validator's side of the warm processes: starts them, lets them grow, has them fork.

Notebooks that import the same are forked from the same process. For numpy and pandas that is one
which was forked from one with numpy, and imported pandas: each import is done once, and no kernel
holds what its notebook doesn't import.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from .marks import MARK, mark_of
from .warm_process import SOCKET, LeftOut, Unforkable, WarmProcess, greet

_MOST = 24
"""Warm processes with modules of their own, at most: each is there until the end."""
_LIVES = 3
"""How often they are started anew after something has killed them."""


class Nurseries:
    """All warm processes of one runner. Used from several threads."""

    def __init__(self, validation: str) -> None:
        self._validation = validation
        # Reentrant: a signal handler may come to give up while its own thread is in here.
        self._lock = threading.RLock()
        self._roots: dict[tuple[str, ...], Future[WarmProcess]] = {}
        """By kind and the flags of Python."""
        self._grown: dict[tuple[str, ...], Future[WarmProcess]] = {}
        self._left_out: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._controls: list[socket.socket] = []
        self._deaths = 0
        self._closed = False

    def start(self) -> None:
        """Start both, without waiting until they are ready. May be said twice."""
        for kind in ("kernels", "engines"):
            self._root((kind,))

    def prepare(self, modules: Sequence[str], flags: Sequence[str] = ()) -> None:
        """Let what :meth:`kernels` gives for these be ready soon; doesn't wait."""

        def grow() -> None:
            with contextlib.suppress(Unforkable, OSError):
                self.kernels(modules, flags)

        threading.Thread(target=grow, name="warm-ahead", daemon=True).start()

    def engines(self) -> WarmProcess:
        """Raises Unforkable: there is none."""
        return self._root(("engines",)).result()

    def kernels(
        self, modules: Sequence[str], flags: Sequence[str] = ()
    ) -> tuple[WarmProcess, tuple[str, ...]]:
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

    def _root(self, kind: tuple[str, ...]) -> Future[WarmProcess]:
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
                future.set_result(greet(control))
            except Unforkable as error:
                future.set_exception(error)

        threading.Thread(target=wait, name=f"warm-{kind[0]}", daemon=True).start()
        return future

    def _launch(self, kind: tuple[str, ...]) -> socket.socket:
        control, theirs = socket.socketpair(socket.AF_UNIX, SOCKET)
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

    def _grow(self, parent: WarmProcess, path: tuple[str, ...]) -> WarmProcess | None:
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
                    if isinstance(error, LeftOut):
                        self._left_out.setdefault(path[-1], str(error))
                future.set_exception(error)
        try:
            return future.result()
        except Unforkable:
            return None

    def _grow_now(self, parent: WarmProcess, module: str) -> WarmProcess:
        control, theirs = socket.socketpair(socket.AF_UNIX, SOCKET)
        with theirs:
            with self._lock:
                if self._closed:
                    control.close()
                    raise Unforkable("it was stopped")
                self._controls.append(control)
            parent.grow(module, theirs)
        return greet(control)

    def lost(self, control: socket.socket) -> None:
        """The warm process that it leads to is gone: what is asked for next is started anew."""
        with self._lock:
            if all(one is not control for one in self._controls):
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
