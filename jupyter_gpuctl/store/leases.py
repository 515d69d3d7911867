"""The store of leases in a SQLite file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from ..core.errors import Unavailable
from ..leases.model import Lease, LeaseStatus
from ..leases.ports import AuditEntry, LeaseReader, LeaseTransaction
from .engine import PATIENCE, sqlite_engine, writing
from .location import DatabaseFile
from .lock import FileLock
from .migrate import bring_up_to_date
from .reader import Reader
from .rows import from_row
from .schema import audit, clock, idempotency_keys, leases
from .transaction import Transaction
from .troubles import need_room, told

ROOM = 256 * 1024
"""Bytes: more than a request for a lease writes."""
_NOTHING_NEW = sa.update(clock).values(seen=clock.c.seen)
_OLD = (
    sa.select(leases.c.id)
    .where(leases.c.status == LeaseStatus.ENDED.value, leases.c.ended_at < sa.bindparam("before"))
    .order_by(leases.c.ended_at, leases.c.id)
    .limit(sa.bindparam("limit"))
)
_FORGET_OLD = sa.delete(idempotency_keys).where(idempotency_keys.c.lease_id.in_(_OLD))
_DROP_OLD = sa.delete(leases).where(leases.c.id.in_(_OLD))
# Rows of the audit are numbered as time went: the oldest are the first.
_FIRST = (
    sa.select(audit.c.id, audit.c.time).order_by(audit.c.id).limit(sa.bindparam("limit")).subquery()
)
_SHORTEN = sa.delete(audit).where(
    audit.c.id.in_(sa.select(_FIRST.c.id).where(_FIRST.c.time < sa.bindparam("before")))
)


class SqliteLeaseStore:
    """Implements :class:`..leases.ports.LeaseStore`. Its methods can be called on any thread.

    Raises:
        Unavailable: the file can't be opened or brought up to date.
    """

    def __init__(self, path: Path, *, timeout: float = PATIENCE) -> None:
        file = DatabaseFile(path)
        file.create()
        self._path = path
        self._timeout = timeout
        with told(path):
            self._lock = FileLock(file.lock_path, file.mode)
            bring_up_to_date(file, self._lock, timeout)
            self._engine = sqlite_engine(path, timeout)
            self._watch = _Watch(self._engine)
        self._file = _identity(path)

    @contextmanager
    def reading(self) -> Iterator[LeaseReader]:
        with told(self._path), self._engine.connect() as connection, connection.begin():
            yield Reader(connection, self._path)

    @contextmanager
    def transaction(self) -> Iterator[LeaseTransaction]:
        with self._writing() as connection:
            transaction = Transaction(connection, self._path)
            yield transaction
            transaction.finish()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        deadline = time.monotonic() + self._timeout
        with (
            told(self._path),
            self._lock.held(self._timeout),
            self._in_place(),
            self._to_write(deadline - time.monotonic()) as connection,
            connection.begin(),
        ):
            yield connection

    def _to_write(self, wait: float) -> sa.Connection:
        return self._engine.connect().execution_options(**writing(wait))

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        if self.replaced():
            raise Unavailable(
                "store.replaced",
                f"The database {self._path} was taken away or replaced meanwhile.",
                hint="Try again: the file that lies there now counts.",
                detail={"path": str(self._path)},
            )
        yield

    def version(self) -> int:
        with told(self._path):
            return self._watch.version()

    def try_writing(self) -> None:
        with self._writing() as connection:
            connection.execute(_NOTHING_NEW)
        # That may have found room in the file itself, where a lease would not.
        need_room(self._path, ROOM)

    def prune(self, before: float, limit: int) -> int:
        old = {"before": before, "limit": limit}
        with self._writing() as connection:
            connection.execute(_FORGET_OLD, old)
            rows = [connection.execute(query, old).rowcount for query in (_DROP_OLD, _SHORTEN)]
        return sum(rows)

    def replaced(self) -> bool:
        # The old file is held open, so no new one can have its number.
        return _identity(self._path) not in (self._file, None)

    def history(
        self, owner: str | None, limit: int, before: tuple[float, str] | None
    ) -> Sequence[Lease]:
        query = sa.select(leases).where(leases.c.status == LeaseStatus.ENDED.value)
        if owner is not None:
            query = query.where(leases.c.owner == owner)
        if before is not None:
            query = query.where(sa.tuple_(leases.c.ended_at, leases.c.id) < sa.tuple_(*before))
        query = query.order_by(leases.c.ended_at.desc(), leases.c.id.desc()).limit(limit)
        with told(self._path), self._engine.connect() as connection:
            return [from_row(row) for row in connection.execute(query)]

    def audit(self, owner: str | None, limit: int, before: int | None) -> Sequence[AuditEntry]:
        def newest(*conditions: sa.ColumnElement[bool]) -> sa.Select[tuple[object, ...]]:
            if before is not None:
                conditions += (audit.c.id < before,)
            return sa.select(audit).where(*conditions).order_by(audit.c.id.desc()).limit(limit)

        if owner is None:
            query: sa.Select[tuple[object, ...]] = newest()
        else:
            # Each half by its own index; what is both of and by somebody comes once.
            both = sa.union(
                sa.select(newest(audit.c.owner == owner).subquery()),
                sa.select(newest(audit.c.actor == owner).subquery()),
            ).subquery()
            query = sa.select(both).order_by(both.c.id.desc()).limit(limit)
        with told(self._path), self._engine.connect() as connection:
            return [
                AuditEntry(r.time, r.actor, r.action, r.lease_id, r.owner, r.detail, r.id)
                for r in connection.execute(query)
            ]

    def close(self) -> None:
        self._watch.close()
        self._engine.dispose()
        self._lock.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at ``path``, (0, 0) for none; ``None``: it may not be looked at."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return (0, 0)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Watch:
    """Notices commits of any process.

    SQLite's ``data_version`` says for next to nothing that the file has changed since this
    connection last looked; only then is the count of commits read.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._mutex = threading.Lock()
        self._pooled = engine.raw_connection()
        driver = self._pooled.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._driver = driver
        self._data_version = -1
        self._version = 0

    def version(self) -> int:
        with self._mutex:
            (data_version,) = self._driver.execute("PRAGMA data_version").fetchone()
            if data_version != self._data_version:
                (self._version,) = self._driver.execute("SELECT revision FROM clock").fetchone()
                self._data_version = data_version
            return self._version

    def close(self) -> None:
        with self._mutex:
            self._pooled.close()
