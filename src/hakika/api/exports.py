"""`/v1/exports`: everything of some days as a file, which a worker writes and we keep a day."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from hakika.api import exports_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import export as rules
from hakika.domain import ids
from hakika.domain.export import Wanted, export_data
from hakika.domain.ids import ExportId
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import exports
from hakika.sheets.exports import Format

router = APIRouter(prefix="/v1/exports", tags=["books"])

Reader = Annotated[ApiKey, Depends(may(Scope.REPORTS_READ))]

MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSON_LINES: "application/jsonl",
}


@router.post(
    "", status_code=HTTPStatus.ACCEPTED, summary="Ask for an export",
    openapi_extra=body_of(bodies.ExportRequest),
    responses=answers(bodies.ExportAnswer, HTTPStatus.ACCEPTED, 400, 401, 403, 409, 413),
)
async def create(request: Request, rt: Rt, key: Reader) -> Response:
    """Have a worker write an export. Numbers of people are masked unless `reveal` is true."""
    wanted = read_model(bodies.ExportRequest, read_object(await read_bytes(request)))
    export = await exports.request(rt, key, Wanted(
        key.merchant_id, key.livemode, wanted.what, wanted.format.value,
        rules.days(wanted.first, wanted.last), wanted.reveal,
    ))
    return Answer(
        {"success": True, "data": export_data(export)}, HTTPStatus.ACCEPTED,
        headers={"Location": f"/v1/exports/{export.id}"},
    )


@router.get(
    "", summary="List exports",
    responses=answers(bodies.ExportsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(rt: Rt, key: Reader, wanted: Annotated[bodies.ExportQuery, Query()]) -> Response:
    """List exports, newest first. They are kept for a day, twenty of them at most."""
    before = ExportId(wanted.cursor) if wanted.cursor else None
    found = await exports.find(rt, key, before=before, limit=wanted.limit + 1)
    return page_of(found, export_data, limit=wanted.limit)


@router.get(
    "/{export_id}", summary="Read how far an export is",
    responses=answers(bodies.ExportAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, export_id: str) -> Response:
    """Read one export: its state, the rows that are written, and of how many."""
    export = await exports.read(rt, key, ids.export_id(export_id))
    return Answer({"success": True, "data": export_data(export)})


@router.get(
    "/{export_id}/file", summary="Download an export", response_class=Response,
    responses=answers(None, HTTPStatus.OK, 401, 403, 404, 409) | {HTTPStatus.OK.value: {
        "description": "The file.",
        "content": {each: {"schema": {"type": "string"}} for each in MEDIA_TYPES.values()},
    }},
)
async def download(rt: Rt, key: Reader, export_id: str) -> Response:
    """Download the file of an export that is done."""
    export = await exports.file_of(rt, key, ids.export_id(export_id))
    return StreamingResponse(
        exports.pieces(rt, export), media_type=MEDIA_TYPES[Format(export.wanted.form)],
        headers={
            "Content-Length": str(export.bytes),
            "Content-Disposition": f'attachment; filename="{rules.file_name(export.wanted)}"',
            "Cache-Control": "no-store",
        },
    )
