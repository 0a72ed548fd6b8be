"""How fast Daraja may be called, and files of payouts."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_22_c"
down_revision = "2026_11_22_b"

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

create table payout_files (
    id              text primary key,
    merchant_id     text not null,
    livemode        boolean not null,
    sha256          text not null,
    shortcode_kind  text not null,
    shortcode       text not null,
    store_number    text not null,
    rows            integer not null,
    rows_wrong      integer not null,
    total_cents     bigint not null,
    charges_cents   bigint not null,
    charges_unknown integer not null,
    needs_approval  boolean not null,
    created_by      text not null,
    created_at      timestamptz not null,
    state           text not null,
    rows_made       integer not null,
    rows_refused    integer not null,
    waiting_for     jsonb,
    started_by      text not null,
    started_at      timestamptz,
    ended_at        timestamptz,
    due_at          timestamptz,
    constraint payout_files_once unique (merchant_id, livemode, sha256)
);

create index payout_files_list on payout_files (merchant_id, livemode, id desc);
create index payout_files_due on payout_files (due_at) where due_at is not null;

create table payout_file_rows (
    batch_id     text not null,
    number       integer not null,
    way          text,
    amount_cents bigint,
    private      bytea,
    errors       jsonb,
    payout_id    text,
    refused      jsonb,
    constraint payout_file_rows_pkey primary key (batch_id, number)
);

create index payouts_file on payouts (batch_id, state, asked_at) where batch_id is not null;
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
