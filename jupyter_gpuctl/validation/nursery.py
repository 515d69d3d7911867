"""The warm processes from which workers, engines and kernels are forked.

    validator ─┬─ nursery "engines" (nbconvert) ── engine, one a notebook
               └─ nursery "kernels" (ipykernel) ─┬─ worker, one a notebook ── kernel to be
                                                 └─ nursery with one module more ─┬─ …

A nursery has one thread, runs no code of a notebook, and forks when it is told to. What it is
told comes as one JSON object a message on its control socket, with descriptors; the first of these
is the link on which it answers, and on which it later tells how the child ended. It is gone as
soon as the validator is. Nothing here may leave a trace that a kernel could see, so this module
imports little.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from ..host.births import keep_only, mark_environment, reset_signals
from ..host.trees import resident
from .marks import MARK
from .warming import behave_as_a_kernel, hideable, settle, warm

MESSAGE = 65536
"""Bytes of one message, at most."""
_DESCRIPTORS = 16
_PATIENCE = 500
"""Milliseconds for a warm process to end that may be in the middle of an import."""
_Step = Callable[[], Any]
"""What a child does next; it may return another. So no child runs deep in its parent's calls."""


@dataclass
class _Child:
    pid: int
    ended: int
    """Its pidfd: readable when it has ended."""
    link: socket.socket
    tied: bool
    """Whether it is killed when the other side of the link hangs up."""
    nursery: bool
    """Whether it is a warm process itself, whose life ends with ours."""


class Nursery:
    """One warm process. ``roles``: what its children can become."""

    def __init__(
        self,
        control: socket.socket,
        roles: dict[str, _Step],
        bare: set[str],
        answer: Callable[[str], Any] | None = None,
    ) -> None:
        self._control = control
        self._answer = answer
        self._roles = roles
        self._bare = bare
        """The modules that a kernel has loaded anyway."""
        self._children: dict[int, _Child] = {}

    def ready(self) -> None:
        """Say what is held here that a started kernel would hold by itself."""
        if not mark_environment(MARK, os.environ[MARK]):
            _tell(self._control, {"left_out": "it writes over the environment"})
            os._exit(0)
        settle()
        warmth = {
            "ready": os.getpid(),
            "warm": resident(os.getpid()),
            "loaded": hideable(set(sys.modules) - self._bare),
        }
        _tell(self._control, warmth)

    def serve(self) -> _Step:
        """Fork when told to. Returns in the children only, with what they shall do."""
        while True:
            waiting = [self._control.fileno(), *self._children]
            waiting += [child.link.fileno() for child in self._children.values() if child.tied]
            poll = select.poll()
            for descriptor in waiting:
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll():
                if descriptor == self._control.fileno():
                    wanted, descriptors = _hear(self._control)
                    if wanted is None:
                        self._end()
                    step = self._obey(wanted, descriptors)
                    if step is not None:
                        return step
                elif descriptor in self._children:
                    self._reap(self._children.pop(descriptor))
                else:
                    self._let_go(descriptor)

    def _obey(self, wanted: dict[str, Any], descriptors: list[int]) -> _Step | None:
        link = socket.socket(fileno=descriptors.pop(0))
        if wanted["do"] == "ask":
            _tell(link, self._answer(wanted["kernel"]) if self._answer else {})
            link.close()
            return None
        try:
            pid = os.fork()
        except OSError as error:
            _tell(link, {"refused": str(error)})
            link.close()
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        if pid == 0:
            if wanted["do"] == "grow":
                return self._grow(link, wanted["module"])
            link.detach()
            return self._be_born(wanted, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        ended = os.pidfd_open(pid)
        grows = wanted["do"] == "grow"
        self._children[ended] = _Child(pid, ended, link, bool(wanted.get("tied")), grows)
        if not grows:
            _tell(link, {"pid": pid}, [ended])
        return None

    def _be_born(self, wanted: dict[str, Any], descriptors: list[int]) -> _Step:
        keep_only(descriptors)
        reset_signals()
        for name, value in wanted["environment"].items():
            os.environ[name] = value
        mark_environment(MARK, wanted["mark"])
        os.setsid()
        # What this process was is forgotten; its sockets were closed by keep_only.
        self._control.detach()
        for child in self._children.values():
            child.link.detach()
        return self._roles[wanted["role"]]

    def _grow(self, link: socket.socket, module: str) -> _Step:
        self._control.close()
        for child in self._children.values():
            child.link.close()
            os.close(child.ended)
        self._children.clear()
        self._control = link

        def grown() -> _Step:
            reason = warm(module)
            if reason is not None:
                _tell(self._control, {"left_out": reason})
                os._exit(0)
            self.ready()
            return self.serve()

        return grown

    def _end(self) -> NoReturn:
        """Nobody wants more of it. What it grew has heard the same, or is killed."""
        for child in self._children.values():
            if child.nursery:
                poll = select.poll()
                poll.register(child.ended, select.POLLIN)
                if not poll.poll(_PATIENCE):
                    signal.pidfd_send_signal(child.ended, signal.SIGKILL)
                os.waitpid(child.pid, 0)
        os._exit(0)

    def _reap(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        _tell(child.link, {"status": os.waitstatus_to_exitcode(status)})
        child.link.close()
        os.close(child.ended)

    def _let_go(self, descriptor: int) -> None:
        """The link of a tied child: its other side says nothing, so it has hung up."""
        for child in self._children.values():
            if child.tied and child.link.fileno() == descriptor:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(child.ended, signal.SIGKILL)
                child.tied = False
                return


def _hear(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    try:
        data, descriptors, _, _ = socket.recv_fds(control, MESSAGE, _DESCRIPTORS)
    except OSError:
        return None, []
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return (json.loads(data) if data else None), descriptors


def _tell(link: socket.socket, told: dict[str, Any], descriptors: list[int] | None = None) -> None:
    with contextlib.suppress(OSError):
        socket.send_fds(link, [json.dumps(told).encode()], descriptors or [])


def main(kind: str, control: int) -> None:
    """Be the nursery of ``engines`` or of ``kernels``, with the control socket given."""
    os.set_inheritable(control, False)
    signal.alarm(120)
    # Fails at once where there are no pidfds (Linux before 5.3).
    os.close(os.pidfd_open(os.getpid()))
    parts = _engines() if kind == "engines" else _kernels()
    signal.alarm(0)
    nursery = Nursery(socket.socket(fileno=control), *parts)
    nursery.ready()
    step: _Step | None = nursery.serve
    del nursery, parts
    while step is not None:
        step = step()


_Parts = tuple[dict[str, _Step], set[str], Callable[[str], Any] | None]


def _engines() -> _Parts:
    # See start_engine.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from .engine_start import forked, get_ready
    from .kernel_manager import specification

    get_ready()
    return {"engine": forked}, set(sys.modules), specification


def _kernels() -> _Parts:
    from .kernels import get_ready

    get_ready()
    bare = set(sys.modules)
    behave_as_a_kernel()
    from . import worker as _loaded  # noqa: F401  # Once, not in each child.
    from .kernels import worker

    return {"worker": worker}, bare, None
