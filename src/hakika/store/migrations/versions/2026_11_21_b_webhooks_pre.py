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
    id                text primary key,
    merchant_id       text not null references merchants,
    livemode          boolean not null,
    url               text not null,
    dialect           text not null default 'standard',
    events            text[] not null,
    description       text not null default '',
    header_names      text[] not null default '{}',
    headers           bytea not null default '',
    rate_per_second   double precision,
    secret            bytea not null default '',
    previous_secret   bytea not null default '',
    previous_until    timestamptz,
    signs_with        text,
    payment_id        text,
    version           integer not null default 1,
    failures          integer not null default 0,
    failing_since     timestamptz,
    last_failed_at    timestamptz,
    held_until        timestamptz,
    paced_until       timestamptz,
    created_at        timestamptz not null,
    disabled_at       timestamptz,
    disabled_reason   text not null default '',
    deleted_at        timestamptz
);

create index endpoints_merchant on endpoints (merchant_id, livemode)
    where payment_id is null and deleted_at is null;
create index endpoints_ever on endpoints (merchant_id, livemode, id) where payment_id is null;
create index endpoints_payment on endpoints (payment_id) where payment_id is not null;

-- What an ordinary endpoint was from `since` on, until its next version: append-only.
create table endpoint_versions (
    endpoint_id text not null,
    version     integer not null,
    since       timestamptz not null,
    url         text not null,
    dialect     text not null,
    events      text[] not null,
    header_names text[] not null,
    is_enabled  boolean not null,
    primary key (endpoint_id, version)
);

-- No reference to endpoints: checking it would lock the endpoint's row in every payment's commit,
-- and endpoints are never really deleted.
create table deliveries (
    id               bigint generated always as identity primary key,
    event_id         text not null,
    event_created_at timestamptz not null,
    endpoint_id      text not null,
    follows          boolean not null,
    state            text not null constraint deliveries_state_check check (state in (
        'scheduled', 'waiting', 'sending', 'succeeded', 'exhausted', 'dropped')),
    attempts         integer not null default 0,
    attempts_before  integer not null default 0,
    begun_at         timestamptz,
    next_attempt_at  timestamptz,
    waits_since      timestamptz,
    reason           text not null default '',
    created_at       timestamptz not null,
    finished_at      timestamptz,
    constraint deliveries_once unique (endpoint_id, event_id),
    constraint deliveries_finished_check check (
        (finished_at is null) = (state in ('scheduled', 'waiting', 'sending'))),
    constraint deliveries_due_check check (
        (next_attempt_at is not null) = (state in ('scheduled', 'sending'))),
    constraint deliveries_waits_check check ((waits_since is not null) = (state = 'waiting'))
);

create index deliveries_due on deliveries (next_attempt_at) where next_attempt_at is not null;
create index deliveries_waiting on deliveries (endpoint_id, attempts, id)
    where state = 'waiting';
create index deliveries_retried on deliveries (endpoint_id, id)
    where state = 'scheduled' and attempts > 0;
create index deliveries_missed on deliveries (endpoint_id, event_id)
    where state in ('exhausted', 'dropped');

create table attempts (
    delivery_id bigint not null,
    attempt     integer not null,
    started_at  timestamptz not null,
    duration_ms integer,
    status      smallint,
    error       text not null default '',
    answer      bytea not null default '',
    version     integer not null,
    primary key (delivery_id, attempt, started_at)
) partition by range (started_at);

-- Gives every committed event of a merchant and mode its number. Each statement in it sees what was
-- committed when it began: the last one, whatever was committed while we waited for the lock.
create function number_events(whose text, mode boolean) returns void language plpgsql as $$
declare
    newest bigint;
begin
    select last into newest from event_counters
     where merchant_id = whose and livemode = mode for update;
    if not found then
        insert into event_counters (merchant_id, livemode, last) values (whose, mode, 0)
            on conflict do nothing;
        select last into newest from event_counters
         where merchant_id = whose and livemode = mode for update;
    end if;
    with fresh as (
        select id, created_at, row_number() over (order by position) as place
          from events where merchant_id = whose and livemode = mode and sequence is null
    ), numbered as (
        update events set sequence = newest + fresh.place from fresh
         where events.id = fresh.id and events.created_at = fresh.created_at
        returning 1
    )
    update event_counters set last = last + (select count(*) from numbered)
     where merchant_id = whose and livemode = mode and exists (select from numbered);
end
$$;

-- Whether an earlier event of the same subject has not had its first try at this endpoint, or is
-- having it now. Only deliveries that were written before this one count, so that the first in line
-- never waits for one behind it: a recovered event may be earlier, and its delivery later.
create function is_behind(which text, at timestamptz, whom text, delivery bigint) returns boolean
    language plpgsql stable as $$
begin
    return exists (
        select from events mine
          join events earlier on earlier.subject_id = mine.subject_id
               and earlier.position < mine.position
          join deliveries other on other.endpoint_id = whom and other.event_id = earlier.id
               and other.id < delivery
         where mine.id = which and mine.created_at = at
           and ((other.attempts = 0 and other.finished_at is null)
                or (other.attempts = 1 and other.state = 'sending')));
end
$$;

-- The number of one event, which is given now if it has none yet.
create function number_of(which text, at timestamptz, whose text, mode boolean)
    returns bigint language plpgsql as $$
declare
    found bigint;
begin
    select sequence into found from events where id = which and created_at = at;
    if found is null then
        perform number_events(whose, mode);
        select sequence into found from events where id = which and created_at = at;
    end if;
    return found;
end
$$;
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
