"""The store of leases in a SQLite file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert

from ..core.errors import Unavailable
from ..leases.model import LeasableDevice, Lease, LeaseStatus
from ..leases.ports import AuditEntry, LeaseReader, LeaseTransaction, Remembered
from ..leases.rules.accounting import decay
from ..leases.time import Anchor
from .engine import PATIENCE, sqlite_engine, writing
from .location import DatabaseFile
from .lock import FileLock
from .migrate import bring_up_to_date
from .reader import Reader
from .rows import from_row, to_row
from .schema import audit, clock, devices, holds, idempotency_keys, leases, usage
from .troubles import need_room, told

ROOM = 256 * 1024
"""Bytes: more than a request for a lease writes."""
REMEMBERED_FOR = 7 * 86400.0
"""Seconds for which an idempotency key is remembered."""
_TIMES = ("created_at", "started_at", "expires_at", "offer_expires_at", "used_at", "lost_at")

_ADD, _TAKE, _WRITE_DOWN = sa.insert(leases), sa.insert(holds), sa.insert(audit)
_REMEMBER, _REGISTER = sa.insert(idempotency_keys), sa.insert(devices)
_TICK = sa.update(clock).values(revision=sa.bindparam("revision"))
_TELL_TIME = sa.update(clock).values(
    {
        name: sa.bindparam(name)
        for name in ("revision", "boot_id", "boottime", "wall", "time", "seen")
    }
)
_NOTHING_NEW = sa.update(clock).values(seen=clock.c.seen)
_UPDATE = sa.update(leases).where(leases.c.id == sa.bindparam("lease_id"))
_DROP_HOLDS = sa.delete(holds).where(holds.c.lease_id == sa.bindparam("id"))
_HELD = sa.select(holds.c.device).where(holds.c.lease_id == sa.bindparam("id"))
_FORGET = sa.delete(idempotency_keys).where(idempotency_keys.c.created_at < sa.bindparam("before"))
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
_KNOWN = sa.select(devices.c.uuid, devices.c.memory).where(
    devices.c.uuid.in_(sa.bindparam("uuids", expanding=True))
)
_USED = sa.select(usage.c.decayed, usage.c.decayed_at).where(
    usage.c.scope == sa.bindparam("scope"), usage.c.name == sa.bindparam("name")
)


class Transaction(Reader):
    """Implements :class:`..leases.ports.LeaseTransaction`."""

    def __init__(self, connection: sa.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self._path = path
        self._dirty = False
        self._time: tuple[Anchor, float] | None = None

    @property
    def revision(self) -> int:
        return super().revision + self._dirty

    def keep_time(self, anchor: Anchor, now: float) -> None:
        self._dirty = self._dirty or anchor != self.kept().anchor
        self._time = (anchor, now)

    def shift(self, seconds: float) -> int:
        live = leases.c.status != LeaseStatus.ENDED.value
        moved = {name: leases.c[name] + seconds for name in _TIMES}
        return self._write(sa.update(leases).where(live).values(moved)).rowcount

    def register(self, found: Sequence[LeasableDevice]) -> None:
        rows = self._connection.execute(_KNOWN, {"uuids": [device.uuid for device in found]})
        known = {row.uuid: row.memory for row in rows}
        for device in found:
            if device.uuid not in known:
                row = {"mode": "free", "held_milli": 0, "held_memory": 0}
                self._write(
                    sa.insert(devices), {"uuid": device.uuid, "memory": device.memory, **row}
                )
            elif device.memory is not None and device.memory != known[device.uuid]:
                # Not below what is held by now: that is then told when it is given back.
                fits = (devices.c.uuid == device.uuid) & (devices.c.held_memory <= device.memory)
                self._write(sa.update(devices).where(fits).values(memory=device.memory))

    def add(self, lease: Lease) -> None:
        self._write(_ADD, to_row(lease))
        self._hold(lease)

    def save(self, lease: Lease) -> None:
        held = set(self._connection.execute(_HELD, {"id": lease.id}).scalars())
        wanted = set(lease.devices) if lease.holds else set()
        if held and held != wanted:
            self._write(_DROP_HOLDS, {"id": lease.id})
        row = to_row(lease)
        del row["id"]
        self._write(_UPDATE, {"lease_id": lease.id, **row})
        if wanted and held != wanted:
            self._hold(lease)

    def _hold(self, lease: Lease) -> None:
        if not lease.holds:
            return
        shared = lease.request.shared
        row = {
            "lease_id": lease.id,
            "mode": "shared" if shared else "exclusive",
            "milli": lease.request.milli if shared else 1000,
            "memory": (lease.request.memory or 0) if shared else 0,
        }
        self._write(_TAKE, [{**row, "device": device} for device in lease.devices])

    def charge(self, lease: Lease, at: float) -> None:
        amount = lease.charged(at)
        if amount <= 0:
            return
        for scope, name in (("user", lease.owner), ("group", lease.group)):
            if name is None:
                continue
            key = {"scope": scope, "name": name}
            old = self._connection.execute(_USED, key).one_or_none()
            decayed, then = amount, at
            if old is not None:
                then = max(at, old.decayed_at)
                decayed = decay(old.decayed, then - old.decayed_at) + decay(amount, then - at)
            values = {"decayed": decayed, "decayed_at": then}
            self._write(
                upsert(usage)
                .values(**key, **values)
                .on_conflict_do_update(index_elements=["scope", "name"], set_=values)
            )

    def remember(self, owner: str, key: str, what: Remembered, now: float) -> None:
        self._write(_FORGET, {"before": now - REMEMBERED_FOR})
        self._write(
            _REMEMBER,
            {
                "owner": owner,
                "key": key,
                "fingerprint": what.fingerprint,
                "lease_id": what.lease_id,
                "created_at": now,
            },
        )

    def audit(self, entry: AuditEntry) -> None:
        self._write(
            _WRITE_DOWN,
            {
                "time": entry.time,
                "actor": entry.actor,
                "action": entry.action,
                "lease_id": entry.lease_id,
                "owner": entry.owner,
                "detail": dict(entry.detail),
            },
        )

    def finish(self) -> None:
        """Before the commit: what every commit carries."""
        if not self._dirty:
            return
        if self._time is None:
            self._connection.execute(_TICK, {"revision": self.revision})
            return
        anchor, now = self._time
        values = {
            "revision": self.revision,
            "boot_id": anchor.at.boot_id,
            "boottime": anchor.at.boottime,
            "wall": anchor.at.wall,
            "time": anchor.time,
            "seen": now,
        }
        self._connection.execute(_TELL_TIME, values)

    def _write(self, statement: sa.Executable, values: object = None) -> sa.CursorResult[object]:
        self._dirty = True
        with told(self._path):
            result = self._connection.execute(statement, values)  # type: ignore[call-overload]
        assert isinstance(result, sa.CursorResult)
        return result


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
