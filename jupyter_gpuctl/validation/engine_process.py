"""The worker's side of its engine, which was started or forked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from typing import Protocol

from ..host.trees import die_with_parent

_PATIENCE = 5.0


class EngineProcess(Protocol):
    """One engine. Used by the worker's one thread."""

    pid: int
    events: int
    """Descriptor from which its events are read."""
    output: int
    """Descriptor for what it and the kernel write past Jupyter."""
    ended: bool
    status: int | None
    """Of its process, once that has ended; negative: a signal. ``None``: not known."""

    def tell(self, line: bytes) -> None:
        """Write to its standard input; nothing happens when it is gone."""
        ...

    def look(self) -> None:
        """See whether it has ended."""
        ...

    def kill(self) -> None:
        """Leave it no life. Returns when it is over, or after some seconds."""
        ...


class StartedEngine:
    """A child of the worker. The worker reaps it with all others, and says so."""

    def __init__(self, scratch: str) -> None:
        self.events, events_in = os.pipe()
        self.output, output_in = os.pipe()
        # Connection files go where they can be taken away, whoever is killed.
        environment = {**os.environ, "JUPYTER_RUNTIME_DIR": scratch}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jupyter_gpuctl.validation.start_engine", str(events_in)],
            stdin=subprocess.PIPE,
            stdout=output_in,
            stderr=output_in,
            pass_fds=(events_in,),
            env=environment,
            preexec_fn=die_with_parent,  # Safe: this process has one thread.
        )
        os.close(events_in)
        os.close(output_in)
        self.pid = self._process.pid
        self.ended = False
        self.status: int | None = None

    def tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def look(self) -> None:
        """The worker's :meth:`reaped` tells."""

    def reaped(self, status: int) -> None:
        """It was waited for, though not by Popen."""
        self.ended, self.status = True, status
        self._process.returncode = status

    def kill(self) -> None:
        """It goes with the worker's tree."""


class ForkedEngine:
    """A child of the warm process.

    That tells of its end on ``link``, and kills it when ``link`` is closed: also by a dead worker.
    """

    status: int | None = None

    def __init__(self, link: int, told: int, events: int, output: int) -> None:
        self.events, self.output = events, output
        self._told = told
        self._link = socket.socket(fileno=link)
        # A moment at most: the warm process said it before this worker was forked.
        self._link.settimeout(_PATIENCE)
        data, descriptors, _, _ = socket.recv_fds(self._link, 4096, 4)
        self.ended = not descriptors
        self.pid = int(json.loads(data or b"{}").get("pid", 0))
        self._process = descriptors[0] if descriptors else -1

    def tell(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._told, line) :]

    def look(self) -> None:
        if not self.ended and _readable(self._process, 0):
            self.ended = True
            with contextlib.suppress(OSError, ValueError):
                # Not told if the warm process is gone itself.
                self.status = json.loads(self._link.recv(4096)).get("status")

    def kill(self) -> None:
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
            _readable(self._process, _PATIENCE)
            self.look()


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
