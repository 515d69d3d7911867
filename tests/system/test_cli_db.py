"""`jupyter gpuctl db` as a program."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_gpuctl.store.leases import SqliteLeaseStore
from jupyter_gpuctl.store.schema import REVISION
from tests.contract.leases import active, put
from tests.system import terminal


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "shared" / "gpuctl.sqlite"


@pytest.fixture
def gpuctl(tmp_path, database):
    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "GPUCTL_DATABASE_URL": f"sqlite:///{database}",
            **environment,
        }
        return terminal.gpuctl(given, "db", *arguments, columns=None)

    return call


def test_looking_at_no_database_makes_none(gpuctl, database):
    done = gpuctl("check")
    assert (done.returncode, "no database yet" in done.stdout) == (0, True)
    assert not database.parent.exists()


def test_a_database_is_made_and_found_whole(gpuctl, database):
    made = gpuctl("upgrade")
    assert (made.returncode, made.stdout) == (0, f"{database} was made (revision {REVISION}).\n")
    assert "is up to date" in gpuctl("upgrade").stdout
    checked = gpuctl("check")
    assert (checked.returncode, "agrees with itself" in checked.stdout) == (0, True)


def test_another_database_can_be_named(gpuctl, tmp_path, database):
    other = tmp_path / "other.sqlite"
    assert gpuctl("upgrade", "--database-url", f"sqlite:///{other}").returncode == 0
    assert other.exists()
    assert not database.exists()


def test_what_is_wrong_is_named(gpuctl, database):
    store = SqliteLeaseStore(database)
    put(store, active("a", "GPU-0"))
    store.close()
    with closing(sqlite3.connect(database)) as raw, raw:
        raw.execute("DELETE FROM holds")
    done = gpuctl("check")
    assert done.returncode == 1
    assert done.stdout == "A lease that is offered or active doesn't hold what it says: a\n"


@pytest.mark.parametrize("verb", ["upgrade", "check"])
def test_what_can_not_be_read_is_told_in_a_line(gpuctl, database, verb):
    database.parent.mkdir()
    database.write_text("no database " * 100)
    done = gpuctl(verb)
    assert done.returncode == 3
    assert done.stderr.startswith(f"Error: {database} is not a SQLite database.")
    done = gpuctl(verb, "--database-url", "mysql://host/db")
    assert done.returncode == 2
    assert "mysql://host/db" in done.stderr
