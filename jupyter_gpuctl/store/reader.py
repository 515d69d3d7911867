"""What is read of leases within one transaction."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..host.model import Instant
from ..leases.model import Account, Lease, LeaseStatus
from ..leases.ports import Kept, Remembered
from ..leases.time import Anchor
from .migrate import newer
from .rows import from_row
from .schema import REVISION, clock, idempotency_keys, leases, usage

_LIVE = sa.select(leases).where(leases.c.status != LeaseStatus.ENDED.value)
_ONE = sa.select(leases).where(leases.c.id == sa.bindparam("id"))
_REMEMBERED = sa.select(idempotency_keys.c.fingerprint, idempotency_keys.c.lease_id).where(
    idempotency_keys.c.owner == sa.bindparam("owner"),
    idempotency_keys.c.key == sa.bindparam("key"),
)
_HEAD = sa.select(clock, sa.literal_column("(SELECT version_num FROM alembic_version)").label("at"))


def _spent(name: Any) -> sa.Executable:
    """GPU time of ended leases within a window that began at ``since``, by name."""
    since = sa.bindparam("since", type_=sa.Double)
    began = sa.case((leases.c.started_at > since, leases.c.started_at), else_=since)
    return (
        sa.select(name, sa.func.sum(leases.c.milli * (leases.c.ended_at - began)))
        .where(
            name.in_(sa.bindparam("names", expanding=True)),
            leases.c.ended_at > since,
            leases.c.started_at.is_not(None),
        )
        .group_by(name)
    )


_SPENT = {"user": _spent(leases.c.owner), "group": _spent(leases.c.charged_group)}
_DECAYED = sa.select(usage.c.name, usage.c.decayed, usage.c.decayed_at).where(
    usage.c.scope == sa.bindparam("scope"),
    usage.c.name.in_(sa.bindparam("names", expanding=True)),
)


class Reader:
    """Implements :class:`..leases.ports.LeaseReader` on a connection that is in a transaction."""

    def __init__(self, connection: sa.Connection, path: Path) -> None:
        self._connection = connection
        head = connection.execute(_HEAD).one()
        # Another server, of a newer version, may have migrated the file under this one.
        if head.at != REVISION:
            raise newer(path, head.at)
        self._head = head

    @property
    def revision(self) -> int:
        revision: int = self._head.revision
        return revision

    def kept(self) -> Kept:
        head = self._head
        if head.boot_id is None:
            return Kept(None, head.seen)
        return Kept(Anchor(Instant(head.wall, head.boottime, head.boot_id), head.time), head.seen)

    def live(self) -> tuple[Lease, ...]:
        return tuple(from_row(row) for row in self._connection.execute(_LIVE))

    def get(self, lease_id: str) -> Lease | None:
        row = self._connection.execute(_ONE, {"id": lease_id}).one_or_none()
        return None if row is None else from_row(row)

    def remembered(self, owner: str, key: str) -> Remembered | None:
        row = self._connection.execute(_REMEMBERED, {"owner": owner, "key": key}).one_or_none()
        return None if row is None else Remembered(row.fingerprint, row.lease_id)

    def accounts(
        self, now: float, user_windows: Mapping[str, float], group_windows: Mapping[str, float]
    ) -> tuple[Mapping[str, Account], Mapping[str, Account]]:
        return self._accounts("user", now, user_windows), self._accounts(
            "group", now, group_windows
        )

    def _accounts(
        self, scope: str, now: float, windows: Mapping[str, float]
    ) -> Mapping[str, Account]:
        if not windows:
            return {}
        found = self._connection.execute(_DECAYED, {"scope": scope, "names": list(windows)})
        decayed = {row.name: (row.decayed, row.decayed_at) for row in found}
        # Most share one window: one query for each start of one.
        names_by_start = defaultdict(list)
        for name, start in windows.items():
            if not math.isinf(start):
                names_by_start[start].append(name)
        spent: dict[str, float] = {}
        for start, names in names_by_start.items():
            rows = self._connection.execute(_SPENT[scope], {"since": start, "names": names})
            spent.update((name, amount) for name, amount in rows)
        return {
            name: Account(spent.get(name, 0.0), *decayed.get(name, (0.0, now))) for name in windows
        }
