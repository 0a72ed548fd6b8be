"""`/v1/requests`: what was asked of the API in the last 30 days, and what became of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.api.request_log_bodies import RequestAnswer, RequestQuery, RequestsAnswer
from hakika.domain import ids
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.request_log import request_data, searchable_from
from hakika.services import request_log
from hakika.store.request_log import Filter

router = APIRouter(prefix="/v1/requests", tags=["requests"])

Auditor = Annotated[ApiKey, Depends(may(Scope.AUDIT_READ))]


@router.get(
    "", summary="List requests",
    responses=answers(RequestsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(rt: Rt, key: Auditor, wanted: Annotated[RequestQuery, Query()]) -> Response:
    """List what this merchant asked of the API in the last 30 days, newest first.

    A request is in the list about a second after it was answered.
    """
    found = await request_log.find(rt, key, Filter(
        since=searchable_from(wanted.since, now=rt.now()), until=wanted.until,
        route=wanted.route, status=wanted.status, key_id=wanted.key,
        idempotency_key=wanted.idempotency_key, request_id=wanted.request_id,
        before=wanted.cursor,
    ), limit=wanted.limit + 1)
    return page_of(found, request_data, limit=wanted.limit)


@router.get(
    "/{request_id}", summary="Read a request",
    responses=answers(RequestAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: Auditor, request_id: str) -> Response:
    """Read one request by its `id`, which is not its X-Request-Id."""
    found = await request_log.read(rt, key, ids.logged_request_id(request_id))
    return Answer({"success": True, "data": request_data(found)})
