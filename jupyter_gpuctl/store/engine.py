"""Connections to a SQLite file, each set up the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

BUSY_TIMEOUT = 15.0
"""Seconds that SQLite waits for a lock. Our own writers never wait there (``store.lock``); backup
programs and people with a shell do."""

WRITE = {"gpuctl_begin": "BEGIN IMMEDIATE"}
"""Execution options of a connection that will write: it takes the lock at once, so that it can't
find, after it has read, that another has written."""


def sqlite_engine(path: Path, timeout: float = BUSY_TIMEOUT) -> sa.Engine:
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
        connection.exec_driver_sql(connection.get_execution_options().get("gpuctl_begin", "BEGIN"))

    return engine


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
