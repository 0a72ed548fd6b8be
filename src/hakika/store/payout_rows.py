"""From rows to payouts and their facts, and back: what is sealed is opened here, and sealed.

`private` of a payout holds who is paid and what a person wrote; of a fact, everything that was
heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from hakika.domain import payout_fact as facts
from hakika.domain.fact import Reason
from hakika.domain.ids import BatchId, MerchantId, PaymentId, PayoutId, SellerId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Change, Payee, Payout, Purpose, State, Way
from hakika.domain.payout_fact import Kind, PayoutFact, Source, Strength
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode
from hakika.store.keyring import Sealer

# The kind of text whose blind index finds a payee.
PAYEE = "payee"


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


def payout_values(payout: Payout, sealer: Sealer) -> dict[str, Any]:
    """Return every column of a payout but its fingerprint."""
    sent, failure = payout.amount_sent, payout.failure
    return {
        "id": payout.id, "merchant_id": payout.merchant_id, "livemode": payout.livemode,
        "way": payout.way.value, "purpose": payout.purpose.value, "state": payout.state.value,
        "amount_cents": payout.amount.cents,
        "private": sealer.seal(_private_place(payout.id), _private(payout)),
        "payee_hash": payee_hash(payout.payee, sealer),
        "shortcode_kind": payout.shortcode.kind.value, "shortcode": payout.shortcode.number,
        "store_number": payout.shortcode.store_number,
        "idempotency_key": payout.idempotency_key, "created_by": payout.created_by,
        "held_for": list(payout.held_for), "released_by": payout.released_by,
        "payment_id": payout.payment_id, "seller_id": payout.seller_id,
        "batch_id": payout.batch_id, "fee_returned_cents": _cents(payout.fee_returned),
        "original_receipt": payout.original_receipt or None,
        "attempts": payout.attempts, "doubtful": payout.doubtful,
        "unprotected": payout.unprotected,
        "conversation_id": payout.conversation_id,
        "originator_conversation_id": payout.originator_conversation_id,
        "receipt": payout.receipt or None,
        "amount_sent_cents": sent.cents if sent else None,
        "decided_by": payout.decided_by.value if payout.decided_by else None,
        "strength": int(payout.strength),
        "failure_code": failure.code if failure else None,
        "failure_daraja_code": failure.daraja_code if failure else None,
        "failure_reason": failure.developer_message if failure else None,
        "retryable": failure.retryable if failure else None,
        "disputed": payout.disputed, "lapsed": payout.lapsed,
        "facts_count": payout.facts_count, "facts_link": payout.facts_link,
        "asked_at": payout.asked_at, "next_check_at": payout.next_check_at,
        "checks": payout.checks, "created_at": payout.created_at,
        "updated_at": payout.updated_at, "completed_at": payout.completed_at,
    }


def payee_hash(payee: Payee, sealer: Sealer) -> bytes:
    """Return the blind index by which all payouts to one payee are found.

    An account is the same however it is spelled: businesses read "INV-77", "inv-77" and "INV - 77"
    as one, and a limit that does not would be passed by writing it another way.
    """
    if payee.phone:
        return sealer.blind(PAYEE, payee.phone.digits)
    account = "".join(payee.account.split()).casefold()
    return sealer.blind(PAYEE, f"{payee.number} {account}")


def _private(payout: Payout) -> bytes:
    payee, failure = payout.payee, payout.failure
    return orjson.dumps([
        payee.phone.digits if payee.phone else None, payee.number, payee.account, payee.name,
        payout.reference, payout.remarks, dict(payout.metadata), payout.salt,
        [failure.daraja_message, failure.payer_message, failure.payer_message_sw]
        if failure else None,
    ])


def _private_place(payout_id: str) -> str:
    return f"payouts.private {payout_id}"


def payout_of(row: dict[str, Any], sealer: Sealer) -> Payout:
    """Return the payout of one row. Raises: SealBroken."""
    (
        phone, number, account, name, reference, remarks, metadata, salt, said,
    ) = orjson.loads(sealer.open(_private_place(row["id"]), row["private"]))
    sent = row["amount_sent_cents"]
    return Payout(
        id=PayoutId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], amount=Money(row["amount_cents"]), way=Way(row["way"]),
        payee=Payee(Msisdn(phone) if phone else None, number, account, name),
        shortcode=Shortcode(
            ShortcodeKind(row["shortcode_kind"]), row["shortcode"], row["store_number"],
        ),
        idempotency_key=row["idempotency_key"], created_at=row["created_at"],
        updated_at=row["updated_at"], purpose=Purpose(row["purpose"]), state=State(row["state"]),
        reference=reference, remarks=remarks, metadata=metadata, created_by=row["created_by"],
        held_for=tuple(row["held_for"]), released_by=row["released_by"],
        payment_id=PaymentId(row["payment_id"]) if row["payment_id"] else None,
        seller_id=SellerId(row["seller_id"]) if row["seller_id"] else None,
        batch_id=BatchId(row["batch_id"]) if row["batch_id"] else None,
        fee_returned=_money(row["fee_returned_cents"]),
        original_receipt=row["original_receipt"] or "", attempts=row["attempts"],
        doubtful=row["doubtful"], unprotected=row["unprotected"],
        conversation_id=row["conversation_id"],
        originator_conversation_id=row["originator_conversation_id"],
        receipt=row["receipt"] or "", amount_sent=None if sent is None else Money(sent),
        decided_by=Source(row["decided_by"]) if row["decided_by"] else None,
        strength=Strength(row["strength"]), failure=_failure(row, said),
        disputed=row["disputed"], lapsed=row["lapsed"], facts_count=row["facts_count"],
        facts_link=row["facts_link"], salt=salt, asked_at=row["asked_at"],
        next_check_at=row["next_check_at"], checks=row["checks"],
        completed_at=row["completed_at"],
    )


def _cents(amount: Money | None) -> int | None:
    return None if amount is None else amount.cents


def _money(cents: int | None) -> Money | None:
    return None if cents is None else Money(cents)


def _failure(row: dict[str, Any], said: list[str] | None) -> Reason | None:
    if row["failure_code"] is None or said is None:
        return None
    daraja_message, payer_message, payer_message_sw = said
    return Reason(
        row["failure_code"], row["failure_daraja_code"], row["failure_reason"], payer_message,
        payer_message_sw, daraja_message, row["retryable"],
    )


def fact_values(change: Change, sealer: Sealer) -> dict[str, Any]:
    """Return every column of the fact behind a change."""
    after, fact = change.after, change.fact
    return {
        "id": after.id, "facts_count": after.facts_count, "heard_at": change.heard_at,
        "kind": fact.kind.value, "source": fact.source.value, "state": after.state.value,
        "fact_private": sealer.seal(_fact_place(after.id, after.facts_count), _opened(fact)),
        "facts_link": after.facts_link,
    }


def _opened(fact: PayoutFact) -> bytes:
    return orjson.dumps(facts.details(fact)) + b"\n" + fact.raw


def _fact_place(payout_id: str, sequence: int) -> str:
    return f"payout_facts.private {payout_id} {sequence}"


def heard_of(row: dict[str, Any], sealer: Sealer) -> HeardFact:
    """Return the fact of one row. Raises: SealBroken."""
    opened = sealer.open(_fact_place(row["payout_id"], row["sequence"]), row["private"])
    details, _, raw = opened.partition(b"\n")
    return HeardFact(
        sequence=row["sequence"], heard_at=row["heard_at"], kind=Kind(row["kind"]),
        source=Source(row["source"]), state=State(row["state"]),
        details=orjson.loads(details), raw=raw, link=bytes(row["link"]),
    )


def fact_of(heard: HeardFact) -> PayoutFact:
    """Return the fact behind a row, as it was when it was chained."""
    said = heard.details
    amount_cents, happened_at = said.get("amount_cents"), said.get("happened_at")
    reason = None
    if "code" in said:
        reason = Reason(
            said["code"], said["daraja_code"], said["developer_message"], said["payer_message"],
            said["payer_message_sw"], said["daraja_message"], said["retryable"],
        )
    return PayoutFact(
        kind=heard.kind, source=heard.source, attempt=said.get("attempt"), reason=reason,
        conversation_id=said.get("conversation_id", ""),
        originator_conversation_id=said.get("originator_conversation_id", ""),
        receipt=said.get("receipt", ""), amount=_money(amount_cents),
        happened_at=datetime.fromisoformat(happened_at) if happened_at else None,
        is_unprotected=said.get("is_unprotected", False), who=said.get("who", ""),
        note=said.get("note", ""), raw=heard.raw,
    )
