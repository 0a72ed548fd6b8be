"""`/v1/reconciliation/days`: days closed, and their reports."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from hakika.api import day_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.domain.checkpoint import fingerprint, genuine
from hakika.domain.closing import closing_data
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.times import read_day
from hakika.services import closing
from hakika.sheets import reports

router = APIRouter(prefix="/v1/reconciliation", tags=["reconciliation"])

Reader = Annotated[ApiKey, Depends(may(Scope.REPORTS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.REPORTS_WRITE))]

_FORMS = {
    bodies.Form.JSON: (reports.as_json, "application/json"),
    bodies.Form.XLSX: (
        reports.as_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    bodies.Form.PDF: (reports.as_pdf, "application/pdf"),
}

_REPORTS: dict[int | str, dict[str, Any]] = answers(
    bodies.ReportDocument, HTTPStatus.OK, 400, 401, 403, 404, 409,
)
_REPORTS[HTTPStatus.OK.value]["content"] = {
    media_type: {"schema": {"type": "string"}}
    for form, (_, media_type) in _FORMS.items() if form is not bodies.Form.JSON
}


@router.get(
    "/days", summary="List closed days",
    responses=answers(bodies.DaysAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def listed(rt: Rt, key: Reader, wanted: Annotated[bodies.DayQuery, Query()]) -> Response:
    """List the days that were closed, each as it was closed last, the last day first."""
    found = await closing.days(rt, key.owner, before=wanted.cursor, limit=wanted.limit + 1)
    page, more = found[:wanted.limit], len(found) > wanted.limit
    return Answer({
        "success": True, "data": [closing_data(each) for each in page],
        "page": {"next": page[-1].day.isoformat() if more else None},
    })


@router.post(
    "/days/{day}", summary="Close a day",
    responses=answers(bodies.DayAnswer, HTTPStatus.OK, 400, 401, 403, 404, 409),
)
async def close(rt: Rt, key: Writer, day: str) -> Response:
    """Close a day of Nairobi (2026-11-03), now and as often as you like. It closes itself at night.

    Green: every shilling is proven, or people settled what differs. Red: a discrepancy is open.
    """
    closed = await closing.close(rt, key.owner, read_day(day, field="day"))
    return Answer({"success": True, "data": closing_data(closed.closing)})


@router.get("/days/{day}/report", summary="Read a day's report", responses=_REPORTS)
async def report(
    rt: Rt, key: Reader, day: str, wanted: Annotated[bodies.ReportQuery, Query()],
) -> Response:
    """Read the signed report of a closed day, as JSON, XLSX or PDF: the same at any later time.

    A report that is not what was signed, because somebody changed the database, is not handed out.
    """
    found = await closing.report(rt, key.owner, read_day(day, field="day"))
    draw, media_type = _FORMS[wanted.format]
    name = f"hakika-{found.signed.checkpoint.day}.{wanted.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(
        await asyncio.to_thread(lambda: draw(genuine(found))), media_type=media_type,
        headers={} if wanted.format is bodies.Form.JSON else headers,
    )


@router.get(
    "/signing-key", summary="Read the key of reports",
    responses=answers(bodies.SigningKeyAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def signing_key(rt: Rt, key: Reader) -> Response:
    """Read the public key that every checkpoint of this Hakika is signed with."""
    public = await closing.public_key(rt)
    return Answer({"success": True, "data": {
        "algorithm": "Ed25519", "public_key": public.hex(), "fingerprint": fingerprint(public),
    }})
