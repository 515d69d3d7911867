"""Since when the devices of a lease are not there any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("leases", sa.Column("lost_at", sa.Double))
