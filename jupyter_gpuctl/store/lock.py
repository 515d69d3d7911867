"""One writer at a time on one machine, first come, first served: a lock in front of SQLite's own.

SQLite's lock is polled: who polls at the wrong moments starves. ``flock`` alone wakes all who
wait, and whoever is quickest has it. Here they form a queue, as in the lock of Craig, Landin and
Hagersten: each takes a number, locks the byte of that number, and sleeps in the kernel until the
byte of the number before is free. The kernel frees the bytes of those who die, however they die.
So a process that is killed while it waits lets the one behind it pass out of turn; therefore,
what lets a writer in is one more byte that all of them lock, and the queue is only for fairness.

https://www.cs.washington.edu/tr/1993/02/UW-CSE-93-02-02.pdf (Craig); ``fcntl_locking(2)`` on locks
of open file descriptions, which threads and closed files don't disturb.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import Unavailable
from .location import touch

_NUMBER = struct.Struct("<Q")
_COUNTER, _ENTRY, _QUEUE = 0, 8, 16
"""Bytes: the newest number (locked while it is taken), what the holder has, then the queue."""
_PLACES = 2**32
_PAUSE = 0.001
"""Seconds between two tries at the counter, which others have for microseconds."""


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
            Unavailable: others held it for all of ``timeout`` seconds, or the file can't be
                opened.
        """
        deadline = time.monotonic() + timeout
        if not self._threads.acquire(timeout=timeout):
            raise self._overdue(timeout)
        try:
            place = self._enter(deadline, timeout)
            try:
                yield
            finally:
                place.leave()
        finally:
            self._threads.release()

    def close(self) -> None:
        """Close the file."""
        with self._threads:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _enter(self, deadline: float, timeout: float) -> _Place:
        place = _Place(self._open())
        while not place.take_number():
            if time.monotonic() >= deadline:
                raise self._overdue(timeout)
            time.sleep(_PAUSE)
        if not place.enter_if_free():
            waiter = _Waiter(place)
            if not waiter.wait(max(0.0, deadline - time.monotonic())):
                # It waits on, until it is its turn: it has the file to itself, and closes it.
                self._descriptor = None
                raise self._overdue(timeout)
        return place

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
            f"Other processes have been writing to the database for {timeout:.0f} s.",
            hint=f"Try again. If this stays, look for a stopped process that holds {self._path} "
            "(fuser -v names it).",
            detail={"path": str(self._path), "timeout": timeout},
        )


class _Place:
    """A place in the queue, and then within."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._own: int | None = None
        """The byte of our number; ``None``: none could be had, and no turns are kept."""
        self._before = _QUEUE

    def take_number(self) -> bool:
        """Queue up; false where another is about to."""
        if not _try(self.descriptor, _COUNTER):
            return False
        try:
            text = os.pread(self.descriptor, _NUMBER.size, _COUNTER)
            last = _NUMBER.unpack(text)[0] if len(text) == _NUMBER.size else 0
            number = (last + 1) % _PLACES
            os.pwrite(self.descriptor, _NUMBER.pack(number), _COUNTER)
        except OSError:
            # A full disk may have no room even for this.
            return True
        else:
            self._own, self._before = _QUEUE + number, _QUEUE + last
            _lock(self.descriptor, self._own)
            return True
        finally:
            _unlock(self.descriptor, _COUNTER)

    def enter_if_free(self) -> bool:
        """Whether nobody was before us."""
        if self._own is None:
            return _try(self.descriptor, _ENTRY)
        if not _try(self.descriptor, self._before):
            return False
        _unlock(self.descriptor, self._before)
        return _try(self.descriptor, _ENTRY)

    def wait(self) -> None:
        """Until it is our turn, however long."""
        if self._own is not None:
            _lock(self.descriptor, self._before)
            _unlock(self.descriptor, self._before)
        _lock(self.descriptor, _ENTRY)

    def leave(self) -> None:
        """Let the next one in."""
        _unlock(self.descriptor, _ENTRY)
        if self._own is not None:
            _unlock(self.descriptor, self._own)


if hasattr(fcntl, "F_OFD_SETLKW"):

    def _lock(descriptor: int, byte: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _range(fcntl.F_WRLCK, byte))

    def _try(descriptor: int, byte: int) -> bool:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _range(fcntl.F_WRLCK, byte))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(descriptor: int, byte: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _range(fcntl.F_UNLCK, byte))

    def _range(kind: int, byte: int) -> bytes:
        # struct flock of Linux on 64 bits: type, whence, start, length, pid (0 for such locks).
        return struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0)

else:  # Of a process instead of an open file, which does too: threads take turns before.

    def _lock(descriptor: int, byte: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, byte)

    def _try(descriptor: int, byte: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(descriptor: int, byte: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)


class _Waiter:
    """Waits in a thread of its own: the system call knows no deadline."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._mutex = threading.Lock()
        self._got = threading.Event()
        self._given_up = False
        threading.Thread(target=self._run, name="gpuctl-lock", daemon=True).start()

    def wait(self, timeout: float) -> bool:
        """Whether it is our turn; if it isn't, the file is the waiter's to close."""
        if self._got.wait(timeout):
            return True
        with self._mutex:
            self._given_up = not self._got.is_set()
            return not self._given_up

    def _run(self) -> None:
        self._place.wait()
        with self._mutex:
            if not self._given_up:
                self._got.set()
                return
        os.close(self._place.descriptor)
