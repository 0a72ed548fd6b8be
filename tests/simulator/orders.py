"""Orders under an operator's name, for tests: B2C, B2B and reversals, and what comes back."""

import json
from typing import Any

from tests.simulator.test_operators import credential
from tests.simulator.world import PERSON, Answer, Daraja, Merchant

PAYBILL, SUPPLIER, TILL = "600000", "600001", "600123"
B2C, B2C_V1 = "/mpesa/b2c/v3/paymentrequest", "/mpesa/b2c/v1/paymentrequest"
B2B, REVERSAL = "/mpesa/b2b/v1/paymentrequest", "/mpesa/reversal/v1/request"
OWN_ID = "payout_01"


async def fund(daraja: Daraja, shillings: int = 1000, account: str = "utility") -> None:
    """Bring money from the bank to the pay bill."""
    deposit = {
        "shortcode": PAYBILL, "from": "bank", "to": account, "amount_cents": shillings * 100,
    }
    answer = await daraja.control("POST", "portal/floats", deposit)
    assert answer.status == 200, answer.text


async def plan(daraja: Daraja, **fault: Any) -> None:
    """Plan what the next call meets."""
    answer = await daraja.control("POST", "faults", fault)
    assert answer.status == 200, answer.text


async def order(daraja: Daraja, path: str, **changes: Any) -> Answer:
    """Give an order; a change of `...` leaves the field out."""
    base = daraja.callback_url.removesuffix("/c/token")
    if "SecurityCredential" not in changes:
        changes["SecurityCredential"] = await credential(daraja)
    common = {
        "ResultURL": f"{base}/result", "QueueTimeOutURL": f"{base}/timeout", "Remarks": "ok",
    }
    body = common | _OWN[path] | changes
    return await daraja.call(
        "POST", path, json={k: v for k, v in body.items() if v is not ...},
        headers={"Authorization": daraja.bearer},
    )


async def ordered(daraja: Daraja, merchant: Merchant, path: str, **changes: Any) -> Any:
    """Give an order, which must be accepted, and return the result that comes."""
    before = len(merchant.heard)
    answer = await order(daraja, path, **changes)
    assert answer.status == 200, answer.text
    return json.loads((await merchant.hears(before + 1))[-1].text)["Result"]


def codes(merchant: Merchant) -> list[tuple[str, str]]:
    """Return path and result code of everything that the merchant heard."""
    told = [(each.path, json.loads(each.text)["Result"]) for each in merchant.heard]
    return [(path, str(result["ResultCode"])) for path, result in told]


async def payouts(daraja: Daraja) -> list[dict[str, Any]]:
    """Return every payout there is, once all have ended."""
    await daraja.settled()
    found: list[dict[str, Any]] = (await daraja.truth())["payouts"]
    return found


_OWN: dict[str, dict[str, Any]] = {
    B2C: {
        "OriginatorConversationID": OWN_ID, "InitiatorName": "testapi",
        "CommandID": "BusinessPayment", "Amount": 300, "PartyA": PAYBILL, "PartyB": PERSON,
    },
    B2C_V1: {
        "InitiatorName": "testapi", "CommandID": "BusinessPayment", "Amount": 300,
        "PartyA": PAYBILL, "PartyB": PERSON,
    },
    B2B: {
        "Initiator": "testapi", "CommandID": "BusinessPayBill", "SenderIdentifierType": "4",
        "RecieverIdentifierType": "4", "Amount": "190", "PartyA": PAYBILL, "PartyB": SUPPLIER,
        "AccountReference": "19008",
    },
    REVERSAL: {
        "Initiator": "testapi", "CommandID": "TransactionReversal", "Amount": 250,
        "ReceiverParty": PAYBILL, "RecieverIdentifierType": "11",
    },
}  # fmt: skip
