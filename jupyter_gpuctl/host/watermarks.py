"""What came and went between two readings of processes, by the kernel's account of each (proc(5)).

``VmHWM`` of ``/proc/PID/status`` is the most that a process had in memory, files that it mapped
too; "5" in ``/proc/PID/clear_refs`` sets it back to what it has now, and with it the process' own
``ru_maxrss``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_ROUNDED = 256 * 1024
"""Bytes by which the kernel's accounts of the same memory differ: it keeps them in batches."""
_FIELDS = (b"VmHWM:", b"VmRSS:", b"RssAnon:", b"RssFile:", b"RssShmem:")


@dataclass(slots=True)
class _Seen:
    files: int
    now: int
    highest: int
    told: int
    """So much was it seen to hold, or told that it had held."""


class Watermarks:
    """Of one tree's processes. Used from one thread."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def read(self, held: Mapping[int, int]) -> int:
        """Bytes, at least, that processes held more since the last call than they do now.

        Of a process that held as much before, it isn't told again until it is set back.

        ``held``: pid to what it was seen to hold a moment ago, pages of files left out.

        Processes needn't have had their most at the same time: so it is what the one held whose
        fall was the largest. What a process held that has ended meanwhile isn't known.
        """
        seen: dict[int, _Seen] = {}
        alone = len(held) == 1
        fallen = [
            _fallen(pid, size, self._seen.get(pid), seen, alone=alone) for pid, size in held.items()
        ]
        self._seen = seen
        return max(fallen, default=0)

    def set_back(self) -> None:
        """Begin anew. Only while they do nothing: what comes and goes since the last call to
        :meth:`read` is lost.
        """
        for pid, seen in self._seen.items():
            if seen.highest > seen.now and _set_back(pid):
                seen.highest = seen.told = seen.now


def _fallen(
    pid: int, held: int, before: _Seen | None, seen: dict[int, _Seen], *, alone: bool
) -> int:
    figures = _figures(pid)
    if len(figures) < len(_FIELDS):
        return 0  # It has ended, or ends.
    highest, now, own, files, shared = (figures[name] for name in _FIELDS)
    # Which pages of files were there at that time isn't told: the more of the two readings.
    files_then = max(files, before.files if before else 0)
    # What one holds alone is known to be ``held``; what several do was found out a while later.
    base = held if alone else max(held, own + shared)
    told = before.told if before else 0
    if highest > now and highest > told + _ROUNDED:
        seen[pid] = _Seen(files, now, highest, highest)
        return max(0, highest - files_then - base)
    # It may have grown since it was seen to hold that, and be at its highest just now.
    seen[pid] = _Seen(files, now, highest, max(told, min(highest, held + files)))
    return 0


def _figures(pid: int) -> dict[bytes, int]:
    found = {}
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(_FIELDS):
                    name, size, _ = line.split()
                    found[name] = int(size) * 1024
    except (OSError, ValueError):
        return {}
    return found


def _set_back(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/clear_refs", "wb", buffering=0) as file:
            file.write(b"5")
    except OSError:
        return False
    return True
