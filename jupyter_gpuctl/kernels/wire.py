"""The bodies and the answers of the kernels' routes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..leases.policy import Strength
from .model import Applied, Attachment, Death, GuardMode

_DOCUMENTED = {"use_attribute_docstrings": True}
_BODY = {"use_attribute_docstrings": True, "extra": "forbid"}


@dataclass(frozen=True, slots=True)
class AttachBody:
    """``POST kernels/{id}/attach``."""

    __pydantic_config__ = _BODY

    lease_id: str
    """A live lease of the caller's. Attached to another kernel, it leaves that one."""


@dataclass(frozen=True, slots=True)
class KernelLimitsAnswer:
    """What one kernel and all that it starts may use together. ``null``: not limited."""

    __pydantic_config__ = _DOCUMENTED

    memory: int | None
    """Bytes."""
    pids: int | None
    """Processes and threads at once."""
    cpu: float | None
    """Cores."""
    enforced_by: str | None
    """``cgroup v2``, ``cgroup v1``, ``systemd`` or ``watcher``; ``null``: by nothing."""


@dataclass(frozen=True, slots=True)
class OverAnswer:
    """The end of a lease that its kernel has not heard of yet: it runs a cell, or has used CUDA."""

    __pydantic_config__ = _DOCUMENTED

    lease_id: str | None
    """``null``: not known here, or not for the caller."""
    devices: tuple[str, ...]
    """UUIDs that the kernel still goes by."""
    ended_at: datetime
    stops_at: datetime | None
    """When the guard begins to stop what still runs on them; ``null``: it stops nobody."""


@dataclass(frozen=True, slots=True)
class KernelAnswer:
    """A kernel of this server, and the GPUs that it may use."""

    __pydantic_config__ = _DOCUMENTED

    kernel_id: str
    name: str
    """Of the kernelspec."""
    notebook: str | None
    state: str
    """As the kernel says: ``idle``, ``busy`` …"""
    attachment: Attachment
    lease_ids: tuple[str, ...]
    """Live leases that are attached to it, the active ones first."""
    devices: tuple[str, ...]
    """UUIDs that its active leases give it."""
    applied: Applied
    """Whether it has been told of them."""
    message: str
    """One sentence for people: how it stands, and what a restart would cost where it takes one."""
    cap_at_restart: bool
    """The memory that its leases allow is another than at its start, when frameworks read it:
    they are sure to keep to it after a restart only."""
    over: OverAnswer | None
    """Its lease has ended, and it goes on as if it had not."""
    limits: KernelLimitsAnswer
    death: Death | None
    """How it ended last, until it has run a cell again."""


class FindingKind(StrEnum):
    """What is wrong with a process on a device."""

    NOT_HELD = "not_held"
    """Its user has no lease of this device, and somebody else holds it, or everybody needs one."""
    OVER_MEMORY = "over_memory"
    """A share's processes hold more memory than the share's cap."""
    ENDED = "ended"
    """The lease that it ran on is over."""


class Stage(StrEnum):
    """How far the guard has gone with a process."""

    REPORTED = "reported"
    """Dry run, or not the guard's to stop: it only says so."""
    WARNED = "warned"
    INTERRUPTED = "interrupted"
    """SIGINT."""
    TERMINATED = "terminated"
    """SIGTERM."""
    KILLED = "killed"
    """SIGKILL."""


@dataclass(frozen=True, slots=True)
class FindingAnswer:
    """A process that uses a device in a way that leases don't allow."""

    __pydantic_config__ = _DOCUMENTED

    pid: int
    name: str | None
    device: str
    """UUID."""
    kind: FindingKind
    user: str | None
    """``null``: not known, or hidden by policy."""
    mine: bool
    """It is the caller's own process, whether or not names are shown."""
    kernel_id: str | None
    notebook: str | None
    lease_id: str | None
    """The caller's own that it ran on, or runs over."""
    stage: Stage
    since: datetime
    next_at: datetime | None
    """When the next stage comes; ``null``: none does."""
    message: str
    """One sentence: what would be done or is done, why, and what helps."""


@dataclass(frozen=True, slots=True)
class IdleAnswer:
    """A lease of the caller's on which nothing has run for long."""

    __pydantic_config__ = _DOCUMENTED

    lease_id: str
    since: datetime
    """Nothing has run on it since."""
    holds_memory: bool
    """Memory of its devices is held, though nothing runs: it is not given back by itself."""
    release_at: datetime | None
    """When it is given back unless it is kept; ``null``: not by itself."""
    message: str


@dataclass(frozen=True, slots=True)
class KernelsAnswer:
    """``GET kernels``: the kernels of this server."""

    __pydantic_config__ = _DOCUMENTED

    items: tuple[KernelAnswer, ...]
    next: str | None
    strength: Strength
    """How strongly leases are enforced here."""
    guard_mode: GuardMode
    idle: tuple[IdleAnswer, ...]
    findings: tuple[FindingAnswer, ...]
    """The caller's own; an administrator's are all."""
    time: datetime
