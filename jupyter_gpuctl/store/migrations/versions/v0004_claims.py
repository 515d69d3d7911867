"""For which request a borrowed lease was told to give way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("leases", sa.Column("gives_way_to", sa.String(64)))
