"""What is done about a finding, and when."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.kernels.guard.escalation import (
    STEP,
    WARNING,
    Action,
    advance,
    due,
    vanish,
)
from jupyter_gpuctl.kernels.guard.judgement import Finding
from jupyter_gpuctl.kernels.guard.signals import Reason, Refusal
from jupyter_gpuctl.kernels.wire import FindingKind, Stage
from tests.unit.guard_worlds import NOW

REPORT, WARN, INTERRUPT, TERMINATE, KILL, CLEAR = Action
INTRUDER = Finding(4711, "python", "GPU-0", "GPU 0", FindingKind.NOT_HELD, "b", holders=("a",))
OVER = replace(
    INTRUDER, kind=FindingKind.ENDED, ended_at=NOW - 100, spare_until=NOW + 200, lease_id="l"
)
ROOTS = Refusal(Reason.ROOTS, "it is root's")


class Story:
    """One process over time: what is done at which second."""

    def __init__(self, *, enforce=True, finding=INTRUDER, refusal=None):
        self.enforce, self.finding, self.refusal = enforce, finding, refusal
        self.case, self.now = None, 0.0
        self.done = []

    def sees(self, *seconds):
        for self.now in map(float, seconds):
            self.case, action = advance(
                self.case,
                self.finding,
                1,
                now=self.now,
                time=NOW + self.now,
                enforce=self.enforce,
                refusal=self.refusal,
            )
            self._note(action)
        return self

    def misses(self, *seconds, gone=False):
        for self.now in map(float, seconds):
            if self.case is not None:
                self.case, action = vanish(self.case, now=self.now, gone=gone)
                self._note(action)
        return self

    def _note(self, action):
        if action is not None:
            self.done.append((self.now, action))

    @property
    def actions(self):
        return [action for _, action in self.done]


def test_what_is_seen_once_has_no_consequence():
    assert Story().sees(0).done == []
    assert Story().sees(0).misses(1).case is None


def test_seen_twice_it_is_warned_then_interrupted_terminated_and_killed():
    story = Story().sees(*range(120))
    assert story.done == [(1, WARN), (61, INTERRUPT), (71, TERMINATE), (81, KILL)]
    assert (story.case.stage, story.case.next_at) == (Stage.KILLED, None)


def test_a_sample_that_comes_late_skips_no_step():
    story = Story().sees(0, 1, 5000, 5001, 9000, 9001, 20_000, 30_000)
    assert story.done == [(1, WARN), (5000, INTERRUPT), (9000, TERMINATE), (20_000, KILL)]


def test_a_dry_run_reports_once_and_never_goes_further():
    story = Story(enforce=False).sees(*range(1000))
    assert story.done == [(1, REPORT)]
    assert (story.case.stage, story.case.next_at) == (Stage.REPORTED, None)


def test_what_may_not_be_stopped_is_reported_once():
    story = Story(refusal=ROOTS).sees(*range(1000))
    assert story.done == [(1, REPORT)]
    assert (story.case.stage, story.case.refusal) == (Stage.REPORTED, ROOTS)


def test_what_may_be_stopped_later_is_warned_first():
    story = Story(refusal=ROOTS).sees(*range(10))
    story.refusal = None
    story.sees(*range(10, 200))
    assert [action for _, action in story.done[:3]] == [REPORT, WARN, INTERRUPT]
    assert story.done[2][0] - story.done[1][0] == WARNING


def test_what_may_not_be_stopped_any_more_is_left_at_the_next_step():
    story = Story().sees(*range(30))
    story.refusal = ROOTS
    story.sees(*range(30, 200))
    assert story.actions == [WARN, REPORT]
    assert story.case.stage is Stage.REPORTED


def test_after_a_lease_the_owner_is_warned_at_once_and_spared_until_its_grace_is_over():
    story = Story(finding=OVER).sees(*range(300))
    assert story.done == [(1, WARN), (200, INTERRUPT), (210, TERMINATE), (220, KILL)]


def test_a_grace_that_is_over_still_leaves_time_to_read_the_warning():
    story = Story(finding=replace(OVER, spare_until=NOW - 1000)).sees(*range(100))
    assert story.done[:2] == [(1, WARN), (1 + STEP, INTERRUPT)]


def test_a_dry_run_reports_an_ended_lease_only_when_its_grace_is_over():
    story = Story(enforce=False, finding=OVER).sees(*range(300))
    assert story.done == [(200, REPORT)]


def test_a_process_that_has_ended_is_forgotten_at_once_and_that_is_told():
    story = Story().sees(*range(10)).misses(10, gone=True)
    assert (story.case, story.actions) == (None, [WARN, CLEAR])


def test_what_keeps_to_its_lease_again_is_cleared_after_staying_so_for_its_grace():
    story = Story().sees(*range(10)).misses(*range(10, 100))
    assert story.done == [(1, WARN), (10 + WARNING, CLEAR)]
    assert story.case is None


def test_in_a_dry_run_nothing_is_cleared():
    story = Story(enforce=False).sees(*range(10)).misses(*range(10, 100))
    assert (story.case, story.actions) == (None, [REPORT])


def test_who_flaps_gets_no_new_grace():
    story = Story()
    for second in range(120):
        if second % 10 < 3 or second < 3:
            story.sees(second)
        else:
            story.misses(second)
    assert story.done == [(1, WARN), (61, INTERRUPT), (71, TERMINATE), (81, KILL)]


def test_who_flaps_in_a_dry_run_is_reported_once():
    story = Story(enforce=False)
    for second in range(0, 500, 5):
        story.sees(second, second + 1, second + 2).misses(second + 3, second + 4)
    assert story.actions == [REPORT]


def test_who_was_away_for_a_whole_grace_starts_anew():
    story = Story().sees(*range(10)).misses(*range(10, 80)).sees(*range(80, 100))
    assert story.done == [(1, WARN), (70, CLEAR), (81, WARN)]


def test_rights_are_asked_for_only_when_a_step_may_follow():
    story = Story().sees(0)
    assert due(story.case, 0)
    story.sees(1)
    assert not due(story.case, 2)
    assert due(story.case, 61)


EVENTS = st.lists(
    st.tuples(st.floats(0.1, 90), st.sampled_from(["sees"] * 4 + ["misses", "gone"])), max_size=60
)
ORDER = [WARN, INTERRUPT, TERMINATE, KILL]


@given(EVENTS, st.booleans())
def test_no_step_is_skipped_hurried_or_taken_in_a_dry_run(events, enforce):
    story, twin = Story(enforce=enforce), Story(enforce=enforce)
    now = 0.0
    for pause, what in events:
        now += pause
        for each in (story, twin):
            each.sees(now) if what == "sees" else each.misses(now, gone=what == "gone")
    assert story.done == twin.done
    if not enforce:
        assert set(story.actions) <= {REPORT}
    last = None
    for time, action in story.done:
        if action in ORDER:
            if action is WARN:
                assert last is None
            else:
                assert ORDER.index(action) == ORDER.index(last[1]) + 1
                assert time - last[0] >= (WARNING if last[1] is WARN else STEP) - 1e-6
            last = time, action
        elif action is CLEAR:
            assert last is not None
            last = None
