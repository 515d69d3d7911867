"""Who is found to use a device as leases don't allow: nobody whose guilt isn't certain."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.gpus.model import DeviceStatus
from jupyter_gpuctl.kernels.guard.judgement import MOST_ENDED, Past, judge, remember
from jupyter_gpuctl.kernels.wire import FindingKind
from jupyter_gpuctl.leases.model import LeaseStatus
from jupyter_gpuctl.leases.policy import Policy
from tests.unit.guard_worlds import GIB, GUARDED, NOW, device, held, lease, process, seen

NOT_HELD, OVER_MEMORY, ENDED = FindingKind
OPEN = Policy(unleased_devices=True)


def found(sample, what, past=None, **more):
    """Kinds by pid."""
    past = remember(past or Past(), sample, what)
    return {each.pid: each.kind for each in judge(sample, what, past, **more).findings}


def test_who_holds_the_device_may_run_anything_on_it():
    sample = seen((process(1, "a"), process(2, "a"), process(3, "a", kernel_id="k")))
    assert found(sample, held(lease("a", 0))) == {}


def test_a_process_on_a_device_that_somebody_else_holds_is_found():
    sample = seen((process(1, "a"), process(2, "b")))
    for policy in (GUARDED, OPEN):
        assert found(sample, held(lease("a", 0), policy=policy)) == {2: NOT_HELD}


def test_a_lease_of_another_device_doesnt_help():
    sample = seen((process(1, "a"),), (process(1, "a"),))
    what = held(lease("a", 1))
    (finding,) = judge(sample, what, Past()).findings
    assert (finding.device, finding.label, finding.holders) == ("GPU-0", "GPU 0", ())


def test_without_a_lease_a_free_device_may_be_used_only_where_policy_says_so():
    sample = seen((process(1, "a"),))
    assert found(sample, held()) == {1: NOT_HELD}
    assert found(sample, held(policy=OPEN)) == {}


def test_an_offer_keeps_others_off_and_its_owner_unharmed():
    sample = seen((process(1, "a"), process(2, "b")))
    offered = lease("a", 0, status=LeaseStatus.OFFERED)
    assert found(sample, held(offered, policy=OPEN)) == {2: NOT_HELD}


def test_a_request_that_waits_holds_nothing():
    waits = lease("a", 0, status=LeaseStatus.QUEUED)
    assert found(seen((process(1, "b"),)), held(waits, policy=OPEN)) == {}


def test_a_mig_instance_is_a_device_and_its_gpu_is_none():
    gpu = device(0, mig_enabled=True)
    parts = (
        replace(device(1), mig_parent=gpu.uuid, index=0),
        replace(device(2), mig_parent=gpu.uuid, index=1),
    )
    sample = seen(
        (process(1, "a"), process(2, "b")),
        (process(1, "a"),),
        (process(2, "b"),),
        devices=(gpu, *parts),
    )
    what = held(lease("a", 1, 2))
    (finding,) = judge(sample, what, Past()).findings
    assert (finding.pid, finding.device, finding.label) == (2, "GPU-2", "MIG 1 of GPU 0")


def test_of_a_share_the_largest_process_is_found_when_all_together_hold_too_much():
    sample = seen((process(1, "a", 3 * GIB), process(2, "a", 4 * GIB), process(3, "b", 60 * GIB)))
    what = held(lease("a", 0, share=6 * GIB), lease("b", 0, share=70 * GIB))
    (finding,) = judge(sample, what, Past()).findings
    assert (finding.pid, finding.kind) == (2, OVER_MEMORY)
    assert (finding.used, finding.allowed) == (7 * GIB, 6 * GIB)
    assert finding.lease_id == "a-0"


def test_two_shares_of_one_owner_allow_what_they_allow_together():
    sample = seen((process(1, "a", 7 * GIB),))
    shares = lease("a", 0, share=4 * GIB, name="one"), lease("a", 0, share=4 * GIB, name="two")
    assert found(sample, held(*shares)) == {}
    assert found(sample, held(shares[0])) == {1: OVER_MEMORY}


def test_a_whole_device_has_no_cap():
    sample = seen((process(1, "a", 79 * GIB),))
    assert found(sample, held(lease("a", 0))) == {}
    assert found(sample, held(lease("a", 0), lease("a", 0, share=GIB))) == {}


def test_exactly_the_cap_is_allowed():
    sample = seen((process(1, "a", 4 * GIB),))
    assert found(sample, held(lease("a", 0, share=4 * GIB))) == {}


def test_memory_that_isnt_known_makes_nobody_guilty():
    sample = seen((process(1, "a", 9 * GIB), process(2, "a", None)))
    assert found(sample, held(lease("a", 0, share=4 * GIB))) == {}


@pytest.mark.parametrize(
    "how",
    [
        {"told": False},
        {"status": DeviceStatus.LOST},
        {"status": DeviceStatus.UNRESPONSIVE},
        {"status": DeviceStatus.ERROR},
    ],
)
def test_a_device_that_doesnt_tell_makes_nobody_guilty_and_isnt_readable(how):
    sample = seen((process(1, "b", 9 * GIB),), **how)
    judged = judge(sample, held(lease("a", 0)), Past())
    assert (judged.findings, judged.readable) == ((), frozenset())


def test_a_simulated_device_makes_nobody_guilty():
    sample = seen((process(1, "b"),), devices=(device(0, simulated=True),))
    assert found(sample, held(lease("a", 0))) == {}


def test_a_process_of_nobody_knows_whom_is_found_only_where_somebody_holds_the_device():
    sample = seen((process(1, None, container="3f2a"),))
    assert found(sample, held()) == {}
    (finding,) = judge(sample, held(lease("a", 0)), Past()).findings
    assert (finding.user, finding.kind, finding.container) == (None, NOT_HELD, "3f2a")
    assert finding.unattributed == "It runs in another container."


def test_where_leases_go_by_other_names_only_those_of_this_user_are_judged():
    sample = seen((process(1, "b"), process(2, "c"), process(3, None)))
    what = held(lease("a", 0))
    assert found(sample, what) == {1: NOT_HELD, 2: NOT_HELD, 3: NOT_HELD}
    assert found(sample, what, only="c") == {2: NOT_HELD, 3: NOT_HELD}


# Leases that ended.


def past_of(*samples):
    """What is remembered after these pairs of sample and leases."""
    past = Past()
    for sample, what in samples:
        past = remember(past, sample, what)
    return past


def test_what_goes_on_after_its_lease_is_told_from_an_intruder_and_spared_for_the_grace():
    sample, over = seen((process(1, "a"),)), held(now=NOW + 10)
    past = past_of((sample, held(lease("a", 0, ends=NOW + 5))), (sample, over))
    (finding,) = judge(sample, over, past).findings
    assert (finding.kind, finding.lease_id) == (ENDED, "a-0")
    assert finding.ended_at == NOW + 5
    assert finding.spare_until == NOW + 5 + GUARDED.expiry_grace


def test_a_lease_that_was_given_back_ended_when_that_was_seen():
    sample, over = seen((process(1, "a"),)), held(now=NOW + 10)
    past = past_of((sample, held(lease("a", 0))), (sample, over))
    (finding,) = judge(sample, over, past).findings
    assert finding.ended_at == NOW + 10


def test_what_starts_long_after_the_end_didnt_run_on_the_lease():
    late = held(now=NOW + 400)
    both = seen((process(1, "a"), process(2, "a")))
    past = past_of(
        (seen((process(1, "a"),)), held(lease("a", 0))),
        (seen((process(1, "a"),)), held(now=NOW + 10)),
        (both, late),
    )
    kinds = {each.pid: each.kind for each in judge(both, late, past).findings}
    assert kinds == {1: ENDED, 2: NOT_HELD}


def test_a_new_lease_of_the_same_device_ends_all_questions():
    sample = seen((process(1, "a"),))
    again = held(lease("a", 0, name="next"), now=NOW + 20)
    past = past_of((sample, held(lease("a", 0))), (sample, held(now=NOW + 10)), (sample, again))
    assert judge(sample, again, past).findings == ()
    assert past.ended == ()


def test_where_free_devices_are_for_all_an_ended_lease_of_one_matters_to_nobody():
    sample, over = seen((process(1, "a"),)), held(now=NOW + 10, policy=OPEN)
    past = past_of((sample, held(lease("a", 0), policy=OPEN)), (sample, over))
    assert judge(sample, over, past).findings == ()
    taken = held(lease("b", 0), now=NOW + 10, policy=OPEN)
    (finding,) = judge(sample, taken, past).findings
    assert (finding.kind, finding.holders) == (ENDED, ("b",))


def test_an_ended_lease_is_forgotten_once_nothing_is_left_on_it_and_its_grace_is_over():
    empty = seen(())
    early, late = held(now=NOW + 10), held(now=NOW + 10 + GUARDED.expiry_grace)
    past = past_of((empty, held(lease("a", 0))), (empty, early))
    assert len(past.ended) == 1
    assert remember(past, empty, late).ended == ()


def test_an_ended_lease_of_a_device_that_cant_be_read_is_kept():
    blind = seen((), told=False)
    late = held(now=NOW + 10 + GUARDED.expiry_grace)
    past = past_of((blind, held(lease("a", 0))), (blind, held(now=NOW + 10)), (blind, late))
    assert len(past.ended) == 1


def test_memory_of_ended_leases_is_bounded():
    count = MOST_ENDED + 100
    sample = seen(*[()] * count)
    many = held(*[lease("a", number, name=f"l{number}") for number in range(count)])
    assert len(past_of((sample, many), (sample, held(now=NOW + 1))).ended) == MOST_ENDED


# Whatever is read.

USERS = st.sampled_from(["a", "b", "c", None])
PROCESSES = st.builds(
    lambda pid, user, memory: process(pid, user, memory),
    st.integers(2, 30),
    USERS,
    st.none() | st.integers(0, 90 * GIB),
)
STATUSES = st.sampled_from([DeviceStatus.OK] * 4 + [DeviceStatus.LOST, DeviceStatus.UNRESPONSIVE])
LEASES = st.builds(
    lambda owner, number, share, status: lease(owner, number, share=share, status=status),
    st.sampled_from("abc"),
    st.integers(0, 2),
    st.none() | st.integers(GIB, 40 * GIB),
    st.sampled_from([LeaseStatus.ACTIVE, LeaseStatus.OFFERED, LeaseStatus.QUEUED]),
)


@st.composite
def moments(draw):
    """A sample of three devices, and leases."""
    on = [
        tuple({each.pid: each for each in draw(st.lists(PROCESSES, max_size=6))}.values())
        for _ in range(3)
    ]
    sample = seen(*on, told=draw(st.booleans()) or draw(st.booleans()), status=draw(STATUSES))
    policy = draw(st.sampled_from([GUARDED, OPEN]))
    leases = draw(st.lists(LEASES, max_size=5))
    return sample, tuple(replace(each, id=str(n)) for n, each in enumerate(leases)), policy


@given(st.lists(moments(), min_size=1, max_size=5), st.lists(st.integers(0, 400), min_size=5))
def test_nobody_is_found_guilty_without_reason(history, pauses):
    past, now = Past(), NOW
    for (sample, leases, policy), pause in zip(history, pauses, strict=False):
        now += pause
        what = held(*leases, policy=policy, now=now)
        past = remember(past, sample, what)
        judged = judge(sample, what, past)
        backwards = replace(what, leases=what.leases[::-1])
        assert judged == judge(sample, backwards, past)
        assert past == remember(past, sample, backwards)
        readings = {each.uuid: each for each in sample.sample.devices}
        seen_once = [(each.pid, each.device, each.kind) for each in judged.findings]
        assert len(seen_once) == len(set(seen_once))
        for finding in judged.findings:
            on_it = readings[finding.device]
            assert on_it.status is DeviceStatus.OK
            (one,) = [each for each in on_it.processes if each.pid == finding.pid]
            holders = {x.owner for x in leases if x.holds and finding.device in x.devices}
            if finding.kind is OVER_MEMORY:
                assert one.owner.user in holders
                assert finding.used > finding.allowed
                mine = [x for x in on_it.processes if x.owner and x.owner.user == finding.user]
                assert sum(x.memory for x in mine) == finding.used
                assert one.memory == max(x.memory for x in mine)
            else:
                assert finding.user not in holders
                assert holders or not policy.unleased_devices
                assert finding.user is not None or holders
            if finding.kind is ENDED:
                assert finding.ended_at <= now


@given(moments())
def test_everybody_on_a_device_that_others_hold_is_found(moment):
    sample, leases, policy = moment
    what = held(*leases, policy=policy)
    judged = judge(sample, what, remember(Past(), sample, what))
    pids = {(each.device, each.pid) for each in judged.findings if each.kind is NOT_HELD}
    for each in sample.sample.devices:
        holders = {x.owner for x in leases if x.holds and each.uuid in x.devices}
        if each.status is DeviceStatus.OK and holders:
            for one in each.processes or ():
                known = one.owner is not None and one.owner.user in holders
                assert ((each.uuid, one.pid) in pids) == (not known)
