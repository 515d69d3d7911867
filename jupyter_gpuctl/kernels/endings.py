"""GPUs that a kernel was told of and that are no longer its owner's. In memory; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .standing import ACTIVE

if TYPE_CHECKING:
    from ..leases.model import Lease

_Known = dict[str, tuple[str, float | None]]


@dataclass(frozen=True, slots=True)
class Over:
    """The end of a lease that its kernel has not heard of yet."""

    devices: tuple[str, ...]
    """UUIDs that the kernel still goes by, of those that it was told."""
    lease_id: str | None
    """``None``: it ended before this server has seen it on this kernel."""
    ended_at: float
    """Seconds since the epoch."""


@dataclass(slots=True)
class Endings:
    """Sees the live leases again and again, and remembers what has gone from kernels by now.

    A lease belongs to its owner: what was only detached, or leased anew, isn't over.
    """

    _known: dict[str, _Known] = field(default_factory=dict)
    """By kernel, by device: the last lease that gave it, and when that was to end."""
    _over: dict[str, Over] = field(default_factory=dict)

    def see(self, leases: Iterable[Lease], owner: str) -> frozenset[str]:
        """The devices that are ``owner``'s now; which of them kernels have is remembered."""
        mine = [lease for lease in leases if lease.owner == owner and lease.status == ACTIVE]
        for lease in mine:
            if lease.kernel_id is not None:
                known = self._known.setdefault(lease.kernel_id, {})
                known |= dict.fromkeys(lease.devices, (lease.id, lease.expires_at))
        return frozenset(uuid for lease in mine for uuid in lease.devices)

    def of(
        self, kernel_id: str, told: Iterable[str] | None, held: Collection[str], now: float
    ) -> Over | None:
        """What of the devices that a kernel was told is over; ``held`` is of :meth:`see`."""
        devices = tuple(uuid for uuid in told or () if uuid not in held)
        if not devices:
            self._over.pop(kernel_id, None)
            return None
        over = self._over.get(kernel_id)
        if over is None or over.devices != devices:
            known = self._known.get(kernel_id, {})
            lease_id, expires_at = known.get(devices[-1], (None, None))
            over = Over(devices, lease_id, min(now, expires_at or now))
            self._over[kernel_id] = over
        return over

    def retain(self, kernel_ids: Collection[str]) -> None:
        """All other kernels are gone."""
        for memory in (self._known, self._over):
            for kernel_id in memory.keys() - set(kernel_ids):
                del memory[kernel_id]
