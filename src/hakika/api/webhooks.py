"""`/v1/webhook-endpoints` and `/v1/merchant/webhook`: where a merchant wants to be told."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from hakika.api import inputs, schemas
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import ids
from hakika.domain.errors import Invalid
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.times import written
from hakika.domain.webhook import Endpoint
from hakika.services import webhooks

router = APIRouter(prefix="/v1", tags=["webhooks"])

Reader = Annotated[ApiKey, Depends(may(Scope.WEBHOOKS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.WEBHOOKS_WRITE))]


@router.post(
    "/webhook-endpoints", status_code=HTTPStatus.CREATED, summary="Register a webhook endpoint",
    openapi_extra=body_of(inputs.EndpointRequest),
    responses=answers(schemas.EndpointAnswer, HTTPStatus.CREATED, 400, 401, 403, 409, 413),
)
async def create(request: Request, rt: Rt, key: Writer) -> Response:
    """Register an endpoint. Its secret is shown this once; verify every webhook with it."""
    wanted = read_model(inputs.EndpointRequest, read_object(await read_bytes(request)))
    endpoint = await webhooks.add_endpoint(rt, key, wanted.url, names=wanted.events)
    return JSONResponse(
        {"success": True, "data": _with_secret(endpoint)}, HTTPStatus.CREATED,
        headers={"Location": f"/v1/webhook-endpoints/{endpoint.id}"},
    )


@router.get(
    "/webhook-endpoints", summary="List webhook endpoints",
    responses=answers(schemas.EndpointsAnswer, HTTPStatus.OK, 401, 403),
)
async def find(rt: Rt, key: Reader) -> Response:
    """List endpoints, without their secrets."""
    found = await webhooks.endpoints(rt, key)
    return JSONResponse({
        "success": True, "data": [_endpoint_data(each) for each in found], "page": {"next": None},
    })


@router.delete(
    "/webhook-endpoints/{endpoint_id}", status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a webhook endpoint",
    responses=answers(None, HTTPStatus.NO_CONTENT, 401, 403, 404),
)
async def delete(rt: Rt, key: Writer, endpoint_id: str) -> Response:
    """Delete an endpoint. Nothing more is sent to it, retries included."""
    await webhooks.delete_endpoint(rt, key, ids.endpoint_id(endpoint_id))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.put(
    "/merchant/webhook", summary="Set the one webhook address",
    openapi_extra=body_of(inputs.WebhookRequest),
    responses=answers(schemas.EndpointAnswer, HTTPStatus.OK, 400, 401, 403, 413),
)
async def set_only(request: Request, rt: Rt, key: Writer) -> Response:
    """Replace all endpoints by one that hears every event. Its secret is shown this once."""
    wanted = read_model(inputs.WebhookRequest, read_object(await read_bytes(request)))
    try:
        endpoint = await webhooks.set_only_endpoint(rt, key, wanted.webhook_url)
    except Invalid as error:  # it knows the address as `url`
        raise Invalid(
            error.message, field="webhook_url", code=error.errors[0].code, hint=error.hint,
        ) from None
    return JSONResponse({"success": True, "data": _with_secret(endpoint)})


def _endpoint_data(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id, "url": endpoint.url, "livemode": endpoint.livemode,
        "events": sorted(name.value for name in endpoint.events),
        "created_at": written(endpoint.created_at),
        "disabled_at": written(endpoint.disabled_at) if endpoint.disabled_at else None,
        "disabled_reason": endpoint.disabled_reason or None,
    }


def _with_secret(endpoint: Endpoint) -> dict[str, Any]:
    """Return a new endpoint with its secret under our name and under that of older services."""
    return _endpoint_data(endpoint) | {
        "secret": endpoint.secret, "webhook_secret": endpoint.secret,
    }
