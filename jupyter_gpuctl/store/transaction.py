"""What is written of leases within one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert

from ..leases.model import LeasableDevice, Lease, LeaseStatus
from ..leases.ports import AuditEntry, Remembered
from ..leases.rules.accounting import decay
from ..leases.time import Anchor
from .reader import Reader
from .rows import to_row
from .schema import audit, clock, devices, holds, idempotency_keys, leases, usage
from .troubles import told

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
_UPDATE = sa.update(leases).where(leases.c.id == sa.bindparam("lease_id"))
_DROP_HOLDS = sa.delete(holds).where(holds.c.lease_id == sa.bindparam("id"))
_HELD = sa.select(holds.c.device).where(holds.c.lease_id == sa.bindparam("id"))
_FORGET = sa.delete(idempotency_keys).where(idempotency_keys.c.created_at < sa.bindparam("before"))
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
                self._write(_REGISTER, {"uuid": device.uuid, "memory": device.memory, **row})
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
