"""`/v1/sellers` and `/v1/fee-plans`: who collects through a platform, and what it keeps of that."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import merchant_bodies, payout_bodies
from hakika.api import sellers_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import idempotency, ids
from hakika.domain.fee import Rate, fee_plan_data
from hakika.domain.ids import FeePlanId, SellerId
from hakika.domain.merchant import ApiKey, Scope, key_data
from hakika.domain.money import Money
from hakika.domain.payout_data import payout_data
from hakika.domain.seller import owed_data, seller_data
from hakika.services import keys, sellers, settlements
from hakika.services.sellers import Wanted

router = APIRouter(prefix="/v1", tags=["platform"])

Reader = Annotated[ApiKey, Depends(may(Scope.MERCHANT_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.MERCHANT_WRITE))]
Payer = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_WRITE))]
Owed = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_READ, sellers=True))]


@router.post(
    "/sellers", status_code=HTTPStatus.CREATED, summary="Make a seller",
    openapi_extra=body_of(bodies.SellerRequest),
    responses=answers(bodies.SellerAnswer, HTTPStatus.CREATED, 400, 401, 403, 413),
)
async def create(request: Request, rt: Rt, key: Writer) -> Response:
    """Make a seller, who collects through your short code and is owed what comes in, less your fee.

    To hold others' money may need a licence of the Central Bank of Kenya: ask a lawyer first.
    """
    wanted = read_model(bodies.SellerRequest, read_object(await read_bytes(request)))
    account = wanted.payout_account
    made = await sellers.create(rt, key, Wanted(
        wanted.name, account.read() if account else None, wanted.settlement, wanted.fee_refund,
        wanted.automatic_b2b,
    ))
    return Answer(
        {"success": True, "data": seller_data(made)}, HTTPStatus.CREATED,
        headers={"Location": f"/v1/sellers/{made.id}"},
    )


@router.get(
    "/sellers", summary="List sellers",
    responses=answers(bodies.SellersAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(rt: Rt, key: Reader, wanted: Annotated[bodies.SellerQuery, Query()]) -> Response:
    """List sellers, newest first."""
    before = SellerId(wanted.cursor) if wanted.cursor else None
    found = await sellers.find(rt, key, before=before, limit=wanted.limit + 1)
    return page_of(found, seller_data, limit=wanted.limit)


@router.get(
    "/sellers/{seller_id}", summary="Read a seller",
    responses=answers(bodies.SellerAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, seller_id: str) -> Response:
    """Read one seller."""
    found = await sellers.read(rt, key, ids.seller_id(seller_id))
    return Answer({"success": True, "data": seller_data(found)})


@router.patch(
    "/sellers/{seller_id}", summary="Change a seller",
    openapi_extra=body_of(bodies.SellerChange),
    responses=answers(bodies.SellerAnswer, HTTPStatus.OK, 400, 401, 403, 404, 413),
)
async def change(request: Request, rt: Rt, key: Writer, seller_id: str) -> Response:
    """Change a seller. Settlements that are made already go where they were made for."""
    wanted = read_model(bodies.SellerChange, read_object(await read_bytes(request)))
    changed = await sellers.change(rt, key, ids.seller_id(seller_id), wanted.said())
    return Answer({"success": True, "data": seller_data(changed)})


@router.post(
    "/sellers/{seller_id}/keys", status_code=HTTPStatus.CREATED, summary="Make a seller's key",
    openapi_extra=body_of(merchant_bodies.KeyRequest),
    responses=answers(
        merchant_bodies.NewKeyAnswer, HTTPStatus.CREATED, 400, 401, 403, 404, 413,
    ),
)
async def add_key(request: Request, rt: Rt, key: Writer, seller_id: str) -> Response:
    """Make a key for a seller, shown this once: it sees and does only what is that seller's."""
    wanted = read_model(merchant_bodies.KeyRequest, read_object(await read_bytes(request)))
    made, text = await sellers.add_key(rt, key, ids.seller_id(seller_id), keys.Wanted(
        livemode=key.livemode, scopes=wanted.scopes, label=wanted.label,
        networks=wanted.allowed_networks, expires_at=wanted.expires_at,
    ))
    return Answer(
        {"success": True, "data": key_data(made) | {"api_key": text}}, HTTPStatus.CREATED,
    )


@router.get(
    "/sellers/{seller_id}/balance", summary="Read what is owed to a seller",
    responses=answers(bodies.OwedAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def balance(rt: Rt, key: Owed, seller_id: str) -> Response:
    """Tell what is owed to a seller, what of it is on its way, and what it got. Also its own."""
    found, owed = await sellers.standing(rt, key, ids.seller_id(seller_id))
    return Answer({"success": True, "data": owed_data(found, owed)})


@router.post(
    "/sellers/{seller_id}/settlements", status_code=HTTPStatus.ACCEPTED,
    summary="Settle with a seller now",
    openapi_extra={"parameters": body_of(bodies.SellerRequest, idempotent=True)["parameters"]},
    responses=answers(
        payout_bodies.PayoutAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 404, 409, 422,
    ),
)
async def settle(request: Request, rt: Rt, key: Payer, seller_id: str) -> Response:
    """Send a seller what is owed, 250,000 at most and whole shillings by M-Pesa; no body."""
    of = ids.seller_id(seller_id)
    idempotency_key = idempotency.read_key(request.headers.get("idempotency-key"))
    asked = await settlements.settle(rt, key, of, idempotency_key)
    headers = {"Location": f"/v1/payouts/{asked.payout.id}"}
    if asked.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer(
        {"success": True, "data": payout_data(asked.payout)}, HTTPStatus.ACCEPTED, headers=headers,
    )


@router.post(
    "/payouts/{payout_id}/record", summary="Record a payout that was sent by hand",
    openapi_extra=body_of(bodies.RecordRequest),
    responses=answers(payout_bodies.PayoutAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def record(request: Request, rt: Rt, key: Payer, payout_id: str) -> Response:
    """Say with which reference a payout that is `pending_manual` was sent. It is completed then."""
    wanted = read_model(bodies.RecordRequest, read_object(await read_bytes(request)))
    payout = await settlements.record_by_hand(
        rt, key, ids.payout_id(payout_id), reference=wanted.reference, note=wanted.note,
    )
    return Answer({"success": True, "data": payout_data(payout)})


@router.post(
    "/fee-plans", status_code=HTTPStatus.CREATED, summary="Set a fee",
    openapi_extra=body_of(bodies.FeePlanRequest),
    responses=answers(bodies.FeePlanAnswer, HTTPStatus.CREATED, 400, 401, 403, 404, 413),
)
async def add_plan(request: Request, rt: Rt, key: Writer) -> Response:
    """Set what you keep of what sellers collect from then on. None is ever changed or deleted."""
    wanted = read_model(bodies.FeePlanRequest, read_object(await read_bytes(request)))
    plan = await sellers.add_plan(
        rt, key, Rate(
            wanted.basis_points, wanted.fixed or Money(0), wanted.minimum or Money(0),
            wanted.maximum, wanted.bearer,
        ), seller_id=wanted.seller_id, since=wanted.since,
    )
    return Answer({"success": True, "data": fee_plan_data(plan)}, HTTPStatus.CREATED)


@router.get(
    "/fee-plans", summary="List fees",
    responses=answers(bodies.FeePlansAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find_plans(
    rt: Rt, key: Reader, wanted: Annotated[bodies.FeePlanQuery, Query()],
) -> Response:
    """List fee plans, newest first."""
    found = await sellers.plans(
        rt, key, seller_id=wanted.seller,
        before=FeePlanId(wanted.cursor) if wanted.cursor else None, limit=wanted.limit + 1,
    )
    return page_of(found, fee_plan_data, limit=wanted.limit)
