"""Everything about one merchant's day: what each side says of it, in one frozen picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from hakika.domain.closing import Charged, Row, Span, Taken
from hakika.domain.discrepancy import Kind
from hakika.domain.ids import PaymentId
from hakika.domain.ledger import FIRST_LINK, Posted
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.reported import Movement
from hakika.store.ledger import posted_of
from hakika.store.transaction import Transaction

_FREEZE: LiteralString = "set transaction isolation level repeatable read"

_PATIENT: LiteralString = "set local statement_timeout = '300s'"

_SHORTCODES: LiteralString = """
    select shortcode from postings where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and happened_at >= %(start)s and happened_at < %(end)s
    union
    select shortcode from witnesses where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and happened_at >= %(start)s and happened_at < %(end)s
    union
    select shortcode from statements where merchant_id = %(merchant_id)s
       and livemode = %(livemode)s and last_at >= %(start)s and first_at < %(end)s
    union
    select shortcode from providers where merchant_id = %(merchant_id)s
       and livemode = %(livemode)s and created_at < %(end)s
    order by 1
"""

# Every receipt of the day in anybody's words, and what each of them says of it on whatever day.
_ROWS: LiteralString = """
    with told as (
        select receipt, min(happened_at) as happened_at from (
            select receipt, happened_at from postings
             where merchant_id = %(merchant_id)s and livemode = %(livemode)s
               and happened_at >= %(start)s and happened_at < %(end)s
               and shortcode = %(shortcode)s and move in ('collection', 'correction')
            union all
            select receipt, happened_at from witnesses
             where merchant_id = %(merchant_id)s and livemode = %(livemode)s
               and happened_at >= %(start)s and happened_at < %(end)s
               and shortcode = %(shortcode)s
            union all
            select receipt, completed_at from statement_lines
             where merchant_id = %(merchant_id)s and livemode = %(livemode)s
               and account = any(%(accounts)s) and kind = 'collection' and fate <> 'failed'
               and completed_at >= %(start)s and completed_at < %(end)s
        ) as each group by receipt
    )
    select told.receipt, coalesce(ours.happened_at, told.happened_at) as happened_at, ours.cents,
           ours.payment_id, witnessed.pulled, witnessed.told, witnessed.told_most, lines.line,
           lines.line_most, lines.count as lines, paid.id as paid_id
      from told
      left join lateral (
        select min(happened_at) filter (where move = 'collection') as happened_at,
               min(payment_id) as payment_id,
               sum(case when debit like 'float:%' then amount_cents else -amount_cents end)::bigint
                   as cents
          from postings p
         where p.receipt = told.receipt and p.shortcode = %(shortcode)s
           and p.livemode = %(livemode)s and p.merchant_id = %(merchant_id)s
           and move in ('collection', 'correction')
      ) ours on true
      left join lateral (
        select min(amount_cents) filter (where source = 'pull') as pulled,
               min(amount_cents) filter (where source not in ('pull', 'statement')) as told,
               max(amount_cents) filter (where source not in ('pull', 'statement')) as told_most
          from witnesses w
         where w.receipt = told.receipt and w.shortcode = %(shortcode)s
           and w.livemode = %(livemode)s and w.merchant_id = %(merchant_id)s
      ) witnessed on true
      left join lateral (
        select min(amount_cents) as line, max(amount_cents) as line_most, count(*)::int as count
          from statement_lines l
         where l.receipt = told.receipt and l.merchant_id = %(merchant_id)s
           and l.livemode = %(livemode)s and l.account = any(%(accounts)s)
           and l.kind = 'collection' and l.fate <> 'failed'
      ) lines on true
      left join lateral (
        select id from payments
         where ours.cents is null and payments.receipt = told.receipt
           and payments.merchant_id = %(merchant_id)s and payments.livemode = %(livemode)s limit 1
      ) paid on true
     order by told.receipt
"""

# What was taken back and not by us, what nobody understands, and what stands there twice. The
# payment may have been found, or made, after the line. A collection that is doubled is in _ROWS; a
# move of own money that was taken back is nobody's payment.
_TAKEN: LiteralString = """
    select kind, fate, line.receipt, line.amount_cents, linked_receipt,
           coalesce(line.payment_id, taken.payment_id) as payment_id
      from statement_lines line left join lateral (
        select payment_id from postings p
         where p.receipt = line.linked_receipt and p.merchant_id = line.merchant_id
           and p.livemode = line.livemode and p.move = 'collection' limit 1
      ) taken on true
     where line.merchant_id = %(merchant_id)s and line.livemode = %(livemode)s
       and account = any(%(accounts)s)
       and completed_at >= %(start)s and completed_at < %(end)s
       and (fate = 'unexplained' or fate = 'doubled' and kind <> 'collection'
            or kind = 'reversal' and fate = 'explained' and not exists (
                    select from payouts own where own.receipt = line.receipt
                       and own.merchant_id = line.merchant_id and own.livemode = line.livemode)
            and (coalesce(line.payment_id, taken.payment_id) is not null
                 or line.amount_cents < 0 and not exists (
                    select from statement_lines own where own.receipt = line.linked_receipt
                       and own.merchant_id = line.merchant_id and own.livemode = line.livemode
                       and own.kind = 'float_move')))
     order by line.receipt
"""

# Paid, says a query, and nobody has told under which receipt.
_AWAITED: LiteralString = """
    select id, amount_cents from payments
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and state = 'receipt_awaited'
       and shortcode = %(shortcode)s and completed_at >= %(start)s and completed_at < %(end)s
     order by id
"""

# Collections of the day, each with the charge that has its receipt.
_CHARGED: LiteralString = """
    select paid.receipt, paid.amount_cents as collected, paid.payment_id,
           (select -sum(charge.amount_cents)::bigint from statement_lines charge
             where charge.receipt = paid.receipt and charge.merchant_id = paid.merchant_id
               and charge.livemode = paid.livemode and charge.account = any(%(accounts)s)
               and charge.kind = 'charge') as charge
      from statement_lines paid
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and account = any(%(accounts)s) and kind = 'collection'
       and fate not in ('failed', 'doubled')
       and completed_at >= %(start)s and completed_at < %(end)s
     order by receipt
"""

_PULLED: LiteralString = """
    select since, until from reconciliation_runs
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and shortcode = %(shortcode)s and source = 'pull' and error is null
       and until >= %(start)s and since < %(end)s
"""

_STATED: LiteralString = """
    select account, starts_at, ends_at from statements
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and shortcode = %(shortcode)s and starts_at is not null
       and ends_at >= %(start)s and starts_at < %(end)s
"""

_LAST_LINE: LiteralString = """
    select completed_at, balance_cents from statement_lines
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and account = %(account)s
       and completed_at < %(end)s and balance_cents is not null
     order by completed_at desc, ordinal desc limit 1
"""

_FIRST_BALANCE_AFTER: LiteralString = """
    select observed_at, amount_cents from balances
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and account = %(account)s
       and source = 'balance' and observed_at >= %(end)s
       and observed_at < %(end)s + interval '12 hours'
     order by observed_at limit 1
"""

# All that was ever moved, less what moved since: never a sum over the whole of the books.
_SUM_BEFORE: LiteralString = """
    select account, (total - coalesce(later, 0))::bigint as cents from (
        select account, debits_cents - credits_cents as total from account_sums
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
    ) as sums left join (
        select account, sum(cents) as later from postings
         cross join lateral (values (debit, amount_cents), (credit, -amount_cents))
            as each (account, cents)
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and happened_at >= %(at)s
           and exists (select from posting_links l where l.position = postings.position)
         group by account
    ) as moved using (account)
"""

_NEARBY: LiteralString = """
    select happened_at,
           case when debit = %(account)s then amount_cents else -amount_cents end as cents
      from postings
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and happened_at >= %(start)s and happened_at < %(end)s
       and (debit = %(account)s or credit = %(account)s) and move <> 'opening'
     order by happened_at, position
"""

_MOVED: LiteralString = """
    select move, count(*)::int as count, sum(amount_cents)::bigint as cents
      from postings join posting_links using (merchant_id, livemode, position)
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and happened_at >= %(start)s and happened_at < %(end)s and sequence <= %(sequence)s
     group by move order by move
"""

_MOVEMENTS: LiteralString = """
    select sequence, link, move, debit, credit, amount_cents, shortcode, receipt, payment_id,
           happened_at, posted_at
      from postings join posting_links using (merchant_id, livemode, position)
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and happened_at >= %(start)s and happened_at < %(end)s and sequence <= %(sequence)s
     order by sequence
"""

_HEAD: LiteralString = """
    select sequence, link from posting_heads
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

# Where the chain stood before anything of a day was in it.
_START: LiteralString = """
    select sequence from day_closings
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and closed_at < %(before)s
     order by number desc limit 1
"""

_LINK_AT: LiteralString = """
    select link from posting_links
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and sequence = %(sequence)s
"""

_CHAIN: LiteralString = """
    select sequence, link, move, debit, credit, amount_cents, shortcode, receipt, payment_id,
           happened_at, posted_at
      from posting_links left join postings using (merchant_id, livemode, position)
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and sequence > %(after)s
     order by sequence
"""


# A statement's end is still inside its period, and may have lost its seconds: 23:59.
_STILL_INSIDE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ToldBalance:
    """What M-Pesa said that lay on an account of the books, and when (UTC)."""

    account: str
    at: datetime
    balance: Money
    is_exact: bool = False    # a statement tells which movements are in it


async def frozen(tx: Transaction) -> None:
    """Let everything that `tx` reads be as of one moment. Must be its first statement."""
    await tx.execute(_FREEZE)
    await tx.execute(_PATIENT)


async def shortcodes(tx: Transaction, owner: Owner, span: Span) -> list[str]:
    """Return the short codes with which anything was, or would be heard of, in a day."""
    return [row["shortcode"] for row in await tx.rows(_SHORTCODES, _within(owner, span))]


async def rows(
    tx: Transaction, owner: Owner, span: Span, shortcode: str, accounts: Sequence[str],
) -> AsyncGenerator[Row, None]:
    """Yield every receipt of a short code's day, as each side has it.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    values = _within(owner, span) | {"shortcode": shortcode, "accounts": list(accounts)}
    async with aclosing(tx.walk("hakika_day", _ROWS, values)) as found:
        async for row in found:
            yield Row(
                row["receipt"], row["happened_at"], _money(row["cents"]), _money(row["pulled"]),
                _other(row, "told"), _other(row, "line"), row["lines"] or 0,
                _payment_id(row["payment_id"] or row["paid_id"]), row["paid_id"] is not None,
            )


async def taken(
    tx: Transaction, owner: Owner, span: Span, shortcode: str, accounts: Sequence[str],
) -> list[Taken]:
    """Return the lines and payments of a day that a person has to look at."""
    found = await tx.rows(_TAKEN, _within(owner, span) | {"accounts": list(accounts)})
    awaited = await tx.rows(_AWAITED, _within(owner, span) | {"shortcode": shortcode})
    return [*(_taken_of(row) for row in found), *(_awaited_of(row) for row in awaited)]


async def charged(
    tx: Transaction, owner: Owner, span: Span, accounts: Sequence[str],
) -> list[Charged]:
    """Return what statements say was charged for each collection of a day."""
    found = await tx.rows(_CHARGED, _within(owner, span) | {"accounts": list(accounts)})
    return [
        Charged(row["receipt"], Money(row["collected"]), _money(row["charge"]),
                _payment_id(row["payment_id"]))
        for row in found
    ]


async def pulled(tx: Transaction, owner: Owner, span: Span, shortcode: str) -> list[Span]:
    """Return from when to when M-Pesa's list of a short code was read whole, around a day."""
    found = await tx.rows(_PULLED, _within(owner, span) | {"shortcode": shortcode})
    return [Span(row["since"], row["until"]) for row in found]


async def stated(
    tx: Transaction, owner: Owner, span: Span, shortcode: str,
) -> dict[str, list[Span]]:
    """Return which times around a day statements cover, by account."""
    found: dict[str, list[Span]] = defaultdict(list)
    for row in await tx.rows(_STATED, _within(owner, span) | {"shortcode": shortcode}):
        found[row["account"]].append(Span(row["starts_at"], row["ends_at"] + _STILL_INSIDE))
    return found


async def last_line(
    tx: Transaction, owner: Owner, span: Span, account: str,
) -> ToldBalance | None:
    """Return what the last line up to a day's end leaves on an account, and when."""
    row = await tx.row(_LAST_LINE, _within(owner, span) | {"account": account})
    return None if row is None else ToldBalance(
        account, row["completed_at"], Money(row["balance_cents"]),
    )


async def first_balance_after(
    tx: Transaction, owner: Owner, span: Span, account: str,
) -> ToldBalance | None:
    """Return what M-Pesa answered first, after a day, that lies on an account, and when."""
    row = await tx.row(_FIRST_BALANCE_AFTER, _within(owner, span) | {"account": account})
    return None if row is None else ToldBalance(
        account, row["observed_at"], Money(row["amount_cents"]),
    )


async def balances_at(tx: Transaction, owner: Owner, at: datetime) -> dict[str, Money]:
    """Return debits less credits of each account by what had happened before `at`."""
    found = await tx.rows(_SUM_BEFORE, _whose(owner) | {"at": at})
    return {row["account"]: Money(row["cents"]) for row in found}


async def moved_within(
    tx: Transaction, owner: Owner, span: Span, account: str,
) -> tuple[Movement, ...]:
    """Return what was moved on an account within a time, in its order."""
    found = await tx.rows(_NEARBY, _within(owner, span) | {"account": account})
    return tuple(Movement(row["happened_at"], row["cents"]) for row in found)


async def moved(
    tx: Transaction, owner: Owner, span: Span, *, sequence: int,
) -> list[tuple[str, int, Money]]:
    """Return, by move, how often and how much was moved in a day."""
    found = await tx.rows(_MOVED, _within(owner, span) | {"sequence": sequence})
    return [(row["move"], row["count"], Money(row["cents"])) for row in found]


async def movements(
    tx: Transaction, owner: Owner, span: Span, *, sequence: int,
) -> AsyncGenerator[Posted, None]:
    """Yield every posting of a day that was chained up to `sequence`, in order.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    values = _within(owner, span) | {"sequence": sequence}
    async with aclosing(tx.walk("hakika_movements", _MOVEMENTS, values)) as found:
        async for row in found:
            yield posted_of(row)


async def head(tx: Transaction, owner: Owner) -> tuple[int, bytes]:
    """Return the number and hash of the newest chained posting."""
    row = await tx.row(_HEAD, _whose(owner))
    return (0, FIRST_LINK) if row is None else (row["sequence"], bytes(row["link"]))


async def start(tx: Transaction, owner: Owner, before: datetime) -> tuple[int, bytes]:
    """Return where the chain stood at the last closing before a time."""
    row = await tx.row(_START, _whose(owner) | {"before": before})
    if row is None or not row["sequence"]:
        return 0, FIRST_LINK
    link = await tx.row(_LINK_AT, _whose(owner) | {"sequence": row["sequence"]})
    return (0, FIRST_LINK) if link is None else (row["sequence"], bytes(link["link"]))


async def chain_after(
    tx: Transaction, owner: Owner, sequence: int,
) -> AsyncGenerator[Posted, None]:
    """Yield every chained posting after a number, in order; without its posting when it is gone.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    values = _whose(owner) | {"after": sequence}
    async with aclosing(tx.walk("hakika_chain", _CHAIN, values)) as found:
        async for row in found:
            yield posted_of(row)


def _taken_of(row: Mapping[str, Any]) -> Taken:
    amount, receipt = Money(abs(row["amount_cents"])), row["receipt"]
    payment_id = _payment_id(row["payment_id"])
    if row["fate"] == "doubled":
        words = (
            f"The statement has the {row['kind'].replace('_', ' ')} of {amount} with receipt "
            f"{receipt} more than once. It was booked once."
        )
        subject = f"{row['kind']} {receipt} {amount}"
        return Taken(Kind.DOUBLED, subject, receipt, amount, words, payment_id)
    if row["kind"] == "reversal":
        whose = (
            f"It was of payment {payment_id}." if payment_id
            else "Nobody knows which payment it was of."
        )
        of = f" of receipt {row['linked_receipt']}" if row["linked_receipt"] else ""
        return Taken(
            Kind.REVERSED_OUTSIDE, receipt, receipt, amount,
            f"{amount}{of} was reversed on M-Pesa's portal, with receipt {receipt}. {whose}",
            payment_id,
        )
    way = "came in" if row["amount_cents"] > 0 else "went out"
    return Taken(
        Kind.UNEXPLAINED, f"{receipt} {amount}", receipt, amount,
        f"{amount} {way} with receipt {receipt}, in a kind of line that Hakika does not know. It "
        "is in suspense.",
    )


def _awaited_of(row: Mapping[str, Any]) -> Taken:
    amount = Money(row["amount_cents"])
    return Taken(
        Kind.AWAITING_RECEIPT, row["id"], "", amount,
        f"Payment {row['id']} of {amount} is paid, says a query, and nobody has told under which "
        "receipt. It is not in the books.", PaymentId(row["id"]),
    )


def _other(row: Mapping[str, Any], name: str) -> Money | None:
    """Return what one side says: of several amounts, one that is not what the books have."""
    least, most = row[name], row[f"{name}_most"]
    return _money(most if least == row["cents"] else least)


def _payment_id(text: str | None) -> PaymentId | None:
    return PaymentId(text) if text else None


def _money(cents: int | None) -> Money | None:
    return None if cents is None else Money(cents)


def _within(owner: Owner, span: Span) -> dict[str, Any]:
    return _whose(owner) | {"start": span.start, "end": span.end}


def _whose(owner: Owner) -> dict[str, Any]:
    return {"merchant_id": owner.merchant_id, "livemode": owner.livemode}
