"""Events, endpoints, deliveries and attempts."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_21_b"
down_revision = "2026_11_21_a"

SQL = """\
-- Events, the endpoints that want them, deliveries and attempts.

create table events (
    id          text not null,
    position    bigint generated always as identity,
    merchant_id text not null,
    livemode    boolean not null,
    name        text not null,
    subject_id  text not null,
    data        bytea not null,
    sequence    bigint,
    created_at  timestamptz not null,
    primary key (id, created_at)
) partition by range (created_at);

create index events_sequence on events (merchant_id, livemode, sequence);
create index events_subject on events (subject_id);
create index events_unnumbered on events (merchant_id, livemode, position) where sequence is null;

-- The last number given to an event of a merchant. Locked only by who gives numbers, which is never
-- on a payer's path: see docs/decisions/0007.
create table event_counters (
    merchant_id text not null references merchants,
    livemode    boolean not null,
    last        bigint not null,
    primary key (merchant_id, livemode)
);

create table endpoints (
    id              text primary key,
    merchant_id     text not null references merchants,
    livemode        boolean not null,
    url             text not null,
    secret          bytea not null,
    events          text[] not null,
    payment_id      text,
    created_at      timestamptz not null,
    disabled_at     timestamptz,
    disabled_reason text not null default '',
    deleted_at      timestamptz
);

create index endpoints_merchant on endpoints (merchant_id, livemode)
    where payment_id is null and deleted_at is null;
create index endpoints_payment on endpoints (payment_id) where payment_id is not null;

create table deliveries (
    id               bigint generated always as identity primary key,
    event_id         text not null,
    event_created_at timestamptz not null,
    endpoint_id      text not null references endpoints,
    state            text not null constraint deliveries_state_check check (
        state in ('scheduled', 'succeeded', 'exhausted', 'dropped')),
    attempts         integer not null default 0,
    next_attempt_at  timestamptz,
    reason           text not null default '',
    created_at       timestamptz not null,
    finished_at      timestamptz,
    constraint deliveries_once unique (event_id, endpoint_id),
    constraint deliveries_finished_check check ((finished_at is null) = (state = 'scheduled'))
);

create index deliveries_due on deliveries (next_attempt_at) where state = 'scheduled';

create table attempts (
    delivery_id bigint not null,
    attempt     integer not null,
    started_at  timestamptz not null,
    duration_ms integer,
    status      smallint,
    error       text not null default '',
    answer      bytea not null default '',
    primary key (delivery_id, attempt, started_at)
) partition by range (started_at);
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
