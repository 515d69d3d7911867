"""The tables, for queries. The migrations make them; a test compares the two.

Times are seconds since the epoch, amounts of devices thousandths of one device, memory bytes.
"""

from __future__ import annotations

import sqlalchemy as sa

REVISION = "0004"
"""The newest migration: a database at this one needs none. A test compares it with Alembic's."""

metadata = sa.MetaData()

leases = sa.Table(
    "leases",
    metadata,
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
    sa.Column("attached_to", sa.String(255)),
    sa.Column("used_at", sa.Double),
    sa.Column("lost_at", sa.Double),
    sa.Column("gives_way_to", sa.String(64)),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("uuid", sa.String(255), primary_key=True),
    sa.Column("memory", sa.BigInteger),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("held_milli", sa.Integer, nullable=False),
    sa.Column("held_memory", sa.BigInteger, nullable=False),
)
"""What is held of each device: sums that triggers keep, and checks bound."""

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("lease_id", sa.String(64), primary_key=True),
    sa.Column("device", sa.String(255), primary_key=True),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("milli", sa.Integer, nullable=False),
    sa.Column("memory", sa.BigInteger, nullable=False),
)
"""One row for each device of each lease that is offered or active, and none of any other."""

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("scope", sa.String(8), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("decayed", sa.Double, nullable=False),
    sa.Column("decayed_at", sa.Double, nullable=False),
)
"""Decayed use of ended leases, of users and of groups, in milli-device-seconds."""

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner", sa.String(255), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("lease_id", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("lease_id", sa.String(64)),
    sa.Column("owner", sa.String(255)),
    sa.Column("detail", sa.JSON, nullable=False),
)

clock = sa.Table(
    "clock",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("boot_id", sa.String(64)),
    sa.Column("boottime", sa.Double, nullable=False),
    sa.Column("wall", sa.Double, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("seen", sa.Double, nullable=False),
)
"""One row: how many commits there have been, the anchor of the authority's time
(:class:`..leases.time.Anchor`), and the newest time that was stored."""
