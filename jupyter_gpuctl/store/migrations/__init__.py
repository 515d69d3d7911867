"""Alembic's scripts; ``store.migrate`` runs them."""
