"""`/v1/reconciliation/statements`: M-Pesa's statements, imported, and what came of each line."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from hakika.api import statement_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, file_body
from hakika.api.requests import read_bytes
from hakika.domain import ids
from hakika.domain.ids import StatementId
from hakika.domain.masking import mask_line
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.statement_books import REASONS, Imported
from hakika.domain.times import written
from hakika.services import statements
from hakika.services.statements import Sent
from hakika.sheets.statements import FILE_BYTES_MAX
from hakika.store.statements import Line

router = APIRouter(prefix="/v1/reconciliation/statements", tags=["reconciliation"])

Reader = Annotated[ApiKey, Depends(may(Scope.REPORTS_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.REPORTS_WRITE))]

_IMPORTS: dict[int | str, dict[str, Any]] = answers(
    bodies.StatementAnswer, HTTPStatus.CREATED, 400, 401, 403, 413,
)
_IMPORTS[HTTPStatus.OK.value] = {
    "description": "Imported before: nothing changed.", "model": bodies.StatementAnswer,
}


@router.post(
    "", summary="Import a statement", status_code=HTTPStatus.CREATED, openapi_extra=file_body(),
    responses=_IMPORTS,
)
async def take(
    request: Request, rt: Rt, key: Writer, said: Annotated[bodies.ImportQuery, Query()],
    password: Annotated[
        str | None, Header(alias="X-Statement-Password", max_length=100, description="Of a PDF."),
    ] = None,
) -> Response:
    """Send the file of M-Pesa's portal as it is: CSV, XLSX or PDF, told by its content.

    It is imported whole or not at all. The same file again changes nothing, and is answered 200.
    """
    async with statements.turn(rt):
        file = await read_bytes(request, bytes_max=FILE_BYTES_MAX, is_logged=False)
        sent = Sent(file, said.shortcode, said.account, password)
        imported = await statements.take(rt, key.owner, sent)
    if not imported.again:
        created = {"success": True, "data": _statement(imported)}
        return Answer(created, status_code=HTTPStatus.CREATED)
    known = await statements.read(rt, key.owner, imported.id)
    return Answer({"success": True, "data": _statement(replace(known, again=True))})


@router.get(
    "", summary="List statements",
    responses=answers(bodies.StatementsAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def listed(
    rt: Rt, key: Reader, wanted: Annotated[bodies.StatementQuery, Query()],
) -> Response:
    """List the statements that were imported, newest first."""
    found = await statements.listed(
        rt, key.owner, before=StatementId(wanted.cursor) if wanted.cursor else None,
        limit=wanted.limit + 1,
    )
    return page_of(found, _statement, limit=wanted.limit)


@router.get(
    "/{statement_id}", summary="Read a statement",
    responses=answers(bodies.StatementAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def read(rt: Rt, key: Reader, statement_id: str) -> Response:
    """Read what a file was, and what came of its lines."""
    found = await statements.read(rt, key.owner, ids.statement_id(statement_id))
    return Answer({"success": True, "data": _statement(found)})


@router.get(
    "/{statement_id}/lines", summary="List a statement's lines",
    responses=answers(bodies.LinesAnswer, HTTPStatus.OK, 400, 401, 403, 404),
)
async def lines(
    rt: Rt, key: Reader, statement_id: str, wanted: Annotated[bodies.LineQuery, Query()],
) -> Response:
    """List the lines that this file was the first to tell of, each with what came of it."""
    found = await statements.lines(
        rt, key.owner, ids.statement_id(statement_id), after=wanted.cursor, limit=wanted.limit + 1,
    )
    page, more = found[:wanted.limit], len(found) > wanted.limit
    return Answer({
        "success": True, "data": [_line(each) for each in page],
        "page": {"next": str(page[-1].place) if more else None},
    })


def _statement(imported: Imported) -> dict[str, Any]:
    return {
        "id": imported.id, "livemode": imported.livemode, "shortcode": imported.shortcode,
        "account": imported.account, "file": imported.file_kind, "sha256": imported.sha256,
        "lines": imported.lines, "new": sum(imported.fates.values()),
        "fates": {fate.value: count for fate, count in imported.fates.items()},
        "starts_at": written(imported.starts_at) if imported.starts_at else None,
        "ends_at": written(imported.ends_at) if imported.ends_at else None,
        "first_at": written(imported.first_at), "last_at": written(imported.last_at),
        "opening": None if imported.opening is None else str(imported.opening),
        "closing": None if imported.closing is None else str(imported.closing),
        "imported_at": written(imported.imported_at), "again": imported.again,
    }


def _line(line: Line) -> dict[str, Any]:
    party = line.other_party
    return {
        "place": line.place, "receipt": line.receipt, "completed_at": written(line.completed_at),
        "kind": line.kind.value, "amount": str(line.amount),
        "balance": None if line.balance is None else str(line.balance),
        "linked_receipt": line.linked_receipt or None,
        "reason_type": mask_line(line.reason_type, party=party),
        "details": mask_line(line.details, party=party), "fate": line.fate.value,
        "words": REASONS[line.fate], "payment_id": line.payment_id,
    }
