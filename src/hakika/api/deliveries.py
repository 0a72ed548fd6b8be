"""`/v1/deliveries`: what became of the telling of each event, try by try."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from hakika.api import delivery_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.api.webhook_bodies import sent
from hakika.domain import ids
from hakika.domain.delivery import Attempt, Delivery
from hakika.domain.errors import Invalid, NotFound
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.times import written
from hakika.services import deliveries
from hakika.store.delivery_search import Filter

router = APIRouter(prefix="/v1/deliveries", tags=["webhooks"])

Reader = Annotated[ApiKey, Depends(may(Scope.WEBHOOKS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.WEBHOOKS_WRITE))]


@router.get(
    "", summary="List deliveries",
    responses=answers(bodies.DeliveriesAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def find(
    rt: Rt, key: Reader, query: Annotated[bodies.DeliveryQuery, Query()],
) -> Response:
    """List deliveries, those of the newest events first."""
    found = await deliveries.find(rt, key, Filter(
        endpoint_id=ids.endpoint_id(query.endpoint) if query.endpoint else None,
        event_id=ids.event_id(query.event) if query.event else None,
        state=query.state,
        after=await _last(rt, key, query.cursor) if query.cursor else None,
    ), limit=query.limit)
    full = len(found) == query.limit
    return Answer({
        "success": True, "data": [_delivery_data(each) for each in found],
        "page": {"next": ids.written_delivery_id(found[-1].id) if full else None},
    })


@router.get(
    "/{delivery_id}", summary="Read a delivery",
    responses=answers(bodies.DeliveryWithAttemptsAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, delivery_id: str) -> Response:
    """Read a delivery and its newest 100 tries: what was posted, what came back, how long."""
    delivery, attempts = await deliveries.read(rt, key, ids.delivery_id(delivery_id))
    return Answer({"success": True, "data": _delivery_data(delivery) | {
        "attempts_made": [_attempt_data(each) for each in attempts],
    }})


@router.post(
    "/{delivery_id}/redeliver", status_code=HTTPStatus.ACCEPTED, summary="Deliver again",
    responses=answers(bodies.DeliveryAnswer, HTTPStatus.ACCEPTED, 401, 403, 404, 409),
)
async def redeliver(rt: Rt, key: Writer, delivery_id: str) -> Response:
    """Deliver an event once more, also one that was delivered, exhausted or dropped."""
    delivery = await deliveries.redeliver(rt, key, ids.delivery_id(delivery_id))
    return Answer(
        {"success": True, "data": _delivery_data(delivery)}, HTTPStatus.ACCEPTED,
    )


async def _last(rt: Rt, key: ApiKey, cursor: str) -> Delivery:
    """Return the last delivery of the page before."""
    try:
        return await deliveries.read_one(rt, key, ids.delivery_id(cursor))
    except NotFound:
        raise Invalid(
            "This is not a cursor. Pass the `page.next` of the page before.",
            field="cursor", code="cursor_invalid",
        ) from None


def _delivery_data(delivery: Delivery) -> dict[str, Any]:
    due_at, finished_at = delivery.next_attempt_at, delivery.finished_at
    return {
        "id": ids.written_delivery_id(delivery.id), "event_id": delivery.event_id,
        "event": delivery.event_name, "endpoint_id": delivery.endpoint_id,
        "state": delivery.state, "attempts": delivery.attempts,
        "reason": delivery.reason or None,
        "next_attempt_at": written(due_at) if due_at else None,
        "created_at": written(delivery.created_at),
        "finished_at": written(finished_at) if finished_at else None,
    }


def _attempt_data(attempt: Attempt) -> dict[str, Any]:
    answer = attempt.answer
    return {
        "number": attempt.number, "started_at": written(attempt.started_at),
        "duration_ms": attempt.duration_ms, "error": answer.error or None,
        "request": sent(attempt.url, dict(attempt.headers), attempt.body),
        "answer": {"status": answer.status, "body": answer.body.decode(errors="replace")},
    }
