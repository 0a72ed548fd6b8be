"""Why a started file of payouts waits, and which of its rows a rule refused."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_22_e"
down_revision = "2026_11_22_d"

SQL = """\
alter table payout_files
    add column rows_refused integer not null default 0,
    add column waiting_for  jsonb;

alter table payout_file_rows add column refused jsonb;
"""


def upgrade() -> None:
    """Add the columns."""
    run(SQL)
