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

from hakika.domain.fact import Fact, Kind
from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.payment import Change, State
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode

# What customers paid, and money that came and that nobody has explained yet.
COLLECTED, SUSPENSE = "collected", "suspense"

# A float's two places at M-Pesa. Collections arrive in the first: a paybill's utility account,
# which a till calls its merchant account.
UTILITY, WORKING = "utility", "working"

# How far Safaricom's own time of a payment may be from ours before ours is believed: clocks differ,
# and a callback may come a day late.
PAID_BEFORE_MAX = timedelta(days=7)
PAID_AFTER_MAX = timedelta(minutes=10)

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
    posting: Posting | None      # None: its row is not there any more
    posted_at: datetime
    link: bytes                  # the hash of this one and of the one before


def float_account(shortcode: Shortcode, place: str = UTILITY) -> str:
    """Return the account of what lies at M-Pesa on a short code: `float:600966:utility`."""
    if shortcode.kind is ShortcodeKind.TILL and place == UTILITY:
        place = "merchant"
    return f"float:{shortcode.number}:{place}"


def nature(account: str) -> Nature:
    """Return which way the balance of `account` is counted. Raises: KeyError, for none of ours."""
    return NATURES[account.partition(":")[0]]


def balance(account: str, *, debits: Money, credits_: Money) -> Money:
    """Return the balance of `account`, counted the way of its nature."""
    difference = debits.cents - credits_.cents
    return Money(difference if nature(account) is Nature.DEBIT else -difference)


def postings(change: Change) -> tuple[Posting, ...]:
    """Return what a change moves in the books: nothing, unless it brings a receipt.

    Money that completes its payment is collected. Any other money that arrived is in suspense, the
    received amount and never the one that was asked, until somebody explains it.
    """
    fact = change.fact
    if fact.kind is Kind.ASSIGNED:
        return tuple(_assigned(change))
    if fact.kind not in {Kind.PAID, Kind.MISPAID} or not fact.receipt or fact.amount is None:
        return ()
    if fact.receipt == change.before.receipt:
        return tuple(_cleared(change, fact.amount))
    after = change.after
    explained = (
        after.state is State.COMPLETED and after.receipt == fact.receipt and after.is_explained
    )
    place = float_account(after.shortcode)
    return (_posting(
        change, Move.COLLECTION, debit=place, credit=COLLECTED if explained else SUSPENSE,
        amount=fact.amount,
    ),)


def _cleared(change: Change, amount: Money) -> Iterator[Posting]:
    """Explain money that was in suspense, if this change does."""
    before = change.before
    if before.state is not State.REVIEW or change.after.state is not State.COMPLETED:
        return
    told = before.amount_received or amount
    yield _posting(change, Move.CLEARING, debit=SUSPENSE, credit=COLLECTED, amount=told)
    if told != amount:
        accounts = float_account(before.shortcode), COLLECTED
        debit, credit = accounts if amount > told else accounts[::-1]
        yield _posting(
            change, Move.CORRECTION, debit=debit, credit=credit,
            amount=Money(abs(amount.cents - told.cents)),
        )


def _assigned(change: Change) -> Iterator[Posting]:
    """Clear unasked money once it is known what it is for."""
    after = change.after
    if after.state is State.COMPLETED and after.is_explained and not change.before.is_explained:
        yield _posting(
            change, Move.CLEARING, debit=SUSPENSE, credit=COLLECTED,
            amount=after.amount_received or after.amount,
        )


def _posting(change: Change, move: Move, *, debit: str, credit: str, amount: Money) -> Posting:
    return Posting(
        move, debit=debit, credit=credit, amount=amount,
        shortcode=change.after.shortcode.number,
        receipt=change.fact.receipt or change.after.receipt,
        payment_id=change.after.id, happened_at=_happened_at(change.fact, change.heard_at),
    )


def _happened_at(fact: Fact, heard_at: datetime) -> datetime:
    """Return M-Pesa's own time, unless it cannot be true."""
    paid_at = fact.paid_at
    if paid_at is None or not heard_at - PAID_BEFORE_MAX < paid_at < heard_at + PAID_AFTER_MAX:
        return heard_at
    return paid_at


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
