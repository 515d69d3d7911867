"""What people are told of findings: what is done, why, and what helps."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.kernels.guard.escalation import Case
from jupyter_gpuctl.kernels.guard.judgement import Finding
from jupyter_gpuctl.kernels.guard.sentences import answer, message, process
from jupyter_gpuctl.kernels.guard.signals import Reason, Refusal
from jupyter_gpuctl.kernels.wire import FindingKind, Stage
from tests.unit.guard_worlds import GIB, NOW

NOT_HELD, OVER_MEMORY, ENDED = FindingKind
INTRUDER = Finding(4711, "python", "GPU-0", "GPU 0", NOT_HELD, "b", holders=("a", "c"))
HOG = replace(INTRUDER, kind=OVER_MEMORY, holders=(), used=9 * GIB, allowed=8 * GIB, lease_id="l-1")
LATE = replace(
    INTRUDER, kind=ENDED, holders=(), ended_at=NOW - 180, spare_until=NOW + 120, lease_id="l-2"
)
REPORTED, WARNED, INTERRUPTED, TERMINATED, KILLED = Stage


def said(finding, stage, *, left=None, acts=True, names=True, refusal=None):
    case = Case(finding, 1, NOW, stage=stage, refusal=refusal)
    return message(case, now=NOW, left=left, acts=acts, names=names)


def test_a_dry_run_says_what_would_be_done():
    assert said(INTRUDER, REPORTED, acts=False) == (
        "pid 4711 (python) would be stopped because it uses GPU 0, which a and c hold. "
        "Nothing is done to it: the guard only reports here. "
        "End it, or lease a GPU and use that one."
    )


def test_a_lease_that_ended_is_told_with_the_time_that_is_left():
    assert said(LATE, REPORTED, acts=False).startswith(
        "pid 4711 (python) would be stopped in 2 min because the lease of GPU 0 that it ran on "
        "ended 3 min ago."
    )
    assert said(LATE, WARNED, left=120) == (
        "pid 4711 (python) is to be stopped because the lease of GPU 0 that it ran on ended "
        "3 min ago. It is interrupted in 2 min. Save your work and end it, or lease the GPU again."
    )


def test_too_much_memory_is_told_with_both_sizes():
    assert said(HOG, INTERRUPTED, left=10) == (
        "pid 4711 (python) was interrupted (SIGINT) because it holds the most of 9.0 GiB on "
        "GPU 0, where the lease allows 8.0 GiB. It is told to end in 10 s. "
        "Free memory of the GPU, or lease a larger share."
    )


def test_without_a_holder_it_says_that_every_program_needs_a_lease():
    alone = replace(INTRUDER, holders=())
    assert "it uses GPU 0 without a lease, and here every program needs one" in said(
        alone, WARNED, left=60
    )


def test_what_may_not_be_stopped_says_why_and_who_can():
    refusal = Refusal(Reason.ROOTS, "it is root's; an administrator can: sudo kill 4711")
    assert said(INTRUDER, REPORTED, refusal=refusal, names=False) == (
        "pid 4711 (python) is not stopped, though it uses GPU 0, which somebody else holds: "
        "it is root's; an administrator can: sudo kill 4711."
    )


def test_a_name_that_would_move_the_terminals_cursor_is_not_passed_on():
    assert process(replace(INTRUDER, name="py\x1b[2Jthon\n")) == "pid 4711 (py?[2Jthon?)"
    assert process(replace(INTRUDER, name=None)) == "pid 4711"


def test_a_lease_is_told_to_its_owner_only():
    case = Case(HOG, 1, NOW, stage=WARNED)
    given = {"now": NOW, "left": 30.0, "acts": True, "names": True, "mine": False}
    assert answer(case, own=True, **given).lease_id == "l-1"
    told = answer(case, own=False, **given)
    assert (told.lease_id, told.next_at.timestamp()) == (None, NOW + 30)


@given(
    st.sampled_from([INTRUDER, HOG, LATE, replace(INTRUDER, user=None, unattributed="It hides.")]),
    st.sampled_from(Stage),
    st.none() | st.floats(0, 1e6),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_found_is_told_in_whole_sentences(finding, stage, left, acts, names, refused):
    refusal = Refusal(Reason.UNKNOWN, "nobody knows whose it is") if refused else None
    text = said(finding, stage, left=left, acts=acts, names=names, refusal=refusal)
    assert text.startswith("pid 4711 (python) ")
    assert text.endswith(".")
    assert ".." not in text
    assert "None" not in text
    assert names or "which a" not in text
