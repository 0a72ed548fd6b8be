"""What stands around a payment besides its facts: who else told of its money, and who was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from hakika.domain.ids import DeliveryId, written_delivery_id
from hakika.domain.ledger import Posted
from hakika.domain.money import Money
from hakika.domain.payment import Payment
from hakika.store.ledger import posted_of
from hakika.store.transaction import Transaction

_POSTED: LiteralString = """
    select links.sequence, links.link, postings.* from postings
      join posting_links links using (position)
     where postings.payment_id = %(id)s order by links.sequence
"""

_WITNESSES: LiteralString = """
    select receipt, source, amount_cents, happened_at, heard_at from witnesses
     where receipt = any(%(receipts)s) and shortcode = %(shortcode)s and livemode = %(livemode)s
       and merchant_id = %(merchant_id)s
     order by heard_at, source
"""

_TOLD: LiteralString = """
    select e.id, e.name, e.sequence, e.created_at, d.id as delivery_id, d.endpoint_id, d.state,
           d.attempts_before + d.attempts as attempts, d.finished_at, d.reason
      from events e left join deliveries d
           on d.event_id = e.id and d.event_created_at = e.created_at
     where e.subject_id = %(id)s order by e.position, d.id
"""


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one source said of one receipt. Times are UTC."""

    receipt: str
    source: str
    amount: Money
    happened_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the payment, and one delivery of it; without one: nobody wanted it."""

    event_id: str
    name: str
    sequence: int | None
    created_at: datetime
    delivery_id: str | None
    endpoint_id: str | None
    state: str | None
    attempts: int
    finished_at: datetime | None
    reason: str


async def posted(tx: Transaction, payment: Payment) -> list[Posted]:
    """Return the chained postings of a payment, in order."""
    return [posted_of(row) for row in await tx.rows(_POSTED, {"id": payment.id})]


async def testimonies(tx: Transaction, payment: Payment) -> list[Testimony]:
    """Return what other sources than its own callback said of a payment's receipts."""
    receipts: Sequence[str] = [payment.receipt, *(receipt for receipt, _ in payment.suspended)]
    rows = await tx.rows(_WITNESSES, {
        "receipts": [each for each in receipts if each], "shortcode": payment.shortcode.number,
        "livemode": payment.livemode, "merchant_id": payment.merchant_id,
    })
    return [
        Testimony(
            row["receipt"], row["source"], Money(row["amount_cents"]), row["happened_at"],
            row["heard_at"],
        )
        for row in rows
    ]


async def told(tx: Transaction, payment: Payment) -> list[Told]:
    """Return the events of a payment with their deliveries, in order."""
    return [
        Told(
            row["id"], row["name"], row["sequence"], row["created_at"],
            written_delivery_id(DeliveryId(row["delivery_id"])) if row["delivery_id"] else None,
            row["endpoint_id"], row["state"], row["attempts"] or 0, row["finished_at"],
            row["reason"] or "",
        )
        for row in await tx.rows(_TOLD, {"id": payment.id})
    ]
