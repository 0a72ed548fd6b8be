"""Plain SQL for a migration, handed to the database as it stands."""

from __future__ import annotations

from alembic import op


def run(statements: str) -> None:
    """Run `statements`, with nobody looking for parameters in their per cent signs."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None, "a migration runs on an open connection"
    connection.execute(statements)
