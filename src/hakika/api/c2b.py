"""`/v1/merchant/c2b`: payers' own payments to a short code, and which of them are let in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from hakika.api import c2b_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain.callback import Door
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.provider import Provider
from hakika.domain.validation import Terms
from hakika.services import providers, registrations, validations

router = APIRouter(prefix="/v1/merchant/c2b", tags=["merchant"])

Reader = Annotated[ApiKey, Depends(may(Scope.MERCHANT_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.MERCHANT_WRITE))]

OLD_VERSION = (
    "M-Pesa speaks version 1, so others registered its addresses: delete them on the portal (Self "
    "Services, URL Management) and register again."
)


@router.post(
    "", summary="Hear of unasked payments", openapi_extra=body_of(bodies.C2bRequest),
    responses=answers(
        bodies.C2bAnswer, HTTPStatus.OK, 400, 401, 403, 404, 413, 502, 503,
    ),
)
async def register(request: Request, rt: Rt, key: Writer) -> Response:
    """Have M-Pesa tell Hakika of every payment to a short code, also of those nobody asked for.

    In live mode M-Pesa takes the addresses once: to register others, delete them on its portal.
    """
    wanted = read_model(bodies.C2bRequest, read_object(await read_bytes(request)))
    provider = await registrations.register_c2b(
        rt, key, wanted.shortcode, when_unheard=wanted.when_unheard,
    )
    return Answer({"success": True, "data": {
        "shortcode": provider.shortcode.number, "when_unheard": wanted.when_unheard.value,
        "confirmation_url": rt.callback_url(provider.id, Door.CONFIRMATION),
        "validation_url": rt.callback_url(provider.id, Door.VALIDATION),
    }})


@router.get(
    "", summary="Read what is let in",
    responses=answers(bodies.LetInsAnswer, HTTPStatus.OK, 401, 403),
)
async def find(rt: Rt, key: Reader) -> Response:
    """List what is let in at each short code, and which version of C2B M-Pesa speaks to it."""
    found = await providers.find(rt, key)
    return Answer({
        "success": True, "data": [_let_in(each) for each in found], "page": {"next": None},
    })


@router.put(
    "/validation", summary="Set what is let in", openapi_extra=body_of(bodies.ValidationRequest),
    responses=answers(bodies.LetInAnswer, HTTPStatus.OK, 400, 401, 403, 404, 413),
)
async def set_validation(request: Request, rt: Rt, key: Writer) -> Response:
    """Set which of the payers' own payments are let in at a short code, from now on.

    M-Pesa asks only when External Validation is on for the short code (write to Safaricom). What
    was let in is not paid yet: wait for `payment.completed`.
    """
    wanted = read_model(bodies.ValidationRequest, read_object(await read_bytes(request)))
    provider = await validations.set_terms(rt, key, wanted.shortcode, Terms(
        wanted.rule, wanted.callback_url, wanted.when_undecided,
    ))
    return Answer({"success": True, "data": _let_in(provider)})


def _let_in(provider: Provider) -> dict[str, Any]:
    terms = provider.terms
    return {
        "shortcode": provider.shortcode.number, "rule": terms.rule.value,
        "callback_url": terms.callback_url or None, "when_undecided": terms.when_undecided.value,
        "version_seen": provider.c2b_version,
        "advice": OLD_VERSION if provider.c2b_version == 1 else None,
    }
