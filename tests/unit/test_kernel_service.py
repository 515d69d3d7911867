"""Attaching where kernels don't do as hoped: the authority is real, the kernels are played."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from jupyter_gpuctl.core.errors import Conflict, Forbidden, NotFound, Refused
from jupyter_gpuctl.gpus.ports import Kernel
from jupyter_gpuctl.kernels.model import Applied, Enforcement, GuardMode
from jupyter_gpuctl.kernels.ports import Told
from jupyter_gpuctl.kernels.records import Records
from jupyter_gpuctl.kernels.service import KernelService
from jupyter_gpuctl.leases.desk import LeaseDesk
from jupyter_gpuctl.leases.policy import Strength
from tests.unit.house import GIB, GUEST, A, House, ask


class Room:
    """A server's kernels, for tests to change. Implements what the service needs of them."""

    def __init__(self, path) -> None:
        self.house = House(path)
        self.authority = self.house.authority()
        self.records = Records()
        self.events = []
        self.there = {"k-1": 11, "k-2": 12}
        self.leaving = {}
        """Kernels that end after being looked at so many times more."""
        self.busy = set()
        self.told = []
        self.answers = Told(Applied.LIVE)
        self.asked = set()
        self.service = self.serve()

    def serve(self, **changed):
        options = {
            "exists": lambda: True,
            "owner": "user-a",
            "enforcement": Enforcement.ADVISORY,
            "guard_mode": GuardMode.DRY_RUN,
            "strength": Strength.ADVISORY,
            "announcer": self,
            "log": logging.getLogger("tests"),
        } | changed
        desk = LeaseDesk(lambda: self.authority)
        return KernelService(self.records, desk, self, self, **options)

    async def kernels(self):
        for name in list(self.leaving):
            if self.leaving[name] == 0:
                self.there.pop(name, None)
            self.leaving[name] -= 1
        return tuple(
            Kernel(
                name,
                "python3",
                f"{name}.ipynb",
                "notebook",
                "busy" if name in self.busy else "idle",
                pid,
            )
            for name, pid in self.there.items()
        )

    async def set_devices(self, kernel_id, env):
        self.told.append((kernel_id, env["CUDA_VISIBLE_DEVICES"]))
        return self.answers

    def waits(self, kernel_id):
        return kernel_id in self.asked

    def retain(self, kernel_ids):
        self.asked &= set(kernel_ids)

    def announce(self, kind, message, *, kernel_id=None, lease_id=None, detail=None):
        self.events.append(kind)

    def lease(self, **more):
        return self.authority.request(A, replace(ask(1), **more))

    def attach(self, kernel_id, lease, actor=A):
        return asyncio.run(self.service.attach(actor, kernel_id, lease.id))

    def seen(self, kernel_id):
        answers = asyncio.run(self.service.kernels(A)).items
        return next(answer for answer in answers if answer.kernel_id == kernel_id)

    def over(self, kernel_id="k-1"):
        """What the kernel hasn't heard of: that its lease has ended."""
        return self.seen(kernel_id).over

    def beat(self):
        return asyncio.run(self.service.beat())

    def kernel_of(self, lease):
        return self.authority.lease(A, lease.id).kernel_id


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path / "gpuctl.sqlite")
    yield room
    room.house.close()


@pytest.mark.parametrize("before", [None, "k-2"])
def test_a_kernel_that_ends_while_it_is_attached_leaves_the_lease_as_it_was(room, before):
    lease = room.lease(kernel_id=before)
    room.leaving = {"k-1": 1}
    with pytest.raises(Conflict) as refused:
        room.attach("k-1", lease)
    assert refused.value.code == "kernel.gone"
    assert room.kernel_of(lease) == before
    assert room.told == []


def test_on_a_gateway_it_is_refused_in_one_line_and_nothing_is_bound(room):
    room.service = room.serve(gateway=True)
    lease = room.lease()
    with pytest.raises(Refused) as refused:
        room.attach("k-1", lease)
    assert refused.value.code == "kernel.on_gateway"
    assert room.kernel_of(lease) is None
    (kernel, _) = asyncio.run(room.service.kernels(A)).items
    assert kernel.applied is Applied.UNSUPPORTED
    room.beat()
    assert room.told == []


def test_a_guest_looks_and_does_not_act(room):
    lease = room.lease(kernel_id="k-1")
    room.service = room.serve(idle=lambda user, now: (user,))
    with pytest.raises(Forbidden):
        room.attach("k-1", lease, GUEST)
    with pytest.raises(Forbidden):
        asyncio.run(room.service.detach(GUEST, "k-1"))
    seen = asyncio.run(room.service.kernels(GUEST))
    assert seen.items[0].lease_ids == ()
    assert seen.idle == ()
    assert asyncio.run(room.service.kernels(A)).idle == ("user-a",)


def test_where_nobody_leases_nothing_is_asked_for_and_nothing_made(room):
    room.service = room.serve(exists=lambda: False)
    assert room.beat() is None
    assert len(asyncio.run(room.service.kernels(A)).items) == 2
    with pytest.raises(NotFound):
        asyncio.run(room.service.attach(A, "k-1", "1f00"))
    assert not room.house.file.exists()


def test_a_kernel_that_must_be_restarted_is_not_asked_again_each_second(room):
    room.answers = Told(Applied.RESTART, "It has used CUDA, which chooses its GPUs once.")
    lease = room.lease()
    answer = room.attach("k-1", lease)
    assert answer.applied is Applied.RESTART
    assert "The variables of k-1.ipynb are lost then." in answer.message
    for _ in range(3):
        room.beat()
    assert len(room.told) == 1
    assert room.events == ["kernel.restart"]
    # Asked for once more by its user, or running as another process, it is.
    room.attach("k-1", lease)
    assert len(room.told) == 2
    room.there["k-1"] = 99
    room.answers = Told(Applied.LIVE)
    room.beat()
    assert room.records.get("k-1").devices == lease.devices
    assert room.events[-1] == "kernel.told"


def test_a_busy_kernel_is_asked_until_it_is_told_and_announced_once(room):
    room.answers = Told(Applied.WHEN_IDLE, "It runs a cell.")
    lease = room.lease()
    room.attach("k-1", lease)
    room.beat()
    room.beat()
    assert len(room.told) == 3
    assert room.events == ["kernel.waiting"]
    room.answers = Told(Applied.LIVE)
    room.beat()
    room.beat()
    assert len(room.told) == 4
    assert room.events == ["kernel.waiting", "kernel.told"]


def test_what_a_kernel_may_still_hear_late_is_taken_back_when_it_no_longer_holds(room):
    """It was sent the devices just before a long cell began, and the lease is detached by then."""
    room.answers = Told(Applied.WHEN_IDLE, "It runs a cell.")
    lease = room.lease()
    room.attach("k-1", lease)
    room.asked = {"k-1"}
    asyncio.run(room.service.detach(A, "k-1"))
    assert room.told[-1] == ("k-1", None)
    room.answers, room.asked = Told(Applied.LIVE), set()
    room.beat()
    assert room.records.get("k-1").devices is None


def test_a_lease_that_ends_by_itself_is_told_to_its_kernel(room):
    lease = room.lease()
    room.attach("k-1", lease)
    room.house.clocks.advance(3601)
    room.beat()
    assert room.told[-1] == ("k-1", None)
    assert room.records.get("k-1").applied is Applied.UNTOUCHED
    room.house.quotas = replace(room.house.quotas, unleased_devices=False)
    room.beat()
    assert set(room.told[-2:]) == {("k-1", ""), ("k-2", "")}


BUSY = Told(Applied.WHEN_IDLE, "It runs a cell.")


@pytest.mark.parametrize("strength", [Strength.ADVISORY, Strength.GUARDED])
def test_a_busy_kernel_whose_lease_ends_has_a_grace_where_it_is_stopped_after_it(room, strength):
    room.house.quotas = replace(room.house.quotas, strength=strength, expiry_grace=90)
    lease = room.lease()
    room.attach("k-1", lease)
    room.busy, room.answers = {"k-1"}, BUSY
    room.beat()
    assert room.over() is None
    end = room.authority.lease(A, lease.id).expires_at
    room.house.clocks.advance(3630)
    for _ in range(2):
        room.beat()
        over = room.over()
        assert (over.lease_id, over.devices, over.ended_at) == (lease.id, lease.devices, end)
        stops = end + timedelta(seconds=90) if strength is Strength.GUARDED else None
        assert over.stops_at == stops
        room.house.clocks.advance(10)
    assert room.over("k-2") is None
    # The cell ends, and it is told.
    room.busy, room.answers = set(), Told(Applied.LIVE)
    assert room.over() is None
    room.beat()
    assert room.over() is None


def test_nobody_is_stopped_on_a_simulated_gpu(room):
    room.house.quotas = replace(room.house.quotas, strength=Strength.GUARDED)
    room.service = room.serve(simulated=lambda uuid: True)
    room.attach("k-1", room.lease())
    room.busy, room.answers = {"k-1"}, BUSY
    room.house.clocks.advance(3601)
    room.beat()
    assert room.over().stops_at is None


def test_who_has_used_cuda_goes_on_after_the_end_until_it_is_restarted(room):
    room.attach("k-1", room.lease())
    room.answers = Told(Applied.RESTART, "It has used CUDA.")
    room.house.clocks.advance(3601)
    room.beat()
    assert room.over() is not None


def test_a_share_that_a_running_kernel_gets_says_that_its_cap_holds_after_a_restart(room):
    half = room.lease(milli=500, memory=4 * GIB)
    answer = room.attach("k-1", half)
    assert answer.applied is Applied.LIVE
    assert answer.cap_at_restart
    assert "after a restart only" in answer.message
    # Started with it, it knows; until its share becomes another.
    room.records.change("k-1", share=4 / 80, applied=Applied.LAUNCH)
    assert not room.seen("k-1").cap_at_restart
    room.lease(milli=250, memory=2 * GIB, kernel_id="k-1")
    assert room.seen("k-1").devices == half.devices
    assert room.seen("k-1").cap_at_restart
    # A whole GPU has no cap, and no share before it.
    assert not room.attach("k-2", room.lease()).cap_at_restart


def test_a_lease_that_was_detached_or_made_anew_is_not_over(room):
    first = room.lease()
    room.attach("k-1", first)
    room.busy, room.answers = {"k-1"}, BUSY
    asyncio.run(room.service.detach(A, "k-1"))
    assert room.over() is None
    room.house.clocks.advance(3601)
    room.beat()
    assert room.over().lease_id == first.id
    again = room.lease(kernel_id="k-1")
    assert again.devices == first.devices
    room.beat()
    assert room.over() is None


def test_a_moved_lease_is_told_to_both_kernels(room):
    lease = room.lease()
    room.attach("k-1", lease)
    room.attach("k-2", lease)
    assert set(room.told[-2:]) == {("k-1", None), ("k-2", lease.devices[0])}


def test_with_enforcement_off_no_kernel_is_told(room):
    room.service = room.serve(enforcement=Enforcement.OFF, strength=Strength.OFF)
    room.attach("k-1", room.lease())
    room.beat()
    assert room.told == []


def test_other_peoples_leases_are_not_this_servers_to_tell(room):
    other = room.authority.request(replace(A, user="user-b"), replace(ask(1), kernel_id="k-1"))
    room.beat()
    assert room.told == []
    with pytest.raises(NotFound):
        room.attach("k-1", other)
