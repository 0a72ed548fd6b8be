"""A witness: what one source says of one receipt, besides the callback of the payment's own.

M-Pesa tells of the same money several times: a C2B confirmation, a row of a pull, a line of the
statement, the result of a status query. The first that is heard completes the payment that the
money is for; the others agree, or contradict it. Read `judge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.ids import MerchantId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn, read_mask
from hakika.domain.payment import SETTLED, Payment, State, folded
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode

# A payment that was asked for so long before the money moved is not what the money is for. Prompts
# live for minutes; a payer who types the reference by hand may take days.
ASKED_BEFORE_MAX = timedelta(days=3)

# Safaricom's clock and ours differ: its time of a payment may be before our asking.
ASKED_AFTER_MAX = timedelta(minutes=10)

# While more than one payment could be meant, so long is waited for their own callbacks to tell.
UNDECIDED_MAX = timedelta(minutes=15)

# These tell no reference. Their money can only be for a prompt, which is answered within minutes:
# who paid the same amount by hand, another day, may have paid for anything.
WITHOUT_REFERENCE = frozenset({Source.STATUS})
ANSWERED_MAX = timedelta(minutes=10)

# In these a payment may still have got money that we have no receipt of.
WITHOUT_RECEIPT = frozenset(State) - {State.REVIEW} - SETTLED


@dataclass(frozen=True, slots=True)
class Witness:
    """Money that came in, as one source tells of it. Times are UTC."""

    source: Source
    merchant_id: MerchantId
    livemode: bool
    shortcode: Shortcode
    receipt: str
    amount: Money
    happened_at: datetime                               # by M-Pesa's clock, where it could be read
    reference: str = field(default="", repr=False)      # what the payer typed, or we sent along
    payer: Msisdn | None = None
    payer_masked: str = ""                              # when the number is not whole
    payer_hash: str = field(default="", repr=False)     # SHA-256 of the number, by version 1 of C2B
    payer_name: str = field(default="", repr=False)
    raw: bytes = field(default=b"", repr=False)


class Verdict(StrEnum):
    """What comes of a witness that tells of a receipt nobody knows."""

    PAYS = "pays"              # one payment: this one is what the money is for
    UNASKED = "unasked"        # none: the payer paid without being asked
    UNDECIDED = "undecided"    # several: their own callbacks may tell soon


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and the payment if it is one."""

    verdict: Verdict
    payment: Payment | None = None


def judge(
    witness: Witness, asked: Sequence[Payment], *, heard_at: datetime, now: datetime,
) -> Judged:
    """Return which of the payments that were asked for and not paid this money is for.

    `heard_at` is when the witness was first heard: after UNDECIDED_MAX it is not waited any more.
    Never a guess: more than one is none.
    """
    meant = [payment for payment in asked if may_be_for(witness, payment)]
    if witness.payer_hash and len(meant) > 1:
        meant = [each for each in meant if _is_hashed(each, witness)] or meant
    if len(meant) == 1 and _tells_enough(witness):
        return Judged(Verdict.PAYS, meant[0])
    if not meant or now - heard_at > UNDECIDED_MAX:
        return Judged(Verdict.UNASKED)
    return Judged(Verdict.UNDECIDED)


def _tells_enough(witness: Witness) -> bool:
    """Neither a reference nor a whole number is too little: others will tell of the same money."""
    return witness.source not in WITHOUT_REFERENCE or witness.payer is not None


def may_be_for(witness: Witness, payment: Payment) -> bool:
    """Say whether nothing speaks against this money being for `payment`."""
    return (
        (payment.merchant_id, payment.livemode) == (witness.merchant_id, witness.livemode)
        and payment.shortcode.number == witness.shortcode.number
        and payment.state in WITHOUT_RECEIPT
        and payment.amount == witness.amount
        and -ASKED_AFTER_MAX < witness.happened_at - payment.created_at < ASKED_BEFORE_MAX
        and _reference_agrees(witness, payment)
        and _payer_agrees(witness, payment)
    )


def _reference_agrees(witness: Witness, payment: Payment) -> bool:
    """A till's payer types none; a paybill's prompt brings ours along."""
    if witness.source in WITHOUT_REFERENCE:
        return witness.happened_at - (payment.asked_at or payment.created_at) < ANSWERED_MAX
    if witness.shortcode.kind is ShortcodeKind.TILL and not witness.reference:
        return True
    return folded(witness.reference) == folded(payment.reference)


def _payer_agrees(witness: Witness, payment: Payment) -> bool:
    if payment.payer is None:
        return False
    if witness.payer is not None:
        return witness.payer == payment.payer
    return fits_mask(payment.payer, witness.payer_masked)


def _is_hashed(payment: Payment, witness: Witness) -> bool:
    """Say whether it is certainly this payer's hash. Another hash says nothing: we do not know in
    which spelling a number was hashed.
    """
    return payment.payer is not None and payment.payer.sha256 == witness.payer_hash


def fits_mask(payer: Msisdn, masked: str) -> bool:
    """Say whether a number may be the one behind `masked`, such as "2547 ***** 126".

    What is no mask speaks for nobody and against nobody.
    """
    shown = read_mask(masked)
    return shown is None or shown.fits(payer)


def paid(witness: Witness) -> Fact:
    """Return the fact in a witness whose money is for the payment that hears it."""
    return Fact(
        Kind.PAID, witness.source, receipt=witness.receipt, amount=witness.amount,
        paid_at=witness.happened_at, raw=witness.raw,
    )


def contradicts(witness: Witness, payment: Payment) -> str:
    """Return what a witness of the payment's own receipt says otherwise, in words, or ""."""
    received = payment.amount_received or payment.amount
    if witness.amount != received:
        return f"{witness.source} says {witness.amount} for this receipt, and we have {received}."
    return ""
