"""What has changed between two looks at the leases. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .model import EndReason, Lease, LeaseStatus
from .sentences import ended_because, moment, without_devices


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to one lease, whoever did it, in whatever process."""

    kind: str
    """``lease.queued``, ``.offered``, ``.started``, ``.extended``, ``.reclaiming`` (a borrowed
    lease was told its end), ``.devices_gone``, ``.devices_back``, ``.attached``, ``.detached`` or
    ``.ended``."""
    lease_id: str
    owner: str
    time: float
    """When it happened: seconds since the epoch, by the authority."""
    message: str
    """One sentence for the owner."""


def between(
    old: Mapping[str, Lease], live: Mapping[str, Lease], ended: Iterable[Lease], now: float
) -> Iterator[Change]:
    """The changes from ``old`` live leases to ``live`` ones; ``ended`` are those that left.

    Of several changes of one lease between the two looks the last is told.
    """
    for lease in ended:
        yield _change("lease.ended", lease, lease.ended_at or now, ended_because(lease))
    for lease in live.values():
        before = old.get(lease.id)
        if before == lease:
            continue
        if before is None or before.status is not lease.status:
            yield _entered(lease, now)
        elif lease.ending is EndReason.RECLAIMED and before.ending is None:
            end = moment(lease.expires_at or now)
            whom = f", {lease.remark.rstrip('.')}" if lease.remark else ""
            message = f"It is borrowed, and goes back at {end}{whom}."
            yield _change("lease.reclaiming", lease, now, message)
        elif (lease.expires_at or 0.0) > (before.expires_at or 0.0) and (
            lease.request.duration != before.request.duration
        ):
            message = f"It lasts until {moment(lease.expires_at or now)} now."
            yield _change("lease.extended", lease, now, message)
        elif (lease.lost_at is None) is not (before.lost_at is None):
            if lease.lost_at is None:
                yield _change("lease.devices_back", lease, now, "Its GPUs are there again.")
            else:
                said = without_devices(lease, {})
                yield _change("lease.devices_gone", lease, lease.lost_at, said)
        elif lease.kernel_id != before.kernel_id:
            kind = "lease.detached" if lease.kernel_id is None else "lease.attached"
            message = "a kernel" if lease.kernel_id else "no kernel"
            yield _change(kind, lease, now, f"It is attached to {message} now.")


def _entered(lease: Lease, now: float) -> Change:
    if lease.status is LeaseStatus.OFFERED:
        until = moment(lease.offer_expires_at or now)
        return _change("lease.offered", lease, now, f"It is offered: accept it by {until}.")
    if lease.status is LeaseStatus.ACTIVE:
        until = moment(lease.expires_at or now)
        return _change("lease.started", lease, lease.started_at or now, f"It lasts until {until}.")
    return _change("lease.queued", lease, lease.created_at, "It waits in the queue.")


def _change(kind: str, lease: Lease, time: float, message: str) -> Change:
    return Change(kind, lease.id, lease.owner, time, message)
