"""What the GPU wing needs of the outside: who calls each method, when, and on which thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..host.model import DiskUse, HostReading, ProcessInfo
from .model import Device, Driver, RawReading


class Probe(Protocol):
    """Reads devices. One adapter for each technology; third parties add theirs by entry point.

    The monitor calls every method on worker threads, never on the event loop, and never two of
    them at once except :meth:`read`, which may run for one device while an earlier ``read`` of
    *another* device still hangs in the driver.
    """

    @property
    def name(self) -> str:
        """Short, stable: what ``GET health`` calls this probe."""
        ...

    def open(self) -> Driver:
        """Start, once, and again whenever :meth:`devices` has failed.

        Never raises: a driver that is missing or broken is *told*, with the mend.
        """
        ...

    def devices(self) -> Sequence[Device]:
        """All devices now, MIG instances after their parent. Called at start and every 30 s.

        A device that can't be described is still listed, with what is known of it.

        Raises:
            Unavailable: the driver as a whole doesn't answer any more; ``open`` comes next.
        """
        ...

    def read(self, device: Device) -> RawReading:
        """One reading of one device. Called each tick for each device.

        Never raises for what the driver refuses: the field is ``None``, or the status says why.
        May block; the monitor stops waiting after its deadline and tries again after the call
        has come back.
        """
        ...

    def close(self) -> None:
        """Give the driver back. Called once, at the end; may follow a failed ``open``."""
        ...


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of this server, as the server knows it."""

    kernel_id: str
    name: str
    notebook: str | None
    kind: str | None
    state: str
    pid: int | None
    """Of the process that leads the kernel's session; ``None``: not on this machine."""


class KernelDirectory(Protocol):
    """Which kernels this server has. The monitor asks before each sample, on the event loop."""

    async def kernels(self) -> Sequence[Kernel]:
        """All kernels that run, whether or not a notebook is open on them."""
        ...


class ProcessTable(Protocol):
    """The processes of this machine. Called on the sampling thread, many times a tick."""

    def info(self, pid: int) -> ProcessInfo | None:
        """``None``: no such process, or it may not be seen."""
        ...

    def pids(self) -> Sequence[int]:
        """Of every process of this machine."""
        ...

    def user(self, pid: int) -> str | None:
        """The name of the operating system's user whose process this is."""
        ...

    def container(self, pid: int) -> str | None:
        """The id of the container it runs in; ``None`` for none, or for the one we run in."""
        ...

    def resident(self, pid: int) -> int | None:
        """Resident bytes, a shared page divided by those who share it (PSS)."""
        ...

    def verified(self, pid: int) -> bool:
        """Whether a pid that the *driver* reported is the process that this machine calls so.

        In the first pid namespace always; in a container only if the process can be seen to
        hold a device file open, because there the driver may report the host's pids.
        """
        ...


class HostMeter(Protocol):
    """Reads the machine. Called once a tick, on the sampling thread."""

    def read(self, home: DiskUse | None) -> HostReading:
        """A reading with ``home`` in it: the disk is asked apart, because it may hang."""
        ...
