"""When leases are asked for, reminded of and given back: pure rules on a simulated clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.kernels.idle import (
    IdleRules,
    Look,
    Memory,
    Step,
    idle_for,
    judge,
    release_in,
)

MINUTE = 60.0
RULES = IdleRules(after=40 * MINUTE, grace=10 * MINUTE)
SHORT = IdleRules(after=MINUTE, grace=MINUTE)
IDLE, BUSY = Look(), Look(in_use=True, owner_there=True, anyone_there=True)
HELD = Look(owner_there=True, anyone_there=True)
UNKNOWN = Look(unknown=True)
OTHERS = Look(ours=False)


def run(looks, rules=RULES, *, every=10.0, vouching=False, memory=None):
    """The steps as ``(seconds, step)`` for one look each ``every`` seconds from the start on."""
    memory, steps, vouched_at = memory or Memory(), [], 0.0
    for number, look in enumerate(looks):
        now = number * every
        memory, step = judge(memory, look, now - vouched_at, now, rules)
        if look.in_use and vouching:
            vouched_at = now
        if step is not None:
            steps.append((now, step))
        if step is Step.RELEASE:
            break
    return steps


@pytest.mark.parametrize("after", [MINUTE, 10 * MINUTE, 40 * MINUTE])
@pytest.mark.parametrize("grace", [0, 1, 10 * MINUTE])
@pytest.mark.parametrize("vouching", [False, True])
def test_a_30_minute_busy_computation_survives_every_rule(after, grace, vouching):
    assert run([BUSY] * 180, IdleRules(after, grace), vouching=vouching) == []


def test_an_idle_lease_is_asked_reminded_and_released():
    assert run([IDLE] * 400) == [
        (40 * MINUTE, Step.ASK),
        (45 * MINUTE, Step.REMIND),
        (50 * MINUTE, Step.RELEASE),
    ]


def test_what_runs_again_after_the_question_takes_it_back():
    looks = [IDLE] * 241 + [BUSY] + [IDLE] * 239
    assert run(looks) == [(40 * MINUTE, Step.ASK)]


def test_held_memory_is_asked_about_and_never_taken():
    assert run([HELD] * 2000) == [(40 * MINUTE, Step.ASK)]


def test_once_held_memory_is_let_go_the_grace_begins_anew():
    assert run([HELD] * 600 + [IDLE] * 100) == [
        (40 * MINUTE, Step.ASK),
        (100 * MINUTE, Step.ASK),
        (105 * MINUTE, Step.REMIND),
        (110 * MINUTE, Step.RELEASE),
    ]


def test_memory_taken_within_the_grace_stops_the_clock():
    looks = [IDLE] * 250 + [HELD] * 100 + [IDLE] * 100
    steps = run(looks)
    assert steps[0] == (40 * MINUTE, Step.ASK)
    assert steps[-1][0] >= 350 * 10 + RULES.grace
    assert Step.RELEASE not in [step for _, step in steps[:-1]]


def test_devices_that_can_not_be_read_are_not_judged():
    assert run([UNKNOWN] * 2000) == []
    memory = Memory(used_at=5.0, asked_at=6.0)
    assert judge(memory, UNKNOWN, 1e6, 1e6, RULES) == (memory, None)


def test_nothing_is_idle_where_it_is_turned_off():
    assert run([IDLE] * 2000, IdleRules(0, 600)) == []


def test_without_a_grace_it_is_asked_and_stays():
    assert run([IDLE] * 2000, IdleRules(40 * MINUTE, 0)) == [(40 * MINUTE, Step.ASK)]


def test_a_server_that_has_just_been_started_asks_before_it_takes():
    """The lease has lain idle for a day when the first look is taken."""
    memory, step = judge(Memory(), IDLE, 86400, 0.0, RULES)
    assert step is Step.ASK
    assert release_in(memory, 0.0, RULES) == RULES.grace
    assert judge(memory, IDLE, 86410, 10.0, RULES)[1] is None


def test_keeping_it_begins_anew():
    memory, _ = judge(Memory(), IDLE, 2400, 0.0, RULES)
    memory, step = judge(memory, IDLE, 1.0, 300.0, RULES)
    assert (step, memory.asked_at) == (None, None)
    assert release_in(memory, 300.0, RULES) is None


def test_a_lease_of_others_is_given_back_only_when_nobody_vouches_and_nothing_is_there():
    assert run([OTHERS] * 400) == [(50 * MINUTE, Step.RELEASE)]
    assert run([Look(ours=False, anyone_there=True)] * 400) == []
    assert run([OTHERS] * 400, IdleRules(2400, 0)) == []


LOOKS = st.builds(Look, *[st.booleans()] * 5)
RULE = st.builds(IdleRules, st.sampled_from([0.0, 30.0, 100.0]), st.sampled_from([0.0, 20.0, 60.0]))


@given(st.lists(LOOKS, max_size=60), RULE, st.booleans())
def test_what_is_in_use_is_never_taken_whatever_came_before(looks, rules, vouching):
    for length in range(1, len(looks) + 1):
        steps = run([*looks[:length], BUSY], rules, vouching=vouching)
        assert (length * 10.0, Step.RELEASE) not in steps


@given(st.lists(LOOKS, max_size=80), RULE)
def test_an_own_lease_goes_only_after_a_question_and_a_whole_grace_without_use(looks, rules):
    steps = run(looks, rules)
    for at, step in steps:
        if step is not Step.RELEASE:
            continue
        last = looks[round(at / 10)]
        assert (last.in_use, last.unknown) == (False, False)
        if not last.ours:
            assert at >= rules.after + rules.grace
            assert not last.anyone_there
            continue
        assert not last.owner_there
        asked = max(time for time, what in steps if what is Step.ASK)
        assert at - asked >= rules.grace > 0
        assert not any(look.in_use for look in looks[round(asked / 10) : round(at / 10)])


@given(st.lists(LOOKS, max_size=80), RULE)
def test_what_is_used_often_enough_is_never_even_asked_about(looks, rules):
    gap = max(1, round(rules.after / 10) - 1)
    used = [BUSY if number % gap == 0 else look for number, look in enumerate(looks)]
    ours = [look if look.ours else IDLE for look in used]
    assert run(ours, rules) == []


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_idle_time_is_the_shortest_that_anybody_knows_of(vouched, ago):
    assert idle_for(Memory(used_at=1e6 - ago), vouched, 1e6) <= vouched
    assert idle_for(Memory(), vouched, 1e6) == vouched
