"""Payments of other days, many at once: a test's month of business in one request.

They are as if they had happened at their time: money is on the accounts, and Pull, statements and
Transaction Status know them. Nobody is called, no message is written, and a payer who has too
little borrows from the treasury.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hakika_simulator.asked import (
    Misasked,
    body_of,
    cents_asked,
    moment_asked,
    phone_from,
    shortcode_from,
)
from hakika_simulator.ledger import Collection
from hakika_simulator.simulation import simulation_of

SHILLING_CENTS = 100


async def add_history(request: Request) -> Response:
    """POST /_simulator/history with {"payments": [{kind, phone, shortcode, amount, account, at}]}.

    `kind` is stk or c2b, `amount` whole shillings; without an `account` it is paid to a till. All
    of them happen or none; the answer lists their receipts in the same order.
    """
    simulation = simulation_of(request)
    listed = (await body_of(request)).get("payments")
    if not isinstance(listed, list):
        raise Misasked(422, "payments must be a list")
    collections = [_collection(payment) for payment in listed]
    receipts = []
    with simulation.storage.transaction():
        for collection in collections:
            simulation.wallets.lend(collection.phone, collection.cents)
            receipts.append(simulation.ledger.collect(collection))
    return JSONResponse({"receipts": receipts})


def _collection(payment: object) -> Collection:
    if not isinstance(payment, dict):
        raise Misasked(422, "a payment must be an object")
    kind = payment.get("kind", "c2b")
    if kind not in ("stk", "c2b"):
        raise Misasked(422, "kind must be stk or c2b")
    at = moment_asked(payment.get("at"), "at")
    account = payment.get("account") or ""
    return Collection(
        kind=kind,
        shortcode=shortcode_from(payment.get("shortcode")),
        is_to_till=not account,
        phone=phone_from(payment.get("phone")),
        cents=cents_asked(payment.get("amount"), "amount") * SHILLING_CENTS,
        reference=str(account),
        started_at=at,
        at=at,
    )
