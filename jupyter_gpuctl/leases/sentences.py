"""What is said of leases that several answers say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from .model import EndReason, Lease, LeaseStatus

_BECAUSE = {
    EndReason.RELEASED: "its owner gave it back",
    EndReason.EXPIRED: "its time was over",
    EndReason.CANCELLED: "its owner withdrew the request",
    EndReason.DECLINED: "its owner declined the offer",
    EndReason.LAPSED: "the offer was not accepted in time",
    EndReason.REVOKED: "an administrator revoked it",
    EndReason.RECLAIMED: "it was borrowed, and the owner of the quota needed it",
    EndReason.IDLE: "nothing ran on it for long",
    EndReason.LOST: "what it held was not there any more",
}


def moment(time: float) -> str:
    """``2027-01-04 09:20 UTC``."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def ended_because(lease: Lease) -> str:
    """When and why an ended lease ended, as one sentence."""
    reason = lease.end_reason or EndReason.EXPIRED
    remark = f" ({lease.remark.rstrip('.')})" if lease.remark else ""
    return f"It ended at {moment(lease.ended_at or 0.0)}: {_BECAUSE[reason]}{remark}."


def without_devices(lease: Lease, gone: Mapping[str, str]) -> str:
    """That devices of an active lease are not there any more, and what to do; else empty.

    ``gone``: what people call the devices that are not there, by UUID.
    """
    names = [gone[device] for device in lease.devices if device in gone]
    if lease.status is not LeaseStatus.ACTIVE or not (names or lease.lost_at is not None):
        return ""
    which = " and ".join(names) or ("Its GPU" if len(lease.devices) == 1 else "What it holds")
    verb, whom = ("are", "them") if len(names) > 1 else ("is", "it")
    said = f"{which} {verb} not there any more: the driver does not find {whom}."
    if lease.lost_at is None:
        return f"{said} The rest of the lease goes on: use that, or release it and ask again."
    return (
        f"{said} Release it and ask again; nothing is charged from {moment(lease.lost_at)} on, "
        "unless it comes back."
    )
