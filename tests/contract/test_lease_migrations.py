"""A database of another version: brought up to date, backed up, or left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from jupyter_gpuctl.core.errors import Unavailable
from jupyter_gpuctl.store.engine import sqlite_engine
from jupyter_gpuctl.store.location import DatabaseFile
from jupyter_gpuctl.store.lock import FileLock
from jupyter_gpuctl.store.migrate import VERSIONS, bring_up_to_date, known_revisions
from jupyter_gpuctl.store.schema import REVISION, metadata
from tests.contract.files import at_once, open_store, refusal
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
