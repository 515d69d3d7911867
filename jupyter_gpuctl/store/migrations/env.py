"""Run by Alembic: within the connection and the transaction that ``store.migrate`` has opened."""

from __future__ import annotations

from alembic import context

from jupyter_gpuctl.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
    render_as_batch=True,
)
context.run_migrations()
