"""Small worlds for the tests of the lease rules: devices, leases, policies, in one line each."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_gpuctl.leases.model import (
    WHOLE,
    Decision,
    LeasableDevice,
    Lease,
    LeaseStatus,
    Limit,
    Request,
    Snapshot,
)
from jupyter_gpuctl.leases.policy import GpuQuota, Group, HoursQuota, Limits, Policy, Window

GIB = 2**30
NOW = 1_799_143_200.0
"""Tuesday 2027-01-05 10:00 UTC."""
HOUR = 3600.0
NONE = Limits()


def machine(
    host: str, gpus: int, model: str = "NVIDIA A100", memory: int | None = 80 * GIB
) -> tuple[LeasableDevice, ...]:
    return tuple(
        LeasableDevice(f"GPU-{host}-{index}", host, model, memory, index) for index in range(gpus)
    )


def quota(limit: float, nominal: float | None = None) -> GpuQuota:
    return GpuQuota(round(WHOLE * (limit if nominal is None else nominal)), round(WHOLE * limit))


def hours(limit: float, window: Window) -> Limits:
    return Limits(gpu_hours=HoursQuota(limit, window))


def group(name: str, *members: str, pool: Limits = NONE, each: Limits = NONE) -> Group:
    return Group(name, frozenset(members), pool, each)


def policy(*groups: Group, **settings: object) -> Policy:
    return Policy(groups={each.name: each for each in groups}, **settings)


def ask(gpus: float = 1, hours: float = 1.0, **more: object) -> Request:
    more.setdefault("memory", None if gpus >= 1 else int(gpus * 80 * GIB))
    return Request(milli=round(gpus * WHOLE), duration=round(hours * HOUR), **more)


def waits(
    name: str, owner: str = "ann", request: Request | None = None, since: float = 60.0
) -> Lease:
    return Lease(name, owner, request or ask(), LeaseStatus.QUEUED, created_at=NOW - since)


def holds(
    name: str,
    *devices: LeasableDevice,
    owner: str = "ben",
    until: float = HOUR,
    since: float = 600.0,
    request: Request | None = None,
    **more: object,
) -> Lease:
    """Active; ``until`` and ``since`` in seconds from now."""
    asked = request or ask(len(devices), (until + since) / HOUR)
    return Lease(
        name,
        owner,
        asked,
        LeaseStatus.ACTIVE,
        created_at=NOW - since,
        devices=tuple(device.uuid for device in devices),
        started_at=NOW - since,
        expires_at=NOW + until,
        **more,
    )


def world(
    devices: tuple[LeasableDevice, ...],
    *leases: Lease,
    policy: Policy | None = None,
    **more: object,
) -> Snapshot:
    return Snapshot(devices, leases, policy or Policy(), **more)


def by_lease(decisions: tuple[Decision, ...]) -> Mapping[str, Decision]:
    found = {decision.lease_id: decision for decision in decisions}
    assert len(found) == len(decisions), "one lease was decided on twice"
    return found


ALL_LIMITS = frozenset(Limit)
