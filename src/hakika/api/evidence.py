"""`/v1/payments/{id}/evidence`: one pack with everything that proves what became of a payment."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import evidence_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.domain import ids
from hakika.domain.merchant import ApiKey, Scope
from hakika.services import evidence

router = APIRouter(prefix="/v1/payments", tags=["payments"])

PDF = "application/pdf"

_ANSWERS: dict[int | str, dict[str, Any]] = answers(
    bodies.EvidenceAnswer, HTTPStatus.OK, 400, 401, 403, 404,
)
_ANSWERS[HTTPStatus.OK.value]["content"] = {PDF: {"schema": {"type": "string"}}}


@router.get(
    "/{payment_id}/evidence", summary="Everything that proves a payment", responses=_ANSWERS,
)
async def read(
    request: Request, rt: Rt, key: Annotated[ApiKey, Depends(may(Scope.AUDIT_READ))],
    payment_id: str, wanted: Annotated[bodies.EvidenceQuery, Query()],
) -> Response:
    """Read a payment with every fact and its body, the books, who else told of it, who was told.

    As JSON, or as a PDF for people: with `format=pdf`, or `Accept: application/pdf`.
    """
    found = await evidence.gather(
        rt, ids.payment_id(payment_id), merchant_id=key.merchant_id, livemode=key.livemode,
        revealed_to=key.id if wanted.reveal else None,
    )
    pack = evidence.pack(found)
    if not _wants_pdf(request, wanted.format):
        return Answer({"success": True, "data": pack})
    return Response(
        await asyncio.to_thread(evidence.pdf, pack), media_type=PDF,
        headers={"Content-Disposition": f'attachment; filename="evidence-{payment_id}.pdf"'},
    )


def _wants_pdf(request: Request, form: bodies.Form | None) -> bool:
    if form is not None:
        return form == "pdf"
    return request.headers.get("accept", "").split(";")[0].strip().lower() == PDF
