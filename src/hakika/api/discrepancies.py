"""`/v1/reconciliation/discrepancies`: what differs, who looks into it, and how it was settled."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import day_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import ids
from hakika.domain.discrepancy import discrepancy_data
from hakika.domain.ids import DiscrepancyId
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import discrepancies
from hakika.store.discrepancies import Sought

router = APIRouter(prefix="/v1/reconciliation/discrepancies", tags=["reconciliation"])

Reader = Annotated[ApiKey, Depends(may(Scope.REPORTS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.REPORTS_WRITE))]


@router.get(
    "", summary="List discrepancies",
    responses=answers(bodies.DiscrepanciesAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def listed(
    rt: Rt, key: Reader, wanted: Annotated[bodies.DiscrepancyQuery, Query()],
) -> Response:
    """List where the books and M-Pesa's records differ, newest first."""
    found = await discrepancies.find(
        rt, key.owner, Sought(
            wanted.day, wanted.kind, None if wanted.state is None else wanted.state == "open",
            DiscrepancyId(wanted.cursor) if wanted.cursor else None,
        ), limit=wanted.limit + 1,
    )
    return page_of(found, discrepancy_data, limit=wanted.limit)


@router.get(
    "/{discrepancy_id}", summary="Read a discrepancy",
    responses=answers(bodies.DiscrepancyAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, discrepancy_id: str) -> Response:
    """Read one."""
    found = await discrepancies.read(rt, key.owner, ids.discrepancy_id(discrepancy_id))
    return Answer({"success": True, "data": discrepancy_data(found)})


@router.patch(
    "/{discrepancy_id}", summary="Assign a discrepancy", openapi_extra=body_of(bodies.Assignment),
    responses=answers(bodies.DiscrepancyAnswer, HTTPStatus.OK, 400, 401, 403, 404, 413),
)
async def assign(request: Request, rt: Rt, key: Writer, discrepancy_id: str) -> Response:
    """Say who looks into it."""
    said = read_model(bodies.Assignment, read_object(await read_bytes(request)))
    found = await discrepancies.assign(
        rt, key.owner, ids.discrepancy_id(discrepancy_id), to=said.assigned_to,
    )
    return Answer({"success": True, "data": discrepancy_data(found)})


@router.post(
    "/{discrepancy_id}/resolve", summary="Resolve a discrepancy",
    openapi_extra=body_of(bodies.Resolution),
    responses=answers(bodies.DiscrepancyAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409, 413),
)
async def resolve(request: Request, rt: Rt, key: Writer, discrepancy_id: str) -> Response:
    """Settle it with a reason. It moves no money; close its day again for a new result."""
    said = read_model(bodies.Resolution, read_object(await read_bytes(request)))
    found = await discrepancies.resolve(
        rt, key.owner, ids.discrepancy_id(discrepancy_id), who=_name(key), reason=said.reason,
    )
    return Answer({"success": True, "data": discrepancy_data(found)})


def _name(key: ApiKey) -> str:
    """Return who a key is, in a report: by its label as well, where it has one."""
    return f"{key.label} ({key.id})" if key.label else key.id
