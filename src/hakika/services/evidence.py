"""Everything that proves what became of a payment, gathered for whoever asks about it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import structlog

from hakika.domain import invariant
from hakika.domain.errors import NotFound
from hakika.domain.fact import Source
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.invariant import StoredFact
from hakika.domain.ledger import Posted, posted_data
from hakika.domain.masking import mask_body, mask_line, mask_text
from hakika.domain.payment import Payment, born
from hakika.domain.payment_data import payment_data
from hakika.domain.times import written
from hakika.services import ledger
from hakika.services.runtime import Runtime
from hakika.store import evidence, payments
from hakika.store.evidence import Testimony, Told
from hakika.store.payment_rows import HeardFact, fact_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A payment with all that is known of it, each list in order."""

    payment: Payment
    heard: Sequence[HeardFact]
    breaches: Sequence[str]             # what is wrong with the chain of its facts: nothing
    posted: Sequence[Posted]
    testimonies: Sequence[Testimony]
    told: Sequence[Told]
    revealed: bool                      # whether its reader may see numbers and names


async def gather(
    rt: Runtime, payment_id: PaymentId, *, merchant_id: MerchantId, livemode: bool,
    revealed_to: str | None = None,
) -> Evidence:
    """Return the evidence of a payment of this merchant and mode. Raises: NotFound.

    `revealed_to` is who will see numbers and names, which is noted; None: nobody will.
    """
    await ledger.chain(rt, merchant_id, livemode=livemode)
    async with rt.store.autocommit() as tx:
        payment = await payments.read(tx, payment_id, merchant_id=merchant_id, livemode=livemode)
        if payment is None:
            raise NotFound(f"There is no payment {payment_id} for this key.")
        heard = await payments.heard(tx, payment)
        found = Evidence(
            payment, heard, list(invariant.chain_breaches(payment, _stored(heard))),
            await evidence.posted(tx, payment), await evidence.testimonies(tx, payment),
            await evidence.told(tx, payment), revealed_to is not None,
        )
    if revealed_to is not None:
        log.info("evidence_revealed", payment=payment_id, key=revealed_to)
    return found


async def gather_any(
    rt: Runtime, payment_id: PaymentId, *, revealed_to: str | None = None,
) -> Evidence:
    """Do the same for whosever payment it is: for an operator. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        payment = await payments.get(tx, payment_id)
    if payment is None:
        raise NotFound(f"There is no payment {payment_id}.")
    return await gather(
        rt, payment_id, merchant_id=payment.merchant_id, livemode=payment.livemode,
        revealed_to=revealed_to,
    )


def _stored(heard: Sequence[HeardFact]) -> list[StoredFact]:
    return [
        StoredFact(
            fact_of(each), each.sequence, each.heard_at, each.state, each.details, each.link,
        )
        for each in heard
    ]


def pack(found: Evidence) -> dict[str, Any]:
    """Return the evidence as plain JSON values, numbers and names hidden unless revealed."""
    payment, revealed = found.payment, found.revealed
    shown = payment_data(payment)
    return {
        "payment": shown if revealed else _masked(shown),
        "facts": [_fact(each, revealed=revealed) for each in found.heard],
        "chain": {
            "is_whole": not found.breaches, "breaches": list(found.breaches),
            "first": born(payment).facts_link.hex(), "last": payment.facts_link.hex(),
        },
        "entries": [posted_data(each) for each in found.posted],
        "witnesses": [_witness(each) for each in found.testimonies],
        "events": _events(found.told),
        "revealed": revealed,
    }


def pdf(packed: dict[str, Any]) -> bytes:
    """Return a pack as pages for people. It takes a moment, so run it beside the event loop."""
    from hakika.sheets.evidence import evidence_pdf  # noqa: PLC0415 - 20 MB that few need

    return evidence_pdf(packed)


def _masked(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a payment's data with numbers hidden, wherever somebody may have typed one."""
    typed = "reference", "description", "assigned_to", "idempotency_key", "provider_ref"
    return shown | {
        **{name: shown[name] and mask_text(shown[name]) for name in typed},
        "phone": shown["phone_masked"],
        "metadata": {name: mask_text(value) for name, value in shown["metadata"].items()},
    }


def _fact(heard: HeardFact, *, revealed: bool) -> dict[str, Any]:
    raw = heard.raw.decode(errors="replace")
    hide = mask_line if heard.source is Source.STATEMENT else mask_body
    return {
        "sequence": heard.sequence, "heard_at": written(heard.heard_at),
        "fact": heard.kind.value, "source": heard.source.value, "state": heard.state.value,
        "details": {
            name: value if revealed or not isinstance(value, str) else mask_text(value)
            for name, value in heard.details.items()
        },
        "raw": raw if revealed else hide(raw),
        "raw_sha256": hashlib.sha256(heard.raw).hexdigest(), "link": heard.link.hex(),
    }


def _witness(testimony: Testimony) -> dict[str, Any]:
    return {
        "receipt": testimony.receipt, "source": testimony.source,
        "amount": str(testimony.amount), "happened_at": written(testimony.happened_at),
        "heard_at": written(testimony.heard_at),
    }


def _events(told: Sequence[Told]) -> list[dict[str, Any]]:
    events = []
    for _, group in groupby(told, key=lambda each: each.event_id):
        rows = list(group)
        first = rows[0]
        events.append({
            "id": first.event_id, "type": first.name, "sequence": first.sequence,
            "timestamp": written(first.created_at),
            "deliveries": [
                {
                    "id": each.delivery_id, "endpoint_id": each.endpoint_id, "state": each.state,
                    "attempts": each.attempts,
                    "finished_at": written(each.finished_at) if each.finished_at else None,
                    "reason": each.reason or None,
                }
                for each in rows if each.delivery_id
            ],
        })
    return events
