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
    }


def from_row(row: Any) -> Lease:
    """The lease in a row of ``leases``."""
    return Lease(
        id=row.id,
        owner=row.owner,
        request=Request(
            milli=row.milli,
            duration=row.duration,
            memory=row.memory,
            model=row.model,
            group=row.charged_group,
            interactive=row.interactive,
            kernel_id=row.kernel_id,
            note=row.note,
        ),
        status=LeaseStatus(row.status),
        created_at=row.created_at,
        devices=tuple(row.devices),
        started_at=row.started_at,
        expires_at=row.expires_at,
        offer_expires_at=row.offer_expires_at,
        ending=row.ending and EndReason(row.ending),
        ended_at=row.ended_at,
        end_reason=row.end_reason and EndReason(row.end_reason),
        remark=row.remark,
    )
