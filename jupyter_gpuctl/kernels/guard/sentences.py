"""What people are told of a process that uses a device in a way that leases don't allow. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from ...core.quantities import format_bytes
from ..wire import FindingAnswer, FindingKind, Stage
from .escalation import Case
from .judgement import Finding
from .signals import Reason

_DONE = {
    Stage.WARNED: "is to be stopped",
    Stage.INTERRUPTED: "was interrupted (SIGINT)",
    Stage.TERMINATED: "was told to end (SIGTERM)",
    Stage.KILLED: "was killed (SIGKILL)",
}
_NEXT = {
    Stage.WARNED: "It is interrupted",
    Stage.INTERRUPTED: "It is told to end",
    Stage.TERMINATED: "It is killed",
}


def process(finding: Finding) -> str:
    """``pid 4711 (python)``. Anybody may name a process anything: only what can be printed."""
    name = "".join(each if each.isprintable() else "?" for each in finding.name or "")
    return f"pid {finding.pid} ({name})" if name else f"pid {finding.pid}"


def cause(finding: Finding, now: float, *, names: bool) -> str:
    """Why, to go after "because". ``names``: whether other people's may be told."""
    where = finding.label
    if finding.kind is FindingKind.OVER_MEMORY:
        return (
            f"it holds the most of {format_bytes(finding.used)} on {where}, "
            f"where the lease allows {format_bytes(finding.allowed)}"
        )
    if finding.kind is FindingKind.ENDED:
        ago = _span(now - (finding.ended_at or now))
        return f"the lease of {where} that it ran on ended {ago} ago"
    if not finding.holders:
        return f"it uses {where} without a lease, and here every program needs one"
    return f"it uses {where}, which {_holders(finding, names=names)}"


def message(case: Case, *, now: float, left: float | None, acts: bool, names: bool) -> str:
    """What is or would be done, why, and what helps; ``left`` seconds until the next stage.

    ``acts``: the guard stops processes here, where it has the right.
    """
    finding, which, why = case.finding, process(case.finding), cause(case.finding, now, names=names)
    if finding.user is None:
        # For all that is known it may be the holder's own.
        held = f"{finding.label}, which {_holders(finding, names=names)}"
        reason = finding.unattributed or "Nobody knows why."
        if case.refusal is not None and case.refusal.reason is Reason.CONTAINER:
            reason = f"{case.refusal.message}."
        return f"{which} uses {held}, and may be theirs or not: {reason[:1].lower()}{reason[1:]}"
    if case.refusal is not None:
        return f"{which} is not stopped, though {why}: {case.refusal.message}."
    if case.stage is Stage.REPORTED or case.stage is None:
        spared = (finding.spare_until or 0.0) - now
        would = f"{which} would be stopped because {why}."
        if spared > 0:
            would = f"{which} would be stopped in {_span(spared)} because {why}."
        only = "" if acts else " Nothing is done to it: the guard only reports here."
        return f"{would}{only} {helps(finding)}"
    if case.stage is Stage.KILLED:
        return (
            f"{which} {_DONE[case.stage]} because {why}. It is gone once the driver lets go of it."
        )
    soon = "now" if left is None or left < 1 else f"in {_span(left)}"
    return (
        f"{which} {_DONE[case.stage]} because {why}. {_NEXT[case.stage]} {soon}. {helps(finding)}"
    )


def helps(finding: Finding) -> str:
    """What its user can do."""
    if finding.kind is FindingKind.OVER_MEMORY:
        return "Free memory of the GPU, or lease a larger share."
    if finding.kind is FindingKind.ENDED:
        return "Save your work and end it, or lease the GPU again."
    if finding.holders:
        return "End it, or lease a GPU and use that one."
    return "Lease this GPU, or end it."


def cleared(case: Case, *, gone: bool) -> str:
    """That what was warned about is over."""
    which = process(case.finding)
    if not gone:
        return f"{which} uses {case.finding.label} as leases allow by now, and is left alone."
    if case.stage is Stage.WARNED:
        return f"{which} has ended by itself."
    return f"{which} has ended, after it {_DONE[case.stage or Stage.KILLED]}."


def ending(case: Case, now: float, *, names: bool) -> str:
    """Why a kernel's process was stopped, as a sentence."""
    return f"The guard stopped it because {cause(case.finding, now, names=names)}."


def answer(
    case: Case,
    *,
    now: float,
    left: float | None,
    acts: bool,
    names: bool,
    own: bool,
    mine: bool,
) -> FindingAnswer:
    """``now`` in seconds since the epoch; ``own``: the lease may be told to who asks; ``mine``:
    it is this person's process.
    """
    finding = case.finding
    return FindingAnswer(
        pid=finding.pid,
        name=finding.name,
        device=finding.device,
        kind=finding.kind,
        user=finding.user,
        mine=mine,
        kernel_id=finding.kernel_id,
        notebook=finding.notebook,
        lease_id=finding.lease_id if own else None,
        stage=case.stage or Stage.REPORTED,
        since=_time(case.since),
        next_at=None if left is None else _time(now + max(0.0, left)),
        message=message(case, now=now, left=left, acts=acts, names=names),
    )


def _holders(finding: Finding, *, names: bool) -> str:
    """``ann holds``, ``ann and ben hold``, ``somebody else holds``."""
    if not (names and finding.holders):
        return "somebody else holds"
    verb = "holds" if len(finding.holders) == 1 else "hold"
    return f"{' and '.join(finding.holders)} {verb}"


def _span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
