"""A client that others wrote, unchanged: if it can talk to us, we speak Daraja."""

import asyncio

import pytest
from mpesa import MpesaClient, MpesaError

from tests.simulator.test_operators import credential
from tests.simulator.world import PASSKEY, PERSON, Daraja, Merchant


def client_of(daraja: Daraja) -> MpesaClient:
    return MpesaClient("key", "secret", "174379", passkey=PASSKEY, base_url=daraja.url)


async def test_daraja_v3_pushes_and_asks(daraja: Daraja, merchant: Merchant) -> None:
    client = client_of(daraja)
    pushed = await asyncio.to_thread(
        client.stk_push, "0708374149", 500, "INV-1", callback_url=merchant.url
    )
    heard = (await merchant.hears())[0]
    await asyncio.sleep(0.1)
    asked = await asyncio.to_thread(client.stk_query, pushed.checkout_request_id)

    told = MpesaClient.parse_stk_callback({"Body": {"stkCallback": heard.outcome}})
    assert (asked.is_paid, asked.result_code) == (True, "0")
    assert (told["paid"], told["amount"], told["phone"]) == (True, 500.0, "254708374149")
    assert told["checkout_request_id"] == pushed.checkout_request_id
    assert told["mpesa_receipt"] == (await daraja.payment(pushed.checkout_request_id))["receipt"]


async def test_daraja_v3_understands_a_refusal(daraja: Daraja, merchant: Merchant) -> None:
    client = client_of(daraja)
    await daraja.pushed(PERSON)

    with pytest.raises(MpesaError, match="Unable to lock subscriber") as refused:
        await asyncio.to_thread(client.stk_push, PERSON, 5, "INV-1", callback_url=merchant.url)

    assert refused.value.code == "500.001.1001"


async def test_daraja_v3_registers_and_asks_for_the_balance(
    daraja: Daraja, merchant: Merchant
) -> None:
    client = client_of(daraja)
    registered = await asyncio.to_thread(
        client.c2b_register_urls, f"{merchant.url}/v", f"{merchant.url}/c"
    )
    asked = await asyncio.to_thread(
        client.account_balance,
        merchant.url,
        merchant.url,
        initiator_name="testapi",
        security_credential=await credential(daraja),
    )
    heard = (await merchant.hears())[0]

    assert registered["ResponseCode"] == asked["ResponseCode"] == "0"
    assert f'"ConversationID":"{asked["ConversationID"]}"' in heard.text
    assert "Utility Account|KES|0.00" in heard.text
