"""What the database itself forbids, whoever writes to it, by whatever program."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from jupyter_gpuctl.store.check import problems
from jupyter_gpuctl.store.leases import SqliteLeaseStore
from jupyter_gpuctl.store.location import DatabaseFile
from tests.contract.leases import GIB, active, ended, put, queued

HOLD = "INSERT INTO holds (lease_id, device, mode, milli, memory) VALUES "

ATTACKS = {
    "an exclusive device is held twice": f"{HOLD} ('whole-2', 'GPU-0', 'exclusive', 1000, 0)",
    "a share of an exclusive device": f"{HOLD} ('share-2', 'GPU-0', 'shared', 1, 0)",
    "a shared device is held exclusively": f"{HOLD} ('whole-2', 'GPU-1', 'exclusive', 1000, 0)",
    "shares of more than one device": f"{HOLD} ('share-2', 'GPU-1', 'shared', 501, 0)",
    "more memory than the device has": f"{HOLD} ('share-2', 'GPU-1', 'shared', 1, {41 * GIB})",
    "an exclusive hold of less than all": f"{HOLD} ('whole-2', 'GPU-3', 'exclusive', 500, 0)",
    "a shared hold of all": f"{HOLD} ('share-2', 'GPU-3', 'shared', 1000, 0)",
    "a share of nothing": f"{HOLD} ('share-2', 'GPU-3', 'shared', 0, 0)",
    "a share of less than nothing": f"{HOLD} ('share-2', 'GPU-1', 'shared', -100, 0)",
    "memory of less than nothing": f"{HOLD} ('share-2', 'GPU-1', 'shared', 1, -{GIB})",
    "a hold of a queued lease": f"{HOLD} ('queued', 'GPU-3', 'exclusive', 1000, 0)",
    "a hold of an ended lease": f"{HOLD} ('ended', 'GPU-3', 'exclusive', 1000, 0)",
    "a hold of no lease": f"{HOLD} ('nobody', 'GPU-3', 'exclusive', 1000, 0)",
    "a hold of no device": f"{HOLD} ('whole-2', 'GPU-9', 'exclusive', 1000, 0)",
    "a hold in no known way": f"{HOLD} ('whole-2', 'GPU-3', 'secret', 1000, 0)",
    "a hold that grows": "UPDATE holds SET milli = 999 WHERE lease_id = 'share'",
    "a hold that changes hands": "UPDATE holds SET lease_id = 'whole-2' WHERE lease_id = 'whole'",
    "a device that forgets its holds": "UPDATE devices SET held_milli = 0, mode = 'free'",
    "a device that forgets a part": "UPDATE devices SET held_milli = 1 WHERE uuid = 'GPU-1'",
    "a device that forgets its memory": "UPDATE devices SET held_memory = 0 WHERE uuid = 'GPU-1'",
    "a device with too little memory": "UPDATE devices SET memory = 1 WHERE uuid = 'GPU-1'",
    "a device that changes its mode": "UPDATE devices SET mode = 'exclusive' WHERE uuid = 'GPU-1'",
    "a held device that goes": "DELETE FROM devices WHERE uuid = 'GPU-0'",
    "a held device under another name": "UPDATE devices SET uuid = 'x' WHERE uuid = 'GPU-0'",
    "a lease that ends and keeps its device": "UPDATE leases SET status = 'ended', ended_at = "
    "started_at, end_reason = 'released' WHERE id = 'whole'",
    "a lease that waits and keeps its device": "UPDATE leases SET status = 'queued', "
    "started_at = NULL WHERE id = 'whole'",
    "an ended lease that comes back": "UPDATE leases SET status = 'queued', ended_at = NULL, "
    "end_reason = NULL, started_at = NULL WHERE id = 'ended'",
    "a lease of no known status": "UPDATE leases SET status = 'paused' WHERE id = 'queued'",
    "an active lease without an end": "UPDATE leases SET expires_at = NULL WHERE id = 'whole'",
    "an end before the beginning": "UPDATE leases SET ended_at = started_at - 1 WHERE id = 'ended'",
    "an end without a reason": "UPDATE leases SET end_reason = NULL WHERE id = 'ended'",
    "one and a half devices": "UPDATE leases SET milli = 1500 WHERE id = 'queued'",
    "no device at all": "UPDATE leases SET milli = 0 WHERE id = 'queued'",
    "a lease for no time": "UPDATE leases SET duration = 0 WHERE id = 'queued'",
    "a lease that holds is deleted": "DELETE FROM leases WHERE id = 'whole'",
    "a second clock": "INSERT INTO clock VALUES (2, 0, NULL, 0, 0, 0, 0)",
    "less than no use": "INSERT INTO usage VALUES ('user', 'user-a', -1, 0)",
    "a key for no lease": "INSERT INTO idempotency_keys VALUES ('user-a', 'k', 'f', 'nobody', 0)",
}


@pytest.fixture
def path(tmp_path):
    """GPU-0 is held as a whole, half of GPU-1 is shared, GPU-2 held for leases that want more."""
    path = tmp_path / "gpuctl.sqlite"
    store = SqliteLeaseStore(path)
    put(
        store,
        active("whole", "GPU-0"),
        active("share", "GPU-1", milli=500, memory=40 * GIB),
        active("whole-2", "GPU-2"),
        queued("queued"),
        ended("ended", 10.0, 20.0),
    )
    put(store, active("share-2", "GPU-3", milli=100, memory=GIB))
    store.close()
    with closing(sqlite3.connect(path)) as raw, raw:
        # Make room on GPU-3 for the attacks that need a free device.
        raw.execute("DELETE FROM holds WHERE lease_id = 'share-2'")
    return path


def dump(path):
    with closing(sqlite3.connect(path)) as raw:
        return list(raw.iterdump())


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_forbids(path, attack):
    before = dump(path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError), raw:
            raw.execute(ATTACKS[attack])
    assert dump(path) == before


def test_what_the_database_allows_it_keeps_the_sums_of(path):
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute(f"{HOLD} ('share-2', 'GPU-1', 'shared', 500, {40 * GIB})")
        held = raw.execute("SELECT * FROM devices WHERE uuid = 'GPU-1'").fetchone()
        assert held == ("GPU-1", 80 * GIB, "shared", 1000, 80 * GIB)
        raw.execute("DELETE FROM holds WHERE device = 'GPU-1'")
        held = raw.execute("SELECT * FROM devices WHERE uuid = 'GPU-1'").fetchone()
        assert held == ("GPU-1", 80 * GIB, "free", 0, 0)


def test_a_check_names_what_does_not_agree(path):
    found = problems(DatabaseFile(path))
    assert found == [
        "A lease that is offered or active doesn't hold what it says: share-2",
    ]
    with closing(sqlite3.connect(path)) as raw, raw:
        # Somebody who wants to can; the check finds it afterwards.
        raw.execute("DROP TRIGGER devices_sum")
        raw.execute("UPDATE devices SET held_milli = 400 WHERE uuid = 'GPU-1'")
    assert "A device's sums are not those of its holds: GPU-1" in problems(DatabaseFile(path))
