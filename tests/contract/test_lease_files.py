"""The database as a file: who may read it, how it is brought up to date, what can be wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from jupyter_gpuctl.core.errors import GpuCtlError, InvalidConfig, Unavailable
from jupyter_gpuctl.store.engine import PATIENCE, sqlite_engine, writing
from jupyter_gpuctl.store.leases import SqliteLeaseStore
from jupyter_gpuctl.store.location import DatabaseFile, database_file
from jupyter_gpuctl.store.lock import FileLock
from jupyter_gpuctl.store.migrate import VERSIONS, bring_up_to_date, known_revisions
from jupyter_gpuctl.store.schema import REVISION, metadata
from tests.contract.leases import active, live, put, queued

NEXT = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "next", "{old}", None, None

def upgrade():
    op.execute("CREATE TABLE of_next (n INTEGER)")
    op.execute("INSERT INTO of_next VALUES (1)")
    {more}
"""
UPGRADE = """
import sys
import tempfile
from pathlib import Path
from jupyter_gpuctl.store.location import DatabaseFile
from jupyter_gpuctl.store.lock import FileLock
from jupyter_gpuctl.store.migrate import VERSIONS, bring_up_to_date
file = DatabaseFile(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
bring_up_to_date(file, FileLock(file.lock_path, 0o600), 60, head="next",
                 versions=[VERSIONS, Path(sys.argv[2])])
print("done", flush=True)
"""
MAKE = """
import sys
import tempfile
from pathlib import Path
from jupyter_gpuctl.store.leases import SqliteLeaseStore
print("ready", flush=True)
sys.stdin.readline()
SqliteLeaseStore(Path(sys.argv[1])).close()
print("done", flush=True)
"""

root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "gpuctl.sqlite"


def open_store(path: Path, timeout: float = 10.0) -> SqliteLeaseStore:
    return SqliteLeaseStore(path, timeout=timeout)


def refusal(path: Path) -> GpuCtlError:
    with pytest.raises(Unavailable) as refused:
        open_store(path, timeout=0.1)
    assert str(path) in refused.value.message
    assert refused.value.hint
    return refused.value


def modes(folder: Path) -> dict[str, int]:
    return {entry.name: entry.stat().st_mode & 0o7777 for entry in folder.iterdir()}


def at_once(script: str, count: int, *arguments: Path) -> None:
    """Run ``script`` in ``count`` processes that all wait for the same moment."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        assert process.communicate(timeout=120)[0] == "done\n"


def test_a_new_database_is_for_its_owner_alone(path):
    store = open_store(path)
    put(store, queued("a"))
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes(path.parent).values()) == {0o600}
    store.close()


def test_in_a_folder_of_a_group_the_group_can_write(path):
    path.parent.mkdir()
    path.parent.chmod(0o2770)
    umask = os.umask(0o077)
    try:
        store = open_store(path)
        put(store, queued("a"))
        found = modes(path.parent)
        store.close()
    finally:
        os.umask(umask)
    assert set(found.values()) == {0o660}
    assert {"gpuctl.sqlite", "gpuctl.sqlite-wal", "gpuctl.sqlite-shm"} <= set(found)


def test_the_tables_are_those_that_queries_are_written_for(path):
    store = open_store(path)
    engine = sqlite_engine(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            # Indexes and constraints are the migrations' own matter.
            if "index" not in difference[0] and "constraint" not in str(difference[0])
        ]
    engine.dispose()
    store.close()
    assert [d for d in differences if d[0] != "remove_fk"] == []
    assert max(known_revisions()) == REVISION


def next_version(folder: Path, more: str = "") -> list[Path]:
    folder.mkdir()
    (folder / "next.py").write_text(NEXT.format(old=REVISION, more=more))
    return [VERSIONS, folder]


def test_an_older_database_is_backed_up_and_brought_up_to_date(path, tmp_path):
    store = open_store(path)
    put(store, active("a", "GPU-0"))
    versions = next_version(tmp_path / "versions")
    file = DatabaseFile(path)
    backup = bring_up_to_date(
        file, FileLock(file.lock_path, 0o600), 5, head="next", versions=versions
    )
    assert backup == path.with_name(f"gpuctl.sqlite.backup-{REVISION}")
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("next",)]
        assert raw.execute("SELECT n FROM of_next").fetchall() == [(1,)]
    restored = open_store(backup)
    assert set(live(restored)) == {"a"}
    restored.close()
    # Once more: nothing to do, and no backup.
    lock = FileLock(file.lock_path, 0o600)
    assert bring_up_to_date(file, lock, 5, head="next", versions=versions) is None
    # The server that still runs the older version says so, and writes nothing.
    with pytest.raises(Unavailable) as refused, store.transaction() as transaction:
        transaction.add(queued("b"))
    assert refused.value.code == "store.newer"
    store.close()


def test_a_migration_that_fails_changes_nothing(path, tmp_path):
    store = open_store(path)
    put(store, queued("a"))
    versions = next_version(tmp_path / "versions", "op.execute('INSERT INTO nowhere VALUES (1)')")
    file = DatabaseFile(path)
    with pytest.raises(Unavailable):
        bring_up_to_date(file, FileLock(file.lock_path, 0o600), 5, head="next", versions=versions)
    with closing(sqlite3.connect(path)) as raw:
        tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master")}
    assert "of_next" not in tables
    put(store, queued("b"))
    assert set(live(store)) == {"a", "b"}
    store.close()


def test_processes_that_migrate_at_once_migrate_once(path, tmp_path):
    store = open_store(path)
    put(store, queued("a"))
    store.close()
    next_version(tmp_path / "versions")
    at_once(UPGRADE, 4, path, tmp_path / "versions")
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT n FROM of_next").fetchall() == [(1,)]
    assert len(list(path.parent.glob("*backup*"))) == 1


def test_processes_that_start_at_once_make_one_database(path):
    at_once(MAKE, 4, path)
    store = open_store(path)
    put(store, queued("a"))
    assert set(live(store)) == {"a"}
    assert not list(path.parent.glob("*backup*"))
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(path):
    open_store(path).close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    assert refusal(path).code == "store.newer"
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("dear diary, " * 1000)
    before = path.read_bytes()
    assert refusal(path).code == "store.not_a_database"
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE diary (day TEXT)")
    before = path.read_bytes()
    assert refusal(path).code == "store.foreign"
    assert path.read_bytes() == before


def test_a_damaged_database_is_told(path):
    store = open_store(path)
    put(store, *(queued(f"{n}", note="x" * 3000) for n in range(50)))
    store.close()
    text = bytearray(path.read_bytes())
    text[4096:] = os.urandom(len(text) - 4096)
    path.write_bytes(text)
    with pytest.raises(Unavailable) as refused:
        put(open_store(path), queued("a"))
    assert refused.value.code == "store.damaged"


def test_a_place_that_can_not_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file" / "gpuctl.sqlite").code == "store.unwritable"


@root
@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_what_this_user_may_not_write_is_told(path, what):
    path.parent.mkdir()
    if what == "the file":
        open_store(path).close()
    # Up to the folder anybody may go; what is in it is another user's.
    for parent in list(path.parents)[:-2]:
        if parent.stat().st_uid == 0 and parent != Path("/tmp"):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        assert refusal(path).code == "store.unwritable"
    finally:
        os.seteuid(0)


@root
def test_users_of_one_group_share_a_database():
    group, first, second = 60000, 60001, 60002
    with tempfile.TemporaryDirectory() as place:  # which others than root may enter, too
        os.chmod(place, 0o755)
        folder = Path(place, "gpuctl")
        folder.mkdir()
        os.chown(folder, 0, group)
        folder.chmod(0o2770)
        for user in (first, second, first):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    os.setgroups([])
                    os.setgid(user)
                    os.setgroups([group])
                    os.setuid(user)
                    os.umask(0o077)
                    store = open_store(folder / "gpuctl.sqlite")
                    put(store, queued(f"{len(live(store))}"))
                    status = 0
                except GpuCtlError as error:
                    print(error)
                finally:
                    # Without closing: the side files stay, as of a server that goes on.
                    os._exit(status)
            assert os.waitpid(pid, 0)[1] == 0
        store = open_store(folder / "gpuctl.sqlite")
        assert set(live(store)) == {"0", "1", "2"}
        store.close()


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return filler


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


def test_a_url_names_a_file():
    assert database_file("sqlite:////srv/gpuctl/a b.sqlite").path == Path("/srv/gpuctl/a b.sqlite")
    assert database_file("").path.name == "gpuctl.sqlite"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql://host/db", "/srv/x", "%"]
)
def test_a_url_of_anything_else_is_refused(url):
    with pytest.raises(InvalidConfig) as refused:
        database_file(url)
    assert repr(url) in refused.value.message
