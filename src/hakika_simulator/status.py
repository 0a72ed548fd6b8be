"""Transaction Status: what became of a receipt, or of an order that has none (daraja.md 5.8).

Result 0 says that the question was answered; the answer is in `TransactionStatus`. What M-Pesa
says of a receipt or an id that it does not know, or that is another business's, is documented
nowhere: here it is result 25. A payment that was reversed stays Completed; the reversal has a
receipt of its own.
"""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hakika_simulator import results
from hakika_simulator.arrivals import Arrival
from hakika_simulator.clock import stamp
from hakika_simulator.conversations import body_from, converse
from hakika_simulator.envelopes import Answer
from hakika_simulator.fields import RECEIPT, Fields
from hakika_simulator.instructions import Instruction
from hakika_simulator.ledger import ACCOUNT_NAMES, UTILITY, WORKING, Movement
from hakika_simulator.outcomes import business, charges_told, person
from hakika_simulator.questions import read_question
from hakika_simulator.refusals import invalid_request, invalid_token_of_c2b
from hakika_simulator.simulation import Simulation, simulation_of
from hakika_simulator.sms import plain_shillings
from hakika_simulator.wording import REASONS_OF_COMMANDS, details_and_reason, reason_of

PAYERS_ACCOUNT = "MMF Account For Customer"
STATUSES = {"waiting": "Initiated", "completed": "Completed", "declined": "Declined"}
NOT_FOUND = "The transaction receipt number does not exist."


@dataclass(frozen=True, slots=True)
class _Found:
    """What is told of one transaction. Times are seconds since 1970."""

    debit: str
    credit: str | None  # of a reversal, nobody if there is no such payment
    debit_account: str
    charges: str | None
    reason: str
    status: str
    started_at: float
    finished_at: float | None
    cents: int
    receipt: str | None
    # Of what an operator ordered; a payment by a payer has ids that nobody else knows.
    originator_id: str | None = None
    conversation_id: str | None = None


async def query(request: Request) -> Response:
    """POST /mpesa/transactionstatus/v1/query."""
    simulation = simulation_of(request)
    body = await body_from(request, "status", invalid_token_of_c2b)
    question = read_question(
        Fields(body, invalid_request),
        command="TransactionStatusQuery",
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
        if receipt:
            found = _by_receipt(simulation, str(receipt), codes)
        else:
            found = _by_originator(simulation, str(originator), codes)
        if found is None:
            return Answer(results.INVALID_PARAMETERS, text=NOT_FOUND)
        occasion = body.get("Occasion") or body.get("Occassion")
        reference = {"Key": "Occasion"} | ({"Value": str(occasion)} if occasion else {})
        return Answer(results.PAID, _parameters(simulation, found), reference)

    echoed = str(originator) if originator and not receipt else None
    if not simulation.switchboard.now.status_echoes_originator:
        echoed = None
    return await converse(simulation, "status", question, answer, originator_id=echoed)


def _by_receipt(simulation: Simulation, receipt: str, codes: list[str]) -> _Found | None:
    ordered = _told_to(codes, simulation.instructions.by_transaction(receipt))
    if ordered is not None:
        return _of_instruction(simulation, ordered)
    movement = simulation.ledger.find(receipt, codes)
    if movement is not None:
        return _of_movement(simulation, movement)
    arrival = simulation.arrivals.find(receipt)
    if arrival is not None and arrival.shortcode in codes:
        return _of_arrival(simulation, arrival)
    return None


def _by_originator(simulation: Simulation, originator: str, codes: list[str]) -> _Found | None:
    ordered = _told_to(codes, simulation.instructions.by_originator(originator))
    if ordered is not None:
        return _of_instruction(simulation, ordered)
    arrival = simulation.arrivals.find_by_originator(originator)
    return None if arrival is None else _by_receipt(simulation, arrival.receipt, codes)


def _told_to(codes: list[str], ordered: Instruction | None) -> Instruction | None:
    return ordered if ordered is not None and ordered.shortcode in codes else None


def _of_instruction(simulation: Simulation, it: Instruction) -> _Found:
    debit_account = WORKING if it.api == "b2b" else UTILITY
    if it.api == "reversal":
        original = simulation.ledger.collection(it.receiver)
        payer = "" if original is None or original.phone is None else original.phone
        credit = person(payer) if payer else None
        debit_account = debit_account if original is None else original.account
    elif it.api == "b2c":
        credit = person(it.receiver)
    else:
        credit = business(simulation.settings, it.receiver)
    return _Found(
        debit=business(simulation.settings, it.shortcode),
        credit=credit,
        debit_account=ACCOUNT_NAMES[debit_account],
        charges=charges_told(it.api, it.charge_cents),
        reason=REASONS_OF_COMMANDS[it.command],
        status=it.state.capitalize(),
        started_at=it.asked_at,
        finished_at=it.finished_at,
        cents=it.cents,
        receipt=it.transaction_id,
        originator_id=it.originator_id,
        conversation_id=it.conversation_id,
    )


def _of_movement(simulation: Simulation, movement: Movement) -> _Found:
    owner = business(simulation.settings, movement.shortcode)
    payer = movement.other_party or owner if movement.phone is None else person(movement.phone)
    came_in = movement.cents > 0
    charge = simulation.ledger.charge_cents(movement.receipt)
    return _Found(
        debit=payer if came_in else owner,
        credit=owner if came_in else payer,
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
        debit=person(arrival.phone),
        credit=business(simulation.settings, arrival.shortcode),
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
    ids = simulation.identifiers
    items = {
        "DebitPartyName" if twice else "CreditPartyName": found.credit,
        "OriginatorConversationID": found.originator_id or ids.gateway_request_id(),
        "InitiatedTime": stamp(found.started_at),
        "DebitAccountType": found.debit_account,
        "DebitPartyCharges": found.charges,
        "TransactionReason": None,
        "ReasonType": found.reason,
        "TransactionStatus": found.status,
        "FinalisedTime": None if found.finished_at is None else stamp(found.finished_at),
        "Amount": plain_shillings(found.cents).removesuffix(".00"),
        "ConversationID": found.conversation_id or ids.conversation_id(found.started_at),
        "ReceiptNo": found.receipt,
    }
    return (
        {"Key": "DebitPartyName", "Value": found.debit},
        *({"Key": k} if v is None else {"Key": k, "Value": v} for k, v in items.items()),
    )
