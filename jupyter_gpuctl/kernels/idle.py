"""When a lease counts as idle, and what is done about it. Pure: looks in, steps out.

A lease is idle when nothing has used it for ``after`` seconds. Then its owner is asked; halfway
through ``grace`` seconds reminded; after them it is given back. It never is while anything of its
owner's is on its devices, or where that can't be known. Its owner has always been asked ``grace``
seconds before, by this very server: one that has just been started, or was asleep, asks first.

Leases of others, and of kernels that this server doesn't know, are somebody else's to judge. Only
if nobody has vouched for one of them through ``after`` and ``grace`` (their server has ended) and
no process at all is on its devices is it given back from here.

Ages are measured by a monotonic clock or as differences of the authority's times, so that nobody
loses a lease by a clock that is set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class IdleRules:
    """The traits ``idle_after`` and ``idle_grace``, in seconds."""

    after: float
    """0: nothing is ever idle."""
    grace: float
    """0: it is asked, and nothing is ever given back."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of one active lease at one time."""

    in_use: bool = False
    """A device of it works for its owner, or its kernel is busy."""
    unknown: bool = False
    """Its devices could not be read: nothing is known of their use."""
    owner_there: bool = False
    """A process of its owner is on a device of it."""
    anyone_there: bool = False
    """A process is on a device of it, whoever's."""
    ours: bool = True
    """It is this server's to judge: its user's, and for no kernel of another server."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one lease between two looks. Times of a monotonic clock."""

    used_at: float | None = None
    """When this server last saw it used."""
    asked_at: float | None = None
    """When its owner was asked; ``None``: it is not idle."""
    reminded: bool = False
    held: bool = False
    """The owner was asked while a process was on the devices: no end was told."""


class Step(StrEnum):
    """What is to be done about a lease now."""

    ASK = "asked"
    REMIND = "reminded"
    RELEASE = "released"


def judge(
    memory: Memory, look: Look, vouched: float, now: float, rules: IdleRules
) -> tuple[Memory, Step | None]:
    """What to remember, and what to do.

    ``vouched``: seconds since the lease began or was last vouched for by anybody, as the
    authority knows it. ``now``: of the monotonic clock.
    """
    if rules.after <= 0:
        return Memory(), None
    if look.in_use:
        return Memory(used_at=now), None
    if look.unknown:
        return memory, None
    if not look.ours:
        return Memory(), _of_others(look, vouched, rules)
    if idle_for(memory, vouched, now) < rules.after:
        return Memory(used_at=memory.used_at), None
    if memory.asked_at is None or (memory.held and not look.owner_there):
        # Where memory was held nobody was told when it would end: the grace begins when it may.
        return replace(memory, asked_at=now, reminded=False, held=look.owner_there), Step.ASK
    if look.owner_there or rules.grace <= 0:
        return replace(memory, held=look.owner_there), None
    waited = now - memory.asked_at
    if waited >= rules.grace:
        return memory, Step.RELEASE
    if waited >= rules.grace / 2 and not memory.reminded:
        return replace(memory, reminded=True), Step.REMIND
    return memory, None


def idle_for(memory: Memory, vouched: float, now: float) -> float:
    """Seconds for which nothing has used it, as far as this server and the authority know."""
    return vouched if memory.used_at is None else min(vouched, now - memory.used_at)


def release_in(memory: Memory, now: float, rules: IdleRules) -> float | None:
    """Seconds until it is given back unless it is used or kept; ``None``: it is not."""
    if memory.asked_at is None or memory.held or rules.grace <= 0:
        return None
    return max(0.0, memory.asked_at + rules.grace - now)


def _of_others(look: Look, vouched: float, rules: IdleRules) -> Step | None:
    abandoned = rules.grace > 0 and vouched >= rules.after + rules.grace
    return Step.RELEASE if abandoned and not look.anyone_there else None
