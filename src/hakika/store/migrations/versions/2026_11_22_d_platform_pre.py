"""Platforms: their sellers, the fees of these, and whose each payment, key and endpoint is."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_22_d"
down_revision = "2026_11_22_c"

SQL = """\
create table sellers (
    id                 text primary key,
    merchant_id        text not null references merchants,
    livemode           boolean not null,
    private            bytea not null,
    schedule           text not null,
    fee_refund         text not null,
    automatic_b2b      boolean not null,
    next_settlement_at timestamptz,
    created_at         timestamptz not null,
    updated_at         timestamptz not null
);

create index sellers_list on sellers (merchant_id, livemode, id desc);
create index sellers_due on sellers (next_settlement_at) where next_settlement_at is not null;

-- Never changed: what a fee was reckoned by stays to be seen.
create table fee_plans (
    id            text primary key,
    merchant_id   text not null references merchants,
    livemode      boolean not null,
    seller_id     text references sellers,
    basis_points  integer not null,
    fixed_cents   bigint not null,
    minimum_cents bigint not null,
    maximum_cents bigint,
    bearer        text not null,
    since         timestamptz not null,
    created_at    timestamptz not null
);

create index fee_plans_list on fee_plans (merchant_id, livemode, id desc);
create index fee_plans_since on fee_plans (merchant_id, livemode, seller_id, since desc, id desc);

-- What was paid to sellers who are settled for each payment, and waits for its settlement.
create table unsettled (
    payment_id  text primary key,
    seller_id   text not null,
    noted_at    timestamptz not null
);

create index unsettled_seller on unsettled (seller_id);

alter table payments add column seller_id text;
alter table payments add column platform_fee_cents bigint;
create index payments_seller on payments (merchant_id, livemode, seller_id, id desc)
    where seller_id is not null;

alter table payouts add column fee_returned_cents bigint;
alter table api_keys add column seller_id text references sellers;
alter table endpoints add column seller_id text references sellers;
alter table events add column seller_id text;
"""


def upgrade() -> None:
    """Create the tables, and the columns that say whose something is."""
    run(SQL)
