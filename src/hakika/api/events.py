"""`/v1/events`: everything that happened, in order, for whoever wants to catch up."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from hakika.api import inputs, schemas
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.domain.event import envelope
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import events

router = APIRouter(prefix="/v1/events", tags=["events"])


@router.get(
    "", summary="List events",
    responses=answers(schemas.EventsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def after(
    rt: Rt, key: Annotated[ApiKey, Depends(may(Scope.PAYMENTS_READ))],
    wanted: Annotated[inputs.EventQuery, Query()],
) -> Response:
    """List events after a `sequence`, in order; with `wait`, hold on until there is one."""
    found = await events.after(
        rt, key, wanted.after, limit=wanted.limit, wait_seconds=wanted.wait,
    )
    return Answer({
        "success": True,
        "data": [envelope(each) for each in found],
        "page": {"next": str(found[-1].sequence) if len(found) == wanted.limit else None},
    })
