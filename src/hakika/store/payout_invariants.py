"""Everything that is stored about money that goes out, for `services/payout_invariants.py`.

As of payments: `invariants.py`. Call it within the same frozen picture.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import LiteralString

from psycopg.rows import DictRow

from hakika.domain.ids import PayoutId
from hakika.domain.payout_invariant import PayoutStory, StoredPayoutFact
from hakika.domain.payout_posting_invariant import StoredPayoutPosting
from hakika.store.invariants import (
    BATCH,
    UNREADABLE,
    Found,
    by_subject,
    events_of,
    sealers,
    stored_event,
)
from hakika.store.keyring import Sealer
from hakika.store.ledger import readable
from hakika.store.payout_rows import fact_of, heard_of, payout_of
from hakika.store.payouts import STOPPED, STOPPED_SELLER
from hakika.store.transaction import Transaction


class PayoutBreach(StrEnum):
    """A rule about many rows at once, named for what breaks it."""

    READY_FORGOTTEN = "ready_forgotten"
    RECEIPT_TWICE = "receipt_twice"
    KEY_TWICE = "key_twice"
    FACTS_WITHOUT_PAYOUT = "facts_without_payout"
    POSTING_WITHOUT_PAYOUT = "posting_without_payout"
    EVENT_WITHOUT_PAYOUT = "event_without_payout"
    EVENT_ASTRAY = "event_astray"
    PAYMENT_ASTRAY = "payment_astray"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows there are."""

    payouts: int
    refunds: int
    facts: int


_COUNT: LiteralString = """
    select count(*) as payouts, count(*) filter (where purpose = 'refund') as refunds,
           (select count(*) from payout_facts) as facts from payouts
"""

# Of which payout an event tells: a refund is known by its payout's id under another prefix.
_TOLD: LiteralString = """
    select e.*, 'pyo_' || split_part(e.subject_id, '_', 2) as payout_id from events e
     where starts_with(e.subject_id, 'pyo_') or starts_with(e.subject_id, 'ref_')
"""

_BREACHES: Mapping[PayoutBreach, LiteralString] = {
    # What is ready waits for those before it: only where nothing is sent any more is it forgotten.
    PayoutBreach.READY_FORGOTTEN: (
        "select p.id as payout_id from payouts p"
        " where p.state = 'ready' and p.next_check_at < %(before)s"
        " and not (" + STOPPED + ") and not (" + STOPPED_SELLER + ")"
        """ and not exists (
            select from payouts other where other.merchant_id = p.merchant_id
               and other.livemode = p.livemode and other.shortcode = p.shortcode
               and other.updated_at >= %(before)s and other.asked_at >= %(before)s)
    """),
    PayoutBreach.RECEIPT_TWICE: """
        select receipt, shortcode, string_agg(id, ', ' order by id) as payout_ids
          from payouts where receipt is not null
         group by receipt, shortcode, livemode having count(*) > 1
    """,
    PayoutBreach.KEY_TWICE: """
        select string_agg(id, ', ' order by id) as payout_ids, merchant_id from payouts
         group by merchant_id, livemode, purpose, idempotency_key having count(*) > 1
    """,
    PayoutBreach.FACTS_WITHOUT_PAYOUT: """
        select payout_id, count(*) as facts from payout_facts f
         where not exists (select from payouts p where p.id = f.payout_id) group by payout_id
    """,
    PayoutBreach.POSTING_WITHOUT_PAYOUT: """
        select l.receipt as payout_id, l.move from postings l
         where starts_with(l.receipt, 'pyo_')
           and not exists (select from payouts p where p.id = l.receipt)
    """,
    PayoutBreach.EVENT_WITHOUT_PAYOUT: (
        "select told.id as event_id, payout_id from (" + _TOLD + ") told"
        " where not exists (select from payouts p where p.id = payout_id)"
    ),
    PayoutBreach.EVENT_ASTRAY: (
        "select told.id as event_id, payout_id from (" + _TOLD + ") told"
        """ join payouts p on p.id = payout_id
         where (told.merchant_id, told.livemode) <> (p.merchant_id, p.livemode)
            or told.seller_id is distinct from p.seller_id
            or starts_with(told.subject_id, 'ref_') <> (p.purpose = 'refund')
    """),
    PayoutBreach.PAYMENT_ASTRAY: """
        select p.id as payout_id, p.payment_id from payouts p
         where p.payment_id is not null and not exists (
            select from payments t where t.id = p.payment_id and t.merchant_id = p.merchant_id
               and t.livemode = p.livemode and t.seller_id is not distinct from p.seller_id)
    """,
}

_PAYOUTS: LiteralString = """
    select *, case purpose when 'refund' then 'ref' || substr(id, 4) else id end as told_as
      from payouts order by id
"""

_FACTS: LiteralString = """
    select *, payout_id as subject_id from payout_facts
     where payout_id = any(%(ids)s) order by payout_id, sequence, heard_at
"""

_POSTINGS: LiteralString = """
    select * from postings where receipt = any(%(receipts)s) order by position
"""


async def count(tx: Transaction) -> Counts:
    """Return how much there is to look at."""
    row = await tx.row(_COUNT)
    assert row is not None, "an aggregate without groups has one row"
    return Counts(**row)


async def breaches(
    tx: Transaction, which: PayoutBreach, *, late_before: datetime, limit: int,
) -> Found:
    """Return up to `limit` rows that break one rule, and how many do.

    What was ready before `late_before`, with nothing sent since, counts as forgotten.
    """
    statement: LiteralString = (
        "select found.*, count(*) over () as total from (" + _BREACHES[which] + ") found"
        " order by 1 limit %(limit)s"
    )
    rows = await tx.rows(statement, {"before": late_before, "limit": limit})
    return Found(rows, rows[0]["total"] if rows else 0)


async def stories(tx: Transaction) -> AsyncGenerator[list[PayoutStory], None]:
    """Yield every payout with its facts, events and postings, oldest first, some at a time.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    async with tx.connection.cursor(name="hakika_verify_payouts") as cursor:
        await cursor.execute(_PAYOUTS)
        while rows := await cursor.fetchmany(BATCH):
            facts = by_subject(await tx.rows(_FACTS, {"ids": [row["id"] for row in rows]}))
            events = by_subject(await events_of(tx, [row["told_as"] for row in rows]))
            posted = await _postings(tx, rows)
            found = await sealers(tx, {row["merchant_id"] for row in rows})
            yield [
                _story(
                    row, facts[row["id"]], events[row["told_as"]], posted[row["id"]],
                    found.get(row["merchant_id"]),
                )
                for row in rows
            ]


async def _postings(tx: Transaction, rows: list[DictRow]) -> dict[str, list[DictRow]]:
    """Return the postings under each payout's id and under its receipt, by payout."""
    receipts = {row["id"]: {row["id"], row["receipt"]} - {None} for row in rows}
    found = await tx.rows(_POSTINGS, {"receipts": [
        receipt for several in receipts.values() for receipt in several
    ]})
    by_receipt = by_subject([each | {"subject_id": each["receipt"]} for each in found])
    return {
        payout_id: [each for receipt in several for each in by_receipt[receipt]]
        for payout_id, several in receipts.items()
    }


def _story(
    row: DictRow, fact_rows: list[DictRow], event_rows: list[DictRow],
    posting_rows: list[DictRow], sealer: Sealer | None,
) -> PayoutStory:
    payout_id = PayoutId(row["id"])
    if sealer is None:
        return PayoutStory(payout_id, None)
    try:
        payout = payout_of(row, sealer)
    except UNREADABLE:
        return PayoutStory(payout_id, None)
    facts, unreadable = [], []
    for each in fact_rows:
        try:
            facts.append(_stored_fact(each, sealer))
        except UNREADABLE:
            unreadable.append(each["sequence"])
    return PayoutStory(
        payout_id, payout, tuple(facts), tuple(unreadable),
        tuple(stored_event(each, sealer) for each in event_rows),
        tuple(
            StoredPayoutPosting(
                readable(each), each["receipt"], each["merchant_id"], each["livemode"],
                is_stated=each["line"] is not None,
            )
            for each in posting_rows if each["livemode"] == row["livemode"]
            or each["receipt"] == row["id"]
        ),
    )


def _stored_fact(row: DictRow, sealer: Sealer) -> StoredPayoutFact:
    heard = heard_of(row, sealer)
    return StoredPayoutFact(
        fact_of(heard), heard.sequence, heard.heard_at, heard.state, heard.details, heard.link,
    )
