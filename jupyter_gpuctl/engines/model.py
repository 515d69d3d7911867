"""What is asked of an engine, and what it answers: frozen values, without an engine's own types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OWNER, WORKLOAD, INSTANCE = "gpuctl.dev/owner", "gpuctl.dev/workload", "gpuctl.dev/instance"
"""Labels of all that we create: whose it is, what it is for, and who made it."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """An engine that answers."""

    version: str
    rootless: bool
    """It runs as a user: root in its containers is that user outside."""
    remapped: bool
    """User ids in its containers are others outside, unless one asks for the host's."""
    limits_memory: bool
    cgroup_version: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here."""

    id: str
    reference: str
    """As it was asked for."""
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine in a container, at the same path."""

    path: str
    writable: bool = True


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to be created. It gets no capability, no new privileges, no swap, and no device.

    Its root is read-only; ``/tmp``, ``/var/tmp`` and ``/run`` lie in its memory.
    """

    name: str
    image: str
    """Its id: a name may mean another image by now."""
    command: tuple[str, ...]
    labels: Mapping[str, str]
    user: str
    """``uid:gid``."""
    folder: str
    """In which the command starts."""
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    network: str = "none"
    memory: int | None = None
    """Bytes; ``None``: no limit."""
    shm: int | None = None
    """Bytes that ``/dev/shm`` may hold; they count as memory."""
    pids: int | None = None
    cpus: float | None = None
    host_users: bool = False
    """User ids are those of the machine, though the engine gives others to containers."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container at one time."""

    running: bool
    pid: int
    """Of its first process, on this machine; 0: it does not run."""
    exit_code: int
    """128 and more: the number of the signal that ended it, by the custom of shells."""
    ran_out_of_memory: bool
    error: str


@dataclass(frozen=True, slots=True)
class Found:
    """A container with labels that were asked for."""

    id: str
    name: str
    labels: Mapping[str, str]
