"""`/v1/merchant`: M-Pesa credentials, and the switch that stops live collections."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import merchant_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import shortcode
from hakika.domain.errors import Forbidden, Invalid
from hakika.domain.merchant import ApiKey, CollectionsStop, Scope
from hakika.domain.provider import Secrets, provider_data
from hakika.domain.times import written
from hakika.services import merchants, providers

router = APIRouter(prefix="/v1/merchant", tags=["merchant"])

Reader = Annotated[ApiKey, Depends(may(Scope.MERCHANT_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.MERCHANT_WRITE))]

WhichShortcode = Annotated[
    str, Query(max_length=10, description="Which short code. Left out: the default."),
]


@router.get(
    "", summary="Read who you are",
    responses=answers(bodies.MerchantAnswer, HTTPStatus.OK, 401, 403),
)
async def read(rt: Rt, key: Reader) -> Response:
    """Read the merchant that this key is of, with what is set for the key's mode."""
    return await _merchant(rt, key)


@router.patch(
    "", summary="Change what is wanted of late money",
    openapi_extra=body_of(bodies.MerchantChange),
    responses=answers(bodies.MerchantAnswer, HTTPStatus.OK, 400, 401, 403, 413),
)
async def change(request: Request, rt: Rt, key: Writer) -> Response:
    """Set what is to be done with money that comes late, from now on and in the key's mode.

    It is noted on each payment at the moment at which its money comes late.
    """
    wanted = read_model(bodies.MerchantChange, read_object(await read_bytes(request)))
    if wanted.late_money is not None:
        await merchants.set_late_money(
            rt, key.merchant_id, wanted.late_money, livemode=key.livemode,
        )
    return await _merchant(rt, key)


async def _merchant(rt: Rt, key: ApiKey) -> Response:
    merchant = await merchants.read(rt, key.merchant_id)
    policy = await merchants.late_money(rt, key.merchant_id, livemode=key.livemode)
    return Answer({"success": True, "data": {
        "id": merchant.id, "name": merchant.name, "livemode": key.livemode,
        "late_money": policy.value, "created_at": written(merchant.created_at),
    }})


@router.put(
    "/providers", summary="Put M-Pesa credentials", openapi_extra=body_of(bodies.ProviderRequest),
    responses=answers(bodies.ProviderAnswer, HTTPStatus.OK, 400, 401, 403, 409, 413),
)
async def put(request: Request, rt: Rt, key: Writer) -> Response:
    """Keep the credentials of one short code, and try them: `valid` says what Daraja said.

    They are kept sealed, and shown masked. Put again, they replace those of the same short code.
    """
    wanted = read_model(bodies.ProviderRequest, read_object(await read_bytes(request))).mpesa
    if (wanted.env == "live") != key.livemode:
        raise Invalid(
            f"This is a {'live' if key.livemode else 'test'} key, and env is {wanted.env}.",
            field="mpesa.env", code="env_is_not_the_keys",
            hint="Put sandbox credentials with a test key, and live ones with a live key.",
        )
    provider = await providers.put(rt, key, providers.Wanted(
        shortcode=_shortcode(wanted),
        secrets=Secrets(
            wanted.consumer_key, wanted.consumer_secret, wanted.passkey, wanted.initiator,
            wanted.security_credential,
        ),
        result_url=wanted.result_url, timeout_url=wanted.timeout_url,
        nominated_number=wanted.nominated_number, tariff=wanted.tariff,
        is_default=wanted.default,
    ))
    return Answer({"success": True, "data": provider_data(provider)})


def _shortcode(wanted: bodies.MpesaCredentials) -> shortcode.Shortcode:
    try:
        if wanted.shortcode_type is shortcode.Kind.TILL:
            return shortcode.till(wanted.shortcode, store_number=wanted.store_number)
        return shortcode.paybill(wanted.shortcode)
    except Invalid as error:
        first = error.errors[0]
        raise Invalid(
            error.message, field=f"mpesa.{first.field}", code=first.code, hint=error.hint,
        ) from None


@router.get(
    "/providers", summary="List M-Pesa credentials",
    responses=answers(bodies.ProvidersAnswer, HTTPStatus.OK, 401, 403),
)
async def find(rt: Rt, key: Reader) -> Response:
    """List the short codes of this merchant and mode, every secret masked."""
    found = await providers.find(rt, key)
    return Answer({
        "success": True, "data": [provider_data(each) for each in found], "page": {"next": None},
    })


@router.post(
    "/providers/validate", summary="Try M-Pesa credentials now",
    responses=answers(bodies.ProviderAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def validate(rt: Rt, key: Writer, shortcode: WhichShortcode = "") -> Response:
    """Fetch an access token with the credentials that are kept, and say what came of it."""
    provider = await providers.validate(rt, key, shortcode)
    return Answer({"success": True, "data": provider_data(provider)})


@router.delete(
    "/providers", status_code=HTTPStatus.NO_CONTENT, summary="Delete M-Pesa credentials",
    responses=answers(None, HTTPStatus.NO_CONTENT, 400, 401, 403, 404, 409),
)
async def delete(rt: Rt, key: Writer, shortcode: WhichShortcode = "") -> Response:
    """Delete the credentials of one short code, for good. Where there are several, name it.

    Payments that wait are still settled by their callbacks, and asked about no more.
    """
    await providers.delete(rt, key, shortcode)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(
    "/collections", summary="Read the switch of live collections",
    responses=answers(bodies.CollectionsAnswer, HTTPStatus.OK, 401, 403),
)
async def read_collections(rt: Rt, key: Reader) -> Response:
    """Say whether new live payments are taken. Needs a live key."""
    _refuse_test(key)
    return _collections(await merchants.collections_stop(rt, key.merchant_id))


@router.put(
    "/collections", summary="Switch live collections off or on",
    openapi_extra=body_of(bodies.CollectionsRequest),
    responses=answers(bodies.CollectionsAnswer, HTTPStatus.OK, 400, 401, 403, 413),
)
async def switch_collections(request: Request, rt: Rt, key: Writer) -> Response:
    """Take no new live payments, or take them again. Callbacks, checks and webhooks go on.

    Needs a live key: test keys lie about on many machines, and have no say over live money. The
    operator's own switch stays as it is: while it is off, so are everybody's collections, and
    `stopped_by` says so.
    """
    _refuse_test(key)
    wanted = read_model(bodies.CollectionsRequest, read_object(await read_bytes(request)))
    if wanted.enabled:
        await merchants.resume_collections(rt, key.merchant_id)
    else:
        await merchants.stop_collections(rt, key.merchant_id, reason=wanted.reason)
    return _collections(await merchants.collections_stop(rt, key.merchant_id))


def _refuse_test(key: ApiKey) -> None:
    if not key.livemode:
        raise Forbidden(
            "The switch is of live collections, and this is a test key.", hint="Use a live key.",
        )


def _collections(stop: CollectionsStop | None) -> Response:
    data: dict[str, Any] = {
        "enabled": stop is None, "reason": None, "stopped_at": None, "stopped_by": None,
    }
    if stop is not None:
        data |= {
            "reason": stop.reason or None, "stopped_at": written(stop.stopped_at),
            "stopped_by": "operator" if stop.by_operator else "merchant",
        }
    return Answer({"success": True, "data": data})
