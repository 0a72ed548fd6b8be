"""The books: postings, written with the change that makes them, and chained a little later.

`written` is a part of the statement that moves a payment (`store/payments.py`). `chain` gives
postings their numbers and hashes: not in a payment's own commit, where all payments of a merchant
would wait for each other, but whenever somebody needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.ledger import FIRST_LINK, OPENING, Move, Posted, Posting, link
from hakika.domain.money import Money
from hakika.store.transaction import Transaction

# The constraint by which one receipt makes each move once.
RECEIPT_KEY = "postings_receipt_key"

# So many are chained in one transaction.
CHAINED_MAX = 5_000

_COLUMNS: LiteralString = """
    move, debit, credit, amount_cents, shortcode, receipt, payment_id, happened_at, posted_at
"""

_WRITTEN: LiteralString = """
    , posted as (
        insert into postings (merchant_id, livemode, payment_id, posted_at, shortcode, receipt,
            happened_at, move, debit, credit, amount_cents)
        select merchant_id, livemode, id, %(heard_at)s, %(posting_shortcode)s,
            %(posting_receipt)s, %(happened_at)s, made.* from moved, (values
"""
_EACH: tuple[LiteralString, ...] = (
    "(%(move_1)s, %(debit_1)s, %(credit_1)s, %(amount_cents_1)s::bigint)",
    "(%(move_2)s, %(debit_2)s, %(credit_2)s, %(amount_cents_2)s::bigint)",
    "(%(move_3)s, %(debit_3)s, %(credit_3)s, %(amount_cents_3)s::bigint)",
    "(%(move_4)s, %(debit_4)s, %(credit_4)s, %(amount_cents_4)s::bigint)",
)
_UNCHAINED: LiteralString = """
            ) as made
        returning position, merchant_id, livemode
    ), to_chain as (
        insert into unchained (position, merchant_id, livemode)
        select position, merchant_id, livemode from posted
    )
"""

_OPEN: LiteralString = """
    with posted as (
        insert into postings (merchant_id, livemode, move, debit, credit, amount_cents, shortcode,
            receipt, happened_at, posted_at)
        values (%(merchant_id)s, %(livemode)s, %(move)s, %(debit)s, %(credit)s, %(cents)s,
            %(shortcode)s, %(receipt)s, %(at)s, %(now)s)
        on conflict do nothing
        returning position, merchant_id, livemode
    )
    insert into unchained (position, merchant_id, livemode)
    select position, merchant_id, livemode from posted
"""

_ADD: LiteralString = """
    with posted as (
        insert into postings (merchant_id, livemode, posted_at, move, debit, credit, amount_cents,
            shortcode, receipt, payment_id, happened_at)
        select %(merchant_id)s, %(livemode)s, %(now)s, each.* from unnest(
            %(moves)s::text[], %(debits)s::text[], %(credits)s::text[], %(cents)s::bigint[],
            %(shortcodes)s::text[], %(receipts)s::text[], %(payment_ids)s::text[],
            %(times)s::timestamptz[]) as each
        returning position, merchant_id, livemode
    )
    insert into unchained (position, merchant_id, livemode)
    select position, merchant_id, livemode from posted
"""

_IS_POSTED: LiteralString = """
    select exists (select from postings where receipt = %(receipt)s and shortcode = %(shortcode)s
        and livemode = %(livemode)s and move = %(move)s) as is_posted
"""

# What is chained, and what is committed and not chained yet, in one picture.
_BALANCE: LiteralString = """
    select coalesce((select credits_cents - debits_cents from account_sums
                      where merchant_id = %(merchant_id)s and livemode = %(livemode)s
                        and account = %(account)s), 0)
         + coalesce((select sum(case when credit = %(account)s then amount_cents
                                     else -amount_cents end)
                       from unchained join postings using (position)
                      where unchained.merchant_id = %(merchant_id)s
                        and unchained.livemode = %(livemode)s
                        and %(account)s in (debit, credit)), 0)::bigint as cents
"""

_WAITING: LiteralString = """
    select merchant_id, livemode from unchained group by merchant_id, livemode
     order by merchant_id, livemode
"""

_WAITS: LiteralString = """
    select exists (select from unchained
                    where merchant_id = %(merchant_id)s and livemode = %(livemode)s) as waits
"""

# Whoever chains holds the head; the others wait for it and then find nothing left to do.
_HEAD: LiteralString = """
    insert into posting_heads as head (merchant_id, livemode, sequence, link)
    values (%(merchant_id)s, %(livemode)s, 0, %(first)s)
    on conflict (merchant_id, livemode) do update set sequence = head.sequence
    returning sequence, link
"""

_TAKE: LiteralString = """
    with taken as (
        delete from unchained where ctid in (
            select ctid from unchained
             where merchant_id = %(merchant_id)s and livemode = %(livemode)s
             order by position limit %(limit)s
        ) returning position
    )
    select position,
""" + _COLUMNS + """
      from taken join postings using (position) order by position
"""

_CHAIN: LiteralString = """
    with linked as (
        insert into posting_links (merchant_id, livemode, sequence, position, link)
        select %(merchant_id)s, %(livemode)s, each.* from unnest(
            %(sequences)s::bigint[], %(positions)s::bigint[], %(links)s::bytea[]) as each
    ), summed as (
        insert into account_sums as before
            (merchant_id, livemode, account, debits_cents, credits_cents)
        select %(merchant_id)s, %(livemode)s, each.* from unnest(
            %(accounts)s::text[], %(debits)s::bigint[], %(credits)s::bigint[]) as each
        on conflict (merchant_id, livemode, account) do update
           set debits_cents = before.debits_cents + excluded.debits_cents,
               credits_cents = before.credits_cents + excluded.credits_cents
    )
    update posting_heads set sequence = %(sequence)s, link = %(link)s
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_AFTER: LiteralString = """
    select sequence, link,
""" + _COLUMNS + """
      from posting_links join postings using (merchant_id, livemode, position)
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and sequence > %(after)s
     order by sequence limit %(limit)s
"""

_SUMS: LiteralString = """
    select account, debits_cents, credits_cents from account_sums
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s order by account
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """All that was moved on an account."""

    account: str
    debits: Money
    credits: Money


def written(count: int) -> LiteralString:
    """Return the part of a payment's statement that writes `count` postings: 1 to 4."""
    return _WRITTEN + ", ".join(_EACH[:count]) + _UNCHAINED


def posting_values(postings: Sequence[Posting]) -> dict[str, Any]:
    """Return what that part is run with; all are of one receipt."""
    if not postings:
        return {}
    first = postings[0]
    values: dict[str, Any] = {
        "posting_shortcode": first.shortcode, "posting_receipt": first.receipt,
        "happened_at": first.happened_at,
    }
    for number, each in enumerate(postings, start=1):
        values |= {
            f"move_{number}": each.move.value, f"debit_{number}": each.debit,
            f"credit_{number}": each.credit, f"amount_cents_{number}": each.amount.cents,
        }
    return values


async def open_account(
    tx: Transaction, merchant_id: MerchantId, *, livemode: bool, account: str, amount: Money,
    at: datetime, now: datetime,
) -> None:
    """Let an account of M-Pesa's begin with what lay there; `amount` may be negative, or nothing.

    Once: a second time changes nothing.
    """
    if not amount.cents:
        return
    debit, credit = (account, OPENING) if amount.cents > 0 else (OPENING, account)
    await tx.execute(_OPEN, {
        "merchant_id": merchant_id, "livemode": livemode, "move": Move.OPENING.value,
        "debit": debit, "credit": credit, "cents": abs(amount.cents),
        "shortcode": account.split(":")[1], "receipt": f"{merchant_id}:{account}", "at": at,
        "now": now,
    })


async def add(
    tx: Transaction, merchant_id: MerchantId, *, livemode: bool, posted: Iterable[Posting],
    now: datetime,
) -> None:
    """Write postings of what is no payment; a payment's are written with its change."""
    several = list(posted)
    if not several:
        return
    await tx.execute(_ADD, {
        "merchant_id": merchant_id, "livemode": livemode, "now": now,
        "moves": [each.move.value for each in several],
        "debits": [each.debit for each in several], "credits": [each.credit for each in several],
        "cents": [each.amount.cents for each in several],
        "shortcodes": [each.shortcode for each in several],
        "receipts": [each.receipt for each in several],
        "payment_ids": [each.payment_id for each in several],
        "times": [each.happened_at for each in several],
    })


async def is_posted(
    tx: Transaction, *, receipt: str, shortcode: str, livemode: bool, move: Move,
) -> bool:
    """Say whether the books have this move of a receipt, whoever told of it."""
    row = await tx.row(_IS_POSTED, {
        "receipt": receipt, "shortcode": shortcode, "livemode": livemode, "move": move.value,
    })
    return bool(row and row["is_posted"])


async def credited(
    tx: Transaction, merchant_id: MerchantId, *, livemode: bool, account: str,
) -> Money:
    """Return credits less debits of an account by all that is committed, chained or not."""
    row = await tx.row(_BALANCE, {
        "merchant_id": merchant_id, "livemode": livemode, "account": account,
    })
    assert row is not None, "it selects one row, whatever there is"
    return Money(int(row["cents"]))


async def waiting(tx: Transaction) -> list[tuple[MerchantId, bool]]:
    """Return the merchants and modes that have postings to chain."""
    return [
        (MerchantId(row["merchant_id"]), row["livemode"]) for row in await tx.rows(_WAITING)
    ]


async def waits(tx: Transaction, merchant_id: MerchantId, *, livemode: bool) -> bool:
    """Say whether this merchant and mode has postings to chain."""
    row = await tx.row(_WAITS, {"merchant_id": merchant_id, "livemode": livemode})
    return bool(row and row["waits"])


async def chain(tx: Transaction, merchant_id: MerchantId, *, livemode: bool) -> int:
    """Give committed postings of this merchant and mode their numbers; return how many got one.

    Safe to call at any time, by anybody. When it returns CHAINED_MAX there may be more.
    """
    whose = {"merchant_id": merchant_id, "livemode": livemode}
    head = await tx.row(_HEAD, whose | {"first": FIRST_LINK})
    assert head is not None, "it is made when it is not there"
    sequence, before = int(head["sequence"]), bytes(head["link"])
    rows = await tx.rows(_TAKE, whose | {"limit": CHAINED_MAX})
    if not rows:
        return 0
    links: list[bytes] = []
    debits, credits_ = Counter[str](), Counter[str]()
    for row in rows:
        debits[row["debit"]] += row["amount_cents"]
        credits_[row["credit"]] += row["amount_cents"]
        before = link(
            posting_of(row), merchant_id=merchant_id, livemode=livemode,
            posted_at=row["posted_at"], sequence=sequence + len(links) + 1, before=before,
        )
        links.append(before)
    accounts = sorted(debits.keys() | credits_.keys())
    await tx.execute(_CHAIN, whose | {
        "sequences": list(range(sequence + 1, sequence + len(links) + 1)),
        "positions": [row["position"] for row in rows], "links": links,
        "sequence": sequence + len(links), "link": before, "accounts": accounts,
        "debits": [debits[each] for each in accounts],
        "credits": [credits_[each] for each in accounts],
    })
    return len(links)


async def after(
    tx: Transaction, sequence: int, *, merchant_id: MerchantId, livemode: bool, limit: int,
) -> list[Posted]:
    """Return up to `limit` chained postings that come after `sequence`, in order."""
    rows = await tx.rows(_AFTER, {
        "merchant_id": merchant_id, "livemode": livemode, "after": sequence, "limit": limit,
    })
    return [posted_of(row) for row in rows]


async def sums(tx: Transaction, merchant_id: MerchantId, *, livemode: bool) -> list[Sums]:
    """Return what was moved on each account of this merchant and mode by all that is chained."""
    rows = await tx.rows(_SUMS, {"merchant_id": merchant_id, "livemode": livemode})
    return [
        Sums(row["account"], Money(row["debits_cents"]), Money(row["credits_cents"]))
        for row in rows
    ]


def posted_of(row: Mapping[str, Any]) -> Posted:
    """Return a posting with its place in the chain; one that somebody spoilt, as unreadable."""
    unreadable, posting = "", None
    if row["move"] is not None:
        posting = readable(row)
        unreadable = "" if posting else row["receipt"]
    return Posted(row["sequence"], posting, row["posted_at"], bytes(row["link"]), unreadable)


def readable(row: Mapping[str, Any]) -> Posting | None:
    """Return the posting of one row, or None: it says what no posting says."""
    try:
        return posting_of(row)
    except ValueError:  # a move that is none of ours, or an amount below zero
        return None


def posting_of(row: Mapping[str, Any]) -> Posting:
    """Return the posting of one row."""
    return Posting(
        Move(row["move"]), debit=row["debit"], credit=row["credit"],
        amount=Money(row["amount_cents"]), shortcode=row["shortcode"], receipt=row["receipt"],
        payment_id=None if row["payment_id"] is None else PaymentId(row["payment_id"]),
        happened_at=row["happened_at"],
    )
