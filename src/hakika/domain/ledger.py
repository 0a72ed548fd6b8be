"""The books: which postings each change of a payment makes, and the chain that they are sealed in.

A posting moves an amount from one account to another: it debits one and credits the other. So no
set of postings can be out of balance, and the sum of all balances is zero. Read `postings`.

Nothing is posted without a receipt: M-Pesa's word that something was paid, without saying which
money that was, is on the payment and not in the books until the receipt is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from hakika.domain.fact import RECORDS
from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.payment import SETTLED, Change, Origin, Payment
from hakika.domain.payment_data import CURRENCY
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode
from hakika.domain.times import written

# What customers paid, and money that came or went and that nobody has explained yet.
COLLECTED, SUSPENSE = "collected", "suspense"

# Where money went that left: back to payers, to payees, to Safaricom.
REVERSED, PAYOUTS, CHARGES = "reversed", "payouts", "charges"

# What is promised to payees and still lies on the float, by float: `held:600966:utility`.
HELD = "held"

# The business's own money: moved between its accounts and its bank, and there before the books.
TRANSFERS, OPENING = "transfers", "opening"

# How far Safaricom's clock and ours may differ.
CLOCKS_DIFFER_MAX = timedelta(minutes=10)

# How late a confirmation may come of money that nobody asked for.
CONFIRMED_AFTER_MAX = timedelta(days=7)

# Of a platform: what of the collected is for sellers, the platform's own part of that, and by
# seller what it owes them: `owed:sel_…`.
SELLERS, FEES, OWED = "sellers", "fees", "owed"

FIRST_LINK = bytes(32)  # what the first posting of a merchant and mode is chained to


class Move(StrEnum):
    """Why money moved in the books. One receipt makes each once; of statements each line one."""

    COLLECTION = "collection"    # it came in
    CLEARING = "clearing"        # it was in suspense, and is explained now
    CORRECTION = "correction"    # the same receipt was of another amount than first told
    REVERSAL = "reversal"        # an earlier movement was taken back
    PAYOUT = "payout"            # the business paid somebody
    CHARGE = "charge"            # Safaricom's price for another movement
    PAYEE_CHARGE = "payee_charge"    # the price of a payee's withdrawal, paid along
    TRANSFER_IN = "transfer_in"      # from another account of the business's own, or its bank
    TRANSFER_OUT = "transfer_out"
    UNEXPLAINED = "unexplained"  # a line of a statement whose words say nothing to us
    OPENING = "opening"          # what lay there when the account was first looked at
    HOLD = "hold"                # set aside for an order that is about to be sent
    RELEASE = "release"          # the order ended without money
    FEE = "fee"                  # the platform's part of what a seller collected
    OWING = "owing"              # the rest of it, which is owed to the seller
    FEE_BACK = "fee_back"        # a refund of that takes back: of the fee
    OWING_BACK = "owing_back"    # and of what is owed


class Nature(StrEnum):
    """Which way an account's balance is counted, by the first part of its name."""

    DEBIT = "debit"
    CREDIT = "credit"


NATURES = {
    "float": Nature.DEBIT, COLLECTED: Nature.CREDIT, SUSPENSE: Nature.CREDIT,
    REVERSED: Nature.DEBIT, PAYOUTS: Nature.DEBIT, CHARGES: Nature.DEBIT,
    TRANSFERS: Nature.CREDIT, OPENING: Nature.CREDIT, HELD: Nature.CREDIT,
    SELLERS: Nature.DEBIT, FEES: Nature.CREDIT, OWED: Nature.CREDIT,
}


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount moved from the account `credit` to the account `debit`. Times are UTC."""

    move: Move
    debit: str
    credit: str
    amount: Money
    shortcode: str
    receipt: str
    payment_id: PaymentId | None     # None: of a statement's line that is of no payment
    happened_at: datetime        # by M-Pesa's clock where it told, else when we learnt of it


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting as it stands in the books, in its place of the chain."""

    sequence: int                # gap-free, from 1, for each merchant and mode
    posting: Posting | None      # None: its row is not there any more, or cannot be read
    posted_at: datetime
    link: bytes                  # the hash of this one and of the one before
    unreadable: str = ""         # the receipt in a row that is there, and says what no posting says


@dataclass(frozen=True, slots=True)
class Held:
    """Money of one receipt: the account that it is counted on beside the float, and how much."""

    place: str
    amount: Money


def float_account(shortcode: Shortcode) -> str:
    """Return the account of what collections leave at M-Pesa: `float:600966:utility`.

    A till calls it its merchant account.
    """
    place = "merchant" if shortcode.kind is ShortcodeKind.TILL else "utility"
    return f"float:{shortcode.number}:{place}"


# M-Pesa's names of a short code's accounts (daraja.md section 10), without case and spaces.
_PLACES = {
    "workingaccount": "working", "utilityaccount": "utility", "merchantaccount": "merchant",
    "chargespaidaccount": "charges",
}


# Those that collections go to.
COLLECTING = (":utility", ":merchant")


def float_accounts(number: str) -> list[str]:
    """Return the accounts of the books that a short code may have."""
    return [f"float:{number}:{place}" for place in sorted(_PLACES.values())]


def named_account(shortcode: Shortcode, name: str) -> str | None:
    """Return the account that M-Pesa calls `name`, or None: it has no place in the books."""
    place = _PLACES.get("".join(name.split()).lower())
    return f"float:{shortcode.number}:{place}" if place else None


def nature(account: str) -> Nature:
    """Return which way the balance of `account` is counted. Raises: KeyError, for none of ours."""
    return NATURES[account.partition(":")[0]]


def balance(account: str, *, debits: Money, credits_: Money) -> Money:
    """Return the balance of `account`, counted the way of its nature."""
    difference = debits.cents - credits_.cents
    return Money(difference if nature(account) is Nature.DEBIT else -difference)


def postings(change: Change) -> tuple[Posting, ...]:
    """Return what a change moves in the books: the difference between what it finds and leaves.

    At most four, of one receipt: a fact tells of no more.
    """
    before = held(change.before)
    return (
        *(
            posting for receipt, now in held(change.after).items()
            for posting in _moves(change, receipt, before.get(receipt), now)
        ),
        *(_divided(change) if is_divided(change.after) and not is_divided(change.before) else ()),
    )


def owed_account(seller_id: str) -> str:
    """Return the account of what a platform owes a seller."""
    return f"{OWED}:{seller_id}"


def is_divided(payment: Payment) -> bool:
    """Say whether what came in is divided between a seller and its platform: never in suspense."""
    return payment.seller_id is not None and (
        payment.state in SETTLED and payment.is_explained
    )


def held(payment: Payment) -> dict[str, Held]:
    """Return all money that arrived for a payment, by receipt.

    Money that completes its payment is collected. Any other is in suspense, the amount that came
    and never the one that was asked, until somebody explains it.
    """
    money = {receipt: Held(SUSPENSE, Money(cents)) for receipt, cents in payment.suspended}
    if payment.state in SETTLED:
        place = COLLECTED if payment.is_explained else SUSPENSE
        money[payment.receipt] = Held(place, payment.amount_received or payment.amount)
    return money


def _moves(change: Change, receipt: str, was: Held | None, now: Held) -> Iterator[Posting]:
    def posting(move: Move, *, debit: str, credit: str, cents: int) -> Posting:
        return _posting(change, receipt, move, debit=debit, credit=credit, amount=Money(cents))

    float_ = float_account(change.after.shortcode)
    if was is None:
        yield posting(Move.COLLECTION, debit=float_, credit=now.place, cents=now.amount.cents)
        return
    if was.place != now.place:
        yield posting(Move.CLEARING, debit=was.place, credit=now.place, cents=was.amount.cents)
    more = now.amount.cents - was.amount.cents
    if more:
        debit, credit = (float_, now.place) if more > 0 else (now.place, float_)
        yield posting(Move.CORRECTION, debit=debit, credit=credit, cents=abs(more))


def _divided(change: Change) -> Iterator[Posting]:
    payment = change.after
    assert payment.seller_id is not None, "nothing else is divided"
    for move, credit, amount in (
        (Move.FEE, FEES, payment.platform_fee),
        (Move.OWING, owed_account(payment.seller_id), payment.net_amount),
    ):
        if amount.cents:
            yield _posting(
                change, payment.receipt, move, debit=SELLERS, credit=credit, amount=amount,
            )


def _posting(
    change: Change, receipt: str, move: Move, *, debit: str, credit: str, amount: Money,
) -> Posting:
    return Posting(
        move, debit=debit, credit=credit, amount=amount, receipt=receipt,
        shortcode=change.after.shortcode.number, payment_id=change.after.id,
        happened_at=_happened_at(change),
    )


def _happened_at(change: Change) -> datetime:
    """Return M-Pesa's own time, unless it cannot be true.

    What was asked for was not paid before that. M-Pesa's records tell of the past, however far.
    """
    heard_at, paid_at = change.heard_at, change.fact.paid_at
    if paid_at is None or paid_at > heard_at + CLOCKS_DIFFER_MAX:
        return heard_at
    if change.after.origin is Origin.STK:
        return paid_at if paid_at > change.after.created_at - CLOCKS_DIFFER_MAX else heard_at
    is_told_in_time = paid_at > heard_at - CONFIRMED_AFTER_MAX
    return paid_at if is_told_in_time or change.fact.source in RECORDS else heard_at


def posted_data(posted: Posted) -> dict[str, Any]:
    """Return a posting as merchants read it; of a spoilt row, what is left of it."""
    posting = posted.posting
    if posting is None:
        return dict.fromkeys(("debit", "credit", "shortcode", "happened_at"), "") | {
            "sequence": posted.sequence, "move": "unreadable", "amount": "0.00",
            "currency": CURRENCY, "receipt": posted.unreadable, "payment_id": None,
            "posted_at": written(posted.posted_at), "link": posted.link.hex(),
        }
    return {
        "sequence": posted.sequence, "move": posting.move.value, "debit": posting.debit,
        "credit": posting.credit, "amount": str(posting.amount), "currency": CURRENCY,
        "shortcode": posting.shortcode, "receipt": posting.receipt,
        "payment_id": posting.payment_id, "happened_at": written(posting.happened_at),
        "posted_at": written(posted.posted_at), "link": posted.link.hex(),
    }


def link(
    posting: Posting, *, merchant_id: str, livemode: bool, posted_at: datetime, sequence: int,
    before: bytes,
) -> bytes:
    """Return the hash of a posting's row in its place: 32 bytes over it and the hash before."""
    content = orjson.dumps([
        before.hex(), sequence, merchant_id, livemode, posting.move, posting.debit, posting.credit,
        posting.amount.cents, posting.shortcode, posting.receipt, posting.payment_id,
        posting.happened_at.isoformat(), posted_at.isoformat(),
    ])
    return hashlib.sha256(content).digest()


class Flaw(StrEnum):
    """What was done to a chained posting."""

    LOST = "lost"          # its place in the chain is gone as well
    UNREADABLE = "unreadable"
    DELETED = "deleted"
    CHANGED = "changed"


@dataclass(slots=True)
class Chain:
    """The chain of one merchant and mode, looked at from its beginning, one posting at a time."""

    merchant_id: str
    livemode: bool
    sequence: int = 0
    link: bytes = FIRST_LINK

    def flaw(self, each: Posted) -> Flaw | None:
        """Return what was done to the next posting, or before it, since it was chained."""
        expected, before = self.sequence + 1, self.link
        self.sequence, self.link = each.sequence, each.link
        if each.sequence != expected:
            return Flaw.LOST
        if each.unreadable:
            return Flaw.UNREADABLE
        if each.posting is None:
            return Flaw.DELETED
        is_as_it_was = each.link == link(
            each.posting, merchant_id=self.merchant_id, livemode=self.livemode,
            posted_at=each.posted_at, sequence=each.sequence, before=before,
        )
        return None if is_as_it_was else Flaw.CHANGED

    def breaches(self, each: Posted) -> Iterator[str]:
        """I2: the next posting was not changed, removed, added or moved since it was chained."""
        expected = self.sequence + 1
        whose = f"{self.merchant_id} ({self._mode})"
        match self.flaw(each):
            case Flaw.LOST:
                last = each.sequence - 1
                lost = f"posting {last}" if last == expected else f"postings {expected} to {last}"
                yield f"The books of {whose} have lost {lost}."
            case Flaw.UNREADABLE:
                yield (
                    f"Posting {each.sequence} of {whose}, receipt {each.unreadable}, cannot be "
                    "read: it was changed."
                )
            case Flaw.DELETED:
                yield f"Posting {each.sequence} of {whose} was deleted."
            case Flaw.CHANGED:
                assert each.posting is not None, "or it was deleted"
                yield (
                    f"Posting {each.sequence} of {whose}, receipt {each.posting.receipt}, does not "
                    "agree with its hash: it was changed, or what stood before it."
                )

    @property
    def _mode(self) -> str:
        return "live" if self.livemode else "test"
