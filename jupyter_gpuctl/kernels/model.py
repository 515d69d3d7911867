"""Kernels and the leases that they are attached to: frozen values and pure rules. No I/O.

Times are seconds since the epoch by the authority's clock, durations seconds, sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..leases.policy import Strength


class Enforcement(StrEnum):
    """What the operator wishes: the trait ``enforcement``."""

    OFF = "off"
    ADVISORY = "advisory"
    GUARDED = "guarded"
    ISOLATED = "isolated"


class GuardMode(StrEnum):
    """What the guard does about what it finds: the trait ``guard_mode``."""

    DRY_RUN = "dry-run"
    """It says what it would do."""
    ENFORCE = "enforce"


def strength(enforcement: Enforcement, mode: GuardMode) -> Strength:
    """What is really done for these settings: kernels of this server don't run in containers, and
    a guard that only reports stops nobody.
    """
    if enforcement is Enforcement.OFF:
        return Strength.OFF
    if enforcement is Enforcement.ADVISORY or mode is GuardMode.DRY_RUN:
        return Strength.ADVISORY
    return Strength.GUARDED


class Attachment(StrEnum):
    """How it stands between a kernel and leases."""

    NONE = "none"
    QUEUED = "queued"
    """A lease that is to be its own waits."""
    OFFERED = "offered"
    ATTACHED = "attached"


class Applied(StrEnum):
    """Whether a kernel has been told of the devices that it may use by now."""

    UNTOUCHED = "untouched"
    """Nothing was to be told: it has what the server was started with."""
    LAUNCH = "launch"
    """It was told when it was started."""
    LIVE = "live"
    """It was told while it ran."""
    WHEN_IDLE = "when_idle"
    """It is told as soon as the cell that runs has ended."""
    RESTART = "restart"
    """It has used CUDA, or speaks a language in which it can't be told: it must be restarted."""
    UNSUPPORTED = "unsupported"
    """It is not ours to tell: on a gateway, or another provisioner has started it."""


class DeathReason(StrEnum):
    """Why a kernel has ended without having been asked to."""

    OUT_OF_MEMORY = "out_of_memory"
    """It reached its own memory limit."""
    MACHINE_OUT_OF_MEMORY = "machine_out_of_memory"
    """The machine, or the container of this server, had none left."""
    TOO_MANY_PROCESSES = "too_many_processes"
    STOPPED_BY_GUARD = "stopped_by_guard"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KernelLimits:
    """What one kernel and all that it starts may use together. ``None``: not limited."""

    memory: int | None = None
    pids: int | None = None
    """Processes and threads at once."""
    cpu: float | None = None
    """Cores."""

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return (self.memory, self.pids, self.cpu) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Death:
    """How a kernel ended. Also a wire type."""

    __pydantic_config__ = {"use_attribute_docstrings": True}

    time: float
    """Seconds since the epoch."""
    reason: DeathReason
    limit: int | None
    """Bytes, or processes."""
    peak: int | None
    """Bytes, or processes."""
    execution_count: int | None
    """Of the cell that ran: the number in its brackets."""
    exit_code: int | None
    """As Python tells it: minus a signal's number."""
    message: str
    """One sentence for people."""


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """What this server has done to one kernel, and seen of it."""

    kernel_id: str
    devices: tuple[str, ...] | None = None
    """UUIDs that it was told last; ``None``: it was told nothing, and has what the server has."""
    applied: Applied = Applied.UNTOUCHED
    variables: tuple[str, ...] = ()
    """Names of those that it was told last."""
    share: float | None = None
    """The part of a GPU's memory that its lease allowed at its start: allocators read it once.
    ``None``: all of it, or there was no lease."""
    limits: KernelLimits = KernelLimits()
    enforced_by: str | None = None
    """The tier that holds the limits: ``cgroup v2``, ``cgroup v1``, ``systemd``, ``watcher``."""
    execution_count: int | None = None
    """Of the cell that runs, or ran last."""
    death: Death | None = None
    """The last one, until somebody has started it again and run a cell."""
