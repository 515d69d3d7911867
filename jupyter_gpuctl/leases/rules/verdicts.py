"""What people are told: sentences with the limit, its use, and what would help. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from ..model import WHOLE, Lease, Limit, Outcome, Request, Verdict
from ..policy import HoursQuota, WindowKind
from .accounting import GPU_HOUR, SLACK, Tally
from .phrases import gpus, hours, moment, size, span
from .terms import Terms

_A = {WindowKind.DAILY: "a day", WindowKind.WEEKLY: "a week", WindowKind.MONTHLY: "a month"}


def too_long(bound: Terms, duration: float) -> Verdict:
    """Longer than the longest lease."""
    longest = span(bound.longest)
    return Verdict(
        Outcome.REFUSED,
        Limit.MAX_LEASE,
        used=duration,
        allowed=float(bound.longest),
        message=f"A lease of yours may last {longest} at most, and {span(duration)} is asked for.",
        hint=f"Ask for at most {longest}; a lease can be extended while nobody waits for it.",
    )


def no_member(group: str) -> Verdict:
    """Its owner has left the group that it is charged to, or the group is gone."""
    return Verdict(
        Outcome.REFUSED,
        Limit.GROUP_GPUS,
        message=f"You are no longer a member of the group {group}, which this is charged to.",
        hint="Withdraw it and ask again.",
    )


def too_many(
    limit: Limit,
    bound: Terms,
    milli: int,
    held: int,
    leases: Iterable[Lease],
    owner: str,
    now: float,
    *,
    hide_names: bool,
) -> Verdict:
    """More devices at once than the user or the group may hold."""
    whole_group = limit is Limit.GROUP_GPUS
    quota = (bound.group_limits if whole_group else bound.user_limits).gpus
    assert quota is not None
    name = bound.group.scope.name if whole_group and bound.group else ""
    who = f"Your group {name} may hold" if whole_group else "You may hold"
    now_held = f"and hold{'s' if whole_group else ''} {held / WHOLE:g}"
    if milli > quota.limit:
        now_held = f"and {milli / WHOLE:g} {'is' if milli <= WHOLE else 'are'} asked for"
    left = quota.limit - held
    if milli > quota.limit or left >= min(milli, WHOLE):
        most = quota.limit if milli > quota.limit else left
        hint = f"Ask for at most {gpus(most)}." if most > 0 else "Ask an administrator."
    else:
        hint = _who_ends(milli - left, leases, owner, now, hide_names=hide_names)
    return Verdict(
        Outcome.REFUSED,
        limit,
        used=held / WHOLE,
        allowed=quota.limit / WHOLE,
        message=f"{who} {gpus(quota.limit)} at once {now_held}.",
        hint=hint,
    )


def _who_ends(
    missing: int, leases: Iterable[Lease], owner: str, now: float, *, hide_names: bool
) -> str:
    """Whose end makes room for ``missing``."""
    freed = 0
    for lease in sorted(leases, key=lambda x: (x.expires_at or inf, x.id)):
        freed += lease.request.milli
        if freed >= missing:
            yours = lease.owner == owner
            whose = "Your lease" if yours else f"{lease.owner}'s lease"
            if hide_names and not yours:
                whose = "The lease of a member"
            if lease.expires_at is None:
                return f"{whose} is on offer and has not begun."
            end = f"{whose} ends at {moment(lease.expires_at, now)}"
            return f"{end}, or when you release it." if yours else f"{end}."
    return ""


def spent(
    limit: Limit, bound: Terms, quota: HoursQuota, use: Tally, request: Request, now: float
) -> Verdict:
    """More GPU-hours than are left."""
    name = bound.group.scope.name if limit is Limit.GROUP_GPU_HOURS and bound.group else ""
    who = f"Your group {name}" if name else "You"
    window = quota.window
    per = _A.get(window.kind) or f"within {span(window.seconds)}"
    left = max(0.0, use.left)
    cost = use.cost(request.milli, now, now + request.duration)
    until = "" if use.rolling else f" until {moment(use.reset, now)}"
    longest = left / request.milli
    aside = f" and {hours(use.committed)} set aside for running leases" if use.committed else ""
    if not use.rolling and cost <= use.left + SLACK:
        most = use.until(request.milli, max(now, use.reset), now + request.duration) - now
        return Verdict(
            Outcome.REFUSED,
            limit,
            used=use.carried / GPU_HOUR,
            allowed=quota.limit,
            message=f"{who} may use {quota.limit:g} GPU-hours {per}: what of it comes after "
            f"{moment(use.reset, now)} would be more than is left then.",
            hint=f"Ask for at most {span(most)}.",
        )
    if longest >= 60:
        what = f"{hours(left)} GPU-hours are left{until}"
        hint = f"Ask for at most {span(longest)}: {what}."
    elif use.rolling:
        hint = f"What was used more than {span(window.seconds)} ago counts no more."
    else:
        hint = f"They are counted anew from {moment(use.reset, now)}."
    return Verdict(
        Outcome.REFUSED,
        limit,
        used=(use.used + use.committed) / GPU_HOUR,
        allowed=quota.limit,
        message=f"{who} may use {quota.limit:g} GPU-hours {per}: {hours(use.used)} are used"
        f"{aside}; this would cost {hours(cost)}.",
        hint=hint,
    )


def wrong_model(allowed: Iterable[str]) -> Verdict:
    """What is asked for is there, and not among the models that are allowed."""
    names = ", ".join(allowed)
    return Verdict(
        Outcome.REFUSED,
        Limit.MODELS,
        message=f"Your quota allows these models only: {names}.",
        hint="Name one of them, or leave the model out.",
    )


def impossible(request: Request, most: int, models: Iterable[str], largest: int | None) -> Verdict:
    """No host has it, even when all is free. ``most``: devices that could be had of what is asked.

    ``largest``: bytes of the largest device of the models that fit; ``None``: no such model.
    """
    known = sorted(set(models))
    used = request.milli / WHOLE
    if not known:
        message, hint = "No GPUs are known here at present.", "See what health says of the driver."
    elif largest is None:
        message = f"No GPU here is of model {request.model}."
        hint = f"There are: {', '.join(known)}."
    elif most == 0:
        message = f"No GPU that fits has {size(request.memory or 0)} of memory."
        hint = f"Ask for at most {size(largest)}." if largest > 0 else "Leave the memory out."
    else:
        message = f"No machine here has {gpus(request.milli)} of one model that fit."
        hint = f"Ask for at most {gpus(most * WHOLE)}."
    return Verdict(Outcome.REFUSED, Limit.CAPACITY, used, float(most), message, hint)


def queue_full(waiting: int, allowed: int) -> Verdict:
    """As many requests wait as may."""
    counted = f"{allowed} request{'' if allowed == 1 else 's'}"
    message = (
        f"You may have {counted} waiting and have {waiting}."
        if allowed
        else "It can't start now, and you may have no request waiting."
    )
    return Verdict(
        Outcome.REFUSED,
        Limit.MAX_QUEUED,
        float(waiting),
        float(allowed),
        message,
        "Withdraw one, or ask again later." if allowed else "Ask again later.",
    )


def taken(request: Request, total: int, most_free: int, next_end: float, now: float) -> Verdict:
    """Others have what is asked for. ``total``: devices that fit; ``next_end`` of a lease there."""
    frees = f"one comes free at {moment(next_end, now)}" if next_end < inf else ""
    if request.shared:
        message = f"None of the {total} GPUs that fit has {request.milli / WHOLE:g} free"
    elif most_free:
        message = (
            f"{gpus(request.milli)} on one machine are asked for, and at most {most_free} of those "
            f"that fit are free together"
        )
    elif total == 1:
        message = "The one GPU that fits is taken"
        frees = f"it comes free at {moment(next_end, now)}" if next_end < inf else ""
    else:
        message = f"{'Both' if total == 2 else f'All {total}'} GPUs that fit are taken"
    fewer = f"Ask for at most {gpus(most_free * WHOLE)} to start sooner." if most_free else ""
    return Verdict(
        Outcome.QUEUED,
        Limit.DEVICES,
        used=float(total - most_free) if request.count == 1 and not request.shared else None,
        allowed=float(total) if request.count == 1 and not request.shared else None,
        message=f"{message}; {frees}." if frees else f"{message}.",
        hint=fewer or "It starts by itself when it is its turn.",
    )


def then_booked(taken: Verdict, group: str, end: float, now: float) -> Verdict:
    """``taken``, and what comes free is booked for others until ``end``."""
    booked = f"then it is booked for the group {group} until {moment(end, now)}"
    return replace(taken, message=f"{taken.message.removesuffix('.')}; {booked}.")


def outside(
    names: Iterable[str], users: Iterable[str | None], owner: str, *, shared: bool, hide_names: bool
) -> Verdict:
    """It could start, were it not for processes that no lease covers."""
    devices, known = list(names), sorted({user for user in users if user is not None})
    which = devices[0] if len(devices) == 1 else f"{len(devices)} GPUs"
    whose = "programs outside of leases"
    hint = "It starts when those programs have ended."
    if known == [owner]:
        whose = "your own programs"
        hint = "End them, or ask for a whole GPU: yours may run on." if shared else "End them."
    elif known and not hide_names:
        whose = f"programs of {', '.join(known)} outside of leases"
    verb = "is" if len(devices) == 1 else "are"
    return Verdict(
        Outcome.QUEUED,
        Limit.OUTSIDE,
        message=f"{which} {verb} not leased, but in use by {whose}.",
        hint=hint,
    )


def reserved(group: str, start: float, end: float, longest: float, now: float) -> Verdict:
    """Only a reservation is in the way."""
    begun = start <= now
    when = f"until {moment(end, now)}" if begun else f"from {moment(start, now)}"
    return Verdict(
        Outcome.QUEUED,
        Limit.RESERVATION,
        message=f"The free GPUs are booked for the group {group} {when}.",
        hint=f"Ask for at most {span(longest)} to start now."
        if longest >= 60
        else "It starts by itself when enough GPUs are free beside those.",
    )


def not_your_turn(longest: float) -> Verdict:
    """GPUs are free, and kept for those ahead."""
    return Verdict(
        Outcome.QUEUED,
        Limit.TURN,
        message="GPUs are free, but they are kept for requests whose turn comes first.",
        hint=f"Ask for at most {span(longest)} to start now."
        if longest >= 60
        else "It starts by itself when it is its turn.",
    )
