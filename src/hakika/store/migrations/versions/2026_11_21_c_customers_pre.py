"""Customers: the merchants' own records of the people who pay them."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_21_c"
down_revision = "2026_11_21_b"

SQL = """\
create table customers (
    id          text primary key,
    merchant_id text not null references merchants,
    livemode    boolean not null,
    private     bytea not null,
    phone_hash  bytea,
    word_hashes bytea[] not null,
    reference_hash bytea,
    msisdn_hash bytea,
    tail_hash   bytea,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    deleted_at  timestamptz,
    -- Whoever is deleted leaves an id and three times, and no way to write anything else.
    constraint customers_erased_check check (
        deleted_at is null or (private = '' and phone_hash is null and word_hashes = '{}'
            and reference_hash is null and msisdn_hash is null and tail_hash is null))
);

create unique index customers_phone on customers (merchant_id, livemode, phone_hash)
    where deleted_at is null;
create index customers_reference on customers (reference_hash)
    where deleted_at is null and reference_hash is not null;
create index customers_msisdn on customers (msisdn_hash)
    where deleted_at is null and msisdn_hash is not null;
create index customers_tail on customers (tail_hash)
    where deleted_at is null and tail_hash is not null;
create index customers_words on customers using gin (word_hashes) where deleted_at is null;
create index customers_list on customers (merchant_id, livemode, id desc)
    where deleted_at is null;
"""


def upgrade() -> None:
    """Create the table."""
    run(SQL)
