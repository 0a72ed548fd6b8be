"""The books: postings, the chain that they are sealed in, and the witnesses of each receipt."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_21_e"
down_revision = "2026_11_21_d"

SQL = """\
-- Each moves an amount from one account to another: the books balance, whatever is in them.
-- Not by month: books are kept whole, and a receipt is unique in all of them. One receipt may
-- stand in several lines of statements: `line` is null of what no line of a statement made.
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
    payment_id   text,
    happened_at  timestamptz not null,
    posted_at    timestamptz not null,
    line         bytea,
    constraint postings_accounts_check check (debit <> credit),
    constraint postings_receipt_key
        unique nulls not distinct (receipt, shortcode, livemode, move, line)
);

create index postings_payment on postings (payment_id);
create index postings_day on postings (merchant_id, livemode, happened_at)
    include (amount_cents, payment_id);

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

-- Statements of M-Pesa's portal that were imported whole.
create table statements (
    id            text primary key,
    merchant_id   text not null,
    livemode      boolean not null,
    shortcode     text not null,
    account       text not null,
    sha256        text not null,
    file_kind     text not null,
    lines         integer not null,
    starts_at     timestamptz,
    ends_at       timestamptz,
    first_at      timestamptz not null,
    last_at       timestamptz not null,
    opening_cents bigint,
    closing_cents bigint,
    fates         jsonb not null,
    imported_at   timestamptz not null,
    constraint statements_file_key unique (merchant_id, livemode, sha256)
);

create index statements_list on statements (merchant_id, livemode, id desc);

-- Each line once, in however many files it stands. `ordinal` counts upwards in time.
create table statement_lines (
    merchant_id   text not null,
    livemode      boolean not null,
    account       text not null,
    identity      bytea not null,
    statement_id  text not null,
    ordinal       integer not null,
    place         integer not null,
    receipt       text not null,
    kind          text not null,
    fate          text not null,
    completed_at  timestamptz not null,
    amount_cents  bigint not null,
    balance_cents bigint,
    linked_receipt text not null,
    payment_id    text,
    private       bytea not null,
    primary key (merchant_id, livemode, account, identity)
);

create index statement_lines_receipt on statement_lines (receipt);
create index statement_lines_day on statement_lines (merchant_id, livemode, account, completed_at);
create index statement_lines_file on statement_lines (statement_id, place);

-- What M-Pesa was asked about a receipt or a short code, and what it answered later.
create table inquiries (
    id                         text primary key,
    kind                       text not null,
    merchant_id                text not null,
    livemode                   boolean not null,
    provider_id                text not null,
    shortcode_kind             text not null,
    shortcode                  text not null,
    store_number               text not null,
    receipt                    text not null,
    asked_conversation_id      text not null,
    conversation_id            text not null,
    originator_conversation_id text not null,
    state                      text not null,
    outcome                    text,
    answer                     text not null,
    told                       bytea,
    raws                       bytea[] not null default '{}',
    asked_at                   timestamptz not null,
    answered_at                timestamptz
);

create index inquiries_list on inquiries (merchant_id, livemode, id desc);
create index inquiries_conversations on inquiries using gin (
    (array[conversation_id, originator_conversation_id, asked_conversation_id]));

-- What M-Pesa said lay on an account of the books at some moment; `opening`: where the books began.
create table balances (
    merchant_id  text not null,
    livemode     boolean not null,
    shortcode    text not null,
    account      text not null,
    observed_at  timestamptz not null,
    source       text not null,
    amount_cents bigint not null,
    primary key (merchant_id, livemode, account, observed_at, source)
);

-- When each short code is asked for its balance by itself.
create table balance_turns (
    provider_id text primary key,
    next_ask_at timestamptz
);

create index balance_turns_due on balance_turns (next_ask_at) where next_ask_at is not null;

-- Where the books and M-Pesa's records differ, or a person must look.
create table discrepancies (
    id           text primary key,
    merchant_id  text not null,
    livemode     boolean not null,
    kind         text not null,
    shortcode    text not null,
    subject      text not null,
    day          date not null,
    receipt      text not null,
    payment_id   text,
    ours_cents   bigint,
    theirs_cents bigint,
    words        text not null,
    found_at     timestamptz not null,
    assigned_to  text not null,
    resolution   text not null,
    resolved_by  text not null,
    resolved_at  timestamptz,
    constraint discrepancies_subject_key unique (merchant_id, livemode, kind, shortcode, subject)
);

create index discrepancies_list on discrepancies (merchant_id, livemode, id desc);
create index discrepancies_open on discrepancies (merchant_id, livemode)
    where resolved_at is null;
create index discrepancies_day on discrepancies (merchant_id, livemode, day);

-- Each closing of a day, signed; the newest of a day counts. The row is never changed.
create table day_closings (
    merchant_id text not null,
    livemode    boolean not null,
    number      bigint not null,
    day         date not null,
    result      text not null,
    sequence    bigint not null,
    closed_at   timestamptz not null,
    checkpoint  bytea not null,
    signature   bytea not null,
    public_key  bytea not null,
    summary     bytea not null,
    primary key (merchant_id, livemode, number)
);

create index day_closings_day on day_closings (merchant_id, livemode, day desc, number desc);

-- What checkpoints are signed with: one of this instance, its private part sealed.
create table signing_keys (
    public_key bytea primary key,
    sealed     bytea not null,
    created_at timestamptz not null
);

create trigger day_closings_append_only before update or delete on day_closings
    for each row execute function refuse_change();
create trigger day_closings_keep before truncate on day_closings
    for each statement execute function refuse_change();
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
revoke update, delete, truncate on postings, posting_links, day_closings
    from public, current_user;
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
