"""`/v1/payouts`: send money out, let it go, take it back, and read what became of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import payout_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.payments import fact_data
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import idempotency, ids, payout_order
from hakika.domain.errors import Invalid
from hakika.domain.ids import PayoutId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.payout import STATUS, Payout
from hakika.domain.payout_data import payout_data
from hakika.services import payouts
from hakika.services.payouts import Order
from hakika.services.runtime import Runtime
from hakika.store.payouts import Wanted

router = APIRouter(prefix="/v1/payouts", tags=["payouts"])

Reader = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_READ))]
SellersToo = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_READ, sellers=True))]
Writer = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_WRITE))]
Approver = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_APPROVE))]


@router.post(
    "", status_code=HTTPStatus.ACCEPTED, summary="Send money",
    openapi_extra=body_of(bodies.PayoutRequest, idempotent=True),
    responses=answers(
        bodies.NewPayoutAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 404, 409, 413, 422, 429,
    ),
)
async def create(request: Request, rt: Rt, key: Writer) -> Response:
    """Send money to a phone, a paybill or a till. The outcome comes by webhook.

    The same Idempotency-Key with the same body never sends twice, however much later it comes.
    """
    idempotency_key = idempotency.read_key(request.headers.get("idempotency-key"))
    body = read_object(await read_bytes(request))
    wanted = read_model(bodies.PayoutRequest, body)
    way, payee = payout_order.read_payee(
        phone=wanted.phone, paybill=wanted.paybill or "", account=wanted.account or "",
        till=wanted.till or "", top_up=wanted.top_up or "", name=wanted.name,
    )
    payout_order.check_amount(wanted.amount, way)
    asked = await payouts.request(rt, key, Order(
        wanted.amount, way, payee, idempotency_key, body, reference=wanted.reference,
        remarks=wanted.remarks or "", metadata=wanted.metadata, shortcode=wanted.shortcode,
    ))
    headers = {"Location": f"/v1/payouts/{asked.payout.id}"}
    if asked.replayed:
        headers["Idempotent-Replayed"] = "true"
    known = asked.float_is_known
    data = payout_data(asked.payout) | {
        "float": None if known is None else "known" if known else "unknown",
    }
    return Answer({"success": True, "data": data}, HTTPStatus.ACCEPTED, headers=headers)


@router.get(
    "", summary="List payouts",
    responses=answers(bodies.PayoutsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(
    rt: Rt, key: SellersToo, wanted: Annotated[bodies.PayoutQuery, Query()],
) -> Response:
    """List payouts, newest first."""
    states = [state for state, told in STATUS.items() if told is wanted.status]
    found = await payouts.find(
        rt, key, Wanted(
            states=states if wanted.status else None,
            before=PayoutId(wanted.cursor) if wanted.cursor else None, seller_id=wanted.seller,
        ), limit=wanted.limit + 1,
    )
    return page_of(found, payout_data, limit=wanted.limit)


@router.get(
    "/{payout_id}", summary="Read a payout",
    responses=answers(bodies.PayoutAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: SellersToo, payout_id: str) -> Response:
    """Read one payout."""
    payout = await payouts.read(rt, key, ids.payout_id(payout_id))
    return Answer({"success": True, "data": payout_data(payout)})


@router.get(
    "/{payout_id}/timeline", summary="Everything heard about a payout",
    responses=answers(bodies.PayoutTimelineAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def timeline(rt: Rt, key: Reader, payout_id: str) -> Response:
    """Read every fact about one payout, oldest first, each chained to the one before."""
    payout = await payouts.read(rt, key, ids.payout_id(payout_id))
    heard = await payouts.timeline(rt, payout)
    return Answer({"success": True, "data": [fact_data(each) for each in heard]})


@router.post(
    "/{payout_id}/approve", summary="Let a held payout go",
    responses=answers(bodies.PayoutAnswer, HTTPStatus.OK, 401, 403, 404, 409),
)
async def approve(rt: Rt, key: Approver, payout_id: str) -> Response:
    """Let a payout go that waits for a second person. Nobody approves their own."""
    payout = await payouts.approve(rt, key, ids.payout_id(payout_id))
    return Answer({"success": True, "data": payout_data(payout)})


@router.post(
    "/{payout_id}/cancel", summary="Take back a payout that was not sent",
    responses=answers(bodies.PayoutAnswer, HTTPStatus.OK, 401, 403, 404, 409),
)
async def cancel(rt: Rt, key: Writer, payout_id: str) -> Response:
    """Take back a payout that was not sent. What may have been sent cannot be."""
    payout = await payouts.cancel(rt, key, ids.payout_id(payout_id))
    return Answer({"success": True, "data": payout_data(payout)})


@router.post(
    "/{payout_id}/resolve", summary="Say what became of a payout that nobody knows the end of",
    openapi_extra=body_of(bodies.ResolveRequest),
    responses=answers(bodies.PayoutAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def resolve(request: Request, rt: Rt, key: Approver, payout_id: str) -> Response:
    """Say what you saw on M-Pesa's portal: only of a payout that is unknown, and not of your own.

    Look before you say that no money went: what was held for it is free again.
    """
    found = await payouts.read(rt, key, ids.payout_id(payout_id))
    payout = await resolved(request, rt, key, found)
    return Answer({"success": True, "data": payout_data(payout)})


async def resolved(request: Request, rt: Runtime, key: ApiKey, found: Payout) -> Payout:
    """Return a payout or refund after a person said what became of it."""
    said = read_model(bodies.ResolveRequest, read_object(await read_bytes(request)))
    if said.went != bool(said.receipt):
        raise Invalid(
            "Money that went has a receipt, and what did not go has none.", field="receipt",
            code="receipt_missing" if said.went else "receipt_not_wanted",
        )
    return await payouts.resolve(
        rt, key, found, receipt=said.receipt or "", note=said.note,
    )
