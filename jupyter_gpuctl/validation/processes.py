"""A validation as a process of its own: the command line, told to tell us.

The server's loop and memory stay out of it, and its end is the end of all that it runs, whoever is
killed: its standard input is a pipe from here, and it stops when that closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from .places import Course

_MOST_TOLD = 4000
"""Bytes of what it says on standard error that are kept."""


class ValidationProcess:
    """One that was started. Read by one thread; :meth:`hang_up` and :meth:`kill` come from any.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, course: Course, options: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by wait
        command = [sys.executable, "-P", "-m", "jupyter_gpuctl", "validate", "--tell"]
        command += ["--below", course.root]
        try:
            self._process = subprocess.Popen(
                [*command, *options, "--", *course.arguments],
                cwd=course.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except BaseException:
            self._errors.close()
            raise

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it tells, to its end. Left out is what it doesn't tell us, and a line cut short."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if isinstance(told, dict) and "kind" in told:
                    yield told

    def hang_up(self) -> None:
        """The word to stop. May be said twice."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> str:
        """Until it has ended: what it has said is wrong. Called once, by the thread that reads."""
        assert self._process.stdout is not None
        status = self._process.wait()
        self.hang_up()
        self._process.stdout.close()
        with self._errors:
            size = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, size - _MOST_TOLD))
            told = self._errors.read().decode(errors="replace")
        _, _, said = told.rpartition("Error: ")
        if status and "Error: " in told:
            return " ".join(said.split())
        return f"The validator has ended early, with status {status}." if status else ""
