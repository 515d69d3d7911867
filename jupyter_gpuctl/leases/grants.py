"""What is granted within one turn: a new lease, or more time. Each once, whoever asks it twice."""

from __future__ import annotations

import secrets
from dataclasses import replace

from . import answers, refusals
from .answers import Actor
from .model import Lease, LeaseStatus, Outcome, Request, Verdict
from .policy import Policy
from .ports import Remembered
from .rules import scheduler
from .turns import Turn
from .wire import LeaseAnswer


def requested(turn: Turn, actor: Actor, request: Request) -> LeaseAnswer | None:
    """The new lease; ``None``: refused, and the turn knows why.

    Raises:
        InvalidInput: a group is named that the actor is not a member of.
        InvalidConfig: the quotas could not be read.
        Unavailable: it isn't known which devices there are.
    """
    books = turn.books
    refusals.need_quotas(turn.conditions.policy)
    refusals.of_their_group(actor, request, turn.conditions.policy)
    refusals.need_devices(turn.conditions.view)
    if books.overdue():
        books.settle()
    found = scheduler.assess(books.snapshot, actor.user, request, books.now)
    if found.verdict.outcome is Outcome.REFUSED:
        books.note(actor.user, "lease.refuse", None, _asked(request, found.verdict))
        turn.refusal = refusals.refused(found.verdict)
        return None
    lease = Lease(
        id=_new_id(turn),
        owner=actor.user,
        request=_charged(request, turn.conditions.policy, actor.user),
        status=LeaseStatus.QUEUED,
        created_at=books.now,
        kernel_id=request.kernel_id,
    )
    books.add(lease)
    books.note(actor.user, "lease.request", lease, _asked(request))
    books.settle()
    granted = books.live[lease.id].holds and found.verdict.outcome is Outcome.ADMITTED
    return answer(turn, actor, lease.id, found.verdict if granted else None)


def _new_id(turn: Turn) -> str:
    """Ids sort as requests came: of two at the same moment the earlier goes first."""
    return f"{turn.transaction.revision:08x}{secrets.token_hex(2)}"


def extended(turn: Turn, actor: Actor, lease: Lease, seconds: int) -> LeaseAnswer:
    """``lease`` for up to ``seconds`` longer; as it was where that is refused: the turn knows why.

    Raises:
        Conflict: it isn't active.
        InvalidConfig: the quotas could not be read.
    """
    books = turn.books
    expires_at = refusals.begun(lease)
    refusals.need_quotas(turn.conditions.policy)
    found = scheduler.extend(books.snapshot, lease.id, seconds, books.now)
    if found.verdict.outcome is Outcome.REFUSED or found.expires_at is None:
        detail = {"action": "extend", "seconds": seconds, "limit": found.verdict.limit}
        books.note(actor.user, "lease.refuse", lease, detail)
        turn.refusal = refusals.refused(found.verdict)
        return answer(turn, actor, lease.id)
    gained = round(found.expires_at - expires_at)
    request = replace(lease.request, duration=lease.request.duration + gained)
    books.put(replace(lease, expires_at=found.expires_at, request=request))
    detail = {"seconds": gained, "asked": seconds, "expires_at": found.expires_at}
    books.note(actor.user, "lease.extend", lease, detail)
    books.settle()
    return answer(turn, actor, lease.id, found.verdict)


def answer(turn: Turn, actor: Actor, lease_id: str, verdict: Verdict | None = None) -> LeaseAnswer:
    """A lease that this turn has seen, as its caller may see it."""
    lease = turn.lease(lease_id)
    assert lease is not None
    return turn.state().picture.lease(lease, actor, verdict)


def repeated(turn: Turn, actor: Actor, key: str | None, fingerprint: str) -> LeaseAnswer | None:
    """The answer to what this key asked before; ``None``: it asked nothing.

    Raises:
        Conflict: that was something else.
    """
    known = None if key is None else turn.transaction.remembered(actor.user, key)
    if key is None or known is None:
        return None
    if known.fingerprint != fingerprint:
        raise refusals.key_reused(key, known.lease_id)
    return answer(turn, actor, known.lease_id)


def remember(turn: Turn, actor: Actor, key: str, fingerprint: str, lease_id: str) -> None:
    """That this key has asked for this."""
    what = Remembered(fingerprint, lease_id)
    turn.transaction.remember(actor.user, key, what, turn.books.now)


def _asked(request: Request, verdict: Verdict | None = None) -> dict[str, object]:
    """For the audit."""
    asked = {
        "gpus": answers.gpus(request),
        "duration": request.duration,
        "gpu_memory": request.memory,
        "gpu_model": request.model,
        "group": request.group,
        "limit": None if verdict is None else verdict.limit,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _charged(request: Request, policy: Policy, user: str) -> Request:
    """With the group that it is charged to: the first of the user's where none is named."""
    groups = policy.groups_of(user)
    if request.group is not None or not groups:
        return request
    return replace(request, group=groups[0].name)
