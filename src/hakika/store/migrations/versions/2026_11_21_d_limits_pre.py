"""What quotas were taken from, and the log of requests."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_21_d"
down_revision = "2026_11_21_c"

SQL = """\
-- Not worth a write-ahead log: after a crash everybody's quota is full.
create unlogged table limits (
    subject text primary key,
    full_at timestamptz not null
);

-- By month, so that retention is a drop.
create table requests (
    id               uuid not null,
    started_at       timestamptz not null,
    merchant_id      text,
    livemode         boolean,
    key_id           text,
    method           text not null,
    route            text not null,
    status           smallint,
    error_code       text,
    duration_ms      double precision not null,
    idempotency_hash bytea,
    request_hash     bytea not null,
    replayed         boolean not null,
    client_address   text not null,
    body_bytes       integer not null,
    response_bytes   integer,
    private          bytea not null,
    primary key (id, started_at)
) partition by range (started_at);

create index requests_list on requests (merchant_id, livemode, id desc);
create index requests_route on requests (merchant_id, livemode, route, id desc);
create index requests_status on requests (merchant_id, livemode, status, id desc)
    where status not in (200, 202);
create index requests_key on requests (key_id, id desc) where key_id is not null;
create index requests_idempotency on requests (idempotency_hash)
    where idempotency_hash is not null;
create index requests_request on requests (request_hash);
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
