"""Pull Transactions: a business fetches what it collected in the last 48 hours (daraja.md 5.11).

Rows come oldest first, a hundred a page, inside a list inside a list; nothing is the text "[[]]".
Times are Nairobi's although they end in Z. Pushes are in it too, for they are C2B.
The switch `pull_fault` makes it lie or fail:

| error_code | HTTP 200 with an errorCode instead of rows |
| stuck      | every offset gets the first page |
| short_page | the page at offset 100 ends in its middle; its other half is at offset 150 |
| 500        | Internal Server Error |
| reset      | the connection is reset unanswered |
"""

import re
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.answers import Disconnection
from hakika_simulator.clock import EAT, in_nairobi
from hakika_simulator.fields import SHORTCODE, WHOLE, Fields, json_body
from hakika_simulator.ledger import Movement
from hakika_simulator.numbers import NUMBER
from hakika_simulator.oauth import consumer_key_of
from hakika_simulator.refusals import (
    Refused,
    internal_error,
    invalid_field,
    invalid_shortcode_of_pull,
    invalid_token_of_pull,
)
from hakika_simulator.simulation import Simulation, simulation_of
from hakika_simulator.sms import plain_shillings

PAGE_ROWS = 100
SHORT_PAGE_ROWS = 50
HORIZON_SECONDS = 48 * 3600.0
SECOND = 0.999_999  # the end is told in whole seconds, and is included
PULL = re.compile("Pull")


async def register(request: Request) -> Response:
    """POST /pulltransactions/v1/register: once per short code; again is answered 1001."""
    simulation = simulation_of(request)
    consumer_key_of(request, invalid_token_of_pull)
    fields = Fields(await json_body(request), _refuse)
    shortcode = fields.text("ShortCode", SHORTCODE)
    fields.text("RequestType", PULL)
    fields.text("NominatedNumber", NUMBER)
    fields.url("CallBackURL", production=simulation.settings.production)
    is_new = simulation.registrations.register_pull(shortcode)
    return JSONResponse(
        {
            "ResponseRefID": simulation.identifiers.gateway_request_id(),
            "ResponseStatus": "1000" if is_new else "1001",
            "ShortCode": shortcode,
            "ResponseDescription": f"Shortcode {'' if is_new else 'already '}Registered"
            f"{' Successfully' if is_new else ''}",
        }
    )


async def query(request: Request) -> Response:
    """POST /pulltransactions/v1/query: one page of rows."""
    simulation = simulation_of(request)
    consumer_key_of(request, invalid_token_of_pull)
    fields = Fields(await json_body(request), _refuse)
    shortcode = fields.text("ShortCode", SHORTCODE)
    since, until = _moment(fields, "StartDate"), _moment(fields, "EndDate") + SECOND
    offset = int(fields.text("OffSetValue", WHOLE))
    if not simulation.registrations.is_pull_registered(shortcode):
        raise invalid_shortcode_of_pull()
    match simulation.switchboard.now.pull_fault:
        case "500":
            raise internal_error()
        case "reset":
            return Disconnection(reset=True)
        case "error_code":
            reference = simulation.identifiers.gateway_request_id()
            text = "Internal Server Error"
            told = {"requestId": reference, "errorCode": "500.003.1001", "errorMessage": text}
            return JSONResponse(told)
    now = simulation.clock.now()
    return _page(
        simulation, shortcode, max(since, now - HORIZON_SECONDS), min(until, now), offset
    )


def _page(
    simulation: Simulation, shortcode: str, since: float, until: float, offset: int
) -> Response:
    fault = simulation.switchboard.now.pull_fault
    is_short = fault == "short_page" and offset == PAGE_ROWS
    movements = simulation.ledger.collections(
        simulation.ledger.codes_of(shortcode),
        since=since,
        until=until,
        offset=0 if fault == "stuck" else offset,
        limit=SHORT_PAGE_ROWS if is_short else PAGE_ROWS,
    )
    return JSONResponse(
        {
            "ResponseRefID": simulation.identifiers.gateway_request_id(),
            "ResponseCode": "1000" if movements else "1001",
            "ResponseMessage": "Success" if movements else "No transactions found",
            "Response": [[_row(simulation, each) for each in movements]] if movements else "[[]]",
        }
    )


def _row(simulation: Simulation, movement: Movement) -> dict[str, Any]:
    assert movement.phone is not None
    return {
        "transactionId": movement.receipt,
        "trxDate": f"{in_nairobi(movement.at):%Y-%m-%dT%H:%M:%S}Z",
        "msisdn": int(movement.phone[3:]),
        "sender": "MPESA",
        "transactiontype": f"c2b-{'buy-goods' if movement.is_to_till else 'pay-bill'}-debit",
        "billreference": "" if movement.is_to_till else movement.reference,
        "amount": plain_shillings(movement.cents),
        "organizationname": simulation.settings.organisation(movement.shortcode),
    }


def _moment(fields: Fields, name: str) -> float:
    text = fields.body.get(name)
    try:
        moment = datetime.strptime(str(text), "%Y-%m-%d %H:%M:%S").replace(tzinfo=EAT)
    except ValueError:
        raise _refuse(name) from None
    return moment.timestamp()


def _refuse(field: str) -> Refused:
    return invalid_shortcode_of_pull() if field == "ShortCode" else invalid_field(field)
