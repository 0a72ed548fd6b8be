"""`/v1/merchant`: M-Pesa credentials as older services take them, and the switch of collections."""

from __future__ import annotations

from typing import Any

import pytest

from hakika.domain.ids import MerchantId
from hakika.services import keys, merchants
from hakika.services.keys import Wanted
from hakika.services.runtime import open_runtime
from tests.api.world import Shop, World, new_key, new_person, settings_of

# As a developer copies it from an older service's guide.
SANDBOX = {
    "env": "sandbox", "consumer_key": "a_consumer_key_of_daraja_abcd",
    "consumer_secret": "a_consumer_secret_of_daraja_ef12",
    "passkey": "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919",
    "shortcode": "174379",
}
LIVE = SANDBOX | {"env": "live", "passkey": "ab" * 32, "shortcode": "600978"}
PROVIDERS = "/v1/merchant/providers"


async def put(shop: Shop, *, key: str | None = None, **mpesa: Any) -> Any:
    """Put credentials: those of the guide, but for what is named."""
    return await shop.send(
        "PUT", PROVIDERS, key=key, json={"provider": "mpesa", "mpesa": SANDBOX | mpesa},
    )


def live_key(shop: Shop, world: World) -> str:
    merchant_id = MerchantId(shop.merchant_id)
    text: str = world.in_api(keys.create(world.rt, merchant_id, Wanted(livemode=True)))[1]
    return text


async def test_credentials_are_put_tried_and_shown_masked(shop):
    """As in the older service's guide; and what Daraja says of them is in the answer."""
    answer = await put(shop)

    assert answer.status == 200
    shown = answer.data["config_summary"]
    assert {name: shown[name] for name in SANDBOX} == {
        "env": "sandbox", "consumer_key": "****abcd", "consumer_secret": "****ef12",
        "passkey": "****c919", "shortcode": "174379",
    }
    assert (answer.data["provider"], answer.data["default"]) == ("mpesa", True)
    assert (answer.data["valid"], answer.data["last_error"]) == (True, None)
    assert answer.data["checked_at"]
    (listed,) = (await shop.get(PROVIDERS)).data
    assert listed == answer.data
    for secret in ("consumer_key", "consumer_secret", "passkey"):
        assert SANDBOX[secret].encode() not in answer.raw


async def test_a_first_payment_needs_no_credentials(shop):
    """The simulator serves a test mode without any of its own."""
    assert (await shop.get(PROVIDERS)).data == []
    assert (await shop.order(phone=new_person())).status == 202


async def test_beside_a_simulator_nobody_needs_an_account_at_safaricom(api_world):
    """As docs/configuration.md says of it; each test payment was answered with 503."""
    settings = settings_of(
        api_world.database_url, "https://sandbox.example",
        HAKIKA_SIMULATOR_URL=api_world.simulator, HAKIKA_SANDBOX_CONSUMER_KEY="",
        HAKIKA_SANDBOX_CONSUMER_SECRET="",
    )
    async with open_runtime(settings) as rt:
        assert await rt.daraja.prove(rt.shared_account) is None


@pytest.mark.parametrize("name", [
    "consumer_key", "consumer_secret", "passkey", "initiator", "security_credential",
    "nominated_number",
])
async def test_what_was_masked_is_not_taken_for_the_secret_itself(shop, name):
    """A program that reads, changes one thing and writes back would destroy them."""
    answer = await put(shop, **{name: "****abcd"})

    assert answer.problem == (400, "invalid_request", [(f"mpesa.{name}", "secret_masked")])
    assert (await shop.get(PROVIDERS)).data == []


@pytest.mark.parametrize(("changed", "field"), [
    ({"passkey": SANDBOX["passkey"]}, "passkey"), ({"shortcode": "174379"}, "shortcode"),
    ({"shortcode": "600111", "shortcode_type": "till", "store_number": "174379"}, "shortcode"),
])
async def test_the_sandboxes_values_are_refused_in_live(shop, api_world, changed, field):
    """Pushes would be accepted, and no phone would ring."""
    answer = await put(shop, key=live_key(shop, api_world), **(LIVE | changed))

    assert answer.problem == (400, "invalid_request", [(f"mpesa.{field}", "credentials_mixed")])


async def test_credentials_go_with_a_key_of_their_mode(shop, api_world):
    """One paste in the wrong window must not make a test charge real money."""
    problem = (400, "invalid_request", [("mpesa.env", "env_is_not_the_keys")])

    assert (await put(shop, **LIVE)).problem == problem
    assert (await put(shop, key=live_key(shop, api_world))).problem == problem


async def test_payments_go_through_the_default_or_the_short_code_that_is_named(shop):
    """And when the default is deleted, the next one takes its place."""
    await put(shop)
    await put(shop, shortcode="600111", default=False)
    both = (await shop.get(PROVIDERS)).data
    listed = {each["config_summary"]["shortcode"]: each for each in both}
    unknown = await shop.order(phone=new_person(), shortcode="600222")

    assert {code: each["default"] for code, each in listed.items()} == {
        "174379": True, "600111": False,
    }
    assert unknown.problem == (400, "invalid_request", [("shortcode", "shortcode_unknown")])
    assert (await shop.send("DELETE", PROVIDERS + "?shortcode=174379")).status == 204
    (left,) = (await shop.get(PROVIDERS)).data
    assert (left["config_summary"]["shortcode"], left["default"]) == ("600111", True)
    assert (await shop.send("POST", PROVIDERS + "/validate")).data["valid"] is True
    assert (await shop.send("DELETE", PROVIDERS + "?shortcode=174379")).status == 404


async def test_a_delete_that_is_repeated_deletes_nothing_else(shop):
    """HTTP clients send a DELETE again when its answer gets lost."""
    await put(shop)
    await put(shop, shortcode="600111")
    several = await shop.send("DELETE", PROVIDERS)
    await shop.send("DELETE", PROVIDERS + "?shortcode=600111")
    only = [(await shop.send("DELETE", PROVIDERS)).status for _ in range(2)]

    assert several.problem == (409, "conflict", [])
    assert "?shortcode=" in several.body["hint"]
    assert only == [204, 404]


async def test_credentials_that_are_put_move_the_default_only_when_they_say_so(shop):
    """Else the money of a second short code's shop would go astray when its secret is renewed."""
    seen = []
    for mpesa in (
        {"shortcode": "174379"}, {"shortcode": "600111"}, {"shortcode": "600111"},
        {"shortcode": "600111", "default": True}, {"shortcode": "600111"},
        {"shortcode": "174379", "default": False},
    ):
        await put(shop, **mpesa)
        listed = (await shop.get(PROVIDERS)).data
        (default,) = (each for each in listed if each["default"])
        seen.append(default["config_summary"]["shortcode"])

    assert seen == ["174379"] * 3 + ["600111"] * 3


async def test_a_tariff_is_told_or_nothing_is_assumed(shop):
    """And it stays when the secrets are renewed."""
    seen = [
        (await put(shop, **mpesa)).data["tariff"]
        for mpesa in ({}, {"tariff": "mgao"}, {}, {"tariff": "customer_bouquet"}, {"tariff": ""})
    ]
    refused = await put(shop, tariff="mauzo")

    assert seen == [None, "mgao", "mgao", "customer_bouquet", None]
    assert refused.problem == (400, "invalid_request", [("mpesa.tariff", "tariff_unknown")])
    assert "business_bouquet, customer_bouquet, mgao" in refused.body["hint"]


async def test_a_default_that_is_not_to_be_one_needs_an_heir(shop):
    """It was ignored in silence, and the next payment went to the short code that was not meant."""
    first = await put(shop, default=False)
    await put(shop)
    again = await put(shop, default=False)

    for refused in (first, again):
        assert refused.problem == (409, "conflict", [])
        assert "default: true" in refused.body["hint"]
    assert [each["default"] for each in (await shop.get(PROVIDERS)).data] == [True]


async def test_put_again_they_replace_those_of_the_same_short_code(shop):
    first = (await put(shop)).data
    second = (await put(shop, consumer_key="another_consumer_key_wxyz")).data

    assert second["id"] == first["id"]
    assert second["config_summary"]["consumer_key"] == "****wxyz"
    assert len((await shop.get(PROVIDERS)).data) == 1


async def test_the_switch_of_live_collections_needs_a_live_key(shop, api_world):
    """A test key lies about on many machines; it neither stops nor resumes live money."""
    live, path = live_key(shop, api_world), "/v1/merchant/collections"

    for answer in (
        await shop.get(path), await shop.send("PUT", path, json={"enabled": True}),
    ):
        assert answer.problem == (403, "forbidden", [])
    off = await shop.send("PUT", path, key=live, json={"enabled": False, "reason": "leaked"})
    assert (off.data["enabled"], off.data["reason"]) == (False, "leaked")
    refused = await shop.send(
        "POST", "/v1/payments", key=live, idempotency_key=new_key(),
        json={"amount": 5, "currency": "KES", "provider": "mpesa", "phone": new_person()},
    )
    assert refused.problem == (503, "collections_stopped", [])
    assert (await shop.order(phone=new_person())).status == 202
    assert off.data["stopped_by"] == "merchant"
    assert (await shop.send("PUT", path, key=live, json={"enabled": True})).data == {
        "enabled": True, "reason": None, "stopped_at": None, "stopped_by": None,
    }


async def test_who_switches_on_under_the_operators_stop_is_told_of_it(shop, api_world):
    """Else it looks as if the switch were broken."""
    live, path = live_key(shop, api_world), "/v1/merchant/collections"
    api_world.in_api(merchants.stop_collections(api_world.rt, None))
    try:
        api_world.rt.stops.forget(shop.merchant_id)
        on = await shop.send("PUT", path, key=live, json={"enabled": True})
    finally:
        api_world.in_api(merchants.resume_collections(api_world.rt, None))
        api_world.rt.stops.forget(shop.merchant_id)

    assert (on.status, on.data["enabled"], on.data["stopped_by"]) == (200, False, "operator")
