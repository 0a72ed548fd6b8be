"""Payouts: born, moved, read, and found when it is their turn.

A change is written by its caller's transaction, which holds the payout: money that goes out waits
for one row rather than racing for it. What names a person is sealed: `private`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow

from hakika.domain.ids import BatchId, MerchantId, PaymentId, PayoutId, SellerId
from hakika.domain.ledger import Posting
from hakika.domain.merchant import Owner
from hakika.domain.payout import Change, Payout, Purpose, State, Way
from hakika.store import ledger
from hakika.store.payout_rows import (
    HeardFact,
    fact_values,
    heard_of,
    payout_of,
    payout_values,
)
from hakika.store.transaction import Transaction

_ADD: LiteralString = """
    insert into payouts (id, merchant_id, livemode, way, purpose, state, amount_cents, private,
        payee_hash, shortcode_kind, shortcode, store_number, idempotency_key, fingerprint,
        created_by, held_for, released_by, payment_id, seller_id, batch_id, original_receipt,
        fee_returned_cents, attempts, doubtful, unprotected,
        conversation_id, originator_conversation_id, strength, disputed, lapsed, facts_count,
        facts_link, next_check_at, checks, created_at, updated_at)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(way)s, %(purpose)s, %(state)s,
        %(amount_cents)s, %(private)s, %(payee_hash)s, %(shortcode_kind)s, %(shortcode)s,
        %(store_number)s, %(idempotency_key)s, %(fingerprint)s, %(created_by)s, %(held_for)s,
        %(released_by)s, %(payment_id)s, %(seller_id)s, %(batch_id)s, %(original_receipt)s,
        %(fee_returned_cents)s, %(attempts)s, %(doubtful)s, %(unprotected)s,
        %(conversation_id)s, %(originator_conversation_id)s, %(strength)s, %(disputed)s,
        %(lapsed)s, %(facts_count)s, %(facts_link)s, %(next_check_at)s, %(checks)s,
        %(created_at)s, %(updated_at)s)
    on conflict on constraint payouts_once do nothing
    returning id
"""

_MOVE: LiteralString = """
    update payouts set state = %(state)s, private = %(private)s, released_by = %(released_by)s,
           attempts = %(attempts)s, doubtful = %(doubtful)s, unprotected = %(unprotected)s,
           conversation_id = %(conversation_id)s,
           originator_conversation_id = %(originator_conversation_id)s, receipt = %(receipt)s,
           amount_sent_cents = %(amount_sent_cents)s, decided_by = %(decided_by)s,
           strength = %(strength)s, failure_code = %(failure_code)s,
           failure_daraja_code = %(failure_daraja_code)s, failure_reason = %(failure_reason)s,
           retryable = %(retryable)s, disputed = %(disputed)s, lapsed = %(lapsed)s,
           facts_count = %(facts_count)s, facts_link = %(facts_link)s, asked_at = %(asked_at)s,
           next_check_at = %(next_check_at)s, checks = %(checks)s, updated_at = %(updated_at)s,
           completed_at = %(completed_at)s
     where id = %(id)s
"""

_FACT: LiteralString = """
    insert into payout_facts (payout_id, sequence, heard_at, kind, source, state, private, link)
    values (%(id)s, %(facts_count)s, %(heard_at)s, %(kind)s, %(source)s, %(state)s,
        %(fact_private)s, %(facts_link)s)
"""

_LOCK: LiteralString = "select * from payouts where id = %(id)s for update"

_READ: LiteralString = """
    select * from payouts
     where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_WITH_KEY: LiteralString = """
    select * from payouts where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and purpose = %(purpose)s and idempotency_key = %(key)s
"""

_FIND: LiteralString = """
    select * from payouts where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (purpose = 'refund') = %(refunds)s
       and (%(state)s::text[] is null or state = any(%(state)s))
       and (%(payment_id)s::text is null or payment_id = %(payment_id)s)
       and (%(before)s::text is null or id < %(before)s)
       and (%(seller_id)s::text is null or seller_id = %(seller_id)s)
     order by id desc limit %(limit)s
"""

_FACTS: LiteralString = """
    select * from payout_facts where payout_id = %(id)s order by sequence
"""

_OF_PAYMENT: LiteralString = """
    select * from payouts where payment_id = %(payment_id)s and purpose = 'refund' order by id
"""

# The keys of every stop that may stand before a payout (domain/stop.py).
STOPPED: LiteralString = """
    exists (select from payout_stops s where s.key in ('all',
        p.merchant_id || case when p.livemode then ':live' else ':test' end,
        p.merchant_id || case when p.livemode then ':live:' else ':test:' end || p.shortcode,
        p.batch_id))
"""

STOPPED_SELLER: LiteralString = """
    p.purpose = 'settlement' and exists (
        select from payout_stops s where s.key = p.seller_id)
"""

_IS_STOPPED: LiteralString = (
    "select " + STOPPED + " or " + STOPPED_SELLER
    + " as is_stopped from payouts p where id = %(id)s"
)

# What is ready waits in queues; of each the first is looked for in the index `payouts_ready`. A
# stop holds whole queues: ten thousand rows of a paused file are not looked at.
_QUEUES: LiteralString = (
    """
    with recursive p as (
        (select shortcode, livemode, way, coalesce(batch_id, '') as batch_id, merchant_id
           from payouts where state = 'ready'
          order by shortcode, livemode, way, coalesce(batch_id, ''), merchant_id limit 1)
        union all
        select further.* from p, lateral (
            select shortcode, livemode, way, coalesce(batch_id, ''), merchant_id
              from payouts n where state = 'ready'
               and (n.shortcode, n.livemode, n.way, coalesce(n.batch_id, ''), n.merchant_id)
                   > (p.shortcode, p.livemode, p.way, p.batch_id, p.merchant_id)
             order by shortcode, livemode, way, coalesce(batch_id, ''), merchant_id limit 1
        ) further
    )
    select * from p where exists (
        select from payouts n where state = 'ready' and n.shortcode = p.shortcode
           and n.livemode = p.livemode and n.way = p.way and coalesce(n.batch_id, '') = p.batch_id
           and n.merchant_id = p.merchant_id and n.next_check_at <= %(now)s) and not
""" + STOPPED + """
     order by batch_id
"""
)

# Held by moving its turn: whoever dies with it lets it be looked at again.
_TAKE_READY: LiteralString = """
    update payouts set next_check_at = %(lease)s where id in (
        select id from payouts p where state = 'ready' and shortcode = %(shortcode)s
           and livemode = %(livemode)s and way = %(way)s and coalesce(batch_id, '') = %(batch_id)s
           and merchant_id = %(merchant_id)s and next_check_at <= %(now)s
           and not (""" + STOPPED_SELLER + """)
         order by next_check_at limit %(limit)s for update skip locked)
    returning *
"""

# What waits for time alone.
_TAKE_HELD: LiteralString = """
    update payouts set next_check_at = %(lease)s where id in (
        select id from payouts where next_check_at <= %(now)s and state = 'held'
           and held_for = array[%(held_for)s]
         order by next_check_at limit %(limit)s for update skip locked)
    returning *
"""

_POSTPONE: LiteralString = """
    update payouts set next_check_at = %(until)s
     where id = %(id)s and state in ('ready', 'pending', 'unknown')
"""

_OWNER_OF: LiteralString = "select merchant_id, livemode from payouts where id = %(id)s"

# What is ready may be held by a worker that is about to send it: it is looked for again.
_HOLD_UNSENT: LiteralString = """
    select * from payouts where batch_id = %(batch_id)s and state = any(%(states)s)
     limit %(limit)s for update skip locked
"""

_TAKE_WATCHED: LiteralString = """
    update payouts set next_check_at = %(lease)s where id in (
        select id from payouts where next_check_at <= %(now)s and state = any(%(states)s)
         order by next_check_at limit %(limit)s for update skip locked)
    returning *
"""


# A person may still take these back.
WITHDRAWABLE = (State.HELD, State.READY)


class ReceiptTaken(Exception):
    """Another payout has this receipt already: one of the two cannot be true."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which payouts of a merchant and mode are listed."""

    states: Sequence[State] | None = None
    before: PayoutId | None = None
    refunds: bool = False                    # refunds alone, or all but them
    payment_id: PaymentId | None = None
    seller_id: SellerId | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """What is sent one after another: payouts of a merchant, short code, way and file."""

    merchant_id: MerchantId
    shortcode: str
    way: Way
    batch_id: BatchId        # empty: of no file
    livemode: bool


async def add(tx: Transaction, payout: Payout, fingerprint: bytes) -> bool:
    """Bear a payout; return False, with nothing written, when its idempotency key was used."""
    sealer = await tx.sealer(payout.merchant_id)
    row = await tx.row(_ADD, payout_values(payout, sealer) | {"fingerprint": fingerprint})
    return row is not None


async def add_many(
    tx: Transaction, changes: Sequence[Change], fingerprint: bytes, posted: Iterable[Posting],
) -> None:
    """Bear payouts of one merchant and mode, each with its first fact, in three exchanges.

    Their idempotency keys must be new: the caller holds what they are made of.
    """
    first = changes[0].after
    sealer = await tx.sealer(first.merchant_id)
    added = await tx.rows_of_each(_ADD, [
        payout_values(each.after, sealer) | {"fingerprint": fingerprint} for each in changes
    ])
    assert len(added) == len(changes), "a key of a file's row was used by another payout"
    await tx.rows_of_each(_FACT + " returning payout_id", [
        fact_values(each, sealer) for each in changes
    ])
    await ledger.add(
        tx, first.merchant_id, livemode=first.livemode, posted=posted, now=changes[0].heard_at,
    )


async def hold_unsent(tx: Transaction, batch_id: BatchId, *, limit: int) -> list[Payout]:
    """Return payouts of a file that were not sent, held until the transaction ends."""
    rows = await tx.rows(_HOLD_UNSENT, {
        "batch_id": batch_id, "states": [each.value for each in WITHDRAWABLE], "limit": limit,
    })
    return await _all(tx, rows)


async def apply(tx: Transaction, change: Change, posted: Iterable[Posting]) -> None:
    """Write a change of a payout that this transaction holds: its fact, and its postings.

    Raises:
        ReceiptTaken: another payout has this receipt. Roll back, and record a contradiction.
    """
    after = change.after
    sealer = await tx.sealer(after.merchant_id)
    try:
        await tx.execute(_MOVE, payout_values(after, sealer))
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "payouts_receipt_key":
            raise ReceiptTaken(after.receipt) from error
        raise
    await tx.execute(_FACT, fact_values(change, sealer))
    await ledger.add(
        tx, after.merchant_id, livemode=after.livemode, posted=posted, now=change.heard_at,
    )


async def lock(tx: Transaction, payout_id: PayoutId) -> Payout | None:
    """Return the payout, held until the transaction ends, or None."""
    return await _opened(tx, await tx.row(_LOCK, {"id": payout_id}))


async def read(
    tx: Transaction, payout_id: PayoutId, *, merchant_id: MerchantId, livemode: bool,
) -> Payout | None:
    """Return one payout of this merchant and mode, or None."""
    return await _opened(tx, await tx.row(
        _READ, {"id": payout_id, "merchant_id": merchant_id, "livemode": livemode},
    ))


async def with_key(
    tx: Transaction, key: str, *, purpose: Purpose, merchant_id: MerchantId, livemode: bool,
) -> tuple[Payout, bytes] | None:
    """Return the payout that an idempotency key made, and the fingerprint of its body, or None."""
    row = await tx.row(
        _WITH_KEY, {
            "merchant_id": merchant_id, "livemode": livemode, "purpose": purpose.value, "key": key,
        },
    )
    payout = await _opened(tx, row)
    return None if row is None or payout is None else (payout, bytes(row["fingerprint"]))


async def find(
    tx: Transaction, wanted: Wanted, *, merchant_id: MerchantId, livemode: bool, limit: int,
) -> list[Payout]:
    """Return up to `limit` payouts of this merchant and mode, newest first."""
    rows = await tx.rows(_FIND, {
        "merchant_id": merchant_id, "livemode": livemode, "before": wanted.before,
        "refunds": wanted.refunds, "payment_id": wanted.payment_id,
        "seller_id": wanted.seller_id,
        "state": None if wanted.states is None else [each.value for each in wanted.states],
        "limit": limit,
    })
    return await _all(tx, rows)


async def refunds_of(tx: Transaction, payment_id: PaymentId) -> list[Payout]:
    """Return the refunds of a payment, oldest first."""
    return await _all(tx, await tx.rows(_OF_PAYMENT, {"payment_id": payment_id}))


async def facts(tx: Transaction, payout: Payout) -> list[HeardFact]:
    """Return all facts of a payout, oldest first."""
    sealer = await tx.sealer(payout.merchant_id)
    return [heard_of(row, sealer) for row in await tx.rows(_FACTS, {"id": payout.id})]


async def is_stopped(tx: Transaction, payout_id: PayoutId) -> bool:
    """Say whether a stop stands before this payout."""
    row = await tx.row(_IS_STOPPED, {"id": payout_id})
    return bool(row and row["is_stopped"])


async def queues(tx: Transaction, *, now: datetime) -> list[Queue]:
    """Return the queues in which something is to be sent now and that no stop holds.

    Files come last, so that a single payout does not wait for ten thousand others.
    """
    return [
        Queue(
            MerchantId(row["merchant_id"]), row["shortcode"], Way(row["way"]),
            BatchId(row["batch_id"]), row["livemode"],
        ) for row in await tx.rows(_QUEUES, {"now": now})
    ]


async def take_ready(
    tx: Transaction, queue: Queue, *, now: datetime, lease: datetime, limit: int,
) -> list[Payout]:
    """Return payouts of a queue that are to be sent now; theirs is `lease` then."""
    rows = await tx.rows(_TAKE_READY, {
        "merchant_id": queue.merchant_id, "shortcode": queue.shortcode, "way": queue.way.value,
        "batch_id": queue.batch_id, "livemode": queue.livemode,
        "now": now, "lease": lease, "limit": limit,
    })
    return await _all(tx, rows)


async def take_held(
    tx: Transaction, held_for: str, *, now: datetime, lease: datetime, limit: int,
) -> list[Payout]:
    """Return payouts that waited for this alone, and have; theirs is `lease` then."""
    rows = await tx.rows(
        _TAKE_HELD, {"held_for": held_for, "now": now, "lease": lease, "limit": limit},
    )
    return await _all(tx, rows)


async def owner_of(tx: Transaction, payout_id: PayoutId) -> Owner | None:
    """Return whose a payout is, or None: there is no such payout."""
    row = await tx.row(_OWNER_OF, {"id": payout_id})
    return None if row is None else Owner(MerchantId(row["merchant_id"]), row["livemode"])


async def postpone(tx: Transaction, payout_id: PayoutId, *, until: datetime) -> None:
    """Let a payout that is to be sent or looked at, and is not settled, wait until then."""
    await tx.execute(_POSTPONE, {"id": payout_id, "until": until})


async def take_watched(
    tx: Transaction, states: Iterable[State], *, now: datetime, lease: datetime, limit: int,
) -> list[Payout]:
    """Return payouts in one of `states` that are to be looked at; theirs is `lease` then."""
    rows = await tx.rows(_TAKE_WATCHED, {
        "states": [each.value for each in states], "now": now, "lease": lease, "limit": limit,
    })
    return await _all(tx, rows)


async def _all(tx: Transaction, rows: Sequence[DictRow]) -> list[Payout]:
    return [payout_of(row, await tx.sealer(row["merchant_id"])) for row in rows]


async def _opened(tx: Transaction, row: dict[str, Any] | None) -> Payout | None:
    return None if row is None else payout_of(row, await tx.sealer(row["merchant_id"]))
