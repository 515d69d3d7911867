"""Leases, what they hold of which device, use, idempotency keys, audit, clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LEASE_CHECKS = {
    "leases_status": "status IN ('queued', 'offered', 'active', 'ended')",
    "leases_milli": "milli BETWEEN 1 AND 999 OR (milli >= 1000 AND milli % 1000 = 0)",
    "leases_duration": "duration > 0",
    "leases_memory": "memory IS NULL OR memory > 0",
    "leases_ended": "(status = 'ended') = (ended_at IS NOT NULL)"
    " AND (status = 'ended') = (end_reason IS NOT NULL)",
    "leases_active": "status <> 'active' OR (started_at IS NOT NULL AND expires_at IS NOT NULL)",
    "leases_offered": "status <> 'offered'"
    " OR (started_at IS NULL AND offer_expires_at IS NOT NULL)",
    "leases_queued": "status <> 'queued' OR started_at IS NULL",
    "leases_order": "ended_at IS NULL OR ended_at >= COALESCE(started_at, created_at)",
}

# The checks on ``devices`` and the foreign key from ``holds`` are portable; that the sums in
# ``devices`` are always those of ``holds`` is what the triggers are for.
_SQLITE_TRIGGERS = (
    """
    CREATE TRIGGER holds_taken AFTER INSERT ON holds BEGIN
        UPDATE devices SET held_milli = held_milli + NEW.milli,
            held_memory = held_memory + NEW.memory,
            mode = CASE held_milli WHEN 0 THEN NEW.mode ELSE mode END
            WHERE uuid = NEW.device;
    END
    """,
    """
    CREATE TRIGGER holds_given_back AFTER DELETE ON holds BEGIN
        UPDATE devices SET held_milli = held_milli - OLD.milli,
            held_memory = held_memory - OLD.memory,
            mode = CASE held_milli WHEN OLD.milli THEN 'free' ELSE mode END
            WHERE uuid = OLD.device;
    END
    """,
    """
    CREATE TRIGGER devices_sum AFTER UPDATE OF held_milli, held_memory ON devices
    WHEN NEW.held_milli <> (SELECT COALESCE(SUM(milli), 0) FROM holds WHERE device = NEW.uuid)
        OR NEW.held_memory <> (SELECT COALESCE(SUM(memory), 0) FROM holds WHERE device = NEW.uuid)
    BEGIN
        SELECT RAISE(ABORT, 'what is held of a device is the sum of the holds on it');
    END
    """,
    """
    CREATE TRIGGER holds_never_change BEFORE UPDATE ON holds BEGIN
        SELECT RAISE(ABORT, 'holds are taken and given back, never changed');
    END
    """,
    """
    CREATE TRIGGER holds_of_the_holding BEFORE INSERT ON holds
    WHEN (SELECT status FROM leases WHERE id = NEW.lease_id) NOT IN ('offered', 'active') BEGIN
        SELECT RAISE(ABORT, 'only an offered or active lease holds devices');
    END
    """,
    """
    CREATE TRIGGER leases_give_back BEFORE UPDATE OF status ON leases
    WHEN NEW.status IN ('queued', 'ended')
        AND EXISTS (SELECT 1 FROM holds WHERE lease_id = NEW.id) BEGIN
        SELECT RAISE(ABORT, 'a lease that is queued or ended holds no device');
    END
    """,
    """
    CREATE TRIGGER leases_stay_ended BEFORE UPDATE OF status ON leases
    WHEN OLD.status = 'ended' AND NEW.status <> 'ended' BEGIN
        SELECT RAISE(ABORT, 'a lease that has ended stays ended');
    END
    """,
)


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "leases",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("milli", sa.Integer, nullable=False),
        sa.Column("duration", sa.BigInteger, nullable=False),
        sa.Column("memory", sa.BigInteger),
        sa.Column("model", sa.Text),
        sa.Column("charged_group", sa.String(255)),
        sa.Column("interactive", sa.Boolean, nullable=False),
        sa.Column("kernel_id", sa.String(255)),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("devices", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("expires_at", sa.Double),
        sa.Column("offer_expires_at", sa.Double),
        sa.Column("ending", sa.String(16)),
        sa.Column("ended_at", sa.Double),
        sa.Column("end_reason", sa.String(16)),
        sa.Column("remark", sa.Text, nullable=False),
        *(sa.CheckConstraint(check, name=name) for name, check in _LEASE_CHECKS.items()),
    )
    live = sa.text("status <> 'ended'")
    op.create_index(
        "leases_live", "leases", ["created_at"], sqlite_where=live, postgresql_where=live
    )
    op.create_index("leases_by_end", "leases", ["ended_at", "id"])
    # With all that the sum of GPU-hours reads, so that it never reads the table itself.
    spent = ["ended_at", "started_at", "milli"]
    op.create_index("leases_by_owner", "leases", ["owner", *spent])
    op.create_index("leases_by_group", "leases", ["charged_group", *spent])

    op.create_table(
        "devices",
        sa.Column("uuid", sa.String(255), primary_key=True),
        sa.Column("memory", sa.BigInteger),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("held_milli", sa.Integer, nullable=False),
        sa.Column("held_memory", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("uuid", "mode", name="devices_mode"),
        sa.CheckConstraint("held_milli BETWEEN 0 AND 1000", name="devices_shares"),
        sa.CheckConstraint(
            "held_memory >= 0 AND (held_memory = 0 OR held_memory <= COALESCE(memory, 0))",
            name="devices_memory",
        ),
        sa.CheckConstraint(
            "mode IN ('free', 'exclusive', 'shared') AND (mode = 'free') = (held_milli = 0)",
            name="devices_held",
        ),
    )
    op.create_table(
        "holds",
        sa.Column("lease_id", sa.String(64), sa.ForeignKey("leases.id"), primary_key=True),
        sa.Column("device", sa.String(255), primary_key=True),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("milli", sa.Integer, nullable=False),
        sa.Column("memory", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["device", "mode"], ["devices.uuid", "devices.mode"], name="holds_mode"
        ),
        sa.CheckConstraint(
            "(mode = 'exclusive' AND milli = 1000 AND memory = 0)"
            " OR (mode = 'shared' AND milli BETWEEN 1 AND 999 AND memory >= 0)",
            name="holds_amount",
        ),
    )
    exclusive = sa.text("mode = 'exclusive'")
    op.create_index(
        "holds_exclusive",
        "holds",
        ["device"],
        unique=True,
        sqlite_where=exclusive,
        postgresql_where=exclusive,
    )
    op.create_index("holds_by_device", "holds", ["device", "mode"])

    op.create_table(
        "usage",
        sa.Column("scope", sa.String(8), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("decayed", sa.Double, nullable=False),
        sa.Column("decayed_at", sa.Double, nullable=False),
        sa.CheckConstraint("scope IN ('user', 'group') AND decayed >= 0", name="usage_amount"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("lease_id", sa.String(64), sa.ForeignKey("leases.id"), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("lease_id", sa.String(64)),
        sa.Column("owner", sa.String(255)),
        sa.Column("detail", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_owner", "audit", ["owner", "id"])
    op.create_index("audit_by_actor", "audit", ["actor", "id"])
    clock = op.create_table(
        "clock",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("boot_id", sa.String(64)),
        sa.Column("boottime", sa.Double, nullable=False),
        sa.Column("wall", sa.Double, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
        sa.CheckConstraint("id = 1", name="clock_is_one_row"),
    )
    op.bulk_insert(
        clock, [{"id": 1, "revision": 0, "boottime": 0.0, "wall": 0.0, "time": 0.0, "seen": 0.0}]
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in _SQLITE_TRIGGERS:
            op.execute(trigger)
