"""Reconciliation: have M-Pesa's own list read, and see what came of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import reconciliation_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain.ids import RunId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.reconciliation import run_data
from hakika.services import pulls, registrations

router = APIRouter(prefix="/v1", tags=["reconciliation"])

Reader = Annotated[ApiKey, Depends(may(Scope.REPORTS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.MERCHANT_WRITE))]


@router.post(
    "/payments/mpesa/register-pull", summary="Have M-Pesa list a short code's collections",
    openapi_extra=body_of(bodies.ShortcodeRequest),
    responses=answers(bodies.PullAnswer, HTTPStatus.OK, 400, 401, 403, 404, 413, 502, 503),
)
async def register_pull(request: Request, rt: Rt, key: Writer) -> Response:
    """Register a short code for pulling, once. Its list is read every 15 minutes from then on."""
    provider = await registrations.register_pull(rt, key, await shortcode_of(request))
    return Answer({"success": True, "data": {
        "shortcode": provider.shortcode.number, "registered": True,
    }})


@router.post(
    "/payments/mpesa/reconcile", summary="Read M-Pesa's list now",
    openapi_extra=body_of(bodies.ShortcodeRequest),
    responses=answers(bodies.RunAnswer, HTTPStatus.OK, 400, 401, 403, 404, 413),
)
async def reconcile(request: Request, rt: Rt, key: Writer) -> Response:
    """Read what M-Pesa says a short code collected since the last time, 48 hours at most.

    A run that failed says so in `error`; it found nothing out about the time that it looked at.
    """
    run = await pulls.run_now(rt, key, await shortcode_of(request))
    return Answer({"success": True, "data": run_data(run)})


async def shortcode_of(request: Request) -> str:
    """Return the short code that a body names, if there is a body: "" is the default."""
    raw = await read_bytes(request)
    return read_model(bodies.ShortcodeRequest, read_object(raw)).shortcode if raw else ""


@router.get(
    "/reconciliation/runs", summary="List runs",
    responses=answers(bodies.RunsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def runs(rt: Rt, key: Reader, wanted: Annotated[bodies.RunQuery, Query()]) -> Response:
    """List readings of M-Pesa's list, newest first: those of the worker, and your own."""
    found = await pulls.runs(
        rt, key, before=RunId(wanted.cursor) if wanted.cursor else None, limit=wanted.limit + 1,
    )
    return page_of(found, run_data, limit=wanted.limit)
