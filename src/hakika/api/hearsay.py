"""`/v1/webhooks/mpesa…`: Safaricom's door as other services had it, where anybody can knock.

The same thanks for everything. In no document, like the door of `callbacks`.
"""

from __future__ import annotations

from fastapi import Request, Response
from starlette.routing import Route

from hakika.api.answer import Answer
from hakika.api.auth import running
from hakika.api.callbacks import THANKS, beginning, source
from hakika.domain.callback import GUESSABLE
from hakika.services import hearsay


async def receive(request: Request) -> Response:
    """Keep what somebody says and answer 200; 503 when it could not be kept."""
    request.scope["route"] = ROUTES[GUESSABLE.index(request.url.path)]  # as in callbacks.py
    rt = running(request)
    await hearsay.receive(rt, await beginning(request), source_address=source(request, rt))
    return Answer(THANKS)


ROUTES = [Route(path, receive, methods=["POST"]) for path in GUESSABLE]
