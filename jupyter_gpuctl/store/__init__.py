"""The one store: SQLAlchemy tables, Alembic migrations, one repository a wing.

Only ``location`` and ``lock`` are light; everything else here loads SQLAlchemy, and is imported
when a database is first opened.
"""
