"""What the lease wing needs of the outside: who calls each method, when, and on which thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from ..host.model import Instant
from .model import Account, LeasableDevice, Lease
from .policy import Policy
from .time import Anchor


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Which devices there are, and which are in use by processes that no lease covers."""

    devices: tuple[LeasableDevice, ...]
    processes: Mapping[str, frozenset[str | None]]
    """By UUID: the users of all processes on the device (``None``: not known), leased or not."""
    problem: str = ""
    """Why no devices are known, in one sentence; empty when they are."""
    hint: str = ""
    gone: tuple[LeasableDevice, ...] = ()
    """Devices that were there, as they were, and are not there any more while the driver is."""


class DeviceDirectory(Protocol):
    """Which devices can be leased here. Called on worker threads, often; answers from memory."""

    def view(self) -> DeviceView:
        """As of the newest sample."""
        ...


class PolicySource(Protocol):
    """Where quotas come from. Called on worker threads before each decision."""

    def policy(self) -> Policy:
        """The newest that could be read; where there has been none, one that is ``unread``.

        Never raises: who gives something back, or looks, needs no quotas.
        """
        ...

    @property
    def problem(self) -> str | None:
        """What is wrong with the newest one, which could not be read, and so isn't used."""
        ...


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of who did what to whom."""

    time: float
    actor: str
    """A user, or ``gpuctl`` for what the rules have done by themselves."""
    action: str
    """Such as ``lease.request``, ``lease.start``, ``lease.revoke``."""
    lease_id: str | None
    owner: str | None
    """Whose lease it was."""
    detail: Mapping[str, Any]
    id: int = 0
    """Given by the store; newer is greater."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a request with an idempotency key led to."""

    fingerprint: str
    """Of the request's body."""
    lease_id: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store keeps of the authority's time."""

    anchor: Anchor | None
    """``None``: nobody has ever written."""
    seen: float
    """The newest time that was stored."""


class MachineClocks(Protocol):
    """The clocks of this machine. Read on worker threads, within transactions."""

    def read(self) -> Instant: ...


class LeaseReader(Protocol):
    """Reads within one transaction: all of it as of one moment."""

    @property
    def revision(self) -> int:
        """What :meth:`LeaseStore.version` says when this is the newest."""
        ...

    def kept(self) -> Kept:
        """What there is to tell the time by."""
        ...

    def live(self) -> tuple[Lease, ...]:
        """All that are queued, offered or active."""
        ...

    def get(self, lease_id: str) -> Lease | None: ...

    def accounts(
        self, now: float, user_windows: Mapping[str, float], group_windows: Mapping[str, float]
    ) -> tuple[Mapping[str, Account], Mapping[str, Account]]:
        """What ended leases of these users and groups have spent since each one's time.

        A time of infinity: what they have spent is not asked for, only their decayed use.
        """
        ...

    def remembered(self, owner: str, key: str) -> Remembered | None: ...


class LeaseTransaction(LeaseReader, Protocol):
    """Reads and writes within one transaction that excludes all other writers."""

    def keep_time(self, anchor: Anchor, now: float) -> None:
        """It is ``now``: stored with whatever else is written, or if the anchor is a new one."""
        ...

    def shift(self, seconds: float) -> int:
        """Move all times of live leases; how many they are."""
        ...

    def register(self, devices: Sequence[LeasableDevice]) -> None:
        """Tell what can be held, and with how much memory; before :meth:`save` holds it."""
        ...

    def add(self, lease: Lease) -> None: ...

    def save(self, lease: Lease) -> None:
        """Store the new state of a lease, its holds included.

        Raises:
            Conflict: the database forbids it: a device would be held twice, or over-packed.
        """
        ...

    def charge(self, lease: Lease, at: float) -> None:
        """Add an ended lease to the decayed use of its owner and group."""
        ...

    def remember(self, owner: str, key: str, what: Remembered, now: float) -> None: ...

    def audit(self, entry: AuditEntry) -> None: ...


class LeaseStore(Protocol):
    """Where leases are kept. Called on worker threads.

    Every method raises ``Unavailable`` where the database is away, full, or of a newer version.
    """

    def reading(self) -> AbstractContextManager[LeaseReader]:
        """Reads without waiting for writers, and without making them wait."""
        ...

    def transaction(self) -> AbstractContextManager[LeaseTransaction]:
        """Commits on leaving, rolls back on an exception. One writer at a time, machine-wide."""
        ...

    def version(self) -> int:
        """A number that changes whenever any process commits. Cheap: asked each second."""
        ...

    def try_writing(self) -> None:
        """Write what changes nothing, and commit it: whether leases could be stored now."""
        ...

    def prune(self, before: float, limit: int) -> int:
        """Take out ended leases that ended before, and audit rows from before; the oldest first.

        At most ``limit`` of each; how many rows they were. Live leases are not touched, nor what
        has been charged for the fair share.
        """
        ...

    def replaced(self) -> bool:
        """Whether what it was opened on was taken away, or something else lies there. Cheap."""
        ...

    def history(
        self, owner: str | None, limit: int, before: tuple[float, str] | None
    ) -> Sequence[Lease]:
        """Ended leases of ``owner`` (``None``: of all), newest end first."""
        ...

    def audit(self, owner: str | None, limit: int, before: int | None) -> Sequence[AuditEntry]:
        """Rows about ``owner``'s leases or by ``owner`` (``None``: all), newest first."""
        ...

    def close(self) -> None: ...


class StoreSource(Protocol):
    """Where a store comes from; opened when leases are first asked for."""

    @property
    def place(self) -> str:
        """For people."""
        ...

    def exists(self) -> bool:
        """Whether opening it would find something. Cheap."""
        ...

    def open(self) -> LeaseStore:
        """The store, made or brought up to date where it must be.

        Raises:
            Unavailable: it can't be; says why, with the mend.
        """
        ...
