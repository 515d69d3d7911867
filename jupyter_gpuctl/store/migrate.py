"""Bring a database up to date: all of it or nothing, one process at a time, with a backup beside.

Alembic is loaded only when there is something to do.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..core.errors import Unavailable
from .engine import sqlite_engine, writing
from .location import DatabaseFile, touch
from .lock import FileLock
from .schema import REVISION
from .troubles import explain, told

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS = Path(__file__).with_name("migrations")
VERSIONS = _SCRIPTS / "versions"


def revision_of(connection: sa.Connection, path: Path) -> str | None:
    """The migration that a database stands at; ``None``: it is empty.

    Raises:
        Unavailable: it has tables, and they are not ours.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"alembic_version", "leases"} <= tables:
        raise Unavailable(
            "store.foreign",
            f"{path} is another program's database: it has {', '.join(sorted(tables)[:5])}.",
            hint="Set GpuCtl.database_url to a file of jupyter-gpuctl's own.",
            detail={"path": str(path), "tables": sorted(tables)},
        )
    revision: str | None = connection.exec_driver_sql(
        "SELECT version_num FROM alembic_version"
    ).scalar()
    return revision


def bring_up_to_date(
    file: DatabaseFile,
    lock: FileLock,
    timeout: float,
    *,
    head: str = REVISION,
    versions: Sequence[Path] = (VERSIONS,),
) -> Path | None:
    """Migrate ``file`` to ``head``, making it where it is missing.

    Of several processes that start at once, one migrates and the others wait. Returns where the
    backup of an older database is; ``None``: none was needed.

    Raises:
        Unavailable: it is of a newer version, not ours, locked, or can't be written.
    """
    file.create()
    engine = sqlite_engine(file.path)
    try:
        with told(file.path):
            with engine.connect() as connection:
                if revision_of(connection, file.path) == head:
                    return None
            with lock.held(timeout):
                return _migrate(file, engine, head, versions)
    finally:
        engine.dispose()


def known_revisions(versions: Sequence[Path] = (VERSIONS,)) -> frozenset[str]:
    """Of all migrations that this version has."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(versions)).walk_revisions()
    return frozenset(script.revision for script in scripts)


def _config(versions: Sequence[Path]) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _escaped(_SCRIPTS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(_escaped, versions)))
    return config


def _migrate(
    file: DatabaseFile, engine: sa.Engine, head: str, versions: Sequence[Path]
) -> Path | None:
    from alembic import command

    with engine.connect().execution_options(**writing()) as connection:
        _write_ahead(connection)
        with connection.begin():
            # Once more, now that nobody else can migrate.
            old = revision_of(connection, file.path)
            if old == head:
                return None
            if old is not None and old not in known_revisions(versions):
                raise newer(file.path, old)
            backup = None if old is None else back_up(file, old)
            config = _config(versions)
            config.attributes["connection"] = connection
            command.upgrade(config, head)
    return backup


def _escaped(path: Path) -> str:
    # The parser of Alembic's configuration reads %(here)s and the like.
    return str(path).replace("%", "%%")


def _write_ahead(connection: sa.Connection) -> None:
    """Readers don't wait for the writer then. It is a property of the file, and stays with it."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    (mode,) = driver.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise Unavailable(
            "store.no_wal",
            f"The disk under the database can't share memory between processes (journal: {mode}).",
            hint="Put the database on a local disk: network disks don't do.",
        )


def newer(path: Path, revision: str) -> Unavailable:
    """The error for a database that a newer version has migrated."""
    return Unavailable(
        "store.newer",
        f"The database {path} is of a newer version of jupyter-gpuctl (revision {revision}; this "
        f"one knows {REVISION}).",
        hint="Upgrade jupyter-gpuctl here too, or put back the backup that lies beside it.",
        detail={"path": str(path), "revision": revision, "known": REVISION},
    )


def back_up(file: DatabaseFile, revision: str) -> Path:
    """A copy of ``file`` beside it, named with its revision; whole or not there.

    Raises:
        Unavailable: it can't be written.
    """
    target = file.path.with_name(f"{file.path.name}.backup-{revision}")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        touch(unfinished, file.path.stat().st_mode & 0o777)
        with (
            closing(sqlite3.connect(file.path)) as source,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            source.backup(copy)
            # The copy is to be one file, without side files that somebody might forget.
            copy.execute("PRAGMA journal_mode = DELETE")
        os.replace(unfinished, target)
    except (sqlite3.Error, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise explain(target, error) from error
    return target
