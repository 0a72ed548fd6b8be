"""`/v1/payments`: ask a payer for money, and read what became of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import inputs, schemas
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.errors import problem
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import idempotency, ids, money, msisdn
from hakika.domain.customer import Details
from hakika.domain.errors import Invalid
from hakika.domain.ids import CustomerId, PaymentId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.money import Money
from hakika.domain.payment import STATUS, Status
from hakika.domain.payment_data import payment_data
from hakika.domain.times import written
from hakika.services import checks, hearsay, payments, webhooks
from hakika.services.payments import Asked, Order
from hakika.store.payment_rows import HeardFact
from hakika.store.payment_search import Filter
from hakika.store.payout_rows import HeardFact as HeardPayoutFact

router = APIRouter(prefix="/v1/payments", tags=["payments"])

Reader = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_WRITE))]
SellersReader = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_READ, sellers=True))]
SellersWriter = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_WRITE, sellers=True))]

_CHECKOUT_ID = "ws_CO_"


@router.post(
    "", status_code=HTTPStatus.ACCEPTED, summary="Ask a payer for money",
    openapi_extra=body_of(inputs.PaymentRequest, idempotent=True),
    responses=answers(
        schemas.PaymentAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 409, 413, 422, 429, 502, 503,
    ),
)
async def create(request: Request, rt: Rt, key: SellersWriter) -> Response:
    """Send an M-Pesa prompt to the payer's phone. The outcome comes by webhook.

    The same Idempotency-Key with the same body never asks twice, and answers the same.
    """
    idempotency_key = idempotency.read_key(request.headers.get("idempotency-key"))
    body = read_object(await read_bytes(request))
    wanted = read_model(inputs.PaymentRequest, body)
    asked = await payments.request(rt, key, Order(
        amount=wanted.amount, payer=wanted.phone, idempotency_key=idempotency_key, body=body,
        reference=wanted.reference, description=wanted.description, metadata=wanted.metadata,
        callback_url=_callback_url(rt, key, wanted.callback_url), shortcode=wanted.shortcode,
        customer_id=wanted.customer_id, customer=_customer(wanted),
    ))
    return _asked(request, asked)


def _customer(wanted: inputs.PaymentRequest) -> Details | None:
    said = wanted.customer
    if said is None:
        return None
    if wanted.customer_id is not None:
        raise Invalid(
            "Name a customer, or have one found by the phone: not both.", field="customer",
            code="customer_twice",
        )
    return Details(
        name=said.name, email=said.email, reference=said.reference, metadata=said.metadata,
    )


def _callback_url(rt: Rt, key: ApiKey, url: str) -> str:
    if not url or hearsay.is_ours(rt, url):
        return ""  # of another service: there its callbacks came in, and here each has its own
    try:
        return webhooks.checked_url(rt, key, url)
    except Invalid as error:
        raise Invalid(
            error.message, field="callback_url", code="callback_url_invalid", hint=error.hint,
        ) from None


def _asked(request: Request, asked: Asked) -> Response:
    headers = {"Location": f"/v1/payments/{asked.data['id']}"}
    if asked.replayed:
        headers["Idempotent-Replayed"] = "true"
    if asked.was_refused:
        return refused(request, asked.data, headers)
    return Answer(
        {"success": True, "data": asked.data}, HTTPStatus.ACCEPTED, headers=headers,
    )


def refused(request: Request, data: Any, headers: dict[str, str]) -> Response:
    """Return the answer to an order whose prompt Daraja refused to make."""
    return problem(
        request, HTTPStatus.BAD_GATEWAY, code="daraja_refused",
        detail=f"Daraja refused to make the prompt: {data['failure_reason']}",
        hint="Nothing was sent to the payer. Mend what Daraja names; use a new Idempotency-Key.",
        headers=headers,
        extra={
            "daraja": {
                "code": data["daraja_code"], "message": data["daraja_message"],
                "meaning": data["failure_reason"], "payer_message": data["payer_message"],
                "retryable": data["retryable"],
            },
            "data": data,
        },
    )


@router.get(
    "", summary="List payments",
    responses=answers(schemas.PaymentsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(
    rt: Rt, key: SellersReader, wanted: Annotated[inputs.PaymentQuery, Query()],
) -> Response:
    """List payments, newest first."""
    found = await payments.find(rt, key, _filter(wanted), limit=wanted.limit + 1)
    return page_of(found, payment_data, limit=wanted.limit)


def _filter(wanted: inputs.PaymentQuery) -> Filter:
    return Filter(
        states=_states(wanted.status), since=wanted.since, until=wanted.until,
        search=wanted.search, search_phone=_phone(wanted.search),
        customer_id=CustomerId(wanted.customer) if wanted.customer else None,
        amount_min=_amount(wanted.min_amount, field="min_amount"),
        amount_max=_amount(wanted.max_amount, field="max_amount"),
        before=PaymentId(wanted.cursor) if wanted.cursor else None,
        is_explained=None if wanted.unassigned is None else not wanted.unassigned,
        late_action=wanted.late_action, seller_id=wanted.seller,
    )


def _amount(text: str | None, *, field: str) -> Money | None:
    return None if text is None else money.parse(text, field=field)


def _states(status: Status | None) -> list[Any] | None:
    if status is None:
        return None
    return [state for state, told in STATUS.items() if told is status]


def _phone(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return msisdn.parse(text).digits
    except Invalid:
        return None  # a receipt or a reference, then


@router.get(
    "/{payment_id}", summary="Read a payment",
    responses=answers(schemas.PaymentAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: SellersReader, payment_id: str) -> Response:
    """Read one payment, by its id or by Daraja's CheckoutRequestID."""
    if payment_id.startswith(_CHECKOUT_ID):
        payment = await payments.read_by_checkout_id(rt, key, payment_id)
    else:
        payment = await payments.read(rt, key, ids.payment_id(payment_id))
    return Answer({"success": True, "data": payment_data(payment)})


@router.get(
    "/{payment_id}/timeline", summary="Everything heard about a payment",
    responses=answers(schemas.TimelineAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def timeline(
    rt: Rt, key: Reader, payment_id: str, wanted: Annotated[inputs.TimelineQuery, Query()],
) -> Response:
    """Read every fact about one payment, oldest first, each chained to the one before."""
    heard = await payments.timeline(
        rt, key, ids.payment_id(payment_id), after=wanted.cursor, limit=wanted.limit + 1,
    )
    page, more = heard[:wanted.limit], len(heard) > wanted.limit
    return Answer({
        "success": True, "data": [fact_data(each) for each in page],
        "page": {"next": str(page[-1].sequence) if more else None},
    })


def fact_data(heard: HeardFact | HeardPayoutFact) -> dict[str, Any]:
    """Return a fact in its place of the chain, as merchants read it."""
    return {
        "sequence": heard.sequence, "heard_at": written(heard.heard_at),
        "fact": heard.kind.value, "source": heard.source.value, "state": heard.state.value,
        "details": {name: value for name, value in heard.details.items() if value is not None},
        "link": heard.link.hex(),
    }


@router.post(
    "/{payment_id}/check", summary="Ask Daraja about a payment now",
    responses=answers(schemas.PaymentAnswer, HTTPStatus.OK, 401, 403, 404, 503),
)
async def check(rt: Rt, key: Writer, payment_id: str) -> Response:
    """Ask Daraja what became of a payment, within the query budget of the short code."""
    payment = await payments.read(rt, key, ids.payment_id(payment_id))
    checked = await checks.check_now(rt, key, payment)
    return Answer({"success": True, "data": payment_data(checked)})


@router.post(
    "/{payment_id}/assign", summary="Say what unasked money is for",
    openapi_extra=body_of(inputs.AssignRequest),
    responses=answers(schemas.PaymentAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def assign(request: Request, rt: Rt, key: Writer, payment_id: str) -> Response:
    """Say what a payment that came unasked is for. It leaves suspense in the books.

    When somebody said something else before, `replace` must say that you know.
    """
    wanted = read_model(inputs.AssignRequest, read_object(await read_bytes(request)))
    payment = await payments.read(rt, key, ids.payment_id(payment_id))
    assigned = await payments.assign(
        rt, payment, wanted.assigned_to, replaces=wanted.replace,
    )
    return Answer({"success": True, "data": payment_data(assigned)})
