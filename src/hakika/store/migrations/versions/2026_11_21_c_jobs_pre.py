"""PgQueuer's own tables, as its installer makes them: the SQL is asked of the pinned release."""

from __future__ import annotations

from hakika.store.jobs import install_sql
from hakika.store.migrations.plain import run

revision = "2026_11_21_c"
down_revision = "2026_11_21_b"


def upgrade() -> None:
    """Create the queue."""
    run(install_sql())
