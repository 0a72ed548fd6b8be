"""`/c/{token}`: Safaricom's door. Stored first, then thanked; the same thanks for good and bad.

Only a validation is answered otherwise, and kept nowhere: it is a question.

A plain route before all others: it is in no document, needs no key, and half of all requests of a
payment come through it.
"""

from __future__ import annotations

from fastapi import Request, Response
from starlette.routing import Route

from hakika.api.addresses import client_address, peer_address
from hakika.api.answer import Answer
from hakika.api.auth import running
from hakika.api.requests import BODY_BYTES_MAX
from hakika.daraja import c2b
from hakika.domain.callback import PATH
from hakika.domain.errors import ForwardedMalformed
from hakika.services import callbacks
from hakika.services.callbacks import Arrival
from hakika.services.runtime import Runtime

THANKS = {"ResultCode": 0, "ResultDesc": "Accepted"}


async def receive(request: Request) -> Response:
    """Make a callback durable and answer 200; 503 when it could not be made durable."""
    request.scope["route"] = ROUTE  # FastAPI says it of its own routes only; metrics ask for it
    rt = running(request)
    refused = await callbacks.receive(rt, Arrival(
        token=request.path_params["token"], raw=await beginning(request),
        source_address=source(request, rt),
    ))
    return Answer(THANKS if refused is None else c2b.refusal(refused))


ROUTE = Route(PATH + "{token}", receive, methods=["POST"])


def source(request: Request, rt: Runtime) -> str:
    """Return where a callback came from: at worst our own proxy, for no callback is refused."""
    try:
        return client_address(request, rt.settings)
    except ForwardedMalformed:
        return peer_address(request)


async def beginning(request: Request) -> bytes:
    """Return the body, cut at 64 KB: a longer one cannot be read, and is put aside as that."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            break
    return bytes(body[:BODY_BYTES_MAX])
