"""The guard on the fake driver and real processes: who is stopped, and who never is."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from jupyter_gpuctl.kernels.model import Enforcement
from jupyter_gpuctl.kernels.wire import FindingKind, Stage
from tests.system.guarding import (
    DRY_RUN,
    ENFORCE,
    ROOT,
    STEPS,
    Program,
    Witness,
    World,
    lease,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as several users")

NOT_HELD, OVER_MEMORY, ENDED = FindingKind
CONTAINER = "3f2a56789abc" + "0" * 52


@pytest.fixture
def crowd(start, server, tmp_path):
    """Every kind of process that a guard may meet. ``mail`` holds GPU 0, ``news`` a share of GPU 1,
    ``lp`` GPU 2 for five seconds.
    """
    desk = Path(shutil.copy(shutil.which("sleep"), tmp_path / "Xorg"))
    # Other users must get there, and the folders that pytest made are its own user's.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder.owner() == "root":
            folder.chmod(0o755)
    masked = tmp_path / "games" / "Xorg"
    masked.parent.mkdir()
    shutil.copy(desk, masked)
    shutil.chown(masked, "games")
    return SimpleNamespace(
        holder=start(Witness, user="mail"),
        intruder=start(user="games"),
        stubborn=start(Witness, user="games"),
        hog=start(user="news"),
        small=start(Witness, user="news"),
        late=start(user="lp"),
        roots=start(Witness),
        contained=start(Witness, user="games"),
        daemon=start(Program, [str(desk), "600"], user="games"),
        masked=start(Program, [str(masked), "600"], user="games"),
        server=server,
    )


def crowded(machine, crowd, mode, **more) -> World:
    world = World(
        machine, mode, server=crowd.server, containers={crowd.contained.pid: CONTAINER}, **more
    )
    first = [crowd.holder, crowd.intruder, crowd.stubborn, crowd.roots, crowd.contained]
    pids = [each.pid for each in (*first, crowd.daemon, crowd.masked)]
    world.show(
        [(pid, 500) for pid in (*pids, 1, crowd.server, os.getpid())],
        [(crowd.hog.pid, 3000), (crowd.small.pid, 1000)],
        [(crowd.late.pid, 500)],
    )
    world.leases = (lease("mail", 0), lease("news", 1, share=2048), lease("lp", 2, ends=5))
    return world


GUILTY = {
    "intruder": NOT_HELD,
    "stubborn": NOT_HELD,
    "masked": NOT_HELD,
    "hog": OVER_MEMORY,
    "late": ENDED,
}
UNTOUCHABLE = {
    "roots": "it is root's",
    "contained": "may be theirs or not",
    "daemon": "Xorg belongs to the system",
}


def test_a_dry_run_touches_nothing_and_reports_everything(machine, crowd):
    world = crowded(machine, crowd, DRY_RUN)
    world.until(400)
    found = world.found()
    for name, kind in GUILTY.items():
        pid = getattr(crowd, name).pid
        assert (found[pid].kind, found[pid].stage, found[pid].next_at) == (
            kind,
            Stage.REPORTED,
            None,
        )
        assert f"pid {pid} (" in found[pid].message
        assert "would be stopped because" in found[pid].message
        assert world.done(pid) == ["guard.would_stop"]
    for name, said in UNTOUCHABLE.items():
        assert said in found[getattr(crowd, name).pid].message
    special = {1, crowd.server, os.getpid()}
    assert special < found.keys()
    everybody = {each.pid for each in vars(crowd).values() if isinstance(each, Program)}
    assert found.keys() == (everybody | special) - {crowd.holder.pid, crowd.small.pid}
    assert {action for action, _ in world.rows} == {"guard.would_stop", "guard.cant_stop"}
    for name in ("holder", "stubborn", "small", "roots", "contained"):
        assert getattr(crowd, name).signals() == []
    for name in ("intruder", "hog", "late", "daemon", "masked"):
        assert getattr(crowd, name).runs


def test_enforcing_ends_exactly_the_guilty(machine, crowd):
    world = crowded(machine, crowd, ENFORCE)
    world.until(61)
    assert crowd.stubborn.signals() == []
    world.until(62)
    for name in ("intruder", "masked", "hog"):
        assert getattr(crowd, name).ended_by().name == "SIGINT"
        assert world.done(getattr(crowd, name).pid) == STEPS[:2]
    assert crowd.stubborn.signals() == ["SIGINT"]
    world.until(72)
    assert crowd.stubborn.signals() == ["SIGTERM"]
    world.until(82)
    assert crowd.stubborn.ended_by().name == "SIGKILL"
    assert crowd.late.runs
    world.until(306)
    assert crowd.late.ended_by().name == "SIGINT"
    world.until(500)
    assert world.done(crowd.stubborn.pid) == [*STEPS, "guard.cleared"]
    assert world.done(crowd.hog.pid) == [*STEPS[:2], "guard.cleared"]
    for name in ("holder", "small", "roots", "contained"):
        assert getattr(crowd, name).signals() == []
    assert crowd.daemon.runs
    # What may not be stopped is still told, with who can.
    found = world.found()
    others = {crowd.roots.pid, crowd.contained.pid, crowd.daemon.pid}
    assert found.keys() == others | {1, crowd.server, os.getpid()}
    assert {each.stage for each in found.values()} == {Stage.REPORTED}
    assert f"can: kill {crowd.roots.pid}" in found[crowd.roots.pid].message
    assert world.done(crowd.daemon.pid) == []
    assert world.done(crowd.roots.pid) == ["guard.cant_stop"]


def test_without_roots_rights_only_the_users_own_processes_are_stopped(start, world_of):
    own, other, roots = (start(Witness, user=user) for user in ("nobody", "games", None))
    world = world_of(own, other, roots)
    world.until(90)
    assert own.ended_by().name == "SIGKILL"
    assert other.signals() == []
    assert roots.signals() == []
    found = world.found()
    assert (
        f"it is games's; an administrator of the machine can stop it with: sudo kill {other.pid}"
        in (found[other.pid].message)
    )
    assert (
        f"it is root's; an administrator of the machine can stop it with: sudo kill {roots.pid}"
        in (found[roots.pid].message)
    )
    # Each server writes down what concerns it: neither is its user's, nor on its user's device.
    assert world.done(own.pid)[:4] == STEPS
    assert world.done(other.pid) == world.done(roots.pid) == []


def test_where_leases_are_only_advisory_nobody_is_stopped_whatever_the_mode(own, world_of):
    for enforcement in (Enforcement.ADVISORY, Enforcement.OFF):
        world = world_of(own, enforcement=enforcement)
        world.until(100)
        assert own.signals() == []
        told = {own.pid} if enforcement is Enforcement.ADVISORY else set()
        assert world.found().keys() == told


def test_what_keeps_to_a_lease_after_the_warning_is_left_alone(own, world_of):
    world = world_of(own, holder=None)
    world.until(30)
    world.leases = (lease("nobody", 0),)
    world.until(31)
    assert world.found() == {}
    world.until(200)
    assert own.signals() == []
    assert world.done(own.pid) == ["guard.warn", "guard.cleared"]


def test_who_holds_the_device_has_it_written_down_who_else_uses_it(start, world_of):
    other = start(Witness, user="games")
    world = world_of(other, holder="nobody")
    world.until(90)
    assert world.done(other.pid) == ["guard.cant_stop"]
    assert world.found("nobody") == {}


def test_the_grace_and_the_way_to_stop_a_container_are_told(start, world_of):
    contained = start(Witness, user="games")
    world = world_of(contained, user=ROOT, containers={contained.pid: CONTAINER})
    world.until(3)
    message = world.found()[contained.pid].message
    assert message == (
        f"pid {contained.pid} (sh) uses GPU 0, which mail holds, and may be theirs or not: "
        "it runs in container 3f2a56789abc: docker stop 3f2a56789abc."
    )


def test_its_user_is_told_before_anything_is_done_and_how_it_went(own, world_of):
    world = world_of(own)
    world.until(2)
    ((kind, message, more),) = world.events
    assert kind == "guard.warned"
    assert message == (
        f"pid {own.pid} (sh) is to be stopped because it uses GPU 0, which mail holds. "
        "It is interrupted in 60 s. End it, or lease a GPU and use that one."
    )
    detail = more["detail"]
    assert (detail["pid"], detail["name"], detail["stage"]) == (own.pid, "sh", "warned")
    assert detail["next_at"] == world.now + 60
    world.until(30)
    (finding,) = world.guard.findings("nobody", world.now)
    assert "It is interrupted in 32 s." in finding.message
    assert finding.next_at.timestamp() == world.now + 32
    world.until(90)
    own.ended_by()
    world.tick()
    kinds = [kind for kind, _, _ in world.events]
    assert kinds == [
        *("guard.warned", "guard.interrupted", "guard.terminated", "guard.killed"),
        "guard.cleared",
    ]
    assert world.guard.findings("nobody", world.now) == ()


def test_names_stay_hidden_where_policy_says_so(own, world_of):
    world = world_of(own, mode=DRY_RUN)
    world.policy = replace(world.policy, hide_names=True)
    world.until(3)
    assert "which somebody else holds" in world.found("nobody")[own.pid].message
    # Whose it is can be told without a name: to the owner, and to an administrator.
    assert world.found("nobody")[own.pid].mine
    assert [each.mine for each in world.guard.findings(None, world.now, asker="mail")] == [False]
    assert [each.mine for each in world.guard.findings(None, world.now, asker="nobody")] == [True]
    assert "which mail holds" in world.found()[own.pid].message
    assert "mail" not in str(world.rows)
