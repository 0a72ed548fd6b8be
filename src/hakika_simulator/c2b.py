"""C2B for merchants: registering URLs, and the sandbox's payment at a call (daraja.md 5.3)."""

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.asked import Misasked, body_of, cents_asked, phone_from, shortcode_from
from hakika_simulator.fields import SHORTCODE, Fields, json_body
from hakika_simulator.numbers import NUMBER
from hakika_simulator.oauth import consumer_key_of
from hakika_simulator.orders import PAYBILL, TILL
from hakika_simulator.refusals import (
    invalid_request,
    invalid_token_of_c2b,
    urls_are_registered,
)
from hakika_simulator.registrations import CANCELLED, COMPLETED, Registration
from hakika_simulator.simulation import simulation_of

BILL_REFERENCE_LENGTH_MAX = 20
RESPONSE_TYPES = re.compile(f"{COMPLETED}|{CANCELLED}")
COMMANDS = re.compile(f"{PAYBILL}|{TILL}")
SHILLING_CENTS = 100


async def register_v1(request: Request) -> Response:
    """POST /mpesa/c2b/v1/registerurl: payers' numbers come hashed."""
    return await _register(request, version=1)


async def register_v2(request: Request) -> Response:
    """POST /mpesa/c2b/v2/registerurl: payers' numbers come masked."""
    return await _register(request, version=2)


async def simulate(request: Request) -> Response:
    """POST /mpesa/c2b/v2/simulate: a payer pays a second from now. Sandbox only."""
    simulation = simulation_of(request)
    consumer_key_of(request, invalid_token_of_c2b)
    fields = Fields(await json_body(request), invalid_request)
    if simulation.settings.production:
        raise invalid_request("ShortCode")  # the portal's simulator knows sandbox codes only
    is_to_till = fields.text("CommandID", COMMANDS) == TILL
    shortcode = fields.text("ShortCode", SHORTCODE)
    cents = fields.shillings("Amount") * SHILLING_CENTS
    phone = fields.text("Msisdn", NUMBER)
    account = "" if is_to_till else fields.short("BillRefNumber", BILL_REFERENCE_LENGTH_MAX)
    with simulation.storage.transaction():
        arrival = simulation.arrivals.begin(
            phone=phone, shortcode=shortcode, cents=cents, account=account
        )
    simulation.arrivals.finish_soon(arrival)
    return _ack(arrival.originator_id, "Accept the service request successfully.")


async def pay(request: Request) -> Response:
    """POST /_simulator/c2b with {"phone", "shortcode", "amount", "account"}: a payer pays, unasked.

    `amount` is in whole shillings; without an `account` it goes to a till. The answer comes when
    the payment has ended: `state` is completed or declined, `reason` the code that declined it.
    """
    simulation = simulation_of(request)
    body = await body_of(request)
    account = str(body.get("account") or "")
    if len(account) > BILL_REFERENCE_LENGTH_MAX:
        raise Misasked(422, f"account is longer than {BILL_REFERENCE_LENGTH_MAX}")
    with simulation.storage.transaction():
        arrival = simulation.arrivals.begin(
            phone=phone_from(body.get("phone")),
            shortcode=shortcode_from(body.get("shortcode")),
            cents=cents_asked(body.get("amount"), "amount") * SHILLING_CENTS,
            account=account,
        )
    ended = await simulation.arrivals.finish(arrival)
    return JSONResponse({"receipt": ended.receipt, "state": ended.state, "reason": ended.reason})


async def delete_urls(request: Request) -> Response:
    """DELETE /_simulator/c2b/urls/{shortcode}, as on the portal under URL management."""
    simulation = simulation_of(request)
    shortcode = shortcode_from(request.path_params["shortcode"])
    if not simulation.registrations.delete(shortcode):
        raise Misasked(404, f"{shortcode} has no URLs")
    return JSONResponse({})


async def _register(request: Request, *, version: int) -> Response:
    simulation = simulation_of(request)
    consumer_key_of(request, invalid_token_of_c2b)
    fields = Fields(await json_body(request), invalid_request)
    production = simulation.settings.production
    registration = Registration(
        shortcode=fields.text("ShortCode", SHORTCODE),
        response_type=fields.text("ResponseType", RESPONSE_TYPES),
        confirmation_url=fields.url("ConfirmationURL", production=production),
        validation_url=fields.url("ValidationURL", production=production),
        version=version,
    )
    registered = simulation.registrations.find(registration.shortcode) is not None
    if registered and (production or simulation.switchboard.now.register_once):
        raise urls_are_registered()
    simulation.registrations.put(registration)
    return _ack(simulation.identifiers.gateway_request_id(), "Success")


def _ack(originator_id: str, description: str) -> Response:
    return JSONResponse(
        {
            "OriginatorCoversationID": originator_id,  # as spelt by Daraja
            "ResponseCode": "0",
            "ResponseDescription": description,
        }
    )
