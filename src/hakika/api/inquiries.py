"""`/v1/inquiries`: ask M-Pesa itself, and read what it answered."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import inquiries_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.reconciliation import shortcode_of
from hakika.api.reconciliation_bodies import ShortcodeRequest
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import ids
from hakika.domain.errors import Invalid
from hakika.domain.ids import InquiryId
from hakika.domain.inquiry import inquiry_data, read_receipt
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import inquiries

router = APIRouter(prefix="/v1", tags=["inquiries"])

Reader = Annotated[ApiKey, Depends(may(Scope.REPORTS_READ))]
Payer = Annotated[ApiKey, Depends(may(Scope.PAYMENTS_WRITE))]
Writer = Annotated[ApiKey, Depends(may(Scope.MERCHANT_WRITE))]

# Daraja's ResponseCode for a question that it took.
_TAKEN = "0"


@router.post(
    "/payments/mpesa/check-status/{receipt}", status_code=HTTPStatus.ACCEPTED,
    summary="Ask what became of a receipt",
    responses=answers(
        bodies.TakenAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 404, 409, 502, 503,
    ),
)
async def check_status(
    receipt: str, rt: Rt, key: Payer,
    shortcode: Annotated[
        str, Query(max_length=10, description="Which short code. Left out: the default."),
    ] = "",
) -> Response:
    """Ask M-Pesa about a receipt. It answers later: a payment that it calls completed is completed.

    The same as POST /v1/inquiries, with Daraja's own words for an answer.
    """
    asked = await inquiries.ask_status(
        rt, key, receipt=read_receipt(receipt), shortcode=shortcode,
    )
    taken = asked.taken
    return Answer({"success": True, "data": {
        "OriginatorConversationID": taken.originator_conversation_id if taken else None,
        "ConversationID": taken.conversation_id if taken else None,
        "ResponseCode": _TAKEN if taken else None,
        "ResponseDescription": taken.response_text if taken else None,
        "inquiry_id": asked.inquiry.id,
    }}, HTTPStatus.ACCEPTED)


@router.post(
    "/inquiries", status_code=HTTPStatus.ACCEPTED,
    summary="Ask what became of a receipt or an order",
    openapi_extra=body_of(bodies.InquiryRequest),
    responses=answers(
        bodies.InquiryAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 404, 409, 413, 502, 503,
    ),
)
async def ask(request: Request, rt: Rt, key: Payer) -> Response:
    """Ask M-Pesa. It answers later: read the inquiry again, or wait for the payment's event."""
    wanted = read_model(bodies.InquiryRequest, read_object(await read_bytes(request)))
    if (wanted.receipt is None) == (wanted.conversation_id is None):
        raise Invalid(
            "Name a receipt or a conversation_id, and not both.", field="receipt",
            code="receipt_or_conversation_id",
        )
    asked = await inquiries.ask_status(
        rt, key, receipt=wanted.receipt or "", conversation_id=wanted.conversation_id or "",
        shortcode=wanted.shortcode,
    )
    return _accepted(asked)


@router.post(
    "/balance/check", status_code=HTTPStatus.ACCEPTED, summary="Ask for a short code's balance",
    openapi_extra=body_of(ShortcodeRequest),
    responses=answers(
        bodies.InquiryAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 404, 409, 413, 502, 503,
    ),
)
async def check_balance(request: Request, rt: Rt, key: Writer) -> Response:
    """Ask M-Pesa what lies on every account of a short code. It answers later."""
    return _accepted(await inquiries.ask_balance(rt, key, await shortcode_of(request)))


def _accepted(asked: inquiries.Asked) -> Response:
    return Answer(
        {"success": True, "data": inquiry_data(asked.inquiry)}, HTTPStatus.ACCEPTED,
    )


@router.get(
    "/inquiries", summary="List inquiries",
    responses=answers(bodies.InquiriesAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(rt: Rt, key: Reader, wanted: Annotated[bodies.InquiryQuery, Query()]) -> Response:
    """List what M-Pesa was asked, newest first: by you, and by the worker each midnight."""
    found = await inquiries.find(
        rt, key, before=InquiryId(wanted.cursor) if wanted.cursor else None,
        limit=wanted.limit + 1,
    )
    return page_of(found, inquiry_data, limit=wanted.limit)


@router.get(
    "/inquiries/{inquiry_id}", summary="Read an inquiry",
    responses=answers(bodies.InquiryAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(inquiry_id: str, rt: Rt, key: Reader) -> Response:
    """Read what M-Pesa answered, as far as it has."""
    found = await inquiries.read(rt, key, ids.inquiry_id(inquiry_id))
    return Answer({"success": True, "data": inquiry_data(found)})
