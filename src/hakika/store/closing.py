"""The closings of days, and what is still to be closed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.checkpoint import Checkpoint, Signed
from hakika.domain.checkpoint import read as read_checkpoint
from hakika.domain.closing import Closing, Result, Span
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.store.days import ToldBalance
from hakika.store.transaction import Transaction

# When a merchant's books began: before that no day is theirs.
_BEGAN: LiteralString = """
    select least(
        (select min(happened_at) from postings
          where merchant_id = %(merchant_id)s and livemode = %(livemode)s),
        (select min(first_at) from statements
          where merchant_id = %(merchant_id)s and livemode = %(livemode)s),
        (select min(p.created_at) from watermarks join providers p on p.id = provider_id
          where p.merchant_id = %(merchant_id)s and p.livemode = %(livemode)s)) as began
"""

_OWNERS: LiteralString = """
    select merchant_id, livemode from posting_heads
    union
    select p.merchant_id, p.livemode from watermarks join providers p on p.id = provider_id
    union
    select distinct merchant_id, livemode from statements
    order by 1, 2
"""


# Accounts whose books have not begun, and what M-Pesa told of them in some time, first.
_UNOPENED: LiteralString = """
    select distinct on (account) account, at, cents, is_exact from (
        select account, first_at as at, opening_cents as cents, true as is_exact from statements
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and opening_cents is not null
           and first_at >= %(start)s and first_at < %(end)s
        union all
        select account, observed_at, amount_cents, false from balances
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s and source = 'balance'
           and observed_at >= %(start)s and observed_at < %(end)s
    ) as told
     where not exists (
        select from balances b where b.merchant_id = %(merchant_id)s
           and b.livemode = %(livemode)s and b.account = told.account and b.source = 'opening')
     order by account, at
"""

_OPENED: LiteralString = """
    select account, observed_at from balances
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and source = 'opening'
"""

# Once for each account, over all that came before.
_MOVED_BEFORE: LiteralString = """
    select coalesce(sum(case when debit = %(account)s then amount_cents else -amount_cents end), 0)
               ::bigint as cents
      from postings
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and happened_at < %(at)s
       and (debit = %(account)s or credit = %(account)s)
"""

_MARK_OPENED: LiteralString = """
    insert into balances (merchant_id, livemode, shortcode, account, observed_at, source,
        amount_cents)
    values (%(merchant_id)s, %(livemode)s, %(shortcode)s, %(account)s, %(at)s, 'opening', %(cents)s)
    on conflict do nothing
"""


_CLOSINGS: LiteralString = """
    select number, day, result, sequence, closed_at, checkpoint, signature, public_key, summary
      from day_closings
"""

_NEWEST: LiteralString = (
    _CLOSINGS + """
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
     order by number desc limit 1
"""
)

_OF_DAY: LiteralString = (
    _CLOSINGS + """
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and day = %(day)s
     order by number desc limit 1
"""
)

_DAYS: LiteralString = (
    "select * from (select distinct on (day) * from (" + _CLOSINGS + """
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::date is null or day < %(before)s)
    ) as each order by day desc, number desc) as newest order by day desc limit %(limit)s
"""
)

# Days whose newest closing is of before tonight, and red, or of which something was heard since: a
# posting, a statement, a witness, a balance.
_AGAIN: LiteralString = """
    select day from (
        select distinct on (day) day, result, sequence, closed_at from day_closings
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s and day >= %(first)s
         order by day, number desc
    ) as newest
      cross join lateral (select (day::timestamp at time zone 'Africa/Nairobi') as starts,
                                 ((day + 1)::timestamp at time zone 'Africa/Nairobi') as ends)
     where closed_at < %(tonight)s and (result = 'red' or exists (
        select from postings join posting_links l using (merchant_id, livemode, position)
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and happened_at >= starts and happened_at < ends and l.sequence > newest.sequence)
      or exists (
        select from statements where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and imported_at >= closed_at and coalesce(starts_at, first_at) < ends
           and coalesce(ends_at, last_at) >= starts)
      or exists (
        select from witnesses where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and happened_at >= starts and happened_at < ends and heard_at >= closed_at)
      or exists (
        select from balances where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and source = 'balance' and observed_at >= ends and observed_at >= closed_at
           and observed_at < ends + interval '12 hours'))
     order by day
"""

_CLOSED: LiteralString = """
    select distinct day from day_closings
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and day >= %(first)s
"""

_ADD: LiteralString = """
    insert into day_closings (merchant_id, livemode, number, day, result, sequence, closed_at,
        checkpoint, signature, public_key, summary)
    values (%(merchant_id)s, %(livemode)s, %(number)s, %(day)s, %(result)s, %(sequence)s,
        %(closed_at)s, %(checkpoint)s, %(signature)s, %(public_key)s, %(summary)s)
    on conflict do nothing returning number
"""


async def owners(tx: Transaction) -> list[Owner]:
    """Return every merchant and mode that has anything to close."""
    return [
        Owner(MerchantId(row["merchant_id"]), row["livemode"]) for row in await tx.rows(_OWNERS)
    ]


async def closed(tx: Transaction, owner: Owner, first: date) -> set[date]:
    """Return every day since `first` that was ever closed."""
    return {row["day"] for row in await tx.rows(_CLOSED, _whose(owner) | {"first": first})}


async def unopened(tx: Transaction, owner: Owner, span: Span) -> list[ToldBalance]:
    """Return the accounts whose books have not begun, with what M-Pesa told first in a time."""
    return [
        ToldBalance(row["account"], row["at"], Money(row["cents"]), row["is_exact"])
        for row in await tx.rows(_UNOPENED, _whose(owner) | {
            "start": span.start, "end": span.end,
        })
    ]


async def moved_before(tx: Transaction, owner: Owner, opened: ToldBalance) -> Money:
    """Return debits less credits of an account before its books begin."""
    row = await tx.row(_MOVED_BEFORE, _whose(owner) | {"account": opened.account, "at": opened.at})
    assert row is not None, "a sum is always there"
    return Money(row["cents"])


async def began(tx: Transaction, owner: Owner) -> datetime | None:
    """Return when a merchant's books began, or None: they have not."""
    row = await tx.row(_BEGAN, _whose(owner))
    return row["began"] if row else None


async def opened(tx: Transaction, owner: Owner) -> dict[str, datetime]:
    """Return since when the books of accounts have begun, by account."""
    return {row["account"]: row["observed_at"] for row in await tx.rows(_OPENED, _whose(owner))}


async def mark_opened(tx: Transaction, owner: Owner, opened: ToldBalance) -> None:
    """Note that the books of an account have begun."""
    await tx.execute(_MARK_OPENED, _whose(owner) | {
        "shortcode": opened.account.split(":")[1], "account": opened.account, "at": opened.at,
        "cents": opened.balance.cents,
    })


async def newest(tx: Transaction, owner: Owner) -> Closing | None:
    """Return the newest closing of any day."""
    row = await tx.row(_NEWEST, _whose(owner))
    return None if row is None else closing_of(row)


async def of_day(tx: Transaction, owner: Owner, day: date) -> Closing | None:
    """Return the newest closing of a day: the one that counts."""
    row = await tx.row(_OF_DAY, _whose(owner) | {"day": day})
    return None if row is None else closing_of(row)


async def days(
    tx: Transaction, owner: Owner, *, before: date | None, limit: int,
) -> list[Closing]:
    """Return up to `limit` days by their newest closing, the last day first."""
    found = await tx.rows(_DAYS, _whose(owner) | {"before": before, "limit": limit})
    return [closing_of(row) for row in found]


async def to_close_again(
    tx: Transaction, owner: Owner, *, first: date, tonight: datetime,
) -> list[date]:
    """Return the days since `first` that a closing of tonight may tell something new of."""
    found = await tx.rows(_AGAIN, _whose(owner) | {"first": first, "tonight": tonight})
    return [row["day"] for row in found]


async def add(tx: Transaction, owner: Owner, closing: Closing) -> bool:
    """Keep a closing; False when another took its number."""
    return await tx.row(_ADD, _whose(owner) | {
        "number": closing.number, "day": closing.day, "result": closing.result.value,
        "sequence": closing.sequence, "closed_at": closing.closed_at,
        "checkpoint": closing.signed.checkpoint.written(),
        "signature": closing.signed.signature, "public_key": closing.signed.public_key,
        "summary": orjson.dumps(closing.summary, option=orjson.OPT_SORT_KEYS),
    }) is not None


def closing_of(row: Mapping[str, Any]) -> Closing:
    """Return the closing of one row."""
    checkpoint: Checkpoint = read_checkpoint(bytes(row["checkpoint"]))
    return Closing(
        row["number"], row["day"], Result(row["result"]), row["sequence"], row["closed_at"],
        Signed(checkpoint, bytes(row["signature"]), bytes(row["public_key"])),
        orjson.loads(bytes(row["summary"])),
    )


def _whose(owner: Owner) -> dict[str, Any]:
    return {"merchant_id": owner.merchant_id, "livemode": owner.livemode}


