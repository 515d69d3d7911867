"""Values and pure rules about the machine."""

from __future__ import annotations

from dataclasses import dataclass

DISK_WARNING_FRACTION = 0.90
DISK_WARNING_FREE = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """What the control group of this server may use. ``None``: no limit, or not known."""

    __pydantic_config__ = {"use_attribute_docstrings": True}

    version: int
    """1 or 2: the cgroup hierarchy that the figures come from."""
    memory_limit: int | None
    """Bytes."""
    memory_used: int | None
    """Bytes, page cache that can be dropped left out."""
    cpu_limit: float | None
    """Cores."""
    pids_limit: int | None
    """Processes and threads at once."""
    pids_used: int | None
    """Processes and threads now."""


@dataclass(frozen=True, slots=True)
class DiskUse:
    """The file system that holds the user's home."""

    __pydantic_config__ = {"use_attribute_docstrings": True}

    path: str
    """The folder that was asked about."""
    used: int
    """Bytes."""
    total: int
    """Bytes that an ordinary user could use at most."""
    free: int
    """Bytes an ordinary user may still write."""

    @property
    def nearly_full(self) -> bool:
        """Whether the next download may fail: over 90 % used and under 5 GiB free."""
        return (
            self.total > 0
            and self.free < DISK_WARNING_FREE
            and self.free < self.total * (1 - DISK_WARNING_FRACTION)
        )


@dataclass(frozen=True, slots=True)
class HostReading:
    """One reading of the machine. ``None``: the machine doesn't tell."""

    __pydantic_config__ = {"use_attribute_docstrings": True}

    cpu_utilization: float | None
    """Percent of all cores, 0 to 100, since the sample before."""
    cpu_count: int
    """Logical cores."""
    memory_used: int | None
    """Bytes that can't be given to another program."""
    memory_total: int | None
    """Bytes."""
    limits: CgroupLimits | None
    """The limits of this server's control group, where it has one."""
    home: DiskUse | None
    """The disk of the user's home."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process as ``/proc/PID/stat`` tells it."""

    pid: int
    parent: int
    session: int
    """The session id: a kernel starts its own, and its children stay in it."""
    started: int
    """Clock ticks after boot. A pid with another start time is another process."""
    name: str
    """The command name, at most 15 characters."""
    rss: int
    """Resident bytes, shared pages counted in full."""
    cpu_seconds: float
    """User and system time so far."""
    waited_cpu_seconds: float = 0.0
    """That of children which have ended and which it has waited for."""
    zombie: bool = False
    """It has ended, and its parent has not taken notice yet."""
    threads: int = 1

    @property
    def identity(self) -> tuple[int, int]:
        """What names this process and no later one with a recycled pid."""
        return self.pid, self.started


@dataclass(frozen=True, slots=True)
class Instant:
    """What the machine's clocks say at one moment."""

    wall: float
    """Seconds since the epoch; may have been set."""
    boottime: float
    """Seconds that nobody can set, from an origin of each start; time in suspension counts."""
    boot_id: str
    """Another one after each start of the machine; empty where the system has none."""
