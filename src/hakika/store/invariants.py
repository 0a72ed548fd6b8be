"""Everything that is stored, read once in one frozen picture, for `services/verify.py`.

`freeze` first, then `count`, `breaches` and `stories` in any order. A rule about one payment is
judged in the domain, from its story; a rule about many rows at once is a query here that finds the
rows which break it. Memory stays the same however many payments there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, LiteralString

from psycopg.rows import DictRow

from hakika.domain.ids import PaymentId
from hakika.domain.invariant import StoredEvent, StoredFact, Story
from hakika.domain.sealing import SealBroken
from hakika.domain.witness import UNDECIDED_MAX
from hakika.store import ledger_invariants, refund_invariants
from hakika.store.events import opened_data
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import fact_of, heard_of, payment_of
from hakika.store.payment_statements import COLUMNS
from hakika.store.transaction import Transaction

# Large enough that round trips do not count, small enough to leave the event loop free in between.
BATCH = 200

# What reading a row that somebody has changed by hand may raise.
UNREADABLE = (AttributeError, KeyError, SealBroken, TypeError, ValueError)


class Breach(StrEnum):
    """A rule about many rows at once, named for what breaks it."""

    RECEIPT_TWICE = "receipt_twice"
    KEY_TWICE = "key_twice"
    CLAIM_WITHOUT_PAYMENT = "claim_without_payment"
    PAYMENT_WITHOUT_CLAIM = "payment_without_claim"
    FACTS_WITHOUT_PAYMENT = "facts_without_payment"
    EVENT_WITHOUT_PAYMENT = "event_without_payment"
    EVENT_WITHOUT_CUSTOMER = "event_without_customer"
    NUMBER_TWICE = "number_twice"
    NUMBER_MISSING = "number_missing"
    COUNTER_WRONG = "counter_wrong"
    DELIVERY_MISSING = "delivery_missing"
    DELIVERY_TWICE = "delivery_twice"
    DELIVERY_UNWANTED = "delivery_unwanted"
    DELIVERY_WITHOUT_EVENT = "delivery_without_event"
    DELIVERY_UNPROVEN = "delivery_unproven"
    DELIVERY_UNEXPLAINED = "delivery_unexplained"
    DELIVERY_FORGOTTEN = "delivery_forgotten"
    DELIVERY_ASTRAY = "delivery_astray"
    ENDPOINT_ASTRAY = "endpoint_astray"
    CUSTOMER_ASTRAY = "customer_astray"
    SELLER_ASTRAY = "seller_astray"
    OVERSETTLED = "oversettled"
    POSTING_WITHOUT_PAYMENT = "posting_without_payment"
    POSTING_UNCHAINED = "posting_unchained"
    CHAIN_CUT = "chain_cut"
    SUM_WRONG = "sum_wrong"
    WITNESS_UNJUDGED = "witness_unjudged"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of each kind there are."""

    payments: int
    facts: int
    events: int
    deliveries: int
    claims: int
    postings: int


@dataclass(frozen=True, slots=True)
class Found:
    """The first rows that break a rule, as plain columns, and how many there are in all."""

    rows: Sequence[Mapping[str, Any]]
    total: int


_FREEZE: LiteralString = "set transaction isolation level repeatable read read only"

# Reading everything takes as long as it takes, and disturbs nobody but the vacuum.
_TAKE_TIME: LiteralString = "set local statement_timeout = 0"

_COUNT: LiteralString = """
    select (select count(*) from payments) as payments, (select count(*) from facts) as facts,
           (select count(*) from events) as events,
           (select count(*) from deliveries) as deliveries,
           (select count(*) from idempotency_keys) as claims,
           (select count(*) from postings) as postings
"""

_MODE: LiteralString = "case when livemode then 'live' else 'test' end as mode"

_NUMBERED: LiteralString = """
    select id, merchant_id, livemode, sequence,
           lag(sequence, 1, 0::bigint) over each as before, lag(id) over each as id_before
      from events where sequence is not null
    window each as (partition by merchant_id, livemode order by sequence, position)
"""

# What each endpoint of a merchant was from when to when.
_VERSIONS: LiteralString = """
    select *, lead(since, 1, 'infinity') over (partition by endpoint_id order by version) as until
      from endpoint_versions
"""

_UNTOLD: LiteralString = """
    not exists (select from deliveries d where d.event_id = e.id and d.endpoint_id = w.id)
"""

# An endpoint that changed within `moment` of the event may or may not have been seen by it: both
# times are taken before their commits. By far the most endpoints belong to one payment each, so
# they are joined by it and on their own; such a one was there before its payment's events, and may
# be disabled, but never changes.
_DELIVERY_MISSING: LiteralString = (
    "with versions as (" + _VERSIONS + """)
    select e.id as event_id, w.id as endpoint_id
      from events e join endpoints w on w.merchant_id = e.merchant_id and w.livemode = e.livemode
      join versions v on v.endpoint_id = w.id
           and v.since < e.created_at - %(moment)s and v.until > e.created_at + %(moment)s
     where w.payment_id is null and v.is_enabled and (v.events = '{}' or e.name = any(v.events))
       and (w.seller_id is null or w.seller_id = e.seller_id)
       and """ + _UNTOLD + """
    union all
    select e.id, w.id
      from events e join endpoints w on w.payment_id = e.subject_id
     where w.merchant_id = e.merchant_id and w.livemode = e.livemode
       and (w.disabled_at is null or w.disabled_at > e.created_at + %(moment)s)
       and """ + _UNTOLD
)

# One is asked for when it is written: with its event, or when a merchant recovers what was missed.
_DELIVERY_UNWANTED: LiteralString = (
    "with versions as (" + _VERSIONS + """)
    select d.id as delivery_id, d.event_id, d.endpoint_id
      from deliveries d join events e on e.id = d.event_id
      join endpoints w on w.id = d.endpoint_id
     where w.payment_id is null and not exists (
        select from versions v
         where v.endpoint_id = w.id and v.is_enabled
           and (v.events = '{}' or e.name = any(v.events))
           and v.since <= d.created_at + %(moment)s and v.until >= d.created_at - %(moment)s)
    """
)

_BREACHES: Mapping[Breach, LiteralString] = {
    Breach.RECEIPT_TWICE: """
        select receipt, shortcode, string_agg(id, ', ' order by id) as payment_ids
          from payments where receipt is not null
         group by receipt, shortcode, livemode having count(*) > 1
    """,
    Breach.KEY_TWICE: """
        select string_agg(id, ', ' order by id) as payment_ids, merchant_id
          from payments where origin = 'stk'
         group by merchant_id, livemode, idempotency_key having count(*) > 1
    """,
    Breach.CLAIM_WITHOUT_PAYMENT: """
        select c.payment_id, c.merchant_id from idempotency_keys c
         where operation = 'payments' and not exists (
            select from payments p where p.id = c.payment_id and p.idempotency_key = c.key
               and p.merchant_id = c.merchant_id and p.livemode = c.livemode)
    """,
    Breach.PAYMENT_WITHOUT_CLAIM: """
        select p.id as payment_id from payments p where origin = 'stk' and not exists (
            select from idempotency_keys c where c.operation = 'payments' and c.payment_id = p.id
               and c.merchant_id = p.merchant_id and c.livemode = p.livemode
               and c.key = p.idempotency_key)
    """,
    Breach.FACTS_WITHOUT_PAYMENT: """
        select payment_id, count(*) as facts from facts f
         where not exists (select from payments p where p.id = f.payment_id) group by payment_id
    """,
    Breach.EVENT_WITHOUT_PAYMENT: """
        select e.id as event_id, e.subject_id as payment_id from events e
         where starts_with(e.subject_id, 'pay_')
           and not exists (select from payments p where p.id = e.subject_id)
    """,
    Breach.EVENT_WITHOUT_CUSTOMER: """
        select e.id as event_id, e.subject_id as customer_id from events e
         where starts_with(e.subject_id, 'cus_')
           and not exists (select from customers c where c.id = e.subject_id)
    """,
    Breach.NUMBER_TWICE: (
        "select id as event_id, id_before, sequence from (" + _NUMBERED + ") numbered"
        " where sequence = before"
    ),
    Breach.NUMBER_MISSING: (
        "select merchant_id, before + 1 as first, sequence - 1 as last, " + _MODE
        + " from (" + _NUMBERED + ") numbered where sequence > before + 1"
    ),
    Breach.COUNTER_WRONG: (
        "select merchant_id, coalesce(last, 0) as last, coalesce(newest, 0) as newest, " + _MODE
        + """ from event_counters full join (
            select merchant_id, livemode, max(sequence) as newest from events
             where sequence is not null group by merchant_id, livemode
        ) numbered using (merchant_id, livemode) where coalesce(last, 0) <> coalesce(newest, 0)"""
    ),
    Breach.DELIVERY_MISSING: _DELIVERY_MISSING,
    Breach.DELIVERY_TWICE: """
        select event_id, endpoint_id, string_agg(id::text, ', ' order by id) as delivery_ids
          from deliveries group by event_id, endpoint_id having count(*) > 1
    """,
    Breach.DELIVERY_UNWANTED: _DELIVERY_UNWANTED,
    Breach.DELIVERY_WITHOUT_EVENT: """
        select d.id as delivery_id, d.event_id from deliveries d where not exists (
            select from events e where e.id = d.event_id and e.created_at = d.event_created_at)
    """,
    Breach.DELIVERY_UNPROVEN: """
        select d.id as delivery_id from deliveries d
         where d.state = 'succeeded' and not exists (
            select from attempts a where a.delivery_id = d.id and a.status between 200 and 299)
    """,
    Breach.DELIVERY_UNEXPLAINED: """
        select id as delivery_id, state from deliveries
         where state in ('exhausted', 'dropped') and reason = ''
    """,
    Breach.DELIVERY_FORGOTTEN: """
        select d.id as delivery_id from deliveries d join endpoints w on w.id = d.endpoint_id
         where d.next_attempt_at < %(before)s
            or (d.waits_since < %(before)s and coalesce(w.held_until, d.waits_since) < %(before)s
                and not exists (select from deliveries other
                                 where other.endpoint_id = w.id and other.begun_at >= %(before)s))
    """,
    Breach.DELIVERY_ASTRAY: """
        select d.id as delivery_id, d.event_id, d.endpoint_id
          from deliveries d join events e on e.id = d.event_id
          join endpoints w on w.id = d.endpoint_id
         where (e.merchant_id, e.livemode) <> (w.merchant_id, w.livemode)
            or w.payment_id <> e.subject_id
            or w.seller_id is not null and w.seller_id is distinct from e.seller_id
    """,
    Breach.ENDPOINT_ASTRAY: """
        select w.id as endpoint_id, w.payment_id from endpoints w
         where w.payment_id is not null and not exists (
            select from payments p where p.id = w.payment_id
               and p.merchant_id = w.merchant_id and p.livemode = w.livemode)
    """,
    Breach.CUSTOMER_ASTRAY: """
        select p.id as payment_id, p.customer_id from payments p
         where p.customer_id is not null and not exists (
            select from customers c where c.id = p.customer_id
               and c.merchant_id = p.merchant_id and c.livemode = p.livemode)
    """,
    Breach.SELLER_ASTRAY: """
        select id, seller_id from (
            select id, seller_id, merchant_id, livemode from payments where seller_id is not null
            union all
            select id, seller_id, merchant_id, livemode from payouts where seller_id is not null
            union all
            select id, seller_id, merchant_id, livemode from api_keys where seller_id is not null
            union all
            select id, seller_id, merchant_id, livemode from endpoints where seller_id is not null
        ) each where not exists (
            select from sellers s where s.id = each.seller_id
               and s.merchant_id = each.merchant_id and s.livemode = each.livemode)
    """,
    # Refunds apart: these may leave less than nothing after a payment was settled.
    Breach.OVERSETTLED: """
        select right(account, -5) as seller_id, merchant_id, livemode from postings
         cross join lateral (values (credit, amount_cents), (debit, -amount_cents))
            as each (account, cents)
         where starts_with(account, 'owed:') and move <> 'owing_back'
         group by merchant_id, livemode, account having sum(cents) < 0
    """,
    Breach.POSTING_WITHOUT_PAYMENT: """
        select l.receipt, l.payment_id from postings l
         where l.payment_id is not null
           and not exists (select from payments p where p.id = l.payment_id)
    """,
    Breach.POSTING_UNCHAINED: """
        select l.receipt, l.payment_id from postings l
         where not exists (select from posting_links c where c.position = l.position)
           and (l.posted_at < %(before)s
                or not exists (select from unchained u where u.position = l.position))
    """,
    Breach.CHAIN_CUT: (
        "select merchant_id, coalesce(head.sequence, 0) as last, newest, " + _MODE
        + """ from posting_heads head full join (
            select merchant_id, livemode, max(sequence) as newest from posting_links
             group by merchant_id, livemode
        ) chained using (merchant_id, livemode)
         where coalesce(head.sequence, 0) <> coalesce(newest, 0)"""
    ),
    Breach.SUM_WRONG: (
        "select merchant_id, account, " + _MODE + """ from account_sums full join (
            select merchant_id, livemode, account, sum(debit_cents)::bigint as debit_cents,
                   sum(credit_cents)::bigint as credit_cents
              from postings join posting_links using (merchant_id, livemode, position)
             cross join lateral (values (debit, amount_cents, 0), (credit, 0, amount_cents))
                as each (account, debit_cents, credit_cents)
             group by merchant_id, livemode, account
        ) moved using (merchant_id, livemode, account)
         where (debits_cents, credits_cents) is distinct from (debit_cents, credit_cents)"""
    ),
    Breach.WITNESS_UNJUDGED: """
        select receipt, shortcode, source from witnesses
         where next_try_at is not null and heard_at < %(undecided_before)s
    """,
}

_QUARANTINED: LiteralString = """
    select payment_id, count(*) as callbacks from quarantine
     where payment_id is not null and released_at is null group by payment_id
"""

_PAYMENTS: LiteralString = "select " + COLUMNS + " from payments order by id"

_FACTS: LiteralString = """
    select payment_id, payment_id as subject_id, sequence, heard_at, kind, source, state, private,
           link
      from facts where payment_id = any(%(ids)s) order by payment_id, sequence, heard_at
"""

_EVENTS: LiteralString = """
    select id, merchant_id, livemode, name, sequence, subject_id, data
      from events where subject_id = any(%(ids)s) order by subject_id, position
"""


async def freeze(tx: Transaction) -> None:
    """Let everything that `tx` reads be as of one moment. Must be its first statement."""
    await tx.execute(_FREEZE)
    await tx.execute(_TAKE_TIME)


async def count(tx: Transaction) -> Counts:
    """Return how much there is to look at."""
    row = await tx.row(_COUNT)
    assert row is not None, "an aggregate without groups has one row"
    return Counts(**row)


async def breaches(
    tx: Transaction, which: Breach, *, late_before: datetime, moment: timedelta, limit: int,
) -> Found:
    """Return up to `limit` rows that break one rule, and how many do.

    A try that was due before `late_before` counts as forgotten; an endpoint that changed within
    `moment` of an event is not asked for its delivery.
    """
    statement: LiteralString = (
        "select found.*, count(*) over () as total from (" + _BREACHES[which] + ") found"
        " order by 1 limit %(limit)s"
    )
    rows = await tx.rows(statement, {
        "before": late_before, "undecided_before": late_before - UNDECIDED_MAX, "moment": moment,
        "limit": limit,
    })
    return Found(rows, rows[0]["total"] if rows else 0)


async def quarantined(tx: Transaction) -> dict[PaymentId, int]:
    """Return how many callbacks at each payment's own address are in quarantine."""
    rows = await tx.rows(_QUARANTINED)
    return {PaymentId(row["payment_id"]): row["callbacks"] for row in rows}


async def stories(tx: Transaction) -> AsyncGenerator[list[Story], None]:
    """Yield every payment with its facts and events, oldest first, some at a time.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    async with tx.connection.cursor(name="hakika_verify") as cursor:
        await cursor.execute(_PAYMENTS)
        while rows := await cursor.fetchmany(BATCH):
            ids = [row["id"] for row in rows]
            facts = by_subject(await tx.rows(_FACTS, {"ids": ids}))
            events = by_subject(await events_of(tx, ids))
            posted = by_subject(await ledger_invariants.of_payments(tx, ids))
            refunds = by_subject(await refund_invariants.of_payments(tx, ids))
            found = await sealers(tx, {row["merchant_id"] for row in rows})
            yield [
                _story(
                    row, facts[row["id"]], events[row["id"]], posted[row["id"]],
                    refunds[row["id"]], found.get(row["merchant_id"]),
                )
                for row in rows
            ]


async def events_of(tx: Transaction, subject_ids: Sequence[str]) -> list[DictRow]:
    """Return the events of some subjects, oldest first."""
    return await tx.rows(_EVENTS, {"ids": subject_ids})


async def sealers(tx: Transaction, merchant_ids: Collection[str]) -> dict[str, Sealer]:
    """Return what opens the rows of each merchant that has a data key."""
    found = {}
    for merchant_id in merchant_ids:
        with suppress(SealBroken):
            found[merchant_id] = await tx.sealer(merchant_id)
    return found


def by_subject(rows: list[DictRow]) -> dict[str, list[DictRow]]:
    """Return rows by what they are about."""
    grouped: dict[str, list[DictRow]] = defaultdict(list)
    for row in rows:
        grouped[row["subject_id"]].append(row)
    return grouped


def _story(
    row: DictRow, fact_rows: list[DictRow], event_rows: list[DictRow],
    posting_rows: list[DictRow], refund_rows: list[DictRow], sealer: Sealer | None,
) -> Story:
    payment_id = PaymentId(row["id"])
    postings = tuple(ledger_invariants.stored_posting(each) for each in posting_rows)
    refunds = refund_invariants.stored_refunds(refund_rows)
    if sealer is None:
        unread = tuple(each["sequence"] for each in fact_rows)
        return Story(payment_id, None, (), unread, (), postings, refunds)
    try:
        payment = payment_of(row, sealer)
    except UNREADABLE:
        payment = None
    facts = []
    unreadable = []
    for each in fact_rows:
        try:
            facts.append(_stored_fact(each, sealer))
        except UNREADABLE:
            unreadable.append(each["sequence"])
    told = tuple(stored_event(each, sealer) for each in event_rows)
    return Story(payment_id, payment, tuple(facts), tuple(unreadable), told, postings, refunds)


def _stored_fact(row: DictRow, sealer: Sealer) -> StoredFact:
    heard = heard_of(row, sealer)
    return StoredFact(
        fact_of(heard), heard.sequence, heard.heard_at, heard.state, heard.details, heard.link,
    )


def stored_event(row: DictRow, sealer: Sealer) -> StoredEvent:
    """Return the event of a row, opened if it can be."""
    try:
        data = opened_data(row["id"], row["data"], sealer)
    except UNREADABLE:
        data = None
    return StoredEvent(
        row["id"], row["merchant_id"], row["livemode"], row["name"], row["sequence"], data,
    )
