"""Connections to a SQLite file, each set up the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

PATIENCE = 10.0
"""Seconds until a writer is told that others hold the database: for its turn among our own writers
(``store.lock``) and then for SQLite's lock, which backup programs and people with a shell take."""


def writing(wait: float = PATIENCE) -> dict[str, Any]:
    """Execution options of a connection that will write, and waits so many seconds for its lock.

    It takes the lock at once, so that it can't find, after it has read, that another has written.
    """
    return {"gpuctl_begin": "BEGIN IMMEDIATE", "gpuctl_wait": max(0.0, wait)}


def sqlite_engine(path: Path, timeout: float = PATIENCE) -> sa.Engine:
    """An engine on the file at ``path``, which must exist: it is never created by opening it."""
    engine = sa.create_engine(
        # A URI can say "rw": without it SQLite would make an empty file of a mistyped name.
        sa.URL.create(
            "sqlite", database=f"file:{_quoted(path)}", query={"mode": "rw", "uri": "true"}
        ),
        connect_args={"timeout": timeout},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        # Python's driver would begin transactions by its own rules; we say when and how.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        # A grant that somebody was told of survives a power cut: each commit is on the disk.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if "gpuctl_wait" in options:
            _be_patient(connection.connection.driver_connection, options["gpuctl_wait"])
        connection.exec_driver_sql(options.get("gpuctl_begin", "BEGIN"))

    @event.listens_for(engine, "checkin")
    def _give_back(connection: Any, _record: Any) -> None:
        if connection is not None:
            _be_patient(connection, timeout)

    return engine


def _be_patient(connection: Any, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
