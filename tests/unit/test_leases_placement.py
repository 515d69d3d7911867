"""Which devices a request gets: whole ones stay whole, big holes big."""

from jupyter_gpuctl.leases.model import Limit, Outcome, Start
from jupyter_gpuctl.leases.policy import Limits
from jupyter_gpuctl.leases.rules import scheduler
from tests.unit.lease_worlds import GIB, NOW, ask, by_lease, holds, machine, policy, waits, world


def devices_of(snapshot, owner="ann", request=None):
    return scheduler.assess(snapshot, owner, request or ask(), NOW).devices


def test_a_share_goes_to_the_shared_device_with_the_least_left_that_is_enough():
    a, b, c, _ = gpus = machine("a", 4)
    there = [
        holds("1", a, request=ask(0.25)),
        holds("2", b, request=ask(0.5)),
        holds("3", c, request=ask(0.7)),
    ]
    assert devices_of(world(gpus, *there), request=ask(0.5)) == (b.uuid,)
    assert devices_of(world(gpus, *there), request=ask(0.25)) == (c.uuid,)


def test_a_share_opens_a_device_on_the_host_with_the_fewest_free_ones():
    big, small = machine("a", 4), machine("b", 2)
    snapshot = world(big + small, holds("1", small[0]))
    assert devices_of(snapshot, request=ask(0.5)) == (small[1].uuid,)


def test_shares_respect_the_memory_of_a_device():
    (gpu,) = machine("a", 1, memory=80 * GIB)
    snapshot = world((gpu,), holds("1", gpu, request=ask(0.1, memory=70 * GIB)))
    assert devices_of(snapshot, request=ask(0.1, memory=10 * GIB)) == (gpu.uuid,)
    found = scheduler.assess(snapshot, "ann", ask(0.1, memory=11 * GIB), NOW)
    assert found.verdict.limit is Limit.DEVICES


def test_shares_add_up_to_one_device_at_most():
    (gpu,) = machine("a", 1)
    snapshot = world((gpu,), holds("1", gpu, request=ask(0.5, memory=GIB)))
    assert devices_of(snapshot, request=ask(0.5, memory=GIB)) == (gpu.uuid,)
    assert devices_of(snapshot, request=ask(0.501, memory=GIB)) == ()


def test_whole_devices_come_from_the_host_with_the_fewest_free_that_are_enough():
    big, small = machine("a", 8), machine("b", 4)
    snapshot = world(big + small, holds("1", *small[:1]))
    assert devices_of(snapshot, request=ask(2)) == (small[1].uuid, small[2].uuid)
    assert devices_of(snapshot, request=ask(4)) == tuple(gpu.uuid for gpu in big[:4])


def test_several_devices_are_peers_on_one_host():
    mixed = machine("a", 1, "A100") + machine("b", 1, "A100") + machine("c", 1, "T4")
    found = scheduler.assess(world(mixed), "ann", ask(2), NOW)
    assert found.verdict.outcome is Outcome.REFUSED
    assert found.verdict.limit is Limit.CAPACITY
    assert found.verdict.allowed == 1


def test_the_least_capable_device_that_fits_is_taken_where_no_model_is_named():
    gpus = machine("a", 1, "H100", 80 * GIB) + machine("b", 1, "T4", 16 * GIB)
    assert devices_of(world(gpus)) == ("GPU-b-0",)
    assert devices_of(world(gpus), request=ask(memory=40 * GIB)) == ("GPU-a-0",)


def test_of_equals_the_model_is_taken_that_fewer_ask_for():
    gpus = machine("a", 1, "A", 16 * GIB) + machine("b", 1, "B", 16 * GIB)
    assert devices_of(world(gpus)) == ("GPU-a-0",)
    others = waits("1", "cat", ask(2, model="a"))
    assert devices_of(world(gpus, others)) == ("GPU-b-0",)


def test_models_are_found_within_names_in_any_case_and_between_bars():
    gpus = machine("a", 1, "NVIDIA A100-SXM4-80GB") + machine("b", 1, "Tesla T4", 16 * GIB)
    assert devices_of(world(gpus), request=ask(model="a100")) == ("GPU-a-0",)
    assert devices_of(world(gpus), request=ask(model="H100|t4")) == ("GPU-b-0",)
    found = scheduler.assess(world(gpus), "ann", ask(model="H100"), NOW)
    assert found.verdict.limit is Limit.CAPACITY
    assert found.verdict.message == "No GPU here is of model H100."
    assert "NVIDIA A100-SXM4-80GB" in found.verdict.hint


def test_what_asks_for_memory_never_goes_where_memory_is_unknown():
    gpus = machine("a", 1, memory=None)
    assert devices_of(world(gpus)) == ("GPU-a-0",)
    found = scheduler.assess(world(gpus), "ann", ask(memory=1), NOW)
    assert found.verdict.limit is Limit.CAPACITY


def test_a_mig_instance_is_a_device_like_any_other():
    gpus = machine("a", 7, "H100 MIG 1g.10gb", 10 * GIB)
    assert len(devices_of(world(gpus), request=ask(2))) == 2


def test_models_of_one_host_with_different_memory_are_told_apart():
    small, big = machine("a", 2, "RTX", 3 * GIB), machine("a", 4, "RTX", 6 * GIB)[2:]
    snapshot = world(small + big)
    assert devices_of(snapshot, request=ask(2, memory=5 * GIB)) == ("GPU-a-2", "GPU-a-3")
    assert devices_of(snapshot, request=ask(2)) == ("GPU-a-0", "GPU-a-1")
    assert len(devices_of(snapshot, request=ask(4))) == 4


def test_no_devices_at_all_is_said_and_not_a_crash():
    found = scheduler.assess(world(()), "ann", ask(), NOW)
    assert found.verdict.limit is Limit.CAPACITY
    assert found.verdict.message == "No GPUs are known here at present."


def test_a_lost_device_ends_no_lease_and_frees_nothing():
    a, b = machine("a", 2)
    snapshot = world((b,), holds("1", a), holds("2", b), waits("3"))
    outlook = scheduler.decide(snapshot, NOW)
    assert outlook.decisions == ()
    assert outlook.standings["3"].estimated_start == NOW + 3600


def test_a_device_in_use_from_outside_is_not_free():
    gpus = machine("a", 1)
    snapshot = world(gpus, outside={"GPU-a-0": frozenset({"ben"})})
    found = scheduler.assess(snapshot, "ann", ask(), NOW)
    assert found.verdict.outcome is Outcome.QUEUED
    assert found.verdict.limit is Limit.OUTSIDE
    assert "ben" in found.verdict.message
    assert found.estimated_start is None, "nobody knows when those programs end"


def test_a_name_behind_outside_processes_is_hidden_where_names_are():
    snapshot = world(
        machine("a", 1),
        outside={"GPU-a-0": frozenset({"ben"})},
        policy=policy(hide_names=True),
    )
    verdict = scheduler.assess(snapshot, "ann", ask(), NOW).verdict
    assert "ben" not in verdict.message + verdict.hint


def test_whose_processes_they_all_are_gets_that_very_device():
    gpus = machine("a", 2)
    snapshot = world(gpus, outside={"GPU-a-1": frozenset({"ann"})})
    assert devices_of(snapshot) == ("GPU-a-1",)
    assert devices_of(snapshot, request=ask(2)) == ("GPU-a-1", "GPU-a-0")
    assert devices_of(snapshot, "ben") == ("GPU-a-0",)


def test_a_share_never_goes_beside_processes_from_outside_even_ones_own():
    snapshot = world(machine("a", 1), outside={"GPU-a-0": frozenset({"ann"})})
    verdict = scheduler.assess(snapshot, "ann", ask(0.5), NOW).verdict
    assert verdict.limit is Limit.OUTSIDE
    assert "your own" in verdict.message


def test_a_device_with_processes_of_several_is_nobodys():
    snapshot = world(machine("a", 1), outside={"GPU-a-0": frozenset({"ann", None})})
    assert devices_of(snapshot) == ()


def test_a_quota_keeps_its_models_apart():
    gpus = machine("a", 1, "H100") + machine("b", 1, "T4", 16 * GIB)
    only_t4 = policy(default=Limits(models=("t4",)))
    assert devices_of(world(gpus, policy=only_t4)) == ("GPU-b-0",)
    verdict = scheduler.assess(world(gpus, policy=only_t4), "ann", ask(model="H100"), NOW).verdict
    assert (verdict.outcome, verdict.limit) == (Outcome.REFUSED, Limit.MODELS)
    assert "t4" in verdict.message


def test_ties_are_broken_by_host_index_and_uuid_alone():
    gpus = machine("b", 2) + machine("a", 2)
    outlook = scheduler.decide(world(gpus, waits("1", request=ask(interactive=False))), NOW)
    assert by_lease(outlook.decisions)["1"] == Start("1", ("GPU-a-0",), NOW + 3600)
