"""Which files below some folders are opened, by whomever and in whatever language: inotify(7).

The only user of inotify. It needs no rights, and sees what a kernel's children and C libraries
open too. What it can't see is *who* opens: that other notebooks that run at the same time add
theirs makes the list longer than need be, never shorter.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...core.errors import Unavailable

MOST_FOLDERS = 4000
"""Folders that are watched at most: each costs the kernel about a kilobyte."""
PASSED_BY = frozenset(
    {
        *(".git", ".hg", ".svn", ".ipynb_checkpoints", "node_modules"),
        *(".venv", "venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
        ".gpuctl-cache",
    }
)
"""Folders that hold no course material, by name."""

_ACCESS, _MODIFY, _MOVED_TO, _CREATE, _OPEN = 0x1, 0x2, 0x80, 0x100, 0x20
_OVERFLOW, _IS_FOLDER, _ONLY_FOLDERS, _NO_LINKS = 0x4000, 0x40000000, 0x01000000, 0x02000000
_MASK = _ACCESS | _MODIFY | _MOVED_TO | _CREATE | _OPEN | _ONLY_FOLDERS | _NO_LINKS
_HEAD = struct.Struct("iIII")


@dataclass
class Seen:
    """What happened to files while one notebook ran. Paths are absolute."""

    opened: set[str] = field(default_factory=set)
    read_first: set[str] = field(default_factory=set)
    """Read, and not written before."""
    written: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    """They came into being meanwhile."""
    listed: set[str] = field(default_factory=set)
    """Folders whose names were looked through."""
    lost: bool = False
    """So much happened that some of it was not heard of."""

    def hear(self, path: str, mask: int) -> None:
        """One event, in the order in which they happened."""
        if path in self.made:
            return
        if mask & (_CREATE | _MOVED_TO):
            if path not in self.opened:
                self.made.add(path)
            else:  # it was there, and another one took its place
                self.written.add(path)
        if mask & _OPEN and path not in self.made:
            self.opened.add(path)
        if mask & _ACCESS and path not in self.written and path not in self.made:
            self.read_first.add(path)
        if mask & _MODIFY:
            self.written.add(path)

    @property
    def inputs(self) -> set[str]:
        """Files that were there before and were opened, but those that were only written.

        A file opened for writing that is read afterwards is the notebook's own product. One that
        is mapped instead of read counts as read, unless it is written too.
        """
        return self.read_first | (self.opened - self.written - self.made)

    @property
    def changed_inputs(self) -> set[str]:
        """Inputs that did not stay as they were read."""
        return self.inputs & self.written


def folders_below(top: str, passed_by: Iterable[str] = (), most: int | None = None) -> list[str]:
    """``top`` and all folders below that may hold course material; also those to which links lead.

    Raises:
        Unavailable: there are more than ``most``, by default :data:`MOST_FOLDERS`.
    """
    left_out, most = set(passed_by), MOST_FOLDERS if most is None else most
    found: dict[str, None] = {}
    waiting = [os.path.realpath(top)]
    while waiting:
        folder = waiting.pop()
        if folder in found or folder in left_out:
            continue
        try:
            with os.scandir(folder) as listed:
                entries = list(listed)
        except OSError:
            continue
        names = {entry.name for entry in entries}
        if found and names & {"pyvenv.cfg", "conda-meta"}:
            continue
        found[folder] = None
        if len(found) > most:
            raise Unavailable("validation.watch", f"{top} holds more than {most:,} folders")
        deeper, beside = _lead_on(entries)
        waiting += deeper
        found |= dict.fromkeys(beside)
    return list(found)


def _lead_on(entries: Iterable[os.DirEntry[str]]) -> tuple[list[str], list[str]]:
    """Folders to look into, and folders of files to which links lead.

    What is opened by way of a link is heard of where the link leads.
    """
    deeper, beside = [], []
    for entry in entries:
        if entry.name in PASSED_BY:
            continue
        if not entry.is_symlink():
            if entry.is_dir():
                deeper.append(entry.path)
            continue
        target = os.path.realpath(entry.path)
        if os.path.isdir(target):
            deeper.append(target)
        elif os.path.isfile(target):
            beside.append(os.path.dirname(target))
    return deeper, beside


class Watch:
    """Watches folders until :meth:`close`.

    Raises:
        Unavailable: this system has no inotify, or gives us no more of it.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise Unavailable("validation.watch", "this system has no inotify")
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise _refused()
        self._folders: dict[int, str] = {}
        self._watched: set[str] = set()
        self._listening: dict[object, Seen] = {}
        self._lock = threading.Lock()
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._follow, name="watch", daemon=True)
        self._thread.start()

    def add(self, folders: Iterable[str]) -> None:
        """Watch ``folders`` too.

        Raises:
            Unavailable: the user may watch no more (``fs.inotify.max_user_watches``).
        """
        for folder in folders:
            if folder in self._watched:
                continue
            number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK)
            if number < 0:
                if ctypes.get_errno() in (2, 13, 20):  # it is gone, closed to us, or no folder
                    continue
                raise _refused()
            with self._lock:
                self._folders[number] = folder
                self._watched.add(folder)

    def hears(self, path: str) -> bool:
        """Whether it is heard of when the file at ``path`` (no links in it) is opened.

        There are file systems that don't tell, and folders that are passed by.
        """
        token = self.begin()
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            pass
        return path in self.end(token).opened

    def begin(self) -> object:
        """Listen from now on; what is returned is for :meth:`end`."""
        token = object()
        with self._lock:
            self._drain()
            self._listening[token] = Seen()
        return token

    def end(self, token: object) -> Seen:
        """All that happened since :meth:`begin`."""
        with self._lock:
            self._drain()
            return self._listening.pop(token)

    def close(self) -> None:
        """Stop. May be called twice."""
        if self._waker >= 0:
            os.close(self._waker)
            self._waker = -1
            self._thread.join()
            os.close(self._wake)
            os.close(self._descriptor)

    def _follow(self) -> None:
        while True:
            ready, _, _ = select.select([self._descriptor, self._wake], [], [])
            if self._wake in ready:
                return
            with self._lock:
                self._drain()

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return
            place = 0
            while place < len(data):
                number, mask, _, length = _HEAD.unpack_from(data, place)
                place += _HEAD.size
                name = data[place : place + length].rstrip(b"\0")
                place += length
                self._tell(number, mask, os.fsdecode(name))

    def _tell(self, number: int, mask: int, name: str) -> None:
        folder = self._folders.get(number)
        for seen in self._listening.values():
            if mask & _OVERFLOW:
                seen.lost = True
            elif folder is None:
                continue
            elif not mask & _IS_FOLDER:
                seen.hear(os.path.join(folder, name), mask)
            elif mask & (_CREATE | _MOVED_TO):
                seen.made.add(os.path.join(folder, name))
            elif mask & _OPEN and not name:
                seen.listed.add(folder)


def _refused() -> Unavailable:
    why = os.strerror(ctypes.get_errno())
    return Unavailable("validation.watch", f"files can't be watched: {why}")
