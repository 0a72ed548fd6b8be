"""Imported statements, and each of their lines once, in however many files it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.ids import MerchantId, PaymentId, PayoutId, StatementId
from hakika.domain.ledger import Posting
from hakika.domain.money import Money
from hakika.domain.statement import LineKind, StatementLine
from hakika.domain.statement_books import (
    Fate,
    Filed,
    Held,
    Imported,
    Role,
    Sent,
    Sheet,
    role,
)
from hakika.domain.witness import Witness
from hakika.store import witnesses
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

# Importing takes longer than any other transaction of ours, and nobody waits for its locks.
_PATIENT: LiteralString = "set local statement_timeout = '600s'"

# One import of an account at a time, and of a file: the second finds the first one's lines.
_HOLD: LiteralString = """
    select pg_advisory_xact_lock(hashtextextended(%(what)s, 0))
"""

_COLUMNS: LiteralString = """
    id, merchant_id, livemode, shortcode, account, sha256, file_kind, lines, starts_at, ends_at,
    first_at, last_at, opening_cents, closing_cents, fates, imported_at
"""

_ADD: LiteralString = (
    "insert into statements (" + _COLUMNS + """)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(shortcode)s, %(account)s, %(sha256)s,
        %(file_kind)s, %(lines)s, %(starts_at)s, %(ends_at)s, %(first_at)s, %(last_at)s,
        %(opening_cents)s, %(closing_cents)s, %(fates)s, %(imported_at)s)
"""
)

_SAME_FILE: LiteralString = (
    "select " + _COLUMNS + """ from statements
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and sha256 = %(sha256)s
"""
)

_READ: LiteralString = (
    "select " + _COLUMNS + """ from statements
     where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""
)

_LIST: LiteralString = (
    "select " + _COLUMNS + """ from statements
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::text is null or id < %(before)s)
     order by id desc limit %(limit)s
"""
)

# Looked up by receipts alone (`offset 0` keeps the rest out): while a table grows from nothing, as
# in a first import, PostgreSQL takes any index for as good as another, and may read all of it.
_SEEN: LiteralString = """
    select line.* from unnest(%(receipts)s::text[]) as each (receipt) cross join lateral (
        select receipt, identity, kind, fate, private, merchant_id, livemode, account
          from statement_lines l
         where l.receipt = each.receipt offset 0
     ) line
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and account = %(account)s
"""

# What a payment has got by a receipt is what its collection and corrections left on the float.
_HELD: LiteralString = """
    select receipt, min(payment_id) as payment_id,
           sum(case when debit like 'float:%' then amount_cents else -amount_cents end)::bigint
               as cents
      from postings
     where receipt = any(%(receipts)s) and shortcode = %(shortcode)s and livemode = %(livemode)s
       and merchant_id = %(merchant_id)s and move in ('collection', 'correction')
     group by receipt
"""

_SENT: LiteralString = """
    select receipt, id, amount_sent_cents, payment_id from payouts
     where receipt = any(%(receipts)s) and shortcode = %(shortcode)s and livemode = %(livemode)s
       and merchant_id = %(merchant_id)s and amount_sent_cents is not null and way <> 'outside'
"""

_COPY_LINES: LiteralString = """
    copy statement_lines (merchant_id, livemode, account, statement_id, identity, ordinal, place,
        receipt, kind, fate, completed_at, amount_cents, balance_cents, linked_receipt, payment_id,
        private) from stdin
"""

# No posting is left out in silence: one that cannot be made fails the whole import.
_POST: LiteralString = """
    with posted as (
        insert into postings (merchant_id, livemode, posted_at, shortcode, move, debit, credit,
            amount_cents, receipt, payment_id, happened_at, line)
        select %(merchant_id)s, %(livemode)s, %(now)s, %(shortcode)s, each.* from unnest(
            %(moves)s::text[], %(debits)s::text[], %(credits)s::text[], %(amounts)s::bigint[],
            %(receipts)s::text[], %(payment_ids)s::text[], %(happened)s::timestamptz[],
            %(lines)s::bytea[]) as each
        returning position, merchant_id, livemode
    )
    insert into unchained (position, merchant_id, livemode)
    select position, merchant_id, livemode from posted
"""

# A line that waited is matched once its payment is there; what it takes back may come later, too.
_LINES: LiteralString = """
    select place, receipt, kind, completed_at, amount_cents, balance_cents, linked_receipt,
           coalesce(line.payment_id, held.payment_id) as payment_id, private, identity,
           case when fate = 'waiting' and held.payment_id is not null then 'matched' else fate end
               as fate
      from statement_lines line left join lateral (
        select payment_id from postings
         where postings.receipt = case line.kind
                when 'collection' then line.receipt else line.linked_receipt end
           and postings.livemode = line.livemode
           and postings.merchant_id = line.merchant_id and move = 'collection' limit 1
      ) held on true
     where statement_id = %(id)s and place > %(after)s order by place limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a statement as it is kept, and what came of it by now."""

    place: int
    receipt: str
    kind: LineKind
    fate: Fate
    completed_at: datetime
    amount: Money
    balance: Money | None
    linked_receipt: str
    payment_id: PaymentId | None
    reason_type: str
    details: str
    other_party: str
    account_reference: str


async def hold(tx: Transaction, sheet: Sheet, sha256: str) -> None:
    """Be the only one who imports this file or into this account, to the end of the transaction."""
    await tx.execute(_PATIENT)
    await tx.execute(_HOLD, {"what": sheet.account})
    await tx.execute(_HOLD, {"what": f"{sheet.merchant_id} {sha256}"})


async def add(tx: Transaction, statement: Imported) -> None:
    """Keep a statement whose lines are kept."""
    await tx.execute(_ADD, {
        "id": statement.id, "merchant_id": statement.merchant_id, "livemode": statement.livemode,
        "shortcode": statement.shortcode, "account": statement.account,
        "sha256": statement.sha256, "file_kind": statement.file_kind, "lines": statement.lines,
        "starts_at": statement.starts_at, "ends_at": statement.ends_at,
        "first_at": statement.first_at, "last_at": statement.last_at,
        "opening_cents": _cents(statement.opening), "closing_cents": _cents(statement.closing),
        "fates": orjson.dumps(
            {fate.value: count for fate, count in statement.fates.items()},
        ).decode(),
        "imported_at": statement.imported_at,
    })


async def same_file(tx: Transaction, sheet: Sheet, sha256: str) -> Imported | None:
    """Return the statement of this very file, if it was imported before, of whichever account."""
    row = await tx.row(_SAME_FILE, _whose(sheet) | {"sha256": sha256})
    return None if row is None else _imported_of(row)


async def read(
    tx: Transaction, statement_id: StatementId, *, merchant_id: MerchantId, livemode: bool,
) -> Imported | None:
    """Return a statement of this merchant and mode, or None."""
    row = await tx.row(_READ, {
        "id": statement_id, "merchant_id": merchant_id, "livemode": livemode,
    })
    return None if row is None else _imported_of(row)


async def listed(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, before: StatementId | None,
    limit: int,
) -> list[Imported]:
    """Return up to `limit` statements of this merchant and mode, newest first."""
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    })
    return [_imported_of(row) for row in rows]


async def seen(
    tx: Transaction, sheet: Sheet, receipts: Sequence[str],
) -> tuple[set[bytes], set[Role]]:
    """Return of kept lines with these receipts the identities, and what completed ones are."""
    rows = await tx.rows(_SEEN, _whose(sheet) | {"receipts": receipts})
    sealer = await tx.sealer(sheet.merchant_id)
    return (
        {bytes(row["identity"]) for row in rows},
        {_role_of(row, sealer) for row in rows if row["fate"] != Fate.FAILED.value},
    )


async def held(tx: Transaction, sheet: Sheet, receipts: Sequence[str]) -> dict[str, Held]:
    """Return what the books have of these receipts, by receipt."""
    rows = await tx.rows(_HELD, _whose(sheet) | {
        "receipts": receipts, "shortcode": sheet.shortcode.number,
    })
    return {
        row["receipt"]: Held(PaymentId(row["payment_id"]), Money(row["cents"])) for row in rows
    }


async def sent(tx: Transaction, sheet: Sheet, receipts: Sequence[str]) -> dict[str, Sent]:
    """Return what of these receipts are payouts and refunds of ours, by receipt."""
    rows = await tx.rows(_SENT, _whose(sheet) | {
        "receipts": receipts, "shortcode": sheet.shortcode.number,
    })
    return {
        row["receipt"]: Sent(
            PayoutId(row["id"]), Money(row["amount_sent_cents"]),
            PaymentId(row["payment_id"]) if row["payment_id"] else None,
        ) for row in rows
    }


async def add_lines(
    tx: Transaction, sheet: Sheet, lines: Mapping[bytes, tuple[int, Filed]], *, now: datetime,
) -> None:
    """Keep lines that are new, and let follow what follows from them.

    By their identities; each with its ordinal.
    """
    if not lines:
        return
    sealer = await tx.sealer(sheet.merchant_id)
    await tx.copy(_COPY_LINES, (
        (
            sheet.merchant_id, sheet.livemode, sheet.account, sheet.id, known, ordinal,
            filed.line.place, filed.line.receipt, filed.kind.value, filed.fate.value,
            filed.line.completed_at, filed.line.amount.cents, _cents(filed.line.balance),
            filed.line.linked_receipt, filed.payment_id,
            sealer.seal(_place(known), _private(filed.line)),
        )
        for known, (ordinal, filed) in lines.items()
    ))
    await _post(
        tx, sheet, {known: filed.posting for known, (_, filed) in lines.items() if filed.posting},
        now=now,
    )
    heard: list[Witness] = [filed.witness for _, filed in lines.values() if filed.witness]
    if heard:
        await witnesses.add_many(tx, heard, now=now)


async def lines(
    tx: Transaction, statement: Imported, *, after: int, limit: int,
) -> list[Line]:
    """Return up to `limit` lines that this file was the first to tell of, in its order."""
    sealer = await tx.sealer(statement.merchant_id)
    rows = await tx.rows(_LINES, {"id": statement.id, "after": after, "limit": limit})
    return [_line_of(row, sealer) for row in rows]


def identity(line: StatementLine) -> bytes:
    """Return 16 bytes that are the same for one movement in whichever file it is met."""
    return hashlib.sha256(orjson.dumps(line.identity)).digest()[:16]


async def _post(
    tx: Transaction, sheet: Sheet, made: Mapping[bytes, Posting], *, now: datetime,
) -> None:
    if not made:
        return
    postings = made.values()
    await tx.execute(_POST, _whose(sheet) | {
        "shortcode": sheet.shortcode.number, "now": now,
        "moves": [each.move.value for each in postings],
        "debits": [each.debit for each in postings],
        "credits": [each.credit for each in postings],
        "amounts": [each.amount.cents for each in postings],
        "receipts": [each.receipt for each in postings],
        "payment_ids": [each.payment_id for each in postings],
        "happened": [each.happened_at for each in postings],
        "lines": [_line_key(sheet, known) for known in made],
    })


def _line_key(sheet: Sheet, known: bytes) -> bytes:
    """Return 16 bytes that one line of one account of one merchant has alone."""
    whose = f"{sheet.merchant_id} {sheet.account} ".encode()
    return hashlib.sha256(whose + known).digest()[:16]


def _role_of(row: Mapping[str, Any], sealer: Sealer) -> Role:
    reason_type, details, *_ = _opened(row, sealer)
    return role(row["receipt"], LineKind(row["kind"]), reason_type=reason_type, details=details)


def _whose(sheet: Sheet) -> dict[str, Any]:
    return {
        "merchant_id": sheet.merchant_id, "livemode": sheet.livemode, "account": sheet.account,
    }


def _cents(amount: Money | None) -> int | None:
    return None if amount is None else amount.cents


def _money(cents: int | None) -> Money | None:
    return None if cents is None else Money(cents)


def _place(known: bytes) -> str:
    return f"statement_lines.private {known.hex()}"


def _private(line: StatementLine) -> bytes:
    return orjson.dumps(
        [line.reason_type, line.details, line.other_party, line.account_reference],
    )


def _opened(row: Mapping[str, Any], sealer: Sealer) -> tuple[str, str, str, str]:
    """Return what `_private` made: the reason, the details, the other party, the reference."""
    found: tuple[str, str, str, str] = tuple(orjson.loads(
        sealer.open(_place(bytes(row["identity"])), row["private"]),
    ))
    return found


def _imported_of(row: Mapping[str, Any]) -> Imported:
    return Imported(
        StatementId(row["id"]), MerchantId(row["merchant_id"]), row["livemode"], row["shortcode"],
        row["account"], row["sha256"], row["file_kind"], row["lines"], row["starts_at"],
        row["ends_at"], row["first_at"], row["last_at"], _money(row["opening_cents"]),
        _money(row["closing_cents"]), row["imported_at"],
        {Fate(fate): count for fate, count in row["fates"].items()},
    )


def _line_of(row: Mapping[str, Any], sealer: Sealer) -> Line:
    reason_type, details, other_party, account_reference = _opened(row, sealer)
    return Line(
        row["place"], row["receipt"], LineKind(row["kind"]), Fate(row["fate"]),
        row["completed_at"], Money(row["amount_cents"]), _money(row["balance_cents"]),
        row["linked_receipt"], PaymentId(row["payment_id"]) if row["payment_id"] else None,
        reason_type, details, other_party, account_reference,
    )
