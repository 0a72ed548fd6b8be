"""Transaction Status: what became of a receipt (daraja.md 5.8).

Result 0 says that the question was answered; the answer is in `TransactionStatus`. What M-Pesa
says of a receipt that it does not know, or that is another business's, is documented nowhere:
here it is result 25. A payment that was reversed stays Completed; the reversal has a receipt of
its own.
"""

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hakika_simulator import results
from hakika_simulator.arrivals import Arrival
from hakika_simulator.clock import stamp
from hakika_simulator.conversations import Answer, converse, read_question
from hakika_simulator.fields import json_body
from hakika_simulator.ledger import ACCOUNT_NAMES, Movement
from hakika_simulator.oauth import consumer_key_of
from hakika_simulator.people import full_name_of
from hakika_simulator.refusals import invalid_request, invalid_token_of_c2b
from hakika_simulator.simulation import Simulation, simulation_of
from hakika_simulator.sms import plain_shillings
from hakika_simulator.wording import details_and_reason, reason_of

RECEIPT = re.compile(r"[A-Z0-9]{10}")
PAYERS_ACCOUNT = "MMF Account For Customer"
STATUSES = {"waiting": "Initiated", "completed": "Completed", "declined": "Declined"}
NOT_FOUND = "The transaction receipt number does not exist."


@dataclass(frozen=True, slots=True)
class _Found:
    """What is told of one transaction. Times are seconds since 1970."""

    debit: str
    credit: str
    debit_account: str
    charges: str | None
    reason: str
    status: str
    started_at: float
    finished_at: float | None
    cents: int
    receipt: str


async def query(request: Request) -> Response:
    """POST /mpesa/transactionstatus/v1/query."""
    simulation = simulation_of(request)
    consumer_key_of(request, invalid_token_of_c2b)
    body = await json_body(request)
    question = read_question(
        body,
        command="TransactionStatusQuery",
        refuse=invalid_request,
        production=simulation.settings.production,
    )
    receipt = body.get("TransactionID")
    originator = body.get("OriginalConversationID") or body.get("OriginatorConversationID")
    if receipt and not RECEIPT.fullmatch(str(receipt)):
        raise invalid_request("TransactionID")
    if not receipt and not originator:
        raise invalid_request("TransactionID")
    codes = simulation.ledger.codes_of(question.shortcode)

    def answer() -> Answer:
        by_originator = simulation.arrivals.find_by_originator(str(originator))
        asked = str(receipt) if receipt or by_originator is None else by_originator.receipt
        found = _about(simulation, asked, codes)
        if found is None:
            return Answer(results.INVALID_PARAMETERS, text=NOT_FOUND)
        occasion = body.get("Occasion") or body.get("Occassion")
        reference = {"Key": "Occasion"} | ({"Value": str(occasion)} if occasion else {})
        return Answer(results.PAID, _parameters(simulation, found), reference)

    return converse(simulation, question, answer, in_strings=False)


def _about(simulation: Simulation, receipt: str, codes: list[str]) -> _Found | None:
    movement = simulation.ledger.find(receipt)
    if movement is not None and movement.shortcode in codes:
        return _of_movement(simulation, movement)
    arrival = simulation.arrivals.find(receipt)
    if movement is None and arrival is not None and arrival.shortcode in codes:
        return _of_arrival(simulation, arrival)
    return None


def _of_movement(simulation: Simulation, movement: Movement) -> _Found:
    business = _business(simulation, movement.shortcode)
    payer = business if movement.phone is None else _payer(movement.phone)
    came_in = movement.cents > 0
    charge = simulation.ledger.charge_cents(movement.receipt)
    return _Found(
        debit=payer if came_in else business,
        credit=business if came_in else payer,
        debit_account=PAYERS_ACCOUNT if came_in else ACCOUNT_NAMES[movement.account],
        charges=f"Fee For C2B Payment|KES|{plain_shillings(charge)}" if charge else None,
        reason=details_and_reason(movement)[1],
        status="Completed",
        started_at=movement.started_at,
        finished_at=movement.at,
        cents=abs(movement.cents),
        receipt=movement.receipt,
    )


def _of_arrival(simulation: Simulation, arrival: Arrival) -> _Found:
    return _Found(
        debit=_payer(arrival.phone),
        credit=_business(simulation, arrival.shortcode),
        debit_account=PAYERS_ACCOUNT,
        charges=None,
        reason=reason_of("c2b", is_to_till=arrival.is_to_till),
        status=STATUSES[arrival.state],
        started_at=arrival.started_at,
        finished_at=arrival.finished_at,
        cents=arrival.cents,
        receipt=arrival.receipt,
    )


def _parameters(simulation: Simulation, found: _Found) -> tuple[dict[str, Any], ...]:
    # In Safaricom's own sample the credit party goes by the debit party's key.
    twice = simulation.switchboard.now.status_debit_party_twice
    items = {
        "OriginatorConversationID": simulation.identifiers.gateway_request_id(),
        "InitiatedTime": stamp(found.started_at),
        "DebitAccountType": found.debit_account,
        "DebitPartyCharges": found.charges,
        "TransactionReason": None,
        "ReasonType": found.reason,
        "TransactionStatus": found.status,
        "FinalisedTime": None if found.finished_at is None else stamp(found.finished_at),
        "Amount": plain_shillings(found.cents).removesuffix(".00"),
        "ConversationID": simulation.identifiers.conversation_id(found.started_at),
        "ReceiptNo": found.receipt,
    }
    return (
        {"Key": "DebitPartyName", "Value": found.debit},
        {"Key": "DebitPartyName" if twice else "CreditPartyName", "Value": found.credit},
        *({"Key": k} if v is None else {"Key": k, "Value": v} for k, v in items.items()),
    )


def _payer(phone: str) -> str:
    return f"{phone} - {full_name_of(phone)}"


def _business(simulation: Simulation, shortcode: str) -> str:
    return f"{shortcode} - {simulation.settings.organisation(shortcode)}"
