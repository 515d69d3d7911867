"""What others, and a full disk, do to a database in use: told, and nothing half stored."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.leases.keeper import RETRY
from jupyter_gpuctl.store.engine import PATIENCE, sqlite_engine, writing
from jupyter_gpuctl.store.location import DatabaseFile
from tests.contract.files import fill, open_store, refusal
from tests.contract.leases import live, put, queued
from tests.unit.house import HOUR, A, House, ask


def test_on_a_full_disk_nothing_is_half_stored(small_disk):
    store = open_store(small_disk / "gpuctl.sqlite")
    put(store, queued("before"))
    filler = fill(small_disk)
    with pytest.raises(Unavailable) as refused:
        put(store, *(queued(f"{n}", note="x" * 5000) for n in range(100)))
    assert refused.value.code == "store.full"
    # Looking still works.
    assert set(live(store)) == {"before"}
    filler.unlink()
    put(store, queued("after"))
    assert set(live(store)) == {"before", "after"}
    store.close()


def test_a_disk_too_full_for_a_database_is_told_and_mended_by_space(small_disk):
    filler = fill(small_disk)
    assert refusal(small_disk / "gpuctl.sqlite").code in {"store.full", "store.failed"}
    filler.unlink()
    store = open_store(small_disk / "gpuctl.sqlite")
    put(store, queued("a"))
    store.close()


def test_a_writer_that_is_stopped_makes_others_say_so_and_a_killed_one_is_forgotten(path):
    store = open_store(path, timeout=0.2)
    code = (
        "import sys, time; from pathlib import Path\n"
        "from jupyter_gpuctl.store.leases import SqliteLeaseStore\n"
        "from tests.contract.leases import queued\n"
        "with SqliteLeaseStore(Path(sys.argv[1])).transaction() as transaction:\n"
        "    transaction.add(queued('half'))\n"
        "    print('in it', flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert holder.stdout.readline() == b"in it\n"
    with pytest.raises(Unavailable) as refused:
        put(store, queued("a"))
    assert refused.value.code == "store.locked"
    # Who looks doesn't wait.
    assert live(store) == {}
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    patient = open_store(path)
    put(patient, queued("b"))
    assert set(live(patient)) == {"b"}
    # Who had given up holds nothing.
    put(store, queued("c"))
    assert set(live(store)) == {"b", "c"}
    for each in (patient, store):
        each.close()


def test_another_program_that_holds_the_database_is_told(path):
    store = open_store(path, timeout=0.2)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as refused:
            put(store, queued("a"))
    assert refused.value.code == "store.locked"
    put(store, queued("b"))
    assert set(live(store)) == {"b"}
    store.close()


def test_who_looks_is_answered_while_another_program_holds_the_database(path):
    class Impatient(DatabaseFile):
        def open(self):
            return open_store(self.path, timeout=0.2)

    house = House(path)
    lease = house.authority().request(A, ask(1))
    house.file = Impatient(path)
    other = house.authority([])
    house.clocks.advance(HOUR)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        assert other.lease(A, lease.id).status == "active"
        assert [item.id for item in other.leases(A).items] == [lease.id]
        assert other.checks()["store"].status == "error"
        with pytest.raises(Unavailable) as refused:
            other.release(A, lease.id)
        assert refused.value.code == "store.locked"
    other.cycle()
    assert other.lease(A, lease.id).status == "ended"
    assert other.checks()["store"].status == "ok"
    house.close()


def test_a_writer_waits_for_sqlite_only_as_long_as_is_left_of_its_patience(path):
    open_store(path).close()
    engine = sqlite_engine(path)
    asked = sa.text("PRAGMA busy_timeout")
    for wait, milliseconds in ((2.5, 2500), (0.0, 0), (-1.0, 0)):
        with engine.connect().execution_options(**writing(wait)) as writer, writer.begin():
            assert writer.execute(asked).scalar() == milliseconds
    with engine.connect() as reader:
        assert reader.execute(asked).scalar() == PATIENCE * 1000
    engine.dispose()


def test_the_docs_say_how_long_a_writer_waits():
    text = (Path(__file__).parents[2] / "docs" / "database.md").read_text()
    assert PATIENCE <= 10
    assert f"has waited for {PATIENCE:.0f} s is told so" in text


def test_nothing_is_written_to_a_file_that_was_taken_away(path):
    with closing(open_store(path)) as store:
        assert not store.replaced()
        path.unlink()
        assert store.replaced()
        with pytest.raises(Unavailable) as caught, store.transaction():
            pass
        assert caught.value.code == "store.replaced"
        open_store(path).close()
        # Another file of the same name is not the one that this store has.
        assert store.replaced()


def test_health_says_that_the_disk_is_full_until_there_is_room(small_disk):
    house = House(small_disk / "gpuctl.sqlite", count=4)
    authority = house.authority()
    lease = authority.request(A, ask(1))
    filler = fill(small_disk)

    def use_it_up() -> None:
        for _ in range(400):
            authority.request(A, ask(1, note="x" * 500))

    with pytest.raises(Unavailable) as refused:
        use_it_up()
    assert refused.value.code == "store.full"
    # Looking works, and says nothing about writing; also where it finds that much is due.
    assert authority.lease(A, lease.id).status == "active"
    house.clocks.advance(HOUR)
    for each in (authority, house.authority([])):
        assert each.lease(A, lease.id).status == "active"
        assert each.checks()["store"].message == refused.value.message
    for _ in range(2):
        told = {name: check.message for name, check in authority.checks().items()}
        assert told["store"] == refused.value.message
        assert told["authority"] == f"No lease can be taken: {refused.value.message}"
        house.clocks.advance(RETRY)
        with pytest.raises(Unavailable):
            authority.cycle()
    filler.unlink()
    house.clocks.advance(RETRY)
    authority.cycle()
    assert authority.lease(A, lease.id).status == "ended"
    assert {check.status for check in authority.checks().values()} == {"ok"}
    house.close()
