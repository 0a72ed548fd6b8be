"""What a statement's lines do to the books: which are known, and what is posted of the others.

Read `filed`. Money that came in is never posted from here: it becomes a witness, which finds its
payment or makes one. Everything else that moved has no payment, and is posted as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from hakika.domain import msisdn
from hakika.domain.errors import Invalid
from hakika.domain.fact import Source
from hakika.domain.ids import MerchantId, PaymentId, PayoutId, StatementId
from hakika.domain.ledger import (
    CHARGES,
    PAYOUTS,
    REVERSED,
    SUSPENSE,
    TRANSFERS,
    Move,
    Posting,
)
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.shortcode import Shortcode
from hakika.domain.statement import LineKind, StatementHead, StatementLine, kind_of, name_of
from hakika.domain.witness import Witness


class Fate(StrEnum):
    """What came of a line."""

    MATCHED = "matched"            # a payment, or an order of ours, has this receipt and amount
    EXPLAINED = "explained"        # no payment: a charge, a payout, a reversal, a move of own money
    WAITING = "waiting"            # money that nobody told of: a payment is being made of it
    DIFFERS = "differs"            # the payment or order with this receipt is of another amount
    DOUBLED = "doubled"            # a line of its `Role` is there already
    UNEXPLAINED = "unexplained"    # its words say nothing to us
    FAILED = "failed"              # it was not completed: nothing moved


# In words, as a person of finance reads it beside the line.
REASONS: Mapping[Fate, str] = {
    Fate.MATCHED: "It is in the books, with this amount.",
    Fate.EXPLAINED: "It is no payment, and is in the books as what it is.",
    Fate.WAITING: "Nobody had told of this money. A payment is being made of it.",
    Fate.DIFFERS: "The payment or payout with this receipt has another amount.",
    Fate.DOUBLED: "A statement has this receipt more than once. It was booked once.",
    Fate.UNEXPLAINED: "Hakika does not know this kind of line. It is in suspense.",
    Fate.FAILED: "It was not completed, so nothing moved.",
}

# Which account stands on the other side of the float.
_BESIDE: Mapping[LineKind, tuple[Move, str]] = {
    LineKind.CHARGE: (Move.CHARGE, CHARGES),
    LineKind.PAYEE_CHARGE: (Move.PAYEE_CHARGE, CHARGES),
    LineKind.REVERSAL: (Move.REVERSAL, REVERSED),
    LineKind.PAYOUT: (Move.PAYOUT, PAYOUTS),
    LineKind.OTHER: (Move.UNEXPLAINED, SUSPENSE),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """Whose account a statement is of."""

    id: StatementId
    merchant_id: MerchantId
    livemode: bool
    shortcode: Shortcode
    account: str             # of the books: `float:600966:utility`


class Role(NamedTuple):
    """What a line may be once on an account: what comes in a second time is doubled."""

    receipt: str
    kind: LineKind
    name: str       # of a charge, of which one receipt may have several; of others nothing


@dataclass(frozen=True, slots=True)
class Held:
    """Money of one receipt in the books, and whose it is."""

    payment_id: PaymentId
    amount: Money


@dataclass(frozen=True, slots=True)
class Sent:
    """Money that we sent by a receipt: a payout or a refund, in the books already."""

    payout_id: PayoutId
    amount: Money
    payment_id: PaymentId | None      # that it gives back


@dataclass(frozen=True, slots=True)
class Filed:
    """A line that is new, and what follows from it."""

    line: StatementLine
    kind: LineKind
    fate: Fate
    payment_id: PaymentId | None = None
    posting: Posting | None = None
    witness: Witness | None = None


# What orders of ours leave on a statement.
_SENT = {LineKind.PAYOUT, LineKind.REVERSAL}

# Safaricom's price and the state's duty on it are two lines of one receipt and one kind.
_NAMED = {LineKind.CHARGE, LineKind.PAYEE_CHARGE, LineKind.OTHER}


def role(receipt: str, kind: LineKind, *, reason_type: str, details: str) -> Role:
    """Return what a line is on its account."""
    return Role(receipt, kind, name_of(reason_type, details) if kind in _NAMED else "")


def filed(
    sheet: Sheet, line: StatementLine, *, held: Mapping[str, Held], seen: Collection[Role],
    sent: Mapping[str, Sent],
) -> Filed:
    """Return what becomes of a line that no file told of before.

    `held` is what the books have of its receipt and of the one that it takes back; `seen` is what
    all completed lines of this account so far are; `sent` is what of these receipts we sent.
    """
    kind = kind_of(line)
    if not line.is_completed:
        return Filed(line, kind, Fate.FAILED)
    if role(line.receipt, kind, reason_type=line.reason_type, details=line.details) in seen:
        return Filed(line, kind, Fate.DOUBLED)
    if kind is LineKind.COLLECTION:
        return _collected(sheet, line, held.get(line.receipt))
    own = sent.get(line.receipt)
    if own is not None and kind in _SENT and line.amount.cents < 0:
        fate = Fate.MATCHED if own.amount.cents == -line.amount.cents else Fate.DIFFERS
        return Filed(line, kind, fate, own.payment_id)
    taken_back = held.get(line.linked_receipt)
    payment_id = taken_back.payment_id if taken_back else None
    fate = Fate.UNEXPLAINED if kind is LineKind.OTHER else Fate.EXPLAINED
    return Filed(line, kind, fate, payment_id, _posting(sheet, line, kind, payment_id))


def _collected(sheet: Sheet, line: StatementLine, held: Held | None) -> Filed:
    if held is not None and held.amount == line.amount:
        return Filed(line, LineKind.COLLECTION, Fate.MATCHED, held.payment_id)
    fate = Fate.WAITING if held is None else Fate.DIFFERS
    return Filed(
        line, LineKind.COLLECTION, fate, held.payment_id if held else None,
        witness=_witness(sheet, line),
    )


def _posting(
    sheet: Sheet, line: StatementLine, kind: LineKind, payment_id: PaymentId | None,
) -> Posting:
    if kind is LineKind.FLOAT_MOVE:
        move, beside = Move.TRANSFER_IN if line.paid_in else Move.TRANSFER_OUT, TRANSFERS
    else:
        move, beside = _BESIDE[kind]
    debit, credit = (sheet.account, beside) if line.paid_in else (beside, sheet.account)
    return Posting(
        move, debit=debit, credit=credit, amount=Money(abs(line.amount.cents)),
        shortcode=sheet.shortcode.number, receipt=line.receipt, payment_id=payment_id,
        happened_at=line.completed_at,
    )


def _witness(sheet: Sheet, line: StatementLine) -> Witness:
    number, _, name = line.other_party.partition(" - ")
    payer, masked = _payer(number)
    return Witness(
        Source.STATEMENT, sheet.merchant_id, sheet.livemode, sheet.shortcode, line.receipt,
        line.amount, line.completed_at, reference=line.account_reference, payer=payer,
        payer_masked=masked, payer_name=name, raw=line.details.encode(),
    )


def _payer(number: str) -> tuple[Msisdn | None, str]:
    """Return a number that is whole, or else as it is masked: a masked one is shown to people."""
    try:
        return msisdn.parse(number), ""
    except Invalid:
        return None, number


def ends(
    head: StatementHead, oldest: StatementLine, newest: StatementLine, *, is_in_time_order: bool,
) -> tuple[Money | None, Money | None]:
    """Return what lay on the account before the oldest line and after the newest, where it is told.

    By the lines' own balances only when somebody has not sorted them by something else than time.
    """
    before, after = head.opening, head.closing
    if is_in_time_order and before is None and oldest.balance is not None:
        moved = oldest.amount.cents if oldest.is_completed else 0
        before = Money(oldest.balance.cents - moved)
    if is_in_time_order and after is None:
        after = newest.balance
    return before, after


def is_newest_first(lines: tuple[StatementLine, ...]) -> bool:
    """Say whether a file tells of the newest line first, by its first lines.

    Lines of one minute may have the same time, of which Excel drops the seconds: then by balances.
    """
    if lines[0].completed_at != lines[-1].completed_at:
        return lines[0].completed_at > lines[-1].completed_at
    for one, other in pairwise(lines):
        if one.balance is None or other.balance is None:
            continue
        if other.balance.cents == one.balance.cents + other.amount.cents:
            return False
        if one.balance.cents == other.balance.cents + one.amount.cents:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Imported:
    """A statement that was imported. All times are UTC."""

    id: StatementId
    merchant_id: MerchantId
    livemode: bool
    shortcode: str
    account: str                     # `float:600966:utility`
    sha256: str
    file_kind: str
    lines: int                       # of the file
    starts_at: datetime | None       # its period, when the file tells it
    ends_at: datetime | None
    first_at: datetime               # of its lines
    last_at: datetime
    opening: Money | None            # what lay there before its first line
    closing: Money | None
    imported_at: datetime
    fates: Mapping[Fate, int]        # of the lines that were new
    again: bool = False              # the same file was imported before: nothing changed
