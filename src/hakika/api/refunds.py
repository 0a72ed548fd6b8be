"""`/v1/refunds`: give a payment back, whole or in part, and read what became of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import refund_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.payments import fact_data
from hakika.api.payout_bodies import PayoutTimelineAnswer, ResolveRequest
from hakika.api.payouts import resolved
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import idempotency, ids
from hakika.domain import refund as rules
from hakika.domain.ids import PaymentId, RefundId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.payout import STATUS
from hakika.domain.payout_data import refund_data
from hakika.services import payouts, refunds
from hakika.services.refunds import Order
from hakika.store.payouts import Wanted

router = APIRouter(prefix="/v1/refunds", tags=["refunds"])

Reader = Annotated[ApiKey, Depends(may(Scope.REFUNDS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.REFUNDS_WRITE))]
Approver = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_APPROVE))]


@router.post(
    "", status_code=HTTPStatus.ACCEPTED, summary="Give a payment back",
    openapi_extra=body_of(bodies.RefundRequest, key_is_optional=True),
    responses=answers(
        bodies.RefundAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 404, 409, 413, 422, 429,
    ),
)
async def create(request: Request, rt: Rt, key: Writer) -> Response:
    """Give a payment back to its payer. The outcome comes by webhook.

    One refund of a payment at a time, and never more than came in. Without an amount, the
    Idempotency-Key may be left out: then the payment's id stands for it.
    """
    body = read_object(await read_bytes(request))
    wanted = read_model(bodies.RefundRequest, body)
    asked = await refunds.request(rt, key, Order(
        wanted.payment_id, _key(request, wanted), body, amount=wanted.amount, method=wanted.method,
        reason=wanted.reason or "",
    ))
    data = refund_data(asked.payout)
    headers = {"Location": f"/v1/refunds/{data['id']}"}
    if asked.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer({"success": True, "data": data}, HTTPStatus.ACCEPTED, headers=headers)


def _key(request: Request, wanted: bodies.RefundRequest) -> str:
    """Return the idempotency key; older callers send none, and give a payment back whole: ""."""
    given = request.headers.get("idempotency-key")
    if given is None and wanted.amount is None:
        return ""
    return idempotency.read_key(given)


@router.get(
    "", summary="List refunds",
    responses=answers(bodies.RefundsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(
    rt: Rt, key: Reader, wanted: Annotated[bodies.RefundQuery, Query()],
) -> Response:
    """List refunds, newest first."""
    states = [state for state, told in STATUS.items() if told is wanted.status]
    found = await refunds.find(
        rt, key, Wanted(
            states=states if wanted.status else None, refunds=True,
            before=refunds.payout_id_of(RefundId(wanted.cursor)) if wanted.cursor else None,
            payment_id=PaymentId(wanted.payment_id) if wanted.payment_id else None,
        ), limit=wanted.limit + 1,
    )
    page, more = found[:wanted.limit], len(found) > wanted.limit
    return Answer({
        "success": True, "data": [refund_data(each) for each in page],
        "page": {"next": rules.refund_id(page[-1]) if more else None},
    })


@router.get(
    "/{refund_id}", summary="Read a refund",
    responses=answers(bodies.RefundAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, refund_id: str) -> Response:
    """Read one refund."""
    found = await refunds.read(rt, key, ids.refund_id(refund_id))
    return Answer({"success": True, "data": refund_data(found)})


@router.get(
    "/{refund_id}/timeline", summary="Everything heard about a refund",
    responses=answers(PayoutTimelineAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def timeline(rt: Rt, key: Reader, refund_id: str) -> Response:
    """Read every fact about one refund, oldest first, each chained to the one before."""
    found = await refunds.read(rt, key, ids.refund_id(refund_id))
    heard = await payouts.timeline(rt, found)
    return Answer({"success": True, "data": [fact_data(each) for each in heard]})


@router.post(
    "/{refund_id}/resolve", summary="Say what became of a refund that nobody knows the end of",
    openapi_extra=body_of(ResolveRequest),
    responses=answers(bodies.RefundAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def resolve(request: Request, rt: Rt, key: Approver, refund_id: str) -> Response:
    """Say what you saw on M-Pesa's portal of a refund that is unknown, and not of your own."""
    found = await refunds.read(rt, key, ids.refund_id(refund_id))
    refund = await resolved(request, rt, key, found)
    return Answer({"success": True, "data": refund_data(refund)})
