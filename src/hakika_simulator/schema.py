"""The tables of one simulator. Money is in cents, times are seconds since 1970.

`balances` is what everybody has now, `movements` every line that a short code's accounts ever had:
a movement's `cents` are positive when money comes in. A charge bears the receipt of its payment,
as on M-Pesa's own statements; every other movement of one moment shares one receipt of its own.
"""

# To be raised with any change below: a data folder of another version is not opened.
SCHEMA_VERSION = 1
SCHEMA = """
create table if not exists kept (name text primary key, value text not null) without rowid;

create table if not exists counters (name text primary key, value integer not null) without rowid;

create table if not exists tokens (
    token text primary key, consumer_key text not null, expires_at real not null
) without rowid;

create table if not exists balances (
    holder text not null,
    account text not null,
    kind text not null check (kind in ('treasury', 'payer', 'shortcode')),
    cents integer not null check (cents >= 0 or account = 'charges_paid'),
    primary key (holder, account)
) without rowid;

create table if not exists wrong_pins (
    phone text primary key, times integer not null
) without rowid;

create table if not exists movements (
    number integer primary key,
    receipt text not null,
    kind text not null
        check (kind in ('stk', 'c2b', 'charge', 'reversal', 'float', 'b2c', 'b2b')),
    shortcode text not null,
    account text not null,
    cents integer not null check (cents <> 0),
    started_at real not null,
    at real not null,
    phone text,
    reference text not null,
    linked text,
    command text,
    other_party text
);
create index if not exists movements_receipt on movements (receipt);
create index if not exists movements_linked on movements (linked) where linked is not null;
create index if not exists movements_account on movements (shortcode, account, at, number);

create table if not exists tills (till text primary key, store text not null) without rowid;

create table if not exists payments (
    number integer primary key,
    checkout_request_id text not null unique,
    merchant_request_id text not null,
    shortcode text not null,
    receiver text not null,
    phone text not null,
    ordered_cents integer not null check (ordered_cents > 0),
    amount_cents integer not null check (amount_cents > 0),
    account_reference text not null,
    callback_url text not null,
    asks_payer integer not null,
    pushed_at real not null,
    due_at real not null,
    due_code text not null,
    state text not null check (state in ('open', 'paid', 'failed')),
    result_code text,
    receipt text unique,
    finished_at real
);
create index if not exists payments_open on payments (phone) where state = 'open';
create index if not exists payments_phone on payments (phone, number);
create index if not exists payments_paid
    on payments (phone, amount_cents, finished_at) where state = 'paid';
create index if not exists payments_pushed on payments (pushed_at);

create table if not exists operators (
    name text primary key, password text not null, wrong_tries integer not null
) without rowid;

create table if not exists registrations (
    shortcode text primary key,
    response_type text not null check (response_type in ('Completed', 'Cancelled')),
    confirmation_url text not null,
    validation_url text not null,
    version integer not null
) without rowid;

create table if not exists pull_registrations (shortcode text primary key) without rowid;

create table if not exists arrivals (
    receipt text primary key,
    originator_id text not null,
    shortcode text not null,
    is_to_till integer not null,
    phone text not null,
    cents integer not null check (cents > 0),
    reference text not null,
    started_at real not null,
    state text not null check (state in ('waiting', 'completed', 'declined')),
    reason text,
    finished_at real
) without rowid;
create index if not exists arrivals_started on arrivals (started_at);
create index if not exists arrivals_originator on arrivals (originator_id);
create index if not exists arrivals_waiting on arrivals (state) where state = 'waiting';

create table if not exists callbacks (
    number integer primary key,
    checkout_request_id text not null,
    url text not null,
    body text not null,
    kind text not null,
    due_at real not null,
    retries_left integer not null,
    sent_at real,
    status integer,
    problem text
);
create index if not exists callbacks_payment on callbacks (checkout_request_id);
create index if not exists callbacks_pending on callbacks (due_at) where sent_at is null;

create table if not exists instructions (
    number integer primary key,
    conversation_id text not null unique,
    originator_id text not null unique,
    told_originator_id text not null unique,
    api text not null check (api in ('b2c', 'b2b', 'reversal')),
    command text not null,
    shortcode text not null,
    receiver text not null,
    cents integer not null check (cents > 0),
    reference text not null,
    occasion text not null,
    result_url text not null,
    timeout_url text not null,
    fault text not null,
    due_code text not null,
    due_at real not null,
    asked_times integer not null,
    asked_at real not null,
    state text not null check (state in ('initiated', 'completed', 'declined', 'expired')),
    result_code text,
    transaction_id text unique,
    charge_cents integer not null,
    finished_at real
);
create index if not exists instructions_open on instructions (state) where state = 'initiated';
create index if not exists instructions_asked on instructions (asked_at);

create table if not exists faults (
    number integer primary key,
    api text,
    receiver text,
    times_left integer check (times_left > 0),
    fault text not null
);

create table if not exists messages (
    number integer primary key, phone text not null, at real not null, text text not null
);
create index if not exists messages_phone on messages (phone, number);
"""
