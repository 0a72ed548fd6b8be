"""`/api/v1`: the doors of an older gateway, kept. Its callers change their address and key."""

from __future__ import annotations

import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from hakika.api import gateway_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.payments import refused
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import account_reference, idempotency, ids
from hakika.domain.errors import IdempotencyKeyInProgress
from hakika.domain.gateway_data import pushed_data, transaction_data
from hakika.domain.ids import PaymentId
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import payments
from hakika.services.payments import Order

router = APIRouter(prefix="/api/v1", tags=["drop-in: mpesa-gateway"])

Reader = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_READ, sellers=True))]
Writer = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_WRITE, sellers=True))]

# Its callers may use a key again on the next day; whoever asks at /v1/payments may not. So the same
# key at the two doors is two keys.
KEY_LIVES = timedelta(hours=24)
_KEYS = "mpesa-gateway:"


@router.post(
    "/stk-push", summary="Ask a payer for money (mpesa-gateway)",
    openapi_extra=body_of(bodies.StkPushRequest, key_is_optional=True),
    responses=answers(
        bodies.Pushed, HTTPStatus.OK, 400, 401, 403, 502, 503, problem=bodies.GatewayError,
    ),
)
async def push(request: Request, rt: Rt, key: Writer) -> Response:
    """Send a prompt to the payer's phone. An Idempotency-Key is optional, and holds for a day.

    The same key again gives the transaction that there is, as it stands.
    """
    idempotency_key = _key(request)
    body = read_object(await read_bytes(request))
    wanted = read_model(bodies.StkPushRequest, body)
    try:
        asked = await payments.request(rt, key, Order(
            amount=wanted.amount, payer=wanted.phone, idempotency_key=idempotency_key, body=body,
            reference=account_reference.sent_as(wanted.reference),
            description=account_reference.shown_as(wanted.description),
            metadata=account_reference.kept_whole(
                reference=wanted.reference, description=wanted.description,
            ),
            key_lives=KEY_LIVES,
        ))
    except IdempotencyKeyInProgress as running:
        payment_id = PaymentId(running.payment_id)
    else:
        if asked.was_refused:
            return refused(request, asked.data, {})
        payment_id = PaymentId(asked.data["id"])
    return Answer(pushed_data(await payments.read(rt, key, payment_id)))


def _key(request: Request) -> str:
    given = request.headers.get("idempotency-key")
    return _KEYS + (idempotency.read_key(given) if given else uuid.uuid4().hex)


@router.get(
    "/transactions/{payment_id}", summary="Read a transaction (mpesa-gateway)",
    responses=answers(
        bodies.TransactionAnswer, HTTPStatus.OK, 401, 403, 404, problem=bodies.GatewayError,
    ),
)
async def read(rt: Rt, key: Reader, payment_id: str) -> Response:
    """Read what became of a payment, however it was asked for: pending, success or failed."""
    payment = await payments.read(rt, key, ids.payment_id(payment_id))
    return Answer({"transaction": transaction_data(payment)})
