"""What is said of leases that several answers say. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from .model import EndReason, Lease

_BECAUSE = {
    EndReason.RELEASED: "its owner gave it back",
    EndReason.EXPIRED: "its time was over",
    EndReason.CANCELLED: "its owner withdrew the request",
    EndReason.DECLINED: "its owner declined the offer",
    EndReason.LAPSED: "the offer was not accepted in time",
    EndReason.REVOKED: "an administrator revoked it",
    EndReason.RECLAIMED: "it was borrowed, and the owner of the quota needed it",
    EndReason.IDLE: "nothing ran on it for long",
}


def moment(time: float) -> str:
    """``2027-01-04 09:20 UTC``."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def ended_because(lease: Lease) -> str:
    """When and why an ended lease ended, as one sentence."""
    reason = lease.end_reason or EndReason.EXPIRED
    remark = f" ({lease.remark.rstrip('.')})" if lease.remark else ""
    return f"It ended at {moment(lease.ended_at or 0.0)}: {_BECAUSE[reason]}{remark}."
