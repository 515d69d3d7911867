"""What the owner of a lease is told when something has changed."""

from __future__ import annotations

from dataclasses import replace

from jupyter_gpuctl.leases.changes import between
from jupyter_gpuctl.leases.model import EndReason, Lease, LeaseStatus, Request

NINE = 1_799_053_200.0
"""2027-01-04 09:00 UTC."""
HELD = Lease(
    id="1",
    owner="user-a",
    request=Request(1000, 3600),
    status=LeaseStatus.ACTIVE,
    created_at=NINE,
    started_at=NINE,
    expires_at=NINE + 3600,
    devices=("GPU-0",),
)


def told(lease: Lease) -> list[tuple[str, str]]:
    return [(c.kind, c.message) for c in between({"1": HELD}, {"1": lease}, (), NINE)]


def test_a_borrower_is_told_when_and_for_whom_it_goes_back() -> None:
    soon = replace(HELD, expires_at=NINE + 600, ending=EndReason.RECLAIMED)
    assert told(replace(soon, remark="for the group course")) == [
        (
            "lease.reclaiming",
            "It is borrowed, and goes back at 2027-01-04 09:10 UTC, for the group course.",
        )
    ]
    ((_, message),) = told(soon)
    assert message == "It is borrowed, and goes back at 2027-01-04 09:10 UTC."
