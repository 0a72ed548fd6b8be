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

import orjson

from hakika.domain.fact import RECORDS
from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.payment import Change, Origin, Payment, State
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode

# What customers paid, and money that came and that nobody has explained yet.
COLLECTED, SUSPENSE = "collected", "suspense"

# How far Safaricom's clock and ours may differ.
CLOCKS_DIFFER_MAX = timedelta(minutes=10)

# How late a confirmation may come of money that nobody asked for.
CONFIRMED_AFTER_MAX = timedelta(days=7)

FIRST_LINK = bytes(32)  # what the first posting of a merchant and mode is chained to


class Move(StrEnum):
    """Why money moved in the books. One receipt makes each of them once."""

    COLLECTION = "collection"    # it came in
    CLEARING = "clearing"        # it was in suspense, and is explained now
    CORRECTION = "correction"    # the same receipt was of another amount than first told


class Nature(StrEnum):
    """Which way an account's balance is counted, by the first part of its name."""

    DEBIT = "debit"
    CREDIT = "credit"


NATURES = {"float": Nature.DEBIT, COLLECTED: Nature.CREDIT, SUSPENSE: Nature.CREDIT}


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount moved from the account `credit` to the account `debit`. Times are UTC."""

    move: Move
    debit: str
    credit: str
    amount: Money
    shortcode: str
    receipt: str
    payment_id: PaymentId
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


def nature(account: str) -> Nature:
    """Return which way the balance of `account` is counted. Raises: KeyError, for none of ours."""
    return NATURES[account.partition(":")[0]]


def balance(account: str, *, debits: Money, credits_: Money) -> Money:
    """Return the balance of `account`, counted the way of its nature."""
    difference = debits.cents - credits_.cents
    return Money(difference if nature(account) is Nature.DEBIT else -difference)


def postings(change: Change) -> tuple[Posting, ...]:
    """Return what a change moves in the books: the difference between what it finds and leaves.

    At most two, of one receipt: a fact tells of no more.
    """
    before = held(change.before)
    return tuple(
        posting for receipt, now in held(change.after).items()
        for posting in _moves(change, receipt, before.get(receipt), now)
    )


def held(payment: Payment) -> dict[str, Held]:
    """Return all money that arrived for a payment, by receipt.

    Money that completes its payment is collected. Any other is in suspense, the amount that came
    and never the one that was asked, until somebody explains it.
    """
    money = {receipt: Held(SUSPENSE, Money(cents)) for receipt, cents in payment.suspended}
    if payment.state is State.COMPLETED:
        place = COLLECTED if payment.is_explained else SUSPENSE
        money[payment.receipt] = Held(place, payment.amount_received or payment.amount)
    return money


def _moves(change: Change, receipt: str, was: Held | None, now: Held) -> Iterator[Posting]:
    def posting(move: Move, *, debit: str, credit: str, cents: int) -> Posting:
        return Posting(
            move, debit=debit, credit=credit, amount=Money(cents), receipt=receipt,
            shortcode=change.after.shortcode.number, payment_id=change.after.id,
            happened_at=_happened_at(change),
        )

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


@dataclass(slots=True)
class Chain:
    """The chain of one merchant and mode, looked at from its beginning, one posting at a time."""

    merchant_id: str
    livemode: bool
    sequence: int = 0
    link: bytes = FIRST_LINK

    def breaches(self, each: Posted) -> Iterator[str]:
        """I2: the next posting was not changed, removed, added or moved since it was chained."""
        expected, before = self.sequence + 1, self.link
        self.sequence, self.link = each.sequence, each.link
        if each.sequence != expected:
            last = each.sequence - 1
            lost = f"posting {last}" if last == expected else f"postings {expected} to {last}"
            yield f"The books of {self.merchant_id} ({self._mode}) have lost {lost}."
        elif each.unreadable:
            yield (
                f"Posting {each.sequence} of {self.merchant_id} ({self._mode}), receipt "
                f"{each.unreadable}, cannot be read: it was changed."
            )
        elif each.posting is None:
            yield f"Posting {each.sequence} of {self.merchant_id} ({self._mode}) was deleted."
        elif each.link != link(
            each.posting, merchant_id=self.merchant_id, livemode=self.livemode,
            posted_at=each.posted_at, sequence=each.sequence, before=before,
        ):
            yield (
                f"Posting {each.sequence} of {self.merchant_id} ({self._mode}), receipt "
                f"{each.posting.receipt}, does not agree with its hash: it was changed, or what "
                "stood before it."
            )

    @property
    def _mode(self) -> str:
        return "live" if self.livemode else "test"
