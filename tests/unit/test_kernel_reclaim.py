"""Idle leases on a simulated clock: the authority, its database and the reclaimer are real."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from jupyter_gpuctl.core.clock import ManualClock
from jupyter_gpuctl.gpus.model import (
    Device,
    DeviceReading,
    DeviceStatus,
    Driver,
    DriverStatus,
    GpuProcess,
    Owner,
    Sample,
)
from jupyter_gpuctl.gpus.ports import Kernel
from jupyter_gpuctl.gpus.sampler import Pass
from jupyter_gpuctl.host.model import HostReading
from jupyter_gpuctl.kernels.idle import IdleRules, Look
from jupyter_gpuctl.kernels.reclaim import STALE, Reclaimer, look_at
from jupyter_gpuctl.leases.desk import LeaseDesk
from jupyter_gpuctl.leases.model import EndReason, LeaseStatus
from tests.unit.house import A, B, House, ask

MINUTE = 60
RULES = IdleRules(after=10 * MINUTE, grace=4 * MINUTE)
TICK = 10


class Heard:
    """An announcer that remembers."""

    def __init__(self) -> None:
        self.events = []

    def announce(self, kind, message, *, kernel_id=None, lease_id=None, detail=None) -> None:
        self.events.append((kind, lease_id, message))

    def kinds(self):
        return [kind for kind, _, _ in self.events]


def process(user="user-a", kernel_id=None, pid=100):
    return GpuProcess(pid, "python", 1 << 30, Owner(user, None, kernel_id))


def kernel(kernel_id="k-1", state="idle"):
    return Kernel(kernel_id, "python3", "work/train.ipynb", "notebook", state, 7)


class Office:
    """A server of user-a's, time, and what the GPUs show."""

    def __init__(self, path) -> None:
        self.house = House(path)
        self.authority = self.house.authority()
        self.clock = ManualClock()
        self.heard = Heard()
        self.kernels = [kernel()]
        self.seq = 0
        self.shown = {}
        self.frozen = None
        self.server()

    def server(self):
        """A server that has just been started, and remembers nothing."""
        self.desk = LeaseDesk(lambda: self.authority)
        self.reclaimer = Reclaimer(
            self.desk,
            RULES,
            owner="user-a",
            announcer=self.heard,
            clock=self.clock,
            log=logging.getLogger("tests"),
        )

    def show(self, uuid, *processes, utilization=0.0, status=DeviceStatus.OK, simulated=False):
        """What a device shows from now on."""
        device = Device(uuid, 0, "Fake", 80 << 30, simulated=simulated)
        reading = DeviceReading(
            uuid, status, None, utilization, 0, None, None, None, None, None, tuple(processes)
        )
        self.shown[uuid] = (device, reading)

    def sample(self):
        if self.frozen is not None:
            return self.frozen
        for each in self.house.devices.devices:
            if each.uuid not in self.shown:
                self.show(each.uuid)
        self.seq += 1
        return Pass(
            Driver(DriverStatus.OK, "nvml"),
            tuple(device for device, _ in self.shown.values()),
            Sample(
                self.seq,
                self.clock.now(),
                tuple(reading for _, reading in self.shown.values()),
                (),
                HostReading(None, 1, None, None, None, None),
            ),
            (),
        )

    def beat(self):
        held = self.authority.bindings.look()
        asyncio.run(self.reclaimer.beat(held, self.sample(), self.kernels))

    def wait(self, minutes):
        """Time passes, beat by beat."""
        for _ in range(round(minutes * MINUTE / TICK)):
            self.pass_time(TICK)
            self.beat()

    def pass_time(self, seconds):
        self.clock.advance(seconds)
        self.house.clocks.advance(seconds)

    def lease(self, actor=A, kernel_id="k-1"):
        return self.authority.request(actor, replace(ask(1, hours=10), kernel_id=kernel_id))

    def status(self, lease, actor=A):
        return self.authority.lease(actor, lease.id).status

    @property
    def idle(self):
        return self.reclaimer.answers("user-a", 0.0)


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path / "gpuctl.sqlite")
    yield office
    office.house.close()


ACTIVE, ENDED = LeaseStatus.ACTIVE, LeaseStatus.ENDED


def test_a_30_minute_cell_that_only_the_processor_works_on_is_never_asked_about(office):
    lease = office.lease()
    office.kernels = [kernel(state="busy")]
    office.wait(30)
    assert office.status(lease) is ACTIVE
    assert office.heard.events == []


def test_a_30_minute_job_of_a_terminal_that_works_on_the_gpu_is_never_asked_about(office):
    lease = office.lease(kernel_id=None)
    office.show(lease.devices[0], process(), utilization=3.0)
    office.kernels = []
    office.wait(30)
    assert office.status(lease) is ACTIVE
    assert office.heard.events == []


def test_a_30_minute_job_on_a_mig_instance_that_tells_no_utilisation_is_never_asked_about(office):
    lease = office.lease(kernel_id=None)
    office.show(lease.devices[0], process(), utilization=None)
    office.wait(30)
    assert office.status(lease) is ACTIVE
    assert office.heard.events == []


def test_an_idle_lease_is_asked_about_reminded_of_and_given_back(office):
    lease = office.lease()
    office.wait(9.5)
    assert office.idle == ()
    office.wait(1)
    (answer,) = office.idle
    assert answer.lease_id == lease.id
    assert answer.release_at is not None
    assert "keep or release" in answer.message
    assert not answer.holds_memory
    assert office.heard.kinds() == ["idle.asked"]
    office.wait(2.5)
    assert office.heard.kinds() == ["idle.asked", "idle.reminded"]
    office.wait(2)
    assert office.heard.kinds() == ["idle.asked", "idle.reminded", "idle.released"]
    ended = office.authority.lease(A, lease.id)
    assert (ended.status, ended.reason) == (ENDED, EndReason.IDLE)
    assert office.idle == ()
    assert all(event[1] == lease.id for event in office.heard.events)
    assert office.heard.events[0][2].startswith("train.ipynb: ")
    assert office.authority.audit(A).items[0].action == "lease.idle"


def test_held_memory_is_only_asked_about(office):
    lease = office.lease()
    office.show(lease.devices[0], process(kernel_id="k-1"))
    office.wait(60)
    assert office.status(lease) is ACTIVE
    assert office.heard.kinds() == ["idle.asked"]
    (answer,) = office.idle
    assert (answer.holds_memory, answer.release_at) == (True, None)
    assert "memory" in answer.message


def test_one_click_keeps_it(office):
    lease = office.lease()
    office.wait(12)
    office.authority.bindings.keep(A, lease.id)
    office.wait(5)
    assert office.status(lease) is ACTIVE
    assert office.idle == ()


def test_a_cell_that_runs_after_the_question_keeps_it(office):
    lease = office.lease()
    office.wait(13)
    office.kernels = [kernel(state="busy")]
    office.wait(0.5)
    office.kernels = [kernel()]
    office.wait(9)
    assert office.status(lease) is ACTIVE
    assert "idle.released" not in office.heard.kinds()


def test_what_is_seen_used_is_vouched_for_now_and_then_not_each_beat(office):
    lease = office.lease()
    office.kernels = [kernel(state="busy")]
    written = set()
    for _ in range(60):
        office.wait(1 / 6)
        (held,) = office.authority.bindings.look().leases
        written.add(held.used_at)
    assert len(written - {None}) == 10 * MINUTE // (RULES.after / 4)
    assert office.status(lease) is ACTIVE


def test_a_server_that_is_started_again_asks_before_it_takes(office):
    lease = office.lease()
    office.pass_time(10 * 3600 - 3600)
    office.server()
    office.beat()
    assert office.heard.kinds() == ["idle.asked"]
    office.wait(3)
    assert office.status(lease) is ACTIVE
    office.wait(1.5)
    assert office.status(lease) is ENDED


def test_the_kernel_of_another_server_of_the_same_user_is_not_judged_while_somebody_vouches(office):
    lease = office.lease(kernel_id="elsewhere")
    for _ in range(6):
        office.wait(10)
        office.authority.bindings.used({lease.id: office.authority.now()})
    assert office.status(lease) is ACTIVE
    assert office.heard.events == []


def test_a_lease_that_nobody_vouches_for_any_more_goes_back_once_nothing_is_there(office):
    lease = office.lease(B, kernel_id="theirs")
    office.show(lease.devices[0], process("user-b"))
    office.wait(30)
    assert office.status(lease, B) is ACTIVE
    office.show(lease.devices[0])
    office.wait(0.5)
    assert office.status(lease, B) is ENDED
    assert office.heard.events == []


def test_a_gpu_that_can_not_be_read_takes_nobodys_lease(office):
    lease = office.lease()
    office.show(lease.devices[0], status=DeviceStatus.UNRESPONSIVE)
    office.wait(60)
    assert office.status(lease) is ACTIVE
    assert office.heard.events == []


def test_a_sample_that_has_grown_old_says_nothing(office):
    lease = office.lease()
    office.frozen = office.sample()
    office.wait(60)
    assert office.status(lease) is ACTIVE
    assert RULES.after > STALE
    assert office.heard.events == []


def test_somebody_elses_program_on_the_device_does_not_keep_it(office):
    lease = office.lease()
    office.show(lease.devices[0], process("user-b"), utilization=90.0)
    office.wait(16)
    assert office.status(lease) is ENDED


def test_processes_of_a_simulation_are_made_up_and_keep_nothing(office):
    lease = office.lease()
    office.show(lease.devices[0], process(kernel_id="k-1"), utilization=90.0, simulated=True)
    office.wait(16)
    assert office.status(lease) is ENDED


def test_without_an_attachment_any_busy_kernel_on_the_device_uses_it(office):
    lease = office.authority.bindings.look().leases
    assert lease == ()
    office.lease(kernel_id=None)
    (held,) = office.authority.bindings.look().leases
    office.show(held.devices[0], process(kernel_id="k-1"), utilization=0.0)
    busy, idle = [kernel(state="busy")], [kernel()]
    sample = office.sample()
    seen = look_at(held, sample, busy, "user-a", fresh=True)
    assert seen.in_use
    assert look_at(held, sample, idle, "user-a", fresh=True) == Look(
        owner_there=True, anyone_there=True
    )
