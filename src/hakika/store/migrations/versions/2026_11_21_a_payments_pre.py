"""Merchants, keys, credentials, payments, facts, claims, quarantine, tokens and budgets."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_21_a"
down_revision = None

SQL = """\
-- Merchants, keys, payments, facts, idempotency keys.
-- Every column is described in docs/schema.md. Times are timestamptz, UTC; money is bigint cents.
-- What is sealed is bytea, and opens only with its owner's data key.

create table data_keys (
    owner       text primary key,
    master      text not null,
    wrapped     bytea not null,
    created_at  timestamptz not null
);

-- One row: what proves that a process has the secret that this database was begun with.
create table instance (
    only_one      boolean primary key default true check (only_one),
    secret_digest bytea not null
);

create table merchants (
    id          text primary key,
    name        text not null,
    late_money_live text not null default 'fulfil',
    late_money_test text not null default 'fulfil',
    created_at  timestamptz not null
);

create table api_keys (
    id          text primary key,
    merchant_id text not null references merchants,
    livemode    boolean not null,
    handle      text not null constraint api_keys_handle_key unique,
    digest      bytea not null,
    scopes      text[] not null,
    label       text not null,
    allowed_networks text[] not null,
    created_at  timestamptz not null,
    expires_at  timestamptz,
    revoked_at  timestamptz,
    replaced_by text,
    last_used_at timestamptz
);

create index api_keys_merchant on api_keys (merchant_id, livemode, id);

create table providers (
    id             text primary key,
    merchant_id    text not null references merchants,
    livemode       boolean not null,
    shortcode_kind text not null,
    shortcode      text not null,
    store_number   text not null,
    private        bytea not null,
    is_default     boolean not null,
    valid          boolean,
    checked_at     timestamptz,
    last_error     text not null default '',
    validation_rule text not null,
    validation_url text not null,
    when_undecided text not null,
    c2b_version    smallint,
    tariff         text not null default '',
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    constraint providers_shortcode_key unique (merchant_id, livemode, shortcode)
);

create unique index providers_default on providers (merchant_id, livemode) where is_default;

-- New live collections are stopped while a row stands: of one merchant, or of 'instance', all.
create table collection_stops (
    owner      text primary key,
    reason     text not null,
    stopped_at timestamptz not null
);

-- No reference to merchants, here and below: checking it would lock the merchant's row in each
-- payment's commit, and merchants are never deleted.
create table payments (
    id                    text primary key,
    merchant_id           text not null,
    livemode              boolean not null,
    origin                text not null,
    explained             boolean not null,
    state                 text not null constraint payments_state_check check (state in (
        'unsent', 'sending', 'pending', 'unknown', 'failed', 'canceled', 'receipt_awaited',
        'review', 'completed')),
    amount_cents          bigint not null constraint payments_amount_check check (amount_cents > 0),
    customer_id           text,
    private               bytea not null,
    phone_hash            bytea,
    reference_hash        bytea not null,
    checkout_hash         bytea,
    shortcode_kind        text not null,
    shortcode             text not null,
    store_number          text not null,
    callback_url          text not null,
    idempotency_key       text not null,
    attempts              integer not null,
    merchant_request_id   text not null,
    receipt               text,
    amount_received_cents bigint,
    confirmed_by          text,
    strength              smallint not null,
    failure_code          text,
    failure_daraja_code   text,
    failure_reason        text,
    payer_message         text,
    payer_message_sw      text,
    retryable             boolean,
    late                  boolean not null,
    late_action           text,
    disputed              boolean not null,
    lapsed                boolean not null,
    facts_count           integer not null,
    facts_link            bytea not null,
    asked_at              timestamptz,
    next_check_at         timestamptz,
    checks                integer not null,
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    completed_at          timestamptz,
    constraint payments_receipt_key unique (receipt, shortcode, livemode),
    constraint payments_completed_check check (
        (completed_at is not null) = (state in ('completed', 'receipt_awaited'))),
    constraint payments_failure_check check (
        (failure_code is not null) = (state in ('failed', 'canceled'))),
    constraint payments_receipt_check check (state <> 'completed' or receipt is not null)
);

create index payments_list on payments (merchant_id, livemode, id desc);
create index payments_state on payments (merchant_id, livemode, state, id desc)
    where state <> 'completed';
create index payments_phone on payments (phone_hash, created_at);
create index payments_reference on payments (reference_hash);
create index payments_checkout on payments (checkout_hash) where checkout_hash is not null;
create index payments_customer on payments (customer_id, id desc) where customer_id is not null;
create index payments_unexplained on payments (merchant_id, livemode, id desc)
    where not explained;
create index payments_late on payments (merchant_id, livemode, id desc)
    where late_action is not null;
create index payments_amount on payments (merchant_id, livemode, amount_cents, id desc);
create index payments_merchant_request on payments (merchant_request_id)
    where merchant_request_id <> '';
create index payments_review on payments (id)
    where disputed or state = 'review' or late_action in ('hold', 'refund');
create index payments_due on payments (next_check_at) where next_check_at is not null;
create index payments_open on payments (asked_at)
    where next_check_at is not null and state in ('unsent', 'sending', 'pending', 'unknown');

-- The prompts that are on phones now: one a number, for each merchant and mode.
create table open_prompts (
    merchant_id text not null,
    livemode    boolean not null,
    phone_hash  bytea not null,
    payment_id  text not null,
    opened_at   timestamptz not null,
    primary key (merchant_id, livemode, phone_hash)
);

-- Raised inside of a statement, it takes back all that the statement wrote: see store/payments.py.
create function refuse(why text) returns boolean language plpgsql as $$
begin
    raise exception using errcode = 'HK001', message = why;
end
$$;

create table idempotency_keys (
    merchant_id   text not null,
    livemode      boolean not null,
    operation     text not null,
    key           text not null,
    fingerprint   bytea not null,
    payment_id    text not null,
    answer        bytea,
    created_at    timestamptz not null,
    primary key (merchant_id, livemode, operation, key)
);

-- What was heard. Kept by month, so that retention is a drop; never changed: it is evidence.
create table facts (
    payment_id text not null,
    sequence   integer not null,
    heard_at   timestamptz not null,
    kind       text not null,
    source     text not null,
    state      text not null,
    private    bytea not null,
    link       bytea not null,
    primary key (payment_id, sequence, heard_at)
) partition by range (heard_at);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed or deleted', tg_table_name
        using errcode = 'restrict_violation';
end
$$;

create trigger facts_append_only before update or delete on facts
    for each row execute function refuse_change();

-- A month has its own, made with it (partitions.py): unlike the other, this one is not inherited.
create trigger facts_keep before truncate on facts
    for each statement execute function refuse_change();

-- Callbacks that fit no payment, or that could not be read: kept whole, never believed.
create table quarantine (
    id             bigint generated always as identity primary key,
    received_at    timestamptz not null,
    source_address text not null,
    payment_id     text,
    reason         text not null,
    raw            bytea not null,
    tries          integer not null default 0,
    next_try_at    timestamptz,
    released_at    timestamptz
);

create index quarantine_due on quarantine (next_try_at) where next_try_at is not null;

-- One access token per Daraja app, for all processes; `leased_until` lets one of them refresh.
create table daraja_tokens (
    key          text primary key,
    value        bytea,
    expires_at   timestamptz,
    leased_until timestamptz
);

-- When each short code may next be asked about (a generic cell rate limiter's theoretical arrival).
create table query_budgets (
    shortcode    text not null,
    livemode     boolean not null,
    next_free_at timestamptz not null,
    primary key (shortcode, livemode)
);
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
