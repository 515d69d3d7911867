"""Leases for tests of the store."""

from __future__ import annotations

from jupyter_gpuctl.host.model import Instant
from jupyter_gpuctl.leases.model import EndReason, LeasableDevice, Lease, LeaseStatus, Request
from jupyter_gpuctl.leases.ports import LeaseStore
from jupyter_gpuctl.leases.time import Anchor

NOW = 1_800_000_000.0
GIB = 1024**3
DEVICES = [LeasableDevice(f"GPU-{n}", "here", "Fake 80GB", 80 * GIB, n) for n in range(4)]
ANCHOR = Anchor(Instant(NOW, 1000.0, "boot-1"), NOW)


def queued(name: str, owner: str = "user-a", milli: int = 1000, **asked) -> Lease:
    request = Request(milli=milli, duration=3600, **asked)
    return Lease(name, owner, request, LeaseStatus.QUEUED, NOW)


def active(name: str, *devices: str, owner: str = "user-a", milli: int = 1000, **asked) -> Lease:
    request = Request(milli=milli * (len(devices) if milli >= 1000 else 1), duration=3600, **asked)
    return Lease(
        name,
        owner,
        request,
        LeaseStatus.ACTIVE,
        NOW,
        devices=devices,
        started_at=NOW,
        expires_at=NOW + 3600,
    )


def ended(name: str, start: float, end: float, owner: str = "user-a", **asked) -> Lease:
    request = Request(milli=1000, duration=3600, **asked)
    return Lease(
        name,
        owner,
        request,
        LeaseStatus.ENDED,
        start,
        devices=("GPU-0",),
        started_at=start,
        expires_at=end,
        ended_at=end,
        end_reason=EndReason.EXPIRED,
    )


def put(store: LeaseStore, *leases: Lease) -> None:
    """Store them in one transaction, at :data:`NOW`."""
    with store.transaction() as transaction:
        transaction.keep_time(ANCHOR, NOW)
        transaction.register(DEVICES)
        for lease in leases:
            if transaction.get(lease.id) is None:
                transaction.add(lease)
            else:
                transaction.save(lease)


def live(store: LeaseStore) -> dict[str, Lease]:
    with store.reading() as reader:
        return {lease.id: lease for lease in reader.live()}
