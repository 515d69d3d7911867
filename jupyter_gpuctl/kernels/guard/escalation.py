"""What is done about a finding, and when: findings over time, steps out. Pure.

Seen in two samples, as the same process: the owner is warned. Then comes the grace, then SIGINT,
SIGTERM and SIGKILL, :data:`STEP` seconds apart, each only while the finding is still there. A
dry run, and a process that isn't the guard's to stop, are reported once and never go further.

What has vanished is forgotten when the process has ended, or when the finding has stayed away for
as long as its grace was; one that is back earlier goes on where it was, without a new grace.

Times are seconds of a clock that never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ..wire import FindingKind, Stage
from .judgement import Finding
from .signals import Refusal

WARNING = 60.0
"""Seconds from the warning to SIGINT, but for a lease that has ended."""
STEP = 10.0
"""Seconds from SIGINT to SIGTERM, and from that to SIGKILL; and the shortest warning."""

_NEXT = {
    Stage.WARNED: Stage.INTERRUPTED,
    Stage.INTERRUPTED: Stage.TERMINATED,
    Stage.TERMINATED: Stage.KILLED,
}


class Action(StrEnum):
    """What the guard has to do. The values are those of the audit."""

    REPORT = "guard.would_stop"
    """Say that it would be stopped; or, with a refusal, that it can't be."""
    WARN = "guard.warn"
    INTERRUPT = "guard.interrupt"
    TERMINATE = "guard.terminate"
    KILL = "guard.kill"
    CLEAR = "guard.cleared"
    """Say that what was warned about is over."""


_ACTIONS = {
    Stage.INTERRUPTED: Action.INTERRUPT,
    Stage.TERMINATED: Action.TERMINATE,
    Stage.KILLED: Action.KILL,
}

Key = tuple[int, int, str, FindingKind]


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one finding."""

    finding: Finding
    """As it was seen last."""
    started: int
    """Of the process, in clock ticks after boot; 0: not known, and then it is never touched."""
    since: float
    """When it was seen first; seconds since the epoch."""
    stage: Stage | None = None
    """``None``: seen once."""
    next_at: float | None = None
    """When the next stage comes; of a report, when it is looked at again who may stop it."""
    refusal: Refusal | None = None
    """Why the guard may not stop it."""
    told: bool = False
    """It was reported."""
    grace: float = WARNING
    """Seconds that it was given, and that it must stay away to be forgotten."""
    absent_since: float | None = None

    @property
    def key(self) -> Key:
        """The same process, on the same device, for the same reason."""
        return self.finding.pid, self.started, self.finding.device, self.finding.kind


def due(case: Case | None, now: float) -> bool:
    """Whether the next :func:`advance` may take a step, and so needs to know of a refusal."""
    if case is None:
        return False
    return case.stage is None or (case.next_at is not None and now >= case.next_at)


def advance(
    case: Case | None,
    finding: Finding,
    started: int,
    *,
    now: float,
    time: float,
    enforce: bool,
    refusal: Refusal | None = None,
) -> tuple[Case, Action | None]:
    """A sample has shown ``finding``: the case as it is then, and what is to be done.

    ``time`` is the authority's, in seconds since the epoch. ``refusal`` counts where :func:`due`
    said so.
    """
    if case is None:
        return Case(finding, started, time), None
    looked = due(case, now)
    if case.finding != finding or case.absent_since is not None:
        case = replace(case, finding=finding, absent_since=None)
    spared = 0.0 if finding.spare_until is None else max(0.0, finding.spare_until - time)
    if looked:
        case = replace(case, refusal=refusal)
    if not enforce or case.refusal is not None:
        if looked:
            again = now + WARNING if enforce else None
            case = replace(case, stage=Stage.REPORTED, next_at=again)
        # Before its grace is over nothing would be done to it, so there is nothing to report.
        if case.told or spared > 0:
            return case, None
        return replace(case, told=True), Action.REPORT
    if not looked:
        return case, None
    if case.stage in (None, Stage.REPORTED):
        grace = WARNING if finding.spare_until is None else max(STEP, spared)
        warned = replace(case, stage=Stage.WARNED, next_at=now + grace, grace=max(WARNING, grace))
        return warned, Action.WARN
    assert case.stage is not None, "what was seen once has been dealt with above"
    stage = _NEXT[case.stage]
    next_at = None if stage is Stage.KILLED else now + STEP
    return replace(case, stage=stage, next_at=next_at), _ACTIONS[stage]


def vanish(case: Case, *, now: float, gone: bool) -> tuple[Case | None, Action | None]:
    """A sample of the device doesn't show the finding: the case as it is then (``None``: it is
    forgotten), and what is to be done. ``gone``: the process has ended.
    """
    if case.stage is None:
        return None, None
    since = now if case.absent_since is None else case.absent_since
    if not gone and now - since < case.grace:
        return replace(case, absent_since=since), None
    return None, None if case.stage is Stage.REPORTED else Action.CLEAR
