"""`/v1/express`: the door of an older hosted service, kept. Its callers change address and key."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from hakika.api import express_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.payments import refused
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import account_reference, idempotency
from hakika.domain.customer import Details
from hakika.domain.errors import Invalid
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.money import parse
from hakika.domain.msisdn import Msisdn
from hakika.services import customers, payments
from hakika.services.payments import Order

router = APIRouter(prefix="/v1", tags=["drop-in: express"])

Writer = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_WRITE, sellers=True))]

_MESSAGES = {
    "pending": "Payment request sent to customer",
    "unknown": "Payment request sent; whether it reached the customer is not known yet",
}


@router.post(
    "/express", status_code=HTTPStatus.ACCEPTED, summary="Ask a payer for money (express)",
    openapi_extra=body_of(bodies.ExpressRequest, key_is_optional=True),
    responses=answers(
        bodies.ExpressAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 404, 409, 413, 422, 429, 502, 503,
    ),
)
async def pay(request: Request, rt: Rt, key: Writer) -> Response:
    """Send a prompt to the payer's phone. An Idempotency-Key is optional here, and wise."""
    given = request.headers.get("idempotency-key")
    idempotency_key = idempotency.read_key(given) if given else f"express:{uuid.uuid4().hex}"
    body = read_object(await read_bytes(request))
    wanted = read_model(bodies.ExpressRequest, body)
    asked = await payments.request(rt, key, Order(
        amount=wanted.amount, payer=await _payer(rt, key, wanted),
        idempotency_key=idempotency_key, body=body, reference=wanted.account_reference,
        description=account_reference.shown_as(wanted.description),
        metadata=wanted.metadata | account_reference.kept_whole(description=wanted.description),
        customer_id=wanted.customer_id, customer=_customer(wanted),
    ))
    headers = {"Location": f"/v1/payments/{asked.data['id']}"}
    if asked.replayed:
        headers["Idempotent-Replayed"] = "true"
    if asked.was_refused:
        return refused(request, asked.data, headers)
    return Answer(_data(asked.data), HTTPStatus.ACCEPTED, headers=headers)


async def _payer(rt: Rt, key: ApiKey, wanted: bodies.ExpressRequest) -> Msisdn:
    if wanted.phone_number is not None:
        return wanted.phone_number
    if wanted.customer_id is None:
        raise Invalid(
            "Who is to pay? Send a phoneNumber or a customerId.", field="phoneNumber",
            code="missing_field",
        )
    phone = (await customers.read(rt, key, wanted.customer_id)).details.phone
    if phone is None:
        raise Invalid(
            f"Customer {wanted.customer_id} has no phone.", field="customerId",
            code="customer_without_phone", hint="Send a phoneNumber too.",
        )
    return phone


def _customer(wanted: bodies.ExpressRequest) -> Details | None:
    if not wanted.tells_of_a_customer:
        return None
    if wanted.customer_id is not None:
        raise Invalid(
            "Name a customer, or have one found by the phone: not both.", field="customerId",
            code="customer_twice",
        )
    said = wanted.customer_description
    return Details(
        name=wanted.customer_name, email=wanted.customer_email,
        metadata=wanted.customer_metadata | ({"description": said} if said else {}),
    )


def _data(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "paymentId": data["id"], "transactionId": data["provider_ref"] or data["id"],
        "customerId": data["customer_id"], "phoneNumber": data["phone"],
        "amount": parse(data["amount"]).whole_shillings(), "currency": data["currency"],
        "status": data["status"], "description": account_reference.own_description(data),
        "accountReference": data["reference"],
        "environment": "production" if data["livemode"] else "sandbox",
        "timestamp": data["created_at"],
        "message": _MESSAGES.get(data["status"], data["payer_message"] or "Payment completed"),
    }
