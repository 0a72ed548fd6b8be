"""`/v1/payments/{id}/evidence`: one pack with everything that proves what became of a payment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from hakika.api import evidence_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.domain import ids
from hakika.domain.ledger import posted_data
from hakika.domain.masking import mask_body, mask_text
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.payment import born
from hakika.domain.payment_data import payment_data
from hakika.domain.times import written
from hakika.services import evidence
from hakika.services.evidence import Evidence
from hakika.store.evidence import Testimony, Told
from hakika.store.payment_rows import HeardFact

router = APIRouter(prefix="/v1/payments", tags=["payments"])


@router.get(
    "/{payment_id}/evidence", summary="Everything that proves a payment",
    responses=answers(bodies.EvidenceAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def read(
    rt: Rt, key: Annotated[ApiKey, Depends(may(Scope.AUDIT_READ))], payment_id: str,
    wanted: Annotated[bodies.EvidenceQuery, Query()],
) -> Response:
    """Read a payment with every fact and its body, the books, who else told of it, who was told."""
    found = await evidence.gather(
        rt, key, ids.payment_id(payment_id), revealed=wanted.reveal,
    )
    return Answer({"success": True, "data": _data(found, revealed=wanted.reveal)})


def _data(found: Evidence, *, revealed: bool) -> dict[str, Any]:
    payment = found.payment
    shown = payment_data(payment)
    if not revealed:
        shown["phone"] = shown["phone_masked"]
        shown["provider_ref"] = mask_text(shown["provider_ref"] or "") or None  # ends in the number
    return {
        "payment": shown,
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


def _fact(heard: HeardFact, *, revealed: bool) -> dict[str, Any]:
    raw = heard.raw.decode(errors="replace")
    return {
        "sequence": heard.sequence, "heard_at": written(heard.heard_at),
        "fact": heard.kind.value, "source": heard.source.value, "state": heard.state.value,
        "details": {
            name: value if revealed or not isinstance(value, str) else mask_text(value)
            for name, value in heard.details.items()
        },
        "raw": raw if revealed else mask_body(raw),
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
