"""`/v1/customers`: a merchant's own records of the people who pay."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import customers_bodies as bodies
from hakika.api import schemas
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import ids, msisdn
from hakika.domain.customer import Details, customer_data, words_sought
from hakika.domain.errors import Invalid
from hakika.domain.ids import CustomerId, PaymentId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment_data import payment_data
from hakika.services import customers
from hakika.store.customers import Sought

router = APIRouter(prefix="/v1/customers", tags=["customers"])

Reader = Annotated[ApiKey, Depends(may(Scope.CUSTOMERS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.CUSTOMERS_WRITE))]
PaymentsReader = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_READ))]


@router.post(
    "", status_code=HTTPStatus.CREATED, summary="Make a customer",
    openapi_extra=body_of(bodies.CustomerRequest),
    responses=answers(bodies.CustomerAnswer, HTTPStatus.CREATED, 400, 401, 403, 409, 413),
)
async def create(request: Request, rt: Rt, key: Writer) -> Response:
    """Make a customer. A phone belongs to one customer: who has it already is named in a 409."""
    wanted = read_model(bodies.CustomerRequest, read_object(await read_bytes(request)))
    customer = await customers.create(rt, key, Details(
        name=wanted.name, phone=wanted.phone, email=wanted.email, reference=wanted.reference,
        metadata=wanted.metadata,
    ))
    return Answer(
        {"success": True, "data": customer_data(customer)}, HTTPStatus.CREATED,
        headers={"Location": f"/v1/customers/{customer.id}"},
    )


@router.get(
    "", summary="List customers",
    responses=answers(bodies.CustomersAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(
    rt: Rt, key: Reader, wanted: Annotated[bodies.CustomerQuery, Query()],
) -> Response:
    """List customers, newest first. A search finds whole words: what is stored is sealed."""
    found = await customers.find(rt, key, _sought(wanted), limit=wanted.limit + 1)
    return page_of(found, customer_data, limit=wanted.limit)


def _sought(wanted: bodies.CustomerQuery) -> Sought:
    search = wanted.search
    return Sought(
        words=None if search is None else words_sought(search),
        search_phone=None if search is None else _phone(search), phone=wanted.phone,
        before=CustomerId(wanted.cursor) if wanted.cursor else None,
    )


def _phone(text: str) -> Msisdn | None:
    try:
        return msisdn.parse(text)
    except Invalid:
        return None  # words, then


@router.get(
    "/{customer_id}", summary="Read a customer",
    responses=answers(bodies.CustomerAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, customer_id: str) -> Response:
    """Read one customer."""
    customer = await customers.read(rt, key, ids.customer_id(customer_id))
    return Answer({"success": True, "data": customer_data(customer)})


@router.patch(
    "/{customer_id}", summary="Change a customer",
    openapi_extra=body_of(bodies.CustomerChange),
    responses=answers(bodies.CustomerAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def change(request: Request, rt: Rt, key: Writer, customer_id: str) -> Response:
    """Change a customer: what is left out stays, null removes, metadata is merged."""
    wanted = read_model(bodies.CustomerChange, read_object(await read_bytes(request)))
    customer = await customers.change(
        rt, key, ids.customer_id(customer_id),
        {name: getattr(wanted, name) for name in wanted.model_fields_set},
    )
    return Answer({"success": True, "data": customer_data(customer)})


@router.delete(
    "/{customer_id}", status_code=HTTPStatus.NO_CONTENT, summary="Delete a customer",
    responses=answers(None, HTTPStatus.NO_CONTENT, 401, 403, 404),
)
async def erase(rt: Rt, key: Writer, customer_id: str) -> Response:
    """Erase what is personal, for good. Payments stay, and keep the customer's id."""
    await customers.erase(rt, key, ids.customer_id(customer_id))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(
    "/{customer_id}/payments", summary="List a customer's payments",
    responses=answers(schemas.PaymentsAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def payments(
    rt: Rt, key: PaymentsReader, customer_id: str,
    wanted: Annotated[bodies.CustomerPaymentsQuery, Query()],
) -> Response:
    """List the payments that name a customer, newest first."""
    found = await customers.payments_of(
        rt, key, ids.customer_id(customer_id), limit=wanted.limit + 1,
        before=PaymentId(wanted.cursor) if wanted.cursor else None,
    )
    return page_of(found, payment_data, limit=wanted.limit)
