"""`/c/{token}`: Safaricom's door. Stored first, then thanked; the same thanks for good and bad."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from hakika.api.addresses import client_address, peer_address
from hakika.api.auth import Rt
from hakika.api.requests import BODY_BYTES_MAX
from hakika.domain.callback import PATH
from hakika.domain.errors import ForwardedMalformed
from hakika.services import callbacks
from hakika.services.callbacks import Arrival

router = APIRouter(include_in_schema=False)

THANKS = {"ResultCode": 0, "ResultDesc": "Accepted"}


@router.post(PATH + "{token}")
async def receive(request: Request, rt: Rt, token: str) -> Response:
    """Make a callback durable and answer 200; 503 when it could not be made durable."""
    await callbacks.receive(rt, Arrival(
        token=token, raw=await _beginning(request),
        source_address=_source(request, rt),
    ))
    return JSONResponse(THANKS)


def _source(request: Request, rt: Rt) -> str:
    """Return where a callback came from: at worst our own proxy, for no callback is refused."""
    try:
        return client_address(request, rt.settings)
    except ForwardedMalformed:
        return peer_address(request)


async def _beginning(request: Request) -> bytes:
    """Return the body, cut at 64 KB: a longer one cannot be read, and is put aside as that."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            break
    return bytes(body[:BODY_BYTES_MAX])
