"""From what Daraja said to a fact: how a callback and a query's answer are to be read.

The rules that cost money when they are broken (daraja.md 14.2): only a callback with a receipt and
the exact amount is *paid*; a query's success knows neither; a query's failure is no verdict while
the payer may still be typing the PIN, or when its code is not on the closed list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from hakika.domain.fact import Fact, Kind, Reason, Source
from hakika.domain.money import Money
from hakika.domain.payment import Payment


@dataclass(frozen=True, slots=True)
class Said:
    """What Daraja said of one push, already out of its wire form."""

    succeeded: bool
    reason: Reason | None                # the meaning of its code, unless it succeeded
    canceled: bool = False               # the payer said no
    is_final: bool = False               # the code ends the push, if a callback says it
    settles_by_query: bool = False       # and if a query says it
    merchant_request_id: str = ""
    checkout_request_id: str = ""
    receipt: str = ""
    amount: Money | None = None
    paid_at: datetime | None = None
    note: str = ""
    raw: bytes = field(default=b"", repr=False)


def is_about(payment: Payment, said: Said) -> bool:
    """Say whether the ids agree with what Daraja told us when it took the push."""
    return _agree(payment.checkout_request_id, said.checkout_request_id) and _agree(
        payment.merchant_request_id, said.merchant_request_id,
    )


def from_callback(payment: Payment, said: Said) -> Fact:
    """Return the fact in a callback that came to the payment's own address."""
    if said.succeeded:
        if not said.receipt or said.amount is None:
            note = "M-Pesa says paid, without a receipt and an amount that can be read."
            return _fact(Kind.DOUBTED, Source.STK_CALLBACK, said, note=note)
        if said.amount != payment.amount:
            note = f"Paid {said.amount}, and {payment.amount} was asked."
            return _fact(Kind.MISPAID, Source.STK_CALLBACK, said, note=note)
        return _fact(Kind.PAID, Source.STK_CALLBACK, said)
    if not said.is_final:
        return _fact(Kind.DOUBTED, Source.STK_CALLBACK, said)
    return _fact(_ended(said), Source.STK_CALLBACK, said)


def from_query(said: Said, *, prompt_is_dead: bool) -> Fact:
    """Return the fact in a query's answer."""
    if said.succeeded:
        return _fact(Kind.CONFIRMED, Source.STK_QUERY, said)
    if said.settles_by_query and prompt_is_dead:
        return _fact(_ended(said), Source.STK_QUERY, said)
    return _fact(Kind.INQUIRED, Source.STK_QUERY, said)


def _ended(said: Said) -> Kind:
    return Kind.CANCELED if said.canceled else Kind.DECLINED


def _fact(kind: Kind, source: Source, said: Said, *, note: str = "") -> Fact:
    return Fact(
        kind, source, reason=None if said.succeeded else said.reason,
        merchant_request_id=said.merchant_request_id,
        checkout_request_id=said.checkout_request_id,
        receipt=said.receipt, amount=said.amount, paid_at=said.paid_at, note=note or said.note,
        raw=said.raw,
    )


def _agree(ours: str, theirs: str) -> bool:
    return not ours or not theirs or ours == theirs
