"""`/v1/payout-files`: many payouts in one file, checked whole before anything of it is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from hakika.api import payout_file_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, file_body
from hakika.api.exports import MEDIA_TYPES
from hakika.api.requests import read_bytes
from hakika.domain import ids
from hakika.domain.errors import FieldError
from hakika.domain.ids import BatchId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.payout_data import payee_data
from hakika.domain.payout_file import (
    FILE_BYTES_MAX,
    PayoutFile,
    Row,
    WrongRow,
    file_data,
    outcome_of,
)
from hakika.domain.times import written
from hakika.services import payout_files, payout_outcomes
from hakika.services.payout_files import Filed
from hakika.services.runtime import Runtime
from hakika.sheets.exports import Format
from hakika.store.payout_files import RowView

router = APIRouter(prefix="/v1/payout-files", tags=["payouts"])

Reader = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_WRITE))]
Approver = Annotated[ApiKey, Depends(may(Scope.PAYOUTS_APPROVE))]

# Of so many wrong rows the answer to a file tells at once.
ERRORS_TOLD = 100
CHUNK = 64 * 1024

_SENT: dict[int | str, dict[str, Any]] = answers(
    bodies.UploadedAnswer, HTTPStatus.CREATED, 400, 401, 403, 404, 413,
)
_SENT[HTTPStatus.OK.value] = {
    "description": "Sent before: nothing changed.", "model": bodies.UploadedAnswer,
}
_MOVED = answers(bodies.PayoutFileAnswer, HTTPStatus.OK, 401, 403, 404, 409)


def _outcome_answers(form: Format) -> dict[int | str, dict[str, Any]]:
    return answers(None, HTTPStatus.OK, 401, 403, 404) | {HTTPStatus.OK.value: {
        "description": "The file.",
        "content": {MEDIA_TYPES[form]: {"schema": {"type": "string"}}},
    }}


@router.post(
    "", summary="Send a file of payouts", status_code=HTTPStatus.CREATED,
    openapi_extra=file_body(), responses=_SENT,
)
async def take(
    request: Request, rt: Rt, key: Writer, said: Annotated[bodies.FileQuery, Query()],
) -> Response:
    """Send a CSV or XLSX file as it is. It is a plan: nothing is sent until it is started.

    The same file again changes nothing, and is answered 200.
    """
    async with payout_files.turn(rt):
        file = await read_bytes(request, bytes_max=FILE_BYTES_MAX, is_logged=False)
        plan = await payout_files.take(rt, key, file, shortcode=said.shortcode)
    found = plan.filed.file
    wrong = await payout_files.rows(
        rt, key, found.id, after=0, limit=ERRORS_TOLD, wrong=True,
    ) if found.rows_wrong else []
    data = _filed(plan.filed) | {
        "again": plan.again, "float_is_known": plan.float_is_known,
        "errors": [
            {"row": each.row.number, "errors": _errors(each.row.errors)}
            for each in wrong if isinstance(each.row, WrongRow)
        ],
        "against": [
            {"row": each.row, "code": each.refusal.code, "message": each.refusal.message}
            for each in plan.against[:ERRORS_TOLD]
        ],
    }
    return Answer(
        {"success": True, "data": data}, HTTPStatus.OK if plan.again else HTTPStatus.CREATED,
        headers={"Location": f"/v1/payout-files/{found.id}"},
    )


@router.get(
    "", summary="List files of payouts",
    responses=answers(bodies.PayoutFilesAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(rt: Rt, key: Reader, wanted: Annotated[bodies.FilesQuery, Query()]) -> Response:
    """List files of payouts, newest first, and how far each is."""
    before = BatchId(wanted.cursor) if wanted.cursor else None
    found = await payout_files.find(rt, key, before=before, limit=wanted.limit + 1)
    page = found[:wanted.limit]
    return Answer({
        "success": True, "data": [_filed(each) for each in page],
        "page": {"next": page[-1].file.id if len(found) > wanted.limit else None},
    })


@router.get(
    "/{file_id}", summary="Read how far a file of payouts is",
    responses=answers(bodies.PayoutFileAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, file_id: str) -> Response:
    """Read a file: its plan, its payouts by status, how fast they go, and how long it takes."""
    return _answer(await payout_files.read(rt, key, ids.batch_id(file_id)))


@router.get(
    "/{file_id}/rows", summary="List the rows of a file of payouts",
    responses=answers(bodies.RowsAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def rows(
    rt: Rt, key: Reader, file_id: str, wanted: Annotated[bodies.RowsQuery, Query()],
) -> Response:
    """List the rows in the order of the file, each with what is wrong or what became of it."""
    batch_id = ids.batch_id(file_id)
    file = (await payout_files.read(rt, key, batch_id)).file
    found = await payout_files.rows(
        rt, key, batch_id, after=wanted.cursor, limit=wanted.limit + 1, wrong=wanted.wrong,
    )
    page, more = found[:wanted.limit], len(found) > wanted.limit
    return Answer({
        "success": True, "data": [_row(file, each) for each in page],
        "page": {"next": str(page[-1].row.number) if more else None},
    })


@router.get(
    "/{file_id}/outcome.csv", summary="Download what became of each row, as CSV",
    response_class=Response, responses=_outcome_answers(Format.CSV),
)
async def outcome_csv(rt: Rt, key: Reader, file_id: str) -> Response:
    """Download every row with its status, receipt and reason, at any time."""
    return await _outcome(rt, key, file_id, Format.CSV)


@router.get(
    "/{file_id}/outcome.xlsx", summary="Download what became of each row, as XLSX",
    response_class=Response, responses=_outcome_answers(Format.XLSX),
)
async def outcome_xlsx(rt: Rt, key: Reader, file_id: str) -> Response:
    """Download every row with its status, receipt and reason, at any time."""
    return await _outcome(rt, key, file_id, Format.XLSX)


async def _outcome(rt: Runtime, key: ApiKey, file_id: str, form: Format) -> Response:
    batch_id = ids.batch_id(file_id)
    with ExitStack() as opened:
        file = opened.enter_context(tempfile.TemporaryFile())
        await payout_outcomes.write(rt, key, batch_id, form, file)
        kept = opened.pop_all()  # closed when it has been sent
    return StreamingResponse(
        _pieces(file, kept), media_type=MEDIA_TYPES[form],
        headers={
            "Content-Length": str(file.seek(0, 2)),
            "Content-Disposition": f'attachment; filename="{batch_id}-outcome.{form.value}"',
            "Cache-Control": "no-store",
        },
    )


def _pieces(file: BinaryIO, kept: ExitStack) -> Iterator[bytes]:
    with kept:
        file.seek(0)
        while piece := file.read(CHUNK):
            yield piece


@router.post("/{file_id}/start", summary="Start a file of payouts", responses=_MOVED)
async def start(rt: Rt, key: Writer, file_id: str) -> Response:
    """Let every row go, when nobody has to approve it. Starting it again changes nothing."""
    return _answer(await payout_files.start(rt, key, ids.batch_id(file_id)))


@router.post("/{file_id}/approve", summary="Approve a file of payouts", responses=_MOVED)
async def approve(rt: Rt, key: Approver, file_id: str) -> Response:
    """Let every row of another's file go."""
    return _answer(await payout_files.approve(rt, key, ids.batch_id(file_id)))


@router.post("/{file_id}/pause", summary="Pause a file of payouts", responses=_MOVED)
async def pause(rt: Rt, key: Writer, file_id: str) -> Response:
    """Send nothing more of it until it is resumed. What was sent is heard all the same."""
    return _answer(await payout_files.pause(rt, key, ids.batch_id(file_id)))


@router.post("/{file_id}/resume", summary="Resume a file of payouts", responses=_MOVED)
async def resume(rt: Rt, key: Writer, file_id: str) -> Response:
    """Go on with a paused file."""
    return _answer(await payout_files.resume(rt, key, ids.batch_id(file_id)))


@router.post("/{file_id}/cancel", summary="Cancel a file of payouts", responses=_MOVED)
async def cancel(rt: Rt, key: Writer, file_id: str) -> Response:
    """Take back every row that was not sent; what was sent ends by itself."""
    return _answer(await payout_files.cancel(rt, key, ids.batch_id(file_id)))


def _answer(filed: Filed) -> Response:
    return Answer({"success": True, "data": _filed(filed)})


def _filed(filed: Filed) -> dict[str, Any]:
    return file_data(filed.file, filed.progress)


def _errors(errors: tuple[FieldError, ...]) -> list[dict[str, str]]:
    return [
        {"field": each.field, "code": each.code, "message": each.message} for each in errors
    ]


def _row(file: PayoutFile, view: RowView) -> dict[str, Any]:
    row, payout = view.row, view.payout
    failure = payout.failure if payout else None
    refused = row.refused if isinstance(row, Row) else None
    code, why = (failure.code, failure.developer_message) if failure else (
        (refused.code, refused.message) if refused else (None, None)
    )
    return {
        "row": row.number, "status": outcome_of(file, row, payout), **_asked(row),
        "payout_id": payout.id if payout else None,
        "receipt": payout.receipt or None if payout else None,
        "failure_code": code, "failure_reason": why,
        "completed_at": (
            written(payout.completed_at) if payout and payout.completed_at else None
        ),
    }


def _asked(row: Row | WrongRow) -> dict[str, Any]:
    if isinstance(row, WrongRow):
        return {
            "errors": _errors(row.errors), "way": None, "amount": None, "payee": None,
            "reference": None, "remarks": None,
        }
    return {
        "errors": [], "way": row.way.value, "amount": str(row.amount),
        "payee": payee_data(row.payee), "reference": row.reference or None,
        "remarks": row.remarks or None,
    }
