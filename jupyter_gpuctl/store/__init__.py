"""The one store: SQLAlchemy tables, Alembic migrations, one repository a wing."""
