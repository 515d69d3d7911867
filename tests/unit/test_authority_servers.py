"""Several servers on one database are one system; each tells its own users what has changed."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from jupyter_gpuctl.core.errors import NotFound
from jupyter_gpuctl.leases.changes import Change
from jupyter_gpuctl.leases.model import LeaseStatus
from jupyter_gpuctl.leases.service import Actor, Authority
from tests.unit.house import HOUR, A, B, House, ask


def kinds(changes: list[Change]) -> list[tuple[str, str]]:
    found = [(change.kind, change.owner) for change in changes]
    changes.clear()
    return found


def test_a_server_hears_of_what_another_has_done_once(house):
    mine, theirs = [], []
    here, there = house.authority(mine), house.authority(theirs)
    lease = here.request(A, ask(2))
    assert kinds(mine) == [("lease.started", "user-a")]
    there.cycle()
    assert kinds(theirs) == []  # What was before it looked is no news.
    waits = there.request(B, ask(1))
    assert kinds(theirs) == [("lease.queued", "user-b")]
    assert here.changed_elsewhere()
    assert not there.changed_elsewhere()
    here.cycle()
    assert not here.changed_elsewhere()
    here.cycle()
    assert kinds(mine) == [("lease.queued", "user-b")]
    here.release(A, lease.id)
    assert kinds(mine) == [("lease.ended", "user-a"), ("lease.started", "user-b")]
    there.cycle()
    assert kinds(theirs) == [("lease.ended", "user-a"), ("lease.started", "user-b")]
    assert there.lease(B, waits.id).status is LeaseStatus.ACTIVE


def test_time_acts_in_whichever_server_looks_first(house):
    mine, theirs = [], []
    here, there = house.authority(mine), house.authority(theirs)
    here.request(A, ask(1))
    there.cycle()
    kinds(mine)
    assert there.cycle() == HOUR
    house.clocks.advance(HOUR)
    there.cycle()
    here.cycle()
    assert kinds(mine) == kinds(theirs) == [("lease.ended", "user-a")]
    assert [row.actor for row in here.audit(A).items].count("gpuctl") == 2


def test_a_new_quota_acts_with_the_next_cycle(house):
    authority = house.authority()
    house.devices = replace(house.devices, devices=house.devices.devices[:1])
    authority.request(A, ask(1))
    waits = authority.request(B, ask(1))
    assert authority.lease(B, waits.id).status is LeaseStatus.QUEUED
    house.devices = replace(
        house.devices,
        devices=(*house.devices.devices, replace(house.devices.devices[0], uuid="GPU-new")),
    )
    authority.cycle()
    assert authority.lease(B, waits.id).devices == ("GPU-new",)


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_server_lets_go_of_a_database_that_is_not_there_any_more(house, tmp_path, how, caplog):
    told = []
    here = house.authority(told)
    lost = here.request(A, ask(2))
    path = house.file.path
    if how == "replaced":
        other = House(tmp_path / "other.sqlite")
        held = other.authority().request(B, ask(2))
        other.close()
        other.file.path.replace(path)
    else:
        path.unlink()
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    kinds(told)
    here.cycle()
    assert "was taken away or replaced" in caplog.text
    # Who opens it anew sees the same, so nothing can be granted twice.
    for authority in (here, house.authority()):
        with pytest.raises(NotFound):
            authority.lease(A, lost.id)
        live = authority.leases(B).items
        assert [lease.id for lease in live] == ([held.id] if how == "replaced" else [])
    anew = here.request(A, ask(1))
    assert anew.status is (LeaseStatus.QUEUED if how == "replaced" else LeaseStatus.ACTIVE)
    assert [owner for _, owner in kinds(told)] == ["user-a"]
    assert not here.changed_elsewhere()


def test_a_quota_file_is_followed_before_anybody_leases(tmp_path):
    class Followed(House):
        looks = 0

        def policy(self):
            self.looks += 1
            return super().policy()

    house = Followed(tmp_path / "gpuctl.sqlite")
    assert house.authority().cycle() is None
    assert house.looks == 1
    house.close()
    assert not house.file.exists()


def test_a_listener_that_fails_does_not_keep_others_from_their_leases(house, caplog):
    def fail(change: Change) -> None:
        raise RuntimeError(change.kind)

    log = logging.getLogger("tests")
    authority = Authority(house.file, house, house, clock=house.clocks, log=log, announce=fail)
    assert authority.request(A, ask(1)).status is LeaseStatus.ACTIVE
    assert "lease.started could not be announced" in caplog.text
    authority.close()


def test_threads_of_one_server_take_turns(house):
    authority = house.authority()

    def use(number: int) -> None:
        actor = Actor(f"user-{number % 5}")
        lease = authority.request(actor, ask(1))
        authority.leases(actor)
        authority.cycle()
        authority.release(actor, lease.id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(64)))
    assert authority.leases(A).items == ()
    ended = [change for change in house.changes if change.kind == "lease.ended"]
    assert len({change.lease_id for change in ended}) == len(ended) == 64
