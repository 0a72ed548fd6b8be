"""How fast Daraja may be called, and files of payouts."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_22_c"
down_revision = "2026_11_22_a"

SQL = """\
create table daraja_buckets (
    shortcode       text not null,
    livemode        boolean not null,
    api             text not null,
    free_at         timestamptz not null,
    ceiling         double precision,
    climbed_seconds double precision not null,
    lowered_at      timestamptz,
    constraint daraja_buckets_pkey primary key (shortcode, livemode, api)
);

-- What is ready waits in queues, so that ten thousand rows of one file stand in nobody's way.
create index payouts_ready on payouts
    (shortcode, livemode, way, (coalesce(batch_id, '')), merchant_id, next_check_at)
    where state = 'ready';
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
