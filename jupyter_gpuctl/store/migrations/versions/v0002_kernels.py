"""Which kernel a lease is attached to, and when it was last used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns; live leases are attached to the kernel that they were asked for."""
    op.add_column("leases", sa.Column("attached_to", sa.String(255)))
    op.add_column("leases", sa.Column("used_at", sa.Double))
    op.execute("UPDATE leases SET attached_to = kernel_id WHERE status <> 'ended'")
