"""What guards money that goes out: rules, beneficiaries, who changed them, proven operators."""

from __future__ import annotations

from hakika.store.migrations.plain import run

revision = "2026_11_22_b"
down_revision = "2026_11_22_a"

SQL = """\
-- One row for each merchant and mode: whoever asks for a payout holds it, so sums stay true.
create table payout_rules (
    merchant_id text not null,
    livemode    boolean not null,
    rules       jsonb,
    burst_from  timestamptz,
    told_low    text[] not null default '{}',
    primary key (merchant_id, livemode)
);

create index payout_rules_low on payout_rules (merchant_id) where told_low <> '{}';

create table beneficiaries (
    id          text primary key,
    merchant_id text not null,
    livemode    boolean not null,
    payee_hash  bytea not null,
    private     bytea not null,
    added_at    timestamptz not null,
    added_by    text not null,
    usable_from timestamptz not null,
    constraint beneficiaries_once unique (merchant_id, livemode, payee_hash)
);

create index beneficiaries_list on beneficiaries (merchant_id, livemode, id desc);

-- Who changed what guards the money. Never changed: it is evidence.
create table guard_changes (
    id          bigint generated always as identity primary key,
    merchant_id text not null,
    livemode    boolean not null,
    what        text not null,
    who         text not null,
    before      jsonb,
    after       jsonb,
    note        text not null,
    changed_at  timestamptz not null
);

create index guard_changes_list on guard_changes (merchant_id, livemode, id desc);

create trigger guard_changes_append_only before update or delete on guard_changes
    for each row execute function refuse_change();
create trigger guard_changes_keep before truncate on guard_changes
    for each statement execute function refuse_change();
revoke update, delete, truncate on guard_changes from public, current_user;

-- When M-Pesa last took an operator's credentials: until it has, one order goes at a time.
create table operator_proofs (
    provider_id text primary key,
    proven_at   timestamptz not null
);

-- What moved on a float besides collections, which are many.
create index postings_left on postings (merchant_id, livemode, happened_at)
    where move <> 'collection';

create index payouts_lately on payouts (merchant_id, livemode, updated_at)
    where purpose = 'payout';
"""


def upgrade() -> None:
    """Create the tables."""
    run(SQL)
