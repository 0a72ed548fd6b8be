"""Money that goes out: payouts, what was heard about each, and refunds."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_22_a"
down_revision = "2026_11_21_e"

SQL = """\
create table payouts (
    id                         text primary key,
    merchant_id                text not null,
    livemode                   boolean not null,
    way                        text not null,
    purpose                    text not null,
    state                      text not null,
    amount_cents               bigint not null
        constraint payouts_amount_check check (amount_cents > 0),
    private                    bytea not null,
    payee_hash                 bytea not null,
    shortcode_kind             text not null,
    shortcode                  text not null,
    store_number               text not null,
    idempotency_key            text not null,
    fingerprint                bytea not null,
    created_by                 text not null,
    held_for                   text[] not null,
    released_by                text not null,
    payment_id                 text,
    seller_id                  text,
    batch_id                   text,
    original_receipt           text,
    attempts                   integer not null,
    doubtful                   integer not null,
    unprotected                boolean not null,
    conversation_id            text not null,
    originator_conversation_id text not null,
    receipt                    text,
    amount_sent_cents          bigint,
    decided_by                 text,
    strength                   smallint not null,
    failure_code               text,
    failure_daraja_code        text,
    failure_reason             text,
    retryable                  boolean,
    disputed                   boolean not null,
    lapsed                     boolean not null,
    facts_count                integer not null,
    facts_link                 bytea not null,
    asked_at                   timestamptz,
    next_check_at              timestamptz,
    checks                     integer not null,
    created_at                 timestamptz not null,
    updated_at                 timestamptz not null,
    completed_at               timestamptz,
    constraint payouts_once unique (merchant_id, livemode, purpose, idempotency_key),
    constraint payouts_receipt_key unique (receipt, shortcode, livemode)
);

create index payouts_list on payouts (merchant_id, livemode, id desc);
create index payouts_state on payouts (merchant_id, livemode, state, id desc)
    where state <> 'completed';
create index payouts_payee on payouts (merchant_id, livemode, payee_hash, created_at);
create index payouts_payment on payouts (payment_id) where payment_id is not null;
create index payouts_due on payouts (next_check_at) where next_check_at is not null;
create index payouts_batch on payouts (batch_id, state) where batch_id is not null;
create index payouts_seller on payouts (merchant_id, livemode, seller_id, id desc)
    where seller_id is not null;

-- Nothing is sent that one of these stands before.
create table payout_stops (
    key        text primary key,
    reason     text not null,
    note       text not null,
    stopped_by text not null,
    stopped_at timestamptz not null
);

-- What was heard. Never changed: it is evidence.
create table payout_facts (
    payout_id text not null,
    sequence  integer not null,
    heard_at  timestamptz not null,
    kind      text not null,
    source    text not null,
    state     text not null,
    private   bytea not null,
    link      bytea not null,
    primary key (payout_id, sequence)
);

create trigger payout_facts_append_only before update or delete on payout_facts
    for each row execute function refuse_change();
create trigger payout_facts_keep before truncate on payout_facts
    for each statement execute function refuse_change();

alter table payments drop constraint payments_state_check;
alter table payments add constraint payments_state_check check (state in (
    'unsent', 'sending', 'pending', 'unknown', 'failed', 'canceled', 'receipt_awaited', 'review',
    'completed', 'reversed')) not valid;
alter table payments drop constraint payments_completed_check;
alter table payments add constraint payments_completed_check check (
    (completed_at is not null) = (state in ('completed', 'receipt_awaited', 'reversed')))
    not valid;
alter table payments drop constraint payments_receipt_check;
alter table payments add constraint payments_receipt_check check (
    state not in ('completed', 'reversed') or receipt is not null) not valid;

alter table quarantine add column payout_id text;
alter table inquiries add column payout_id text;
alter table providers add column b2c_version smallint not null default 3;

-- A role that owns the table can grant itself this again; a superuser has it always.
revoke update, delete, truncate on payout_facts from public, current_user;
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
