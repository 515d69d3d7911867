"""What goes wrong for a guard: it hits nobody by mistake, and does nothing that isn't recorded."""

from __future__ import annotations

import os

import pytest

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.host.procfs import ProcFs
from jupyter_gpuctl.leases.service import Actor
from tests.fake_driver.scenario import Scenario
from tests.system.guarding import ROOT, STEPS, lease
from tests.system.test_attribution import process_with_pid
from tests.unit.house import House

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as several users")


def test_a_device_that_cant_be_read_stops_the_clock_of_nobody_and_hits_nobody(
    machine, own, world_of
):
    world = world_of(own, holder=None)
    world.until(30)
    machine.show(Scenario(()))
    world.until(120)
    assert own.signals() == []
    world.show([(own.pid, 500)])
    world.until(200)
    assert own.ended_by().name == "SIGKILL"
    assert world.done(own.pid)[:4] == STEPS


# Pids that the system gives out again.


def test_a_recycled_pid_inherits_no_warning(start, world_of):
    before = start(user="nobody")
    world = world_of(before, user=ROOT)
    world.until(61)
    assert world.done(before.pid) == ["guard.warn"]
    before.stop()
    with process_with_pid(before.pid) as pid:
        # The driver still names it; it would be due now.
        world.leases = (lease("root", 0),)
        world.until(200)
        assert ProcFs().info(pid) is not None
    assert world.done(before.pid) == ["guard.warn", "guard.cleared"]


def test_a_pid_that_is_recycled_after_the_sample_was_taken_is_not_hit(start, world_of):
    before = start(user="nobody")
    world = world_of(before, user=ROOT)
    world.until(61)
    world.clock.advance(1)
    found = world.sampler.sample(())
    before.stop()
    with process_with_pid(before.pid) as pid:
        world.guard.look(found, world.held())
        assert ProcFs().info(pid) is not None
    assert "guard.interrupt" not in world.done(before.pid)


# The audit.


def test_every_step_is_a_row_of_the_audit_that_its_user_can_read(own, start, world_of, tmp_path):
    other = start(user="games")
    house = House(tmp_path / "gpuctl.sqlite")
    authority = house.authority()
    world = world_of(own, other, user=ROOT)
    world.audit = authority.bindings.record
    world.until(90)
    assert own.ended_by().name == "SIGKILL"
    world.tick()
    rows = [row for row in authority.audit(Actor("nobody")).items if "pid" in row.detail]
    assert [row.action for row in reversed(rows)] == [*STEPS, "guard.cleared"]
    assert {row.detail["pid"] for row in rows} == {own.pid}
    assert {row.actor for row in rows} == {"gpuctl"}
    house.close()


def test_what_cant_be_written_down_isnt_done(own, world_of):
    world = world_of(own)
    world.until(10)
    world.away = {None: Unavailable("store.away", "The database is away.")}
    world.until(200)
    assert own.signals() == []
    world.away = {}
    world.tick()
    assert own.signals() == ["SIGINT"]


def test_one_process_that_makes_trouble_doesnt_save_the_others(start, world_of, caplog):
    first, second = start(user="nobody"), start(user="nobody")
    world = world_of(first, second)
    world.away = {first.pid: ValueError("what a surprise")}
    world.until(62)
    assert second.ended_by().name == "SIGINT"
    assert first.runs
    said = [each for each in caplog.records if f"pid {first.pid}" in each.getMessage()]
    assert len(said) == 1


def test_the_same_sample_is_looked_at_once(own, world_of):
    world = world_of(own)
    found = world.sampler.sample(())
    for _ in range(100):
        world.clock.advance(60)
        world.guard.look(found, world.held())
    assert world.rows == []
