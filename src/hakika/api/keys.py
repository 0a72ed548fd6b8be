"""`/v1/keys`: the keys by which a merchant's programs are let in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hakika.api import merchant_bodies as bodies
from hakika.api.answer import Answer, page_of
from hakika.api.auth import Rt, may
from hakika.api.documents import answers, body_of
from hakika.api.requests import read_bytes, read_model, read_object
from hakika.domain import ids
from hakika.domain.ids import KeyId
from hakika.domain.merchant import ApiKey, Scope, key_data
from hakika.services import keys

router = APIRouter(prefix="/v1/keys", tags=["keys"])

Reader = Annotated[ApiKey, Depends(may(Scope.MERCHANT_READ))]
Writer = Annotated[ApiKey, Depends(may(Scope.MERCHANT_WRITE))]


@router.post(
    "", status_code=HTTPStatus.CREATED, summary="Make an API key",
    openapi_extra=body_of(bodies.KeyRequest),
    responses=answers(bodies.NewKeyAnswer, HTTPStatus.CREATED, 400, 401, 403, 413),
)
async def create(request: Request, rt: Rt, key: Writer) -> Response:
    """Make a key of the same merchant and mode. It is shown this once.

    It cannot do more than the key that makes it, nor from elsewhere, nor for longer.
    """
    wanted = read_model(bodies.KeyRequest, read_object(await read_bytes(request)))
    made, text = await keys.create(rt, key.merchant_id, keys.Wanted(
        livemode=key.livemode, scopes=wanted.scopes or key.scopes, label=wanted.label,
        networks=wanted.allowed_networks, expires_at=wanted.expires_at,
    ), by=key)
    return _shown_once(made, text)


def _shown_once(key: ApiKey, text: str) -> Response:
    return Answer(
        {"success": True, "data": key_data(key) | {"api_key": text}}, HTTPStatus.CREATED,
    )


@router.get(
    "", summary="List API keys",
    responses=answers(bodies.KeysAnswer, HTTPStatus.OK, 400, 401, 403),
)
async def find(rt: Rt, key: Reader, wanted: Annotated[bodies.KeyQuery, Query()]) -> Response:
    """List the keys of this merchant and mode, newest first, dead ones too."""
    before = KeyId(wanted.cursor) if wanted.cursor else None
    found = await keys.find(rt, key, before=before, limit=wanted.limit + 1)
    return page_of(found, key_data, limit=wanted.limit)


@router.post(
    "/{key_id}/rotate", status_code=HTTPStatus.CREATED, summary="Replace an API key",
    openapi_extra=body_of(bodies.OverlapRequest),
    responses=answers(bodies.NewKeyAnswer, HTTPStatus.CREATED, 400, 401, 403, 404, 409, 413),
)
async def rotate(request: Request, rt: Rt, key: Writer, key_id: str) -> Response:
    """Make a key that may do the same; the old one ends after the overlap (a day, unless said).

    A key that was replaced is not rotated again and rotates no other: 409 names its successor.
    """
    raw = await read_bytes(request)
    wanted = read_model(bodies.OverlapRequest, read_object(raw) if raw else {})
    made, text = await keys.rotate(
        rt, ids.key_id(key_id), overlap_seconds=wanted.overlap_seconds, by=key,
    )
    return _shown_once(made, text)


@router.delete(
    "/{key_id}", summary="Revoke an API key",
    responses=answers(bodies.KeyAnswer, HTTPStatus.OK, 401, 403, 404),
)
async def revoke(rt: Rt, key: Writer, key_id: str) -> Response:
    """End a key, within a second in every process, and for good."""
    revoked = await keys.revoke(rt, ids.key_id(key_id), by=key)
    return Answer({"success": True, "data": key_data(revoked)})
