"""Shared memory that outlives who made it: files in ``/dev/shm``, and segments of System V.

A process that is killed takes neither with it, and what should (Python's resource tracker) is
killed beside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Collection
from dataclasses import dataclass

_FOLDER = "/dev/shm"  # noqa: S108  Looked at, and nothing is made there.
_SYSV = "/proc/sysvipc/shm"
_IPC_RMID = 0
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Segments:
    """Some segments. A number is an inode: names may be used again."""

    files: frozenset[tuple[str, int]] = frozenset()
    sysv: frozenset[int] = frozenset()

    def __or__(self, other: Segments) -> Segments:
        return Segments(self.files | other.files, self.sysv | other.sysv)

    def __sub__(self, other: Segments) -> Segments:
        return Segments(self.files - other.files, self.sysv - other.sysv)

    def remove(self) -> None:
        """Take them away, as far as they are there and ours to take."""
        for path, inode in self.files:
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino == inode:
                    os.unlink(path)
        for number in self.sysv:
            _libc.shmctl(number, _IPC_RMID, None)


def all_segments() -> Segments:
    """Those of the machine. Files below folders of ``/dev/shm`` are left out."""
    files = set()
    with contextlib.suppress(OSError), os.scandir(_FOLDER) as entries:
        files = {(entry.path, entry.inode()) for entry in entries}
    return Segments(frozenset(files), frozenset(_sysv()))


def segments_of(pids: Collection[int]) -> Segments:
    """Files that these have open or mapped now, and segments that they made."""
    files: set[tuple[str, int]] = set()
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            files |= _mapped(pid)
        with contextlib.suppress(OSError):
            files |= _open(pid)
    made = {number for number, maker in _sysv().items() if maker in pids}
    return Segments(frozenset(files), frozenset(made))


def _mapped(pid: int) -> set[tuple[str, int]]:
    found = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            # Range, rights, offset, device, inode, path: proc(5).
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].startswith(f"{_FOLDER}/"):
                found.add((fields[5].rstrip("\n"), int(fields[4])))
    return found


def _open(pid: int) -> set[tuple[str, int]]:
    found = set()
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            path = os.readlink(f"{folder}/{name}")
            if path.startswith(f"{_FOLDER}/"):
                found.add((path, os.stat(f"{folder}/{name}").st_ino))
    return found


def _sysv() -> dict[int, int]:
    """Number of each segment → the process that made it."""
    found = {}
    with contextlib.suppress(OSError, ValueError), open(_SYSV, encoding="ascii") as file:
        header = file.readline().split()
        number, maker = header.index("shmid"), header.index("cpid")
        for line in file:
            fields = line.split()
            found[int(fields[number])] = int(fields[maker])
    return found
