"""Getting a token with key and secret, and checking the token that comes with every call."""

import base64
import binascii
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.answers import outage_page
from hakika_simulator.refusals import Refused, invalid_header, invalid_token
from hakika_simulator.simulation import simulation_of

EXPIRES_IN = "3599"  # a string, as the field has shown for years


async def generate(request: Request) -> Response:
    """GET /oauth/v1/generate: a token for a key and secret."""
    simulation = simulation_of(request)
    switches = simulation.switchboard.now
    if switches.oauth_outage:
        return outage_page(503)
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Refused(400, "400.008.01", "Invalid Authentication passed")
    if request.query_params.get("grant_type") != "client_credentials":
        raise Refused(400, "400.008.02", "Invalid grant type passed")
    known = _key_and_secret(encoded)
    allowed = simulation.settings.credentials
    if known is None or (allowed and known not in allowed):
        return Response(status_code=400)  # with an empty body: that is how Daraja says it
    token = simulation.tokens.issue(
        known[0], alone=switches.invalidate_previous_token, now=simulation.clock.real_now()
    )
    return JSONResponse({"access_token": token, "expires_in": EXPIRES_IN})


def consumer_key_of(request: Request, stale: Callable[[], Refused] = invalid_token) -> str:
    """Return the app that calls; APIs differ in how they refuse a `stale` token.

    Raises:
        Refused: there is no token, or it is unknown or expired.
    """
    simulation = simulation_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise invalid_header()
    consumer_key = simulation.tokens.consumer_key(token.strip(), now=simulation.clock.real_now())
    if consumer_key is None:
        raise stale()
    return consumer_key


def _key_and_secret(encoded: str) -> tuple[str, str] | None:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    key, _, secret = text.partition(":")
    return (key, secret) if key and secret else None
