"""Leases to rows and back."""

from __future__ import annotations

from typing import Any

from ..leases.model import EndReason, Lease, LeaseStatus, Request


def to_row(lease: Lease) -> dict[str, Any]:
    """The columns of ``leases``."""
    request = lease.request
    return {
        "id": lease.id,
        "owner": lease.owner,
        "status": lease.status.value,
        "milli": request.milli,
        "duration": request.duration,
        "memory": request.memory,
        "model": request.model,
        "charged_group": request.group,
        "interactive": request.interactive,
        "kernel_id": request.kernel_id,
        "note": request.note,
        "devices": list(lease.devices),
        "created_at": lease.created_at,
        "started_at": lease.started_at,
        "expires_at": lease.expires_at,
        "offer_expires_at": lease.offer_expires_at,
        "ending": lease.ending and lease.ending.value,
        "ended_at": lease.ended_at,
        "end_reason": lease.end_reason and lease.end_reason.value,
        "remark": lease.remark,
        "attached_to": lease.kernel_id,
        "used_at": lease.used_at,
        "lost_at": lease.lost_at,
        "gives_way_to": lease.gives_way_to,
    }


def from_row(row: Any) -> Lease:
    """The lease in a row of ``leases``, all columns in their order."""
    # By place: looking each column up by name would take most of the time of a decision.
    (
        lease_id,
        owner,
        status,
        milli,
        duration,
        memory,
        model,
        group,
        interactive,
        kernel_id,
        note,
        devices,
        created_at,
        started_at,
        expires_at,
        offer_expires_at,
        ending,
        ended_at,
        end_reason,
        remark,
        attached_to,
        used_at,
        lost_at,
        gives_way_to,
    ) = row
    return Lease(
        lease_id,
        owner,
        Request(milli, duration, memory, model, group, interactive, kernel_id, note),
        LeaseStatus(status),
        created_at,
        tuple(devices),
        started_at,
        expires_at,
        offer_expires_at,
        ending and EndReason(ending),
        ended_at,
        end_reason and EndReason(end_reason),
        remark,
        attached_to,
        used_at,
        lost_at,
        gives_way_to,
    )
