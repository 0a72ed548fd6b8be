"""What a validation is judged by: one exchange, each part of it from an index of its own."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from hakika.domain import ids
from hakika.domain.money import Money
from hakika.domain.payment import folded
from hakika.domain.provider import Provider
from hakika.domain.witness import ASKED_BEFORE_MAX, WITHOUT_RECEIPT
from hakika.store.payment_rows import REFERENCE
from hakika.store.transaction import Transaction

# Of one reference, so many payments are looked at: the newest.
OPEN_MAX = 20

_KNOWN: LiteralString = """
    select exists (select from payments
                    where reference_hash = %(reference_hash)s and merchant_id = %(merchant_id)s
                      and livemode = %(livemode)s and origin = 'stk')
        or exists (select from customers
                    where reference_hash = %(reference_hash)s and merchant_id = %(merchant_id)s
                      and livemode = %(livemode)s and deleted_at is null) as is_known
"""

_OPEN: LiteralString = """
    select amount_cents from payments
     where reference_hash = %(reference_hash)s and merchant_id = %(merchant_id)s
       and livemode = %(livemode)s and shortcode = %(shortcode)s and origin = 'stk'
       and state = any(%(states)s) and id >= %(first)s
     order by id desc limit %(limit)s
"""


async def is_known(tx: Transaction, provider: Provider, reference: str) -> bool:
    """Say whether a payment was asked for with this reference, or a customer has it."""
    sealer = await tx.sealer(provider.merchant_id)
    row = await tx.row(_KNOWN, {
        "reference_hash": sealer.blind(REFERENCE, folded(reference)),
        "merchant_id": provider.merchant_id, "livemode": provider.livemode,
    })
    return bool(row and row["is_known"])


async def open_amounts(
    tx: Transaction, provider: Provider, reference: str, *, now: datetime,
) -> list[Money]:
    """Return what was asked for with this reference and is not paid, as a witness would find it."""
    sealer = await tx.sealer(provider.merchant_id)
    since = int((now - ASKED_BEFORE_MAX).timestamp() * 1000)
    rows = await tx.rows(_OPEN, {
        "reference_hash": sealer.blind(REFERENCE, folded(reference)),
        "merchant_id": provider.merchant_id, "livemode": provider.livemode,
        "shortcode": provider.shortcode.number, "limit": OPEN_MAX,
        "states": [state.value for state in WITHOUT_RECEIPT],
        "first": ids.first_at("pay", since),
    })
    return [Money(row["amount_cents"]) for row in rows]
