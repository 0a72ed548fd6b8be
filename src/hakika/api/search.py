"""`/v1/search`: payments by a receipt, a number, a reference, an id, or an amount and its time."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from hakika.api import search_bodies as bodies
from hakika.api.answer import Answer
from hakika.api.auth import Rt, may
from hakika.api.documents import answers
from hakika.domain.ids import PaymentId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.payment_data import payment_data
from hakika.domain.search import hint
from hakika.services import search
from hakika.services.search import Hit

router = APIRouter(prefix="/v1/search", tags=["payments"])


@router.get(
    "", summary="Find payments by whatever you hold",
    responses=answers(bodies.SearchAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(
    rt: Rt, key: Annotated[ApiKey, Depends(may(Scope.PAYMENTS_READ))],
    wanted: Annotated[bodies.SearchQuery, Query()],
) -> Response:
    """Find payments, newest first, and say by what each was found. Nothing found is no error."""
    before = PaymentId(wanted.cursor) if wanted.cursor else None
    found = await search.find(rt, key, wanted.q, before=before, limit=wanted.limit + 1)
    page, more = found.hits[:wanted.limit], len(found.hits) > wanted.limit
    return Answer({
        "success": True, "data": [_hit(each) for each in page],
        "read_as": [str(each) for each in found.meanings],
        "hint": None if page or before else hint(wanted.q, found.meanings),
        "page": {"next": page[-1].id if more else None},
    })


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "found_by": [each.value for each in hit.found_by], "payment": payment_data(hit.payment),
    }
