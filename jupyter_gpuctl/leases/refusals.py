"""Why something is not done, as errors with the mend."""

from __future__ import annotations

from ..core.encoding import to_json
from ..core.errors import (
    Conflict,
    Forbidden,
    InvalidConfig,
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)
from .answers import Actor, at
from .model import Lease, LeaseStatus, Limit, Request, Verdict
from .policy import Policy
from .ports import DeviceView
from .sentences import ended_because

_OF_A_QUOTA = {
    Limit.USER_GPUS,
    Limit.GROUP_GPUS,
    Limit.USER_GPU_HOURS,
    Limit.GROUP_GPU_HOURS,
    Limit.MAX_LEASE,
    Limit.MAX_QUEUED,
    Limit.MODELS,
}


def refused(verdict: Verdict) -> Refused:
    """The verdict of the rules, as an error."""
    return Refused(
        "quota.exceeded" if verdict.limit in _OF_A_QUOTA else "lease.refused",
        verdict.message,
        hint=verdict.hint,
        detail=to_json(verdict),
    )


def may_act(actor: Actor) -> None:
    """Raises:
    Forbidden: the actor is a guest.
    """
    if actor.guest:
        raise Forbidden(
            "auth.guest",
            f"{actor.user} is a guest on this server, and can look but not act.",
            hint="Ask for GPUs on a server of your own.",
        )


def of_their_group(actor: Actor, request: Request, policy: Policy) -> None:
    """Raises:
    InvalidInput: a group is to be charged that the actor is not a member of.
    """
    names = [group.name for group in policy.groups_of(actor.user)]
    if request.group is not None and request.group not in names:
        raise InvalidInput(
            "group.unknown",
            f"group={request.group!r} is not a group of {actor.user}'s.",
            hint=f"Yours: {', '.join(names)}." if names else "Leave it out: you are in none.",
            detail={"name": "group", "value": request.group, "groups": names},
        )


def need_quotas(policy: Policy) -> None:
    """Raises:
    InvalidConfig: the quotas could not be read.
    """
    if policy.unread:
        raise InvalidConfig("config.invalid", policy.unread, hint=policy.unread_hint)


def need_devices(view: DeviceView) -> None:
    """Raises:
    Unavailable: it isn't known which devices there are.
    """
    if view.problem:
        raise Unavailable(
            "devices.unknown",
            f"It isn't known which GPUs there are: {view.problem}",
            hint=view.hint,
        )


def seen_by(actor: Actor, lease: Lease | None, lease_id: str) -> Lease:
    """The lease.

    Raises:
        NotFound: there is none, or it isn't the actor's; which of the two is not told.
    """
    if lease is None or not (actor.admin or lease.owner == actor.user):
        raise NotFound(
            "lease.unknown",
            f"There is no lease {lease_id[:64]!r} of yours.",
            hint="Look at the list of leases; those that have ended are in the history.",
        )
    return lease


def still_live(lease: Lease) -> None:
    """Raises:
    Conflict: it has ended; says when and why.
    """
    if lease.status is LeaseStatus.ENDED:
        raise Conflict(
            "lease.ended",
            f"Lease {lease.id} is over. {ended_because(lease)}",
            hint="Ask for a new one.",
            detail={
                "reason": lease.end_reason,
                "ended_at": at(lease.ended_at or 0.0).isoformat(),
            },
        )


def of_their_own(actor: Actor, lease: Lease) -> None:
    """Raises:
    Forbidden: it is another's, even for an administrator.
    """
    if lease.owner != actor.user:
        raise Forbidden(
            "lease.not_yours",
            f"Lease {lease.id} is {lease.owner}'s.",
            hint="Only they can use it.",
        )


def offered_to(actor: Actor, lease: Lease) -> None:
    """Raises:
    Forbidden: it is another's, even for an administrator.
    Conflict: it waits still.
    """
    if lease.owner != actor.user:
        raise Forbidden(
            "lease.not_yours",
            f"Lease {lease.id} is {lease.owner}'s.",
            hint="Only they can accept it.",
        )
    if lease.status is LeaseStatus.QUEUED:
        raise Conflict(
            "lease.not_offered",
            f"Lease {lease.id} is still queued.",
            hint="It can be accepted when it is offered.",
        )


def begun(lease: Lease) -> float:
    """When it ends.

    Raises:
        Conflict: it is not active.
    """
    if lease.status is not LeaseStatus.ACTIVE or lease.expires_at is None:
        raise Conflict(
            "lease.not_active",
            f"Lease {lease.id} is {lease.status}: it has not begun.",
            hint="It can be extended once it is active.",
        )
    return lease.expires_at


def reason_given(lease: Lease, reason: str) -> None:
    """Raises:
    InvalidInput: somebody else's lease is to be ended without one.
    """
    if not reason.strip():
        raise InvalidInput(
            "reason.required",
            f"Lease {lease.id} is {lease.owner}'s: ending it takes a reason.",
            hint="Say why; its owner is told.",
        )


def key_reused(key: str, lease_id: str) -> Conflict:
    """An idempotency key that another request has used."""
    return Conflict(
        "idempotency.conflict",
        f"The idempotency key {key!r} was used for another request.",
        hint="Use a new key for each request, and the same one only to repeat it.",
        detail={"key": key, "lease_id": lease_id},
    )
