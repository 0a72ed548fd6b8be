"""How Alembic runs our migrations: one connection, plain SQL, and no endless wait for a lock."""

from __future__ import annotations

import psycopg
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

# A migration that cannot have its lock at once must not queue every payment behind itself.
_OPTIONS = "-c lock_timeout=5s -c statement_timeout=10min -c timezone=UTC"


def _run() -> None:
    conninfo = context.config.attributes["conninfo"]
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo, options=_OPTIONS),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


_run()
