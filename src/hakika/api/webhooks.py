"""`/v1/webhook-endpoints` and `/v1/merchant/webhook`: where a merchant wants to be told."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from hakika.api import webhook_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.merchant_bodies import OverlapRequest
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import ids
from hakika.domain.errors import Invalid
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.webhook import Endpoint, endpoint_data
from hakika.services import deliveries, webhooks
from hakika.services.webhooks import Changed, Wanted

router = APIRouter(prefix="/v1", tags=["webhooks"])

Writer = Annotated[ApiKey, Depends(may(Scope.WEBHOOKS_WRITE))]
SellersReader = Annotated[ApiKey, Depends(may(Scope.WEBHOOKS_READ, sellers=True))]
SellersWriter = Annotated[ApiKey, Depends(may(Scope.WEBHOOKS_WRITE, sellers=True))]


@router.post(
    "/webhook-endpoints", status_code=HTTPStatus.CREATED, summary="Register a webhook endpoint",
    openapi_extra=body_of(bodies.EndpointRequest),
    responses=answers(bodies.NewEndpointAnswer, HTTPStatus.CREATED, 400, 401, 403, 409, 413),
)
async def create(request: Request, rt: Rt, key: SellersWriter) -> Response:
    """Register an endpoint. Its secret is shown this once; verify every webhook with it."""
    wanted = read_model(bodies.EndpointRequest, read_object(await read_bytes(request)))
    endpoint = await webhooks.add_endpoint(rt, key, Wanted(
        url=wanted.url, events=wanted.events, dialect=wanted.dialect,
        description=wanted.description, headers=wanted.headers,
        rate_per_second=wanted.rate_per_second,
    ))
    return Answer(
        {"success": True, "data": _with_secret(endpoint)}, HTTPStatus.CREATED,
        headers={"Location": f"/v1/webhook-endpoints/{endpoint.id}"},
    )


@router.get(
    "/webhook-endpoints", summary="List webhook endpoints",
    responses=answers(bodies.EndpointsAnswer, HTTPStatus.OK, 401, 403),
)
async def find(rt: Rt, key: SellersReader) -> Response:
    """List endpoints, without their secrets."""
    found = await webhooks.endpoints(rt, key)
    return Answer({
        "success": True, "data": [endpoint_data(each) for each in found], "page": {"next": None},
    })


@router.get(
    "/webhook-endpoints/{endpoint_id}", summary="Read a webhook endpoint",
    responses=answers(bodies.EndpointAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: SellersReader, endpoint_id: str) -> Response:
    """Read one endpoint: what it wants, and how it is doing."""
    endpoint = await webhooks.read_endpoint(rt, key, ids.endpoint_id(endpoint_id))
    return Answer({"success": True, "data": endpoint_data(endpoint)})


@router.patch(
    "/webhook-endpoints/{endpoint_id}", summary="Change a webhook endpoint",
    openapi_extra=body_of(bodies.EndpointChange),
    responses=answers(bodies.EndpointAnswer, HTTPStatus.OK, 400, 401, 403, 404, 413),
)
async def change(request: Request, rt: Rt, key: SellersWriter, endpoint_id: str) -> Response:
    """Change an endpoint, or enable it again. Nothing more goes to an address that was replaced.

    What is left out stays as it is. Null removes description, headers and rate_per_second, and
    the choice of events: all are sent then.
    """
    wanted = read_model(bodies.EndpointChange, read_object(await read_bytes(request)))
    endpoint = await webhooks.change_endpoint(
        rt, key, ids.endpoint_id(endpoint_id), Changed(**wanted.said()),
    )
    return Answer({"success": True, "data": endpoint_data(endpoint)})


@router.delete(
    "/webhook-endpoints/{endpoint_id}", status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a webhook endpoint",
    responses=answers(None, HTTPStatus.NO_CONTENT, 401, 403, 404),
)
async def delete(rt: Rt, key: SellersWriter, endpoint_id: str) -> Response:
    """Delete an endpoint. Nothing more is sent to it, retries included."""
    await webhooks.delete_endpoint(rt, key, ids.endpoint_id(endpoint_id))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret", summary="Change a webhook endpoint's secret",
    openapi_extra=body_of(OverlapRequest),
    responses=answers(bodies.NewEndpointAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def rotate(request: Request, rt: Rt, key: SellersWriter, endpoint_id: str) -> Response:
    """Make a new secret, shown this once. The old one signs beside it until the overlap is over.

    While an earlier overlap runs, only `overlap_seconds` 0 is taken: it ends both secrets at once.
    """
    raw = await read_bytes(request)
    wanted = read_model(OverlapRequest, read_object(raw) if raw else {})
    endpoint = await webhooks.rotate_secret(
        rt, key, ids.endpoint_id(endpoint_id), overlap_seconds=wanted.overlap_seconds,
    )
    return Answer({"success": True, "data": _with_secret(endpoint)})


@router.post(
    "/webhook-endpoints/{endpoint_id}/test", summary="Send a test event",
    responses=answers(bodies.TestEventAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def test(rt: Rt, key: SellersWriter, endpoint_id: str) -> Response:
    """Post an `endpoint.test` now and show what comes back. It has no sequence and is not kept."""
    tried = await webhooks.try_endpoint(rt, key, ids.endpoint_id(endpoint_id))
    answer = tried.answer
    return Answer({"success": True, "data": {
        "accepted": answer.accepted, "duration_ms": answer.duration_ms,
        "error": answer.error or None,
        "request": bodies.sent(tried.url, dict(tried.message.headers), tried.message.body),
        "answer": {"status": answer.status, "body": answer.body.decode(errors="replace")},
    }})


@router.post(
    "/webhook-endpoints/{endpoint_id}/recover", summary="Send again what an endpoint missed",
    openapi_extra=body_of(bodies.RecoveryRequest),
    responses=answers(bodies.RecoveryAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def recover(request: Request, rt: Rt, key: Writer, endpoint_id: str) -> Response:
    """Send what was given up or dropped since then, or never kept while it was disabled."""
    wanted = read_model(bodies.RecoveryRequest, read_object(await read_bytes(request)))
    missed = await deliveries.recover(
        rt, key, ids.endpoint_id(endpoint_id), since=wanted.since,
    )
    return Answer({"success": True, "data": {"recovered": missed}})


@router.put(
    "/merchant/webhook", summary="Set the one webhook address",
    openapi_extra=body_of(bodies.WebhookRequest),
    responses=answers(bodies.NewEndpointAnswer, HTTPStatus.OK, 400, 401, 403, 413),
)
async def set_only(request: Request, rt: Rt, key: Writer) -> Response:
    """Replace all endpoints by one that hears every event. Its secret is shown this once."""
    wanted = read_model(bodies.WebhookRequest, read_object(await read_bytes(request)))
    try:
        endpoint = await webhooks.set_only_endpoint(rt, key, wanted.webhook_url)
    except Invalid as error:  # it knows the address as `url`
        raise Invalid(
            error.message, field="webhook_url", code=error.errors[0].code, hint=error.hint,
        ) from None
    return Answer({"success": True, "data": _with_secret(endpoint)})


def _with_secret(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint with its new secret under our name and under that of older services."""
    return endpoint_data(endpoint) | {
        "secret": endpoint.secret, "webhook_secret": endpoint.secret,
    }
