"""Processes, read from ``/proc``.

Read directly because sampling needs session and start time of hundreds of processes a second, and
one ``read`` of ``stat`` holds both; see proc(5) for the fields.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache

from .identity import user_name
from .model import ProcessInfo

# include/linux/proc_ns.h: PROC_PID_INIT_INO
FIRST_PID_NAMESPACE = "pid:[4026531836]"

KEPT_FILES = 128
"""Files of processes that stay open at most."""
STAT_SIZE = 4096
"""Bytes; more than any line of ``/proc/PID/stat``."""

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def parse_stat(text: str) -> ProcessInfo:
    """The process that a line of ``/proc/PID/stat`` describes.

    The command name may hold spaces and parentheses: it ends at the *last* ``)``.

    Raises:
        ValueError, IndexError: it is no such line.
    """
    opened, closed = text.index("("), text.rindex(")")
    fields = text[closed + 2 :].split()
    return ProcessInfo(
        pid=int(text[:opened]),
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        name=text[opened + 1 : closed],
        rss=int(fields[21]) * _PAGE,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICK,
        waited_cpu_seconds=(int(fields[13]) + int(fields[14])) / _TICK,
        zombie=fields[0] in "ZX",
        threads=int(fields[17]),
    )


def read_process(pid: int) -> ProcessInfo | None:
    """A process, zombies included; ``None``: it is gone, or may not be seen."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return parse_stat(file.read())
    except (OSError, ValueError, IndexError):
        return None


class ProcFs:
    """The :class:`~jupyter_gpuctl.gpus.ports.ProcessTable` of Linux.

    ``container_id`` gives the container of a pid (``host.cgroups``). ``root`` is for tests. Used
    from one thread at a time.

    The files of processes that are asked about again and again stay open, which takes two of three
    system calls off each reading.
    """

    def __init__(
        self, container_id: Callable[[int], str | None] = lambda pid: None, root: str = "/proc"
    ) -> None:
        self._root = root
        self._container_id = container_id
        self._own_container = container_id(os.getpid())
        self._kept: OrderedDict[int, int] = OrderedDict()
        try:
            namespace = os.readlink(f"{root}/self/ns/pid")
        except OSError:
            namespace = FIRST_PID_NAMESPACE
        self.confined = namespace != FIRST_PID_NAMESPACE
        """Whether we run in a pid namespace of our own, and so see other pids than the driver."""

    def __del__(self) -> None:
        for descriptor in self._kept.values():
            os.close(descriptor)

    def info(self, pid: int) -> ProcessInfo | None:
        found = self._read_kept(pid) or self._read_anew(pid)
        return None if found is None or found.zombie else found

    def _read_kept(self, pid: int) -> ProcessInfo | None:
        """By the file that was kept open: it is that process's, and never a later one's."""
        descriptor = self._kept.get(pid)
        if descriptor is None:
            return None
        self._kept.move_to_end(pid)
        try:
            return parse_stat(os.pread(descriptor, STAT_SIZE, 0).decode(errors="replace"))
        except (OSError, ValueError, IndexError):
            os.close(self._kept.pop(pid))
            return None

    def _read_anew(self, pid: int) -> ProcessInfo | None:
        try:
            descriptor = os.open(f"{self._root}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self._kept[pid] = descriptor
        if len(self._kept) > KEPT_FILES:
            os.close(self._kept.popitem(last=False)[1])
        return self._read_kept(pid)

    def pids(self) -> Sequence[int]:
        try:
            return [int(name) for name in os.listdir(self._root) if name.isdecimal()]
        except OSError:
            return []

    def user(self, pid: int) -> str | None:
        uid = self.uid(pid)
        return None if uid is None else _user_name(uid)

    def uid(self, pid: int) -> int | None:
        """The real user id. The owner of ``/proc/PID`` is root for some, so ``status`` is read."""
        try:
            with open(f"{self._root}/{pid}/status", "rb") as file:
                for line in file:
                    if line.startswith(b"Uid:"):
                        return int(line.split()[1])
        except (OSError, ValueError):
            pass
        return None

    def program(self, pid: int) -> tuple[str, int] | None:
        """Name and owner (user id) of the file that it runs; ``None``: it may not be seen."""
        path = f"{self._root}/{pid}/exe"
        try:
            name = os.path.basename(os.readlink(path)).removesuffix(" (deleted)")
            return name, os.stat(path).st_uid
        except OSError:
            return None

    def container(self, pid: int) -> str | None:
        found = self._container_id(pid)
        return None if found == self._own_container else found

    def resident(self, pid: int) -> int | None:
        try:
            with open(f"{self._root}/{pid}/smaps_rollup", "rb") as file:
                for line in file:
                    if line.startswith(b"Pss:"):
                        return int(line.split()[1]) * 1024
        except (OSError, ValueError):
            pass
        return None

    def verified(self, pid: int) -> bool:
        if not self.confined:
            return True
        folder = f"{self._root}/{pid}/fd"
        try:
            return any(
                os.readlink(f"{folder}/{name}").startswith("/dev/nvidia")
                for name in os.listdir(folder)
            )
        except OSError:
            return False


_user_name = lru_cache(maxsize=1024)(user_name)
