"""Nominal quota is guaranteed; what is idle is lent, and given back when its owner waits."""

from dataclasses import replace

import pytest

from jupyter_gpuctl.leases.model import Account, EndReason, Limit, Reclaim, Start
from jupyter_gpuctl.leases.policy import Limits
from jupyter_gpuctl.leases.rules import scheduler
from tests.unit.lease_worlds import (
    GIB,
    HOUR,
    NOW,
    ask,
    by_lease,
    group,
    holds,
    machine,
    policy,
    quota,
    waits,
    world,
)

RULES = policy(
    group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=2))),
    group("speech", "cat", "dan", pool=Limits(gpus=quota(8, nominal=2))),
    reclaim_grace=600,
)


def vision(gpus=1, hours=1.0):
    return ask(gpus, hours, group="vision", interactive=False)


def speech(gpus=1, hours=1.0):
    return ask(gpus, hours, group="speech", interactive=False)


def decided(snapshot, now=NOW):
    outlook = scheduler.decide(snapshot, now)
    return by_lease(outlook.decisions), outlook


def four_held_by_vision(*hosts, lengths=(4.0, 4.0, 4.0, 4.0)):
    gpus = hosts or machine("a", 4)
    return gpus, [
        holds(f"v{n}", gpu, owner="ann", until=length * HOUR, since=900.0 - n, request=vision())
        for n, (gpu, length) in enumerate(zip(gpus, lengths, strict=True))
    ]


def test_what_is_idle_is_lent_up_to_the_limit():
    found, _ = decided(world(machine("a", 4), waits("1", "ann", vision(4)), policy=RULES))
    assert isinstance(found["1"], Start)


def test_leases_are_nominal_in_the_order_in_which_they_began():
    gpus, held = four_held_by_vision()
    snapshot = world(gpus, *reversed(held), policy=RULES)
    assert scheduler.borrowed(snapshot, NOW) == {"v2", "v3"}


def test_a_lease_that_does_not_fit_leaves_the_rest_of_the_guarantee_to_the_next():
    gpus = machine("a", 4)
    big = holds("big", *gpus[:3], owner="ann", since=50, request=vision(3))
    small = holds("small", gpus[3], owner="ben", since=10, request=vision())
    snapshot = world(gpus, big, small, policy=RULES)
    assert scheduler.borrowed(snapshot, NOW) == {"big"}


def test_nothing_is_borrowed_where_nothing_is_limited():
    gpus = machine("a", 2)
    assert scheduler.borrowed(world(gpus, holds("1", *gpus)), NOW) == frozenset()


def test_an_owner_of_nominal_quota_gets_back_what_it_needs_after_a_grace():
    gpus, held = four_held_by_vision()
    snapshot = world(gpus, *held, waits("1", "cat", speech()), policy=RULES)
    found, outlook = decided(snapshot)
    assert found == {"v3": Reclaim("v3", NOW + 600, "for the group speech", "1")}, "the youngest"
    assert outlook.standings["1"].estimated_start == NOW + 600
    assert outlook.wake_at == NOW + 600


def test_what_was_told_to_give_way_is_not_told_again_and_nobody_else_is():
    gpus, held = four_held_by_vision()
    held[3] = replace(held[3], ending=EndReason.RECLAIMED, expires_at=NOW + 500)
    snapshot = world(gpus, *held, waits("1", "cat", speech()), policy=RULES)
    found, outlook = decided(snapshot)
    assert found == {}
    assert outlook.standings["1"].estimated_start == NOW + 500


def test_what_ends_by_itself_within_the_grace_is_waited_for():
    gpus, held = four_held_by_vision(lengths=(4, 0.1, 4, 4))
    assert decided(world(gpus, *held, waits("1", "cat", speech()), policy=RULES))[0] == {}


def test_what_ends_within_the_grace_keeps_its_own_end():
    gpus, held = four_held_by_vision(lengths=(0.1, 4, 4, 4))
    snapshot = world(gpus, *held, waits("1", "cat", speech(2)), policy=RULES)
    assert set(decided(snapshot)[0]) == {"v3"}, "one comes free by itself"


def test_who_would_borrow_takes_nothing_back():
    gpus, held = four_held_by_vision()
    snapshot = world(gpus, *held, waits("1", "cat", speech(3)), policy=RULES)
    assert decided(snapshot)[0] == {}


def test_nominal_leases_are_never_taken_back():
    gpus = machine("a", 2)
    held = [holds(f"v{n}", gpu, owner="ann", request=vision()) for n, gpu in enumerate(gpus)]
    assert decided(world(gpus, *held, waits("1", "cat", speech()), policy=RULES))[0] == {}


def test_the_lowest_priority_goes_first():
    gpus, held = four_held_by_vision()
    rules = replace(RULES, users={"ben": Limits(priority=-1)})
    held[2] = replace(held[2], owner="ben")
    found, _ = decided(world(gpus, *held, waits("1", "cat", speech()), policy=rules))
    assert set(found) == {"v2"}


def test_no_more_is_taken_back_than_is_needed_on_one_host():
    a, b = machine("a", 2), machine("b", 2)
    held = [
        holds("n", a[0], owner="ann", since=900, request=vision()),
        holds("x", a[1], owner="ann", since=800, request=vision()),
        holds("y", b[0], owner="ann", since=700, request=vision()),
        holds("z", b[1], owner="ann", since=600, request=vision()),
    ]
    found, _ = decided(world(a + b, *held, waits("1", "cat", speech(2)), policy=RULES))
    assert set(found) == {"y", "z"}, "not one of each host, where that would serve nobody"


def test_one_lease_of_two_devices_is_taken_back_rather_than_two_of_one():
    a, b = machine("a", 2), machine("b", 2)
    rules = policy(
        group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=0))),
        group("speech", "cat", "dan", pool=Limits(gpus=quota(8, nominal=2))),
    )
    held = [
        holds("one", *a, owner="ann", since=900, until=4 * HOUR, request=vision(2)),
        holds("y", b[0], owner="ann", since=700, until=4 * HOUR, request=vision()),
        holds("z", b[1], owner="ann", since=600, until=4 * HOUR, request=vision()),
    ]
    found, _ = decided(world(a + b, *held, waits("1", "cat", speech(2)), policy=rules))
    assert set(found) == {"one"}


def test_shares_are_taken_back_for_a_share_and_no_more_of_them():
    (gpu,) = machine("a", 1)
    rules = policy(
        group("vision", "ann", pool=Limits(gpus=quota(4, nominal=0))),
        group("speech", "cat", pool=Limits(gpus=quota(4, nominal=1))),
    )
    held = [
        holds(f"v{n}", gpu, owner="ann", since=900 - n, until=4 * HOUR, request=vision(0.25))
        for n in range(4)
    ]
    found, _ = decided(world((gpu,), *held, waits("1", "cat", speech(0.5)), policy=rules))
    assert set(found) == {"v2", "v3"}


def test_two_who_wait_get_two_different_devices_back():
    gpus, held = four_held_by_vision()
    queue = [waits("1", "cat", speech()), waits("2", "dan", speech())]
    found, _ = decided(world(gpus, *held, *queue, policy=RULES))
    assert set(found) == {"v2", "v3"}


def test_nobody_borrows_what_an_owner_waits_for():
    """The free devices of the host are part of what the owner gets."""
    gpus = machine("a", 3)
    rules = policy(
        group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=0))),
        group("speech", "cat", "dan", pool=Limits(gpus=quota(8, nominal=3))),
    )
    held = holds("v", gpus[0], owner="ann", until=4 * HOUR, request=vision())
    snapshot = world(
        gpus,
        held,
        waits("borrower", "ben", vision(), since=900),
        waits("owner", "cat", speech(3), since=10),
        policy=rules,
    )
    found, outlook = decided(snapshot)
    assert set(found) == {"v"}
    assert outlook.standings["owner"].position == 1
    assert outlook.standings["borrower"].verdict.limit is Limit.TURN


def test_what_the_owner_cannot_use_is_lent_meanwhile():
    fast, slow = machine("a", 1, "H100"), machine("b", 1, "T4")
    rules = policy(
        group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=0))),
        group("speech", "cat", "dan", pool=Limits(gpus=quota(8, nominal=3))),
    )
    snapshot = world(
        fast + slow,
        holds("s", fast[0], owner="dan", until=4 * HOUR, request=speech()),
        waits("borrower", "ben", vision()),
        waits("owner", "cat", replace(speech(), model="H100")),
        policy=rules,
    )
    assert set(decided(snapshot)[0]) == {"borrower"}


def test_a_user_without_a_group_is_a_pool_of_its_own():
    gpus = machine("a", 2)
    rules = policy(default=Limits(gpus=quota(2, nominal=1)), reclaim_grace=60)
    held = [holds(f"v{n}", gpu, owner="ann", since=90 - n) for n, gpu in enumerate(gpus)]
    batch = ask(interactive=False)
    found, _ = decided(world(gpus, *held, waits("1", "ben", batch), policy=rules))
    assert found == {"v1": Reclaim("v1", NOW + 60, "for ben", "1")}
    hidden = replace(rules, hide_names=True)
    found, _ = decided(world(gpus, *held, waits("1", "ben", batch), policy=hidden))
    assert "ben" not in found["v1"].remark


def told(snapshot, now=NOW):
    """``snapshot`` when those who have to give way have been told so."""
    found = decided(snapshot, now)[0]
    assert found
    assert all(isinstance(each, Reclaim) for each in found.values())
    leases = [
        replace(
            lease,
            ending=EndReason.RECLAIMED,
            expires_at=found[lease.id].expires_at,
            gives_way_to=found[lease.id].gives_way_to,
        )
        if lease.id in found
        else lease
        for lease in snapshot.leases
    ]
    return replace(snapshot, leases=tuple(leases)), found


def test_what_one_claims_is_not_planned_for_those_ahead_who_would_then_claim_for_it():
    # The first in line waits for the end of a lease on b; the second gets a borrower's half of a.
    # Were the first now planned on a, the second would need the borrower on b as well.
    (one,), (other,) = machine("a", 1), machine("b", 1)
    rules = policy(
        group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=2))),
        group("speech", "cat", "ben", pool=Limits(gpus=quota(8, nominal=0))),
        default=Limits(gpus=quota(4, nominal=1)),
        reclaim_grace=600,
    )

    def part(gpus, hours, memory, group=None):
        return ask(gpus, hours, memory=memory * GIB, group=group, interactive=False)

    snapshot = world(
        (one, other),
        holds("own", one, owner="dan", until=3 * HOUR, since=HOUR, request=part(0.5, 4, 8)),
        holds(
            "lent", one, owner="cat", until=6 * HOUR, since=HOUR, request=part(0.5, 7, 8, "speech")
        ),
        holds(
            "lent too",
            other,
            owner="ben",
            until=3 * HOUR,
            since=HOUR,
            request=part(0.1, 4, 8, "speech"),
        ),
        holds(
            "theirs",
            other,
            owner="ben",
            until=4 * HOUR,
            since=HOUR,
            request=part(0.5, 5, 8, "vision"),
        ),
        waits("1", "ann", part(0.999, 7, 39, "vision"), 90),
        waits("2", "ann", part(0.5, 3, 20, "vision")),
        policy=rules,
    )
    then, found = told(snapshot)
    assert {(each.lease_id, each.gives_way_to) for each in found.values()} == {("lent", "2")}
    assert decided(then)[0] == {}


def two_claims(model_of_a, model_of_b):
    """The first in line takes what it costs least to take back; the second needs an H100."""
    gpus = machine("a", 1, model_of_a) + machine("b", 1, model_of_b)
    old, young = sorted(gpus, key=lambda gpu: "H100" not in gpu.model)
    rules = policy(
        group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=0))),
        group("speech", "cat", "dan", pool=Limits(gpus=quota(8, nominal=2))),
        reclaim_grace=600,
    )
    return world(
        gpus,
        holds("old", old, owner="ann", until=6 * HOUR, since=900, request=vision()),
        holds("young", young, owner="ben", until=6 * HOUR, since=10, request=vision()),
        waits("any", "cat", speech(), 90),
        waits("picky", "dan", replace(speech(), model="H100")),
        policy=rules,
    )


@pytest.mark.parametrize("models", [("H100", "A100"), ("A100", "H100")])
def test_each_is_left_what_was_claimed_for_it(models):
    then, found = told(two_claims(*models))
    assert {name: each.gives_way_to for name, each in found.items()} == {
        "young": "any",
        "old": "picky",
    }
    assert decided(then)[0] == {}


@pytest.mark.parametrize("models", [("H100", "A100"), ("A100", "H100")])
def test_what_was_claimed_for_one_who_has_gone_is_there_for_the_next(models):
    then, _ = told(two_claims(*models))
    others = tuple(lease for lease in then.leases if lease.id != "any")
    next_one = waits("next", "cat", speech(), 30)
    found, outlook = decided(replace(then, leases=(*others, next_one)))
    assert found == {}, "nobody else has to go for it"
    assert outlook.standings["next"].estimated_start == NOW + 600


def test_what_is_left_over_of_a_claim_serves_the_next_in_line():
    gpus = machine("a", 2)
    snapshot = world(
        gpus,
        holds("pair", *gpus, owner="ann", until=6 * HOUR, since=10, request=vision(2, 7)),
        waits("1", "cat", speech(), 90),
        waits("2", "dan", speech()),
        policy=policy(
            group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=0))),
            group("speech", "cat", "dan", pool=Limits(gpus=quota(8, nominal=3))),
            reclaim_grace=600,
        ),
    )
    then, found = told(snapshot)
    assert {name: each.gives_way_to for name, each in found.items()} == {"pair": "1"}
    again, outlook = decided(then)
    assert again == {}
    assert {each.estimated_start for each in outlook.standings.values()} == {NOW + 600}


def test_nominal_quota_that_one_ahead_can_not_use_yet_is_the_next_one_s():
    (big,), (small,) = machine("a", 1), machine("b", 1, memory=16 * GIB)
    large = replace(vision(), memory=40 * GIB)
    snapshot = world(
        (big, small),
        holds("dan's", big, owner="dan", until=5 * HOUR, since=HOUR, request=ask(1, 6)),
        waits("planned", "ann", large, 90),
        waits("stuck", "ann", large, 80),
        waits("next", "ben", vision()),
        waits("borrower", "dan", ask(interactive=False), 99),
        policy=policy(
            group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=2))),
            default=Limits(gpus=quota(4, nominal=1)),
            reclaim_grace=600,
        ),
        groups={"vision": Account(0.0, 1e9, NOW)},
    )
    found, outlook = decided(snapshot)
    assert set(found) == {"next"}
    assert isinstance(found["next"], Start)
    assert outlook.standings["planned"].estimated_start == NOW + 5 * HOUR


def test_what_is_planned_for_one_within_nominal_quota_is_not_passed_on():
    (big,), (small,) = machine("a", 1), machine("b", 1, memory=16 * GIB)
    large = replace(vision(), memory=40 * GIB)
    snapshot = world(
        (big, small),
        holds("dan's", big, owner="dan", until=5 * HOUR, since=HOUR, request=ask(1, 6)),
        waits("planned", "ann", large, 90),
        waits("next", "ben", vision()),
        waits("borrower", "dan", ask(interactive=False), 99),
        policy=policy(
            group("vision", "ann", "ben", pool=Limits(gpus=quota(8, nominal=1))),
            default=Limits(gpus=quota(4, nominal=1)),
            reclaim_grace=600,
        ),
        groups={"vision": Account(0.0, 1e9, NOW)},
    )
    assert set(decided(snapshot)[0]) == {"borrower"}
