"""Workers as the validator holds them: started as a program, or forked from a warm process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import IO, Protocol

from .marks import MARK
from .warm_process import Forked, WarmProcess


class WorkerProcess(Protocol):
    """One worker. Read by one thread; :meth:`hang_up` and :meth:`kill` come from any."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    pid: int

    def hang_up(self) -> None:
        """Close its input: the word to stop. May be said twice."""
        ...

    def kill(self) -> None: ...

    def wait(self) -> int | None:
        """Until it has ended; its exit status, ``None`` where nobody can tell. Called once."""
        ...


class StartedWorker:
    """A child of the validator."""

    def __init__(self, mark: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jupyter_gpuctl.validation.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, MARK: mark},
            start_new_session=True,
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdin, self.stdout, self.stderr = (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        )

    def hang_up(self) -> None:
        _close(self.stdin)

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int | None:
        status = self._process.wait()
        _close(self.stdout)
        _close(self.stderr)
        return status


class ForkedWorker:
    """A child of a warm process, and so are its engine and, below it, its kernel.

    Raises:
        Gone: a warm process is.
    """

    def __init__(self, engines: WarmProcess, kernels: WarmProcess, mark: str, scratch: str) -> None:
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            job, job_in = _pipe(theirs, ours)
            events_in, events = _pipe(ours, theirs)
            errors_in, errors = _pipe(ours, theirs)
            engine_input, engine_told = _pipe(theirs, theirs)
            engine_events, engine_says = _pipe(theirs, theirs)
            output, printed = _pipe(theirs, theirs)
            word, engine_word = _pipe(theirs, theirs)
            link = theirs.enter_context(
                engines.fork_tied(
                    "engine",
                    mark,
                    [engine_input, printed, printed, engine_says, engine_word],
                    # Connection files go where they can be taken away, whoever is killed.
                    {"JUPYTER_RUNTIME_DIR": scratch},
                )
            )
            # In the order of worker.LINK_TO_ENGINE and kernels.worker.
            descriptors = [job, events, errors, link.fileno(), engine_told, engine_events]
            descriptors += [output, printed, word]
            self._process: Forked = kernels.fork("worker", mark, descriptors)
            self.pid = self._process.pid
            ours.pop_all()
        self.stdin: IO[bytes] = os.fdopen(job_in, "wb")
        self.stdout: IO[bytes] = os.fdopen(events_in, "rb")
        self.stderr: IO[bytes] = os.fdopen(errors_in, "rb")

    def hang_up(self) -> None:
        _close(self.stdin)

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int | None:
        status = self._process.wait()
        _close(self.stdout)
        _close(self.stderr)
        return status


def _pipe(read_by: contextlib.ExitStack, written_by: contextlib.ExitStack) -> tuple[int, int]:
    """Both ends, each to be closed with its owner."""
    read, write = os.pipe()
    read_by.callback(os.close, read)
    written_by.callback(os.close, write)
    return read, write


def _close(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.close()
