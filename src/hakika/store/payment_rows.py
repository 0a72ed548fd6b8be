"""From rows to payments and facts, and back: what is sealed is opened here, and sealed.

`private` of a payment holds what names a person or was written by one; of a fact, everything that
was heard. Beside the first stand blind indexes, by which a payment can be found all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from hakika.domain import fact as facts
from hakika.domain.fact import Fact, Kind, LateAction, Reason, Source, Strength
from hakika.domain.ids import CustomerId, MerchantId, PaymentId, SellerId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Origin, Payment, State, folded
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode
from hakika.store.keyring import Sealer

# The kinds of text that have a blind index.
PHONE, REFERENCE, CHECKOUT = "phone", "reference", "checkout"


@dataclass(frozen=True, slots=True)
class HeardFact:
    """A fact as it stands in the chain, opened."""

    sequence: int
    heard_at: datetime
    kind: Kind
    source: Source
    state: State
    details: dict[str, Any]
    raw: bytes
    link: bytes


def payment_values(payment: Payment, sealer: Sealer) -> dict[str, Any]:
    """Return every column of a payment."""
    received, failure = payment.amount_received, payment.failure
    return {
        "id": payment.id, "merchant_id": payment.merchant_id, "livemode": payment.livemode,
        "state": payment.state.value, "amount_cents": payment.amount.cents,
        "customer_id": payment.customer_id, "seller_id": payment.seller_id,
        "platform_fee_cents": payment.platform_fee.cents if payment.seller_id else None,
        "private": sealer.seal(f"payments.private {payment.id}", _private(payment)),
        "origin": payment.origin.value, "explained": payment.is_explained,
        "phone_hash": sealer.blind(PHONE, payment.payer.digits) if payment.payer else None,
        "reference_hash": sealer.blind(REFERENCE, folded(payment.reference)),
        "checkout_hash": _checkout_hash(payment, sealer),
        "shortcode_kind": payment.shortcode.kind.value,
        "shortcode": payment.shortcode.number, "store_number": payment.shortcode.store_number,
        "callback_url": payment.callback_url,
        "idempotency_key": payment.idempotency_key, "attempts": payment.attempts,
        "merchant_request_id": payment.merchant_request_id,
        "receipt": payment.receipt or None,
        "amount_received_cents": received.cents if received else None,
        "confirmed_by": payment.confirmed_by.value if payment.confirmed_by else None,
        "strength": int(payment.strength),
        "failure_code": failure.code if failure else None,
        "failure_daraja_code": failure.daraja_code if failure else None,
        "failure_reason": failure.developer_message if failure else None,
        "payer_message": failure.payer_message if failure else None,
        "payer_message_sw": failure.payer_message_sw if failure else None,
        "retryable": failure.retryable if failure else None,
        "late": payment.late,
        "late_action": payment.late_action.value if payment.late_action else None,
        "disputed": payment.disputed, "lapsed": payment.lapsed,
        "facts_count": payment.facts_count, "facts_link": payment.facts_link,
        "asked_at": payment.asked_at, "next_check_at": payment.next_check_at,
        "checks": payment.checks, "created_at": payment.created_at,
        "updated_at": payment.updated_at, "completed_at": payment.completed_at,
    }


def _private(payment: Payment) -> bytes:
    return orjson.dumps([
        payment.payer.digits if payment.payer else None, payment.reference, payment.description,
        dict(payment.metadata),
        payment.checkout_request_id, payment.salt,
        payment.failure.daraja_message if payment.failure else "", payment.payer_masked,
        payment.assigned_to, payment.suspended, payment.returned,
    ])


def _checkout_hash(payment: Payment, sealer: Sealer) -> bytes | None:
    """Return the blind index of Daraja's id, which ends in the payer's own number."""
    if not payment.checkout_request_id:
        return None
    return sealer.blind(CHECKOUT, payment.checkout_request_id)


def payment_of(row: dict[str, Any], sealer: Sealer) -> Payment:
    """Return the payment of one row. Raises: SealBroken."""
    (
        phone, reference, description, metadata, checkout_request_id, salt, daraja_message,
        payer_masked, assigned_to, suspended, *more,
    ) = orjson.loads(sealer.open(f"payments.private {row['id']}", row["private"]))
    received = row["amount_received_cents"]
    failure = None
    if row["failure_code"] is not None:
        failure = Reason(
            row["failure_code"], row["failure_daraja_code"], row["failure_reason"],
            row["payer_message"], row["payer_message_sw"], daraja_message, row["retryable"],
        )
    return Payment(
        id=PaymentId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], state=State(row["state"]), amount=Money(row["amount_cents"]),
        payer=Msisdn(phone) if phone else None, payer_masked=payer_masked,
        origin=Origin(row["origin"]), assigned_to=assigned_to,
        suspended=tuple((receipt, cents) for receipt, cents in suspended),
        # Rows of before refunds do not tell it.
        returned=tuple((receipt, cents) for receipt, cents in (more[0] if more else [])),
        shortcode=Shortcode(
            ShortcodeKind(row["shortcode_kind"]), row["shortcode"], row["store_number"],
        ),
        reference=reference, description=description, metadata=metadata,
        customer_id=CustomerId(row["customer_id"]) if row["customer_id"] else None,
        seller_id=SellerId(row["seller_id"]) if row["seller_id"] else None,
        platform_fee=Money(row["platform_fee_cents"] or 0),
        callback_url=row["callback_url"], idempotency_key=row["idempotency_key"],
        attempts=row["attempts"], merchant_request_id=row["merchant_request_id"],
        checkout_request_id=checkout_request_id, receipt=row["receipt"] or "",
        amount_received=None if received is None else Money(received),
        confirmed_by=Source(row["confirmed_by"]) if row["confirmed_by"] else None,
        strength=Strength(row["strength"]), failure=failure, late=row["late"],
        late_action=LateAction(row["late_action"]) if row["late_action"] else None,
        disputed=row["disputed"], lapsed=row["lapsed"], facts_count=row["facts_count"],
        facts_link=row["facts_link"], salt=salt, asked_at=row["asked_at"],
        next_check_at=row["next_check_at"], checks=row["checks"], created_at=row["created_at"],
        updated_at=row["updated_at"], completed_at=row["completed_at"],
    )


def sealed_fact(payment: Payment, fact: Fact, sealer: Sealer) -> bytes:
    """Return the newest fact of `payment` as it is kept: its details, and the raw body behind."""
    details = orjson.dumps(facts.details(fact))
    return sealer.seal(_place(payment.id, payment.facts_count), details + b"\n" + fact.raw)


def _place(payment_id: str, sequence: int) -> str:
    return f"facts.private {payment_id} {sequence}"


def heard_of(row: dict[str, Any], sealer: Sealer) -> HeardFact:
    """Return the fact of one row. Raises: SealBroken."""
    opened = sealer.open(_place(row["payment_id"], row["sequence"]), row["private"])
    details, _, raw = opened.partition(b"\n")
    return HeardFact(
        sequence=row["sequence"], heard_at=row["heard_at"], kind=Kind(row["kind"]),
        source=Source(row["source"]), state=State(row["state"]), details=orjson.loads(details),
        raw=raw, link=row["link"],
    )


def fact_of(heard: HeardFact) -> Fact:
    """Return the fact behind a row, as it was when it was chained."""
    details = heard.details
    amount_cents, paid_at = details.get("amount_cents"), details.get("paid_at")
    reason = None
    if "code" in details:
        reason = Reason(
            details["code"], details["daraja_code"], details["developer_message"],
            details["payer_message"], details["payer_message_sw"], details["daraja_message"],
            details["retryable"],
        )
    return Fact(
        kind=heard.kind, source=heard.source, attempt=details.get("attempt"), reason=reason,
        merchant_request_id=details.get("merchant_request_id", ""),
        checkout_request_id=details.get("checkout_request_id", ""),
        receipt=details.get("receipt", ""),
        amount=None if amount_cents is None else Money(amount_cents),
        paid_at=datetime.fromisoformat(paid_at) if paid_at else None,
        assigned_to=details.get("assigned_to", ""), note=details.get("note", ""),
        late_action=LateAction(details["late_action"]) if "late_action" in details else None,
        raw=heard.raw,
    )
