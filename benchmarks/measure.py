"""What a process costs, and on which machine: readings shared by all benchmarks."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MIB = 1024 * 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads, to the nanosecond.

    ``/proc/PID/stat`` counts in hundredths of a second, too coarse for a cost of a millisecond;
    each process has a clock of its own: see MAKE_PROCESS_CPUCLOCK in include/linux/posix-timers.h.
    """
    return time.clock_gettime((~pid << 3) | 2)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in bytes."""

    rss: int
    pss: int
    private: int


def memory(pid: int) -> Memory:
    found: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, value = line.split(":")
        found[key] = int(value.split()[0]) * 1024
    return Memory(found["Rss"], found["Pss"], found["Private_Clean"] + found["Private_Dirty"])


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-len(ordered) * percent // 100) - 1))]


def machine() -> str:
    """The machine and the versions that figures belong to, as one sentence."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or "unknown processor",
    )
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3
    names = ("jupyter_server", "tornado", "pydantic", "psutil")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, {size:.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, {versions}"
    )


def load() -> float:
    """The load average of the last minute: how idle the machine was."""
    return os.getloadavg()[0]
