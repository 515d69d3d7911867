"""Whether a database is as it should be: what ``jupyter gpuctl db check`` looks at."""

from __future__ import annotations

import sqlalchemy as sa

from .engine import sqlite_engine
from .location import DatabaseFile
from .migrate import known_revisions, newer, revision_of
from .schema import REVISION
from .troubles import told

_RULES = {
    "A lease that is queued or ended holds a device": """
        SELECT l.id FROM leases l JOIN holds h ON h.lease_id = l.id
        WHERE l.status NOT IN ('offered', 'active')""",
    "A lease that is offered or active doesn't hold what it says": """
        SELECT l.id FROM leases l WHERE l.status IN ('offered', 'active') AND
        (SELECT COUNT(*) FROM holds h WHERE h.lease_id = l.id) <> MAX(1, l.milli / 1000)""",
    "A device's sums are not those of its holds": """
        SELECT d.uuid FROM devices d LEFT JOIN holds h ON h.device = d.uuid
        GROUP BY d.uuid, d.held_milli, d.held_memory
        HAVING d.held_milli <> COALESCE(SUM(h.milli), 0)
            OR d.held_memory <> COALESCE(SUM(h.memory), 0)""",
    "A lease names other devices than it holds": """
        SELECT h.lease_id FROM holds h JOIN leases l ON l.id = h.lease_id
        WHERE NOT EXISTS (SELECT 1 FROM json_each(l.devices) WHERE value = h.device)""",
}


def problems(file: DatabaseFile) -> list[str]:
    """What is wrong with the database, a sentence each; nothing is changed.

    Raises:
        Unavailable: it can't be read, isn't ours, or is of a newer version.
    """
    engine = sqlite_engine(file.path)
    try:
        with told(file.path), engine.connect() as connection:
            revision = revision_of(connection, file.path)
            if revision is None:
                return [f"{file.path} is empty; run: jupyter gpuctl db upgrade"]
            if revision != REVISION and revision not in known_revisions():
                raise newer(file.path, revision)
            if revision != REVISION:
                return [
                    f"It is of an older version (revision {revision}); run: "
                    "jupyter gpuctl db upgrade"
                ]
            return [*_damage(connection), *_broken(connection)]
    finally:
        engine.dispose()


def _damage(connection: sa.Connection) -> list[str]:
    said = connection.exec_driver_sql("PRAGMA integrity_check").scalars()
    found = [f"SQLite finds damage: {line}" for line in said if line != "ok"]
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return found + [
        f"A row of {row[0]} refers to one of {row[2]} that is not there" for row in rows
    ]


def _broken(connection: sa.Connection) -> list[str]:
    return [
        f"{rule}: {name}"
        for rule, query in _RULES.items()
        for name in connection.exec_driver_sql(query).scalars()
    ]
