"""One writer at a time on one machine: a file lock in front of SQLite's own.

SQLite's lock is polled, and who polls at the wrong moments starves. Those who wait for this one
sleep in the kernel until it is free. The kernel gives it back when its holder dies, however it
dies, so a killed process never leaves it behind.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import Unavailable
from .location import touch


class FileLock:
    """Excludes the other threads of this process and all other processes of this machine."""

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        self._mode = mode
        self._threads = threading.Lock()
        self._descriptor: int | None = None

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold it.

        Raises:
            Unavailable: another held it for all of ``timeout`` seconds, or the file can't be
                opened.
        """
        deadline = time.monotonic() + timeout
        if not self._threads.acquire(timeout=timeout):
            raise self._overdue(timeout)
        try:
            descriptor = self._lock(deadline, timeout)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Close the file."""
        with self._threads:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _lock(self, deadline: float, timeout: float) -> int:
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiter = _Waiter(descriptor)
            if not waiter.wait(max(0.0, deadline - time.monotonic())):
                # The waiter may still get it later: it has the file to itself, and gives it back.
                self._descriptor = None
                raise self._overdue(timeout) from None
        return descriptor

    def _open(self) -> int:
        if self._descriptor is None:
            try:
                touch(self._path, self._mode)
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise Unavailable(
                    "store.unwritable",
                    f"The lock file {self._path} can't be opened: {error.strerror}.",
                    hint="Every user who shares the database must be able to write to its folder "
                    "and to the files in it.",
                    detail={"path": str(self._path)},
                ) from error
        return self._descriptor

    def _overdue(self, timeout: float) -> Unavailable:
        return Unavailable(
            "store.locked",
            f"Another process has been writing to the database for {timeout:.0f} s.",
            hint=f"Try again. If this stays, look for a stopped process that holds {self._path} "
            "(fuser -v names it).",
            detail={"path": str(self._path), "timeout": timeout},
        )


class _Waiter:
    """Waits for a lock in a thread of its own: the system call knows no deadline."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._mutex = threading.Lock()
        self._got = threading.Event()
        self._given_up = False
        threading.Thread(target=self._run, name="gpuctl-lock", daemon=True).start()

    def wait(self, timeout: float) -> bool:
        """Whether the lock was got; if not, the file is the waiter's to close."""
        if self._got.wait(timeout):
            return True
        with self._mutex:
            self._given_up = not self._got.is_set()
            return not self._given_up

    def _run(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._mutex:
            if not self._given_up:
                self._got.set()
                return
        os.close(self._descriptor)
