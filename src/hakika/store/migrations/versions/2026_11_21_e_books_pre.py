"""The books: postings, the chain that they are sealed in, and the witnesses of each receipt."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_21_e"
down_revision = "2026_11_21_d"

SQL = """\
-- Each moves an amount from one account to another: the books balance, whatever is in them.
-- Not by month: books are kept whole, and a receipt is unique in all of them.
create table postings (
    position     bigint generated always as identity primary key,
    merchant_id  text not null,
    livemode     boolean not null,
    move         text not null,
    debit        text not null,
    credit       text not null,
    amount_cents bigint not null constraint postings_amount_check check (amount_cents > 0),
    shortcode    text not null,
    receipt      text not null,
    payment_id   text not null,
    happened_at  timestamptz not null,
    posted_at    timestamptz not null,
    constraint postings_accounts_check check (debit <> credit),
    constraint postings_receipt_key unique (receipt, shortcode, livemode, move)
);

create index postings_payment on postings (payment_id);

-- What is not chained yet: a queue, so that payments of one merchant do not wait at one row.
create table unchained (
    position    bigint not null,
    merchant_id text not null,
    livemode    boolean not null
);

create table posting_links (
    merchant_id text not null,
    livemode    boolean not null,
    sequence    bigint not null,
    position    bigint not null constraint posting_links_position_key unique,
    link        bytea not null,
    primary key (merchant_id, livemode, sequence)
);

-- Where each chain ends.
create table posting_heads (
    merchant_id text not null,
    livemode    boolean not null,
    sequence    bigint not null,
    link        bytea not null,
    primary key (merchant_id, livemode)
);

-- What was ever moved on each account, by the postings that are chained.
create table account_sums (
    merchant_id   text not null,
    livemode      boolean not null,
    account       text not null,
    debits_cents  bigint not null,
    credits_cents bigint not null,
    primary key (merchant_id, livemode, account)
);

-- What each source says of each receipt, besides the callback of a payment's own.
create table witnesses (
    receipt      text not null,
    shortcode    text not null,
    livemode     boolean not null,
    source       text not null,
    merchant_id  text not null,
    amount_cents bigint not null,
    happened_at  timestamptz not null,
    heard_at     timestamptz not null,
    private      bytea not null,
    payment_id   text,
    next_try_at  timestamptz,
    primary key (receipt, shortcode, livemode, source)
);

create index witnesses_day on witnesses (merchant_id, livemode, happened_at);
create index witnesses_due on witnesses (next_try_at) where next_try_at is not null;

-- Up to when M-Pesa's own list of each short code was read whole: an outage leaves no hole.
create table watermarks (
    provider_id   text primary key,
    pulled_to     timestamptz,
    next_pull_at  timestamptz,
    last_error    text not null default ''
);

create index watermarks_due on watermarks (next_pull_at) where next_pull_at is not null;

create table reconciliation_runs (
    id          text primary key,
    merchant_id text not null,
    livemode    boolean not null,
    shortcode   text not null,
    source      text not null,
    since       timestamptz not null,
    until       timestamptz not null,
    rows        integer not null,
    synced      integer not null,
    skipped     integer not null,
    not_found   integer not null,
    undecided   integer not null,
    error       text,
    started_at  timestamptz not null,
    finished_at timestamptz not null
);

create index reconciliation_runs_list on reconciliation_runs (merchant_id, livemode, id desc);

-- Jobs that write everything of some days to a file. One that is not over has a `due_at`.
create table exports (
    id          text primary key,
    merchant_id text not null,
    livemode    boolean not null,
    key_id      text not null,
    what        text not null,
    format      text not null,
    first_day   date,
    last_day    date,
    reveal      boolean not null,
    state       text not null,
    rows        bigint not null,
    rows_total  bigint,
    bytes       bigint,
    tries       integer not null,
    due_at      timestamptz,
    created_at  timestamptz not null,
    finished_at timestamptz
);

create index exports_list on exports (merchant_id, livemode, id desc);
create index exports_due on exports (due_at) where due_at is not null;

-- The files, so that any process can serve them, whichever wrote them.
create table export_pieces (
    export_id text not null references exports on delete cascade,
    tries     integer not null,
    number    integer not null,
    private   bytea not null,
    primary key (export_id, tries, number)
);

-- What is sealed does not shrink.
alter table export_pieces alter column private set storage external;

create trigger postings_append_only before update or delete on postings
    for each row execute function refuse_change();
create trigger postings_keep before truncate on postings
    for each statement execute function refuse_change();
create trigger posting_links_append_only before update or delete on posting_links
    for each row execute function refuse_change();
create trigger posting_links_keep before truncate on posting_links
    for each statement execute function refuse_change();

-- A role that owns the tables can grant itself this again; a superuser has it always.
revoke update, delete, truncate on postings, posting_links from public, current_user;
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
