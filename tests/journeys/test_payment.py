"""The main job, over real HTTP: ask, pay, be told, and be able to prove it."""

from __future__ import annotations

import json

import pytest
import svix.webhooks
from standardwebhooks import Webhook

from hakika.services import webhooks
from hakika.services.keys import authenticate
from hakika.services.runtime import open_runtime
from tests.journeys.conftest import Shop
from tests.journeys.world import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("shop")]

ALWAYS_PAYS = "254708374149"


async def test_a_payment_goes_from_nothing_to_paid_proven_and_told(shop: Shop):
    """The whole product in one story."""
    status, body = await shop.world.ask(shop.api, ALWAYS_PAYS, key="story")
    assert (status, body["data"]["status"]) == (202, "pending")

    payment = await shop.world.settled(shop.api, body["data"]["id"])
    await shop.world.told(payment["id"], "payment.completed")
    timeline = await shop.world.get(shop.api, f"/v1/payments/{payment['id']}/timeline")
    truth = await shop.world.truth(checkout_request_id=payment["provider_ref"])

    assert payment["status"] == "completed"
    assert payment["amount_received"] == "100.00"
    assert [payment["receipt"]] == [each["receipt"] for each in truth["payments"]]
    assert [(fact["fact"], fact["source"]) for fact in timeline] == [
        ("asked", "caller"), ("accepted", "daraja"), ("paid", "stk_callback"),
    ]


async def test_a_webhook_verifies_with_two_independent_libraries(shop: Shop):
    """Merchants verify with what they have: Standard Webhooks, or Svix."""
    _, body = await shop.world.ask(shop.api, ALWAYS_PAYS, key="signed")
    await shop.world.told(body["data"]["id"], "payment.completed")
    async with open_runtime(shop.world.settings, public_url="http://127.0.0.1:1") as rt:
        (endpoint,) = await webhooks.endpoints(rt, await authenticate(rt, shop.world.key))

    headers, raw = shop.world.receiver.heard[-1]
    heard = {name.lower(): value for name, value in headers.items()}

    only_svix = {name: text for name, text in heard.items() if name.startswith("svix-")}
    assert Webhook(endpoint.secret).verify(raw, heard) == json.loads(raw)
    svix.webhooks.Webhook(endpoint.secret).verify(raw, only_svix)  # raises when it does not fit
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(endpoint.secret).verify(raw + b" ", only_svix)


async def test_one_payment_can_have_a_webhook_address_of_its_own(shop: Shop):
    """`callback_url` is one more address for one payment, signed and retried like any other."""
    async with shop.world.http.post(
        f"{shop.api.url}/v1/payments",
        headers=shop.world.authorization | {"Idempotency-Key": "own"},
        json={
            "amount": 10, "currency": "KES", "provider": "mpesa", "phone": ALWAYS_PAYS,
            "callback_url": shop.world.receiver.url,
        },
    ) as answer:
        payment = (await answer.json())["data"]

    def told() -> list[str]:
        """The ids of the events heard about it, each as often as it was heard."""
        heard = [json.loads(raw) for _, raw in shop.world.receiver.heard]
        return [event["id"] for event in heard if event["data"]["id"] == payment["id"]]

    async def twice() -> bool:
        return len(told()) == 2

    await eventually(twice)
    assert len(set(told())) == 1, "one event, told to the endpoint and to its own address"


async def test_everything_is_verified_in_the_end(shop: Shop):
    """The books of this story agree with what really happened."""
    report = await shop.world.verified()

    assert report.green, [check for check in report.checks if check.violations]
