"""Guards over real HTTP: rules and stops as a merchant sets them, and the breaker of operators."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from hakika.services import sending
from tests.api.test_inquiries import OPERATOR, PASSWORD, credential
from tests.api.test_payouts import ended, funded, send
from tests.api.world import WAIT_SECONDS_MAX, Shop

_numbers = count(1)
_shortcodes = count(606_000)


async def operated_by(shop: Shop, name: str, password: str, *, number: str = "") -> str:
    """Put a paybill's credentials with this API operator; return its number."""
    number = number or str(next(_shortcodes))
    await shop.put_paybill(
        number, initiator=name, security_credential=await credential(shop, password),
    )
    return number


async def at_mpesa(shop: Shop, name: str, password: str) -> None:
    """Give an operator a password, as a Business Administrator does on the portal."""
    async with shop.session.put(
        f"{shop.world.simulator}/_simulator/operators/{name}", json={"password": password},
    ) as answer:
        assert answer.status == 200


async def stopped(shop: Shop) -> list[dict[str, Any]]:
    """Let a worker send until an operator is stopped, and return what stands then."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            shop.world.in_api(sending.send_due(shop.world.rt))
            found: list[dict[str, Any]] = (await shop.get("/v1/payout-stops")).data
            if found:
                return found
            await asyncio.sleep(0.05)


async def test_a_wrong_password_is_tried_once_and_the_operator_is_never_locked(shop: Shop):
    """Three wrong tries lock it at M-Pesa (T14); the others wait, and then all are paid."""
    name = f"guarded{next(_numbers)}"
    await at_mpesa(shop, name, "Right#1")
    paybill = await funded(shop, await operated_by(shop, name, "Wrong#1"))
    ordered = [(await send(shop, shortcode=paybill)).data["id"] for _ in range(6)]

    stop, = await stopped(shop)
    for _ in range(3):
        shop.world.in_api(sending.send_due(shop.world.rt))
    asked = await shop.send("POST", "/v1/balance/check", json={"shortcode": paybill})
    tried = [(await shop.get(f"/v1/payouts/{each}")).data["attempts"] for each in ordered]

    assert (stop["why"], stop["key"].rpartition(":")[2]) == ("operator", paybill)
    assert "Look at: password" in stop["note"]
    assert sorted(tried) == [0] * 5 + [1]
    assert (asked.status, asked.body["code"]) == (409, "operator_stopped")
    assert "PUT /v1/merchant/providers" in asked.body["hint"]

    await operated_by(shop, name, "Right#1", number=paybill)
    assert (await shop.get("/v1/payout-stops")).data == []
    paid = [await ended(shop, each) for each in ordered if each != ordered[tried.index(1)]]
    assert {each["status"] for each in paid} == {"completed"}


async def test_an_operator_that_lost_its_role_is_stopped_until_a_person_lifts_it(shop: Shop):
    """No new credentials mend that: it is said to be mended, and the next try tells."""
    paybill = await funded(shop, await operated_by(shop, OPERATOR, PASSWORD))
    first = await ended(shop, (await send(shop, shortcode=paybill)).data["id"])
    assert first["status"] == "completed"
    await operated_by(shop, "nobody-by-this-name", PASSWORD, number=paybill)
    await shop.send("POST", "/v1/balance/check", json={"shortcode": paybill})

    stop, = await stopped(shop)
    lifted = await shop.send("DELETE", f"/v1/payout-stops?key={stop['key']}")

    assert "Look at: name" in stop["note"]
    assert (lifted.status, lifted.data["key"]) == (200, stop["key"])
    asked = await shop.send("POST", "/v1/balance/check", json={"shortcode": paybill})
    assert asked.status == 202


async def test_rules_are_set_in_parts_and_looked_up_with_who_changed_them(shop: Shop):
    put = await shop.send("PUT", "/v1/payout-rules", json={"day_max": 500, "burst_max": 3})
    refused = await shop.send("PUT", "/v1/payout-rules", json={"day_max": -1, "hour_max": "x"})
    change, = (await shop.get("/v1/payout-rules/changes")).data

    assert (put.data["day_max"], put.data["burst_max"], put.data["each_max"]) == (
        "500.00", 3, None,
    )
    assert [(each["field"], each["code"]) for each in refused.body["errors"]] == [
        ("hour_max", "amount_invalid"), ("day_max", "limit_invalid"),
    ]
    assert (change["before"]["day_max"], change["after"]["day_max"]) == (None, "500.00")
    assert (await shop.get("/v1/payout-rules")).data == put.data


async def test_a_payout_over_a_limit_is_refused_and_its_key_can_be_used_again(shop: Shop):
    paybill = await operated_by(shop, OPERATOR, PASSWORD)
    await shop.send("PUT", "/v1/payout-rules", json={"each_max": 1000})
    refused = await send(shop, key="the-same", shortcode=paybill)
    await shop.send("PUT", "/v1/payout-rules", json={"each_max": 1200})
    taken = await send(shop, key="the-same", shortcode=paybill)

    assert (refused.status, refused.body["code"]) == (409, "payout_too_large")
    assert (taken.status, taken.data["float"]) == (202, "unknown")


async def test_a_freeze_holds_what_is_asked_and_what_was_ready(shop: Shop):
    paybill = await funded(shop, await operated_by(shop, OPERATOR, PASSWORD))
    ready = (await send(shop, shortcode=paybill)).data
    frozen = await shop.send("POST", "/v1/payout-stops", json={"note": "Who is this?"})
    asked = (await send(shop, shortcode=paybill)).data
    shop.world.in_api(sending.send_due(shop.world.rt))
    own = await shop.send("DELETE", "/v1/payout-stops")

    assert (frozen.status, frozen.data["note"]) == (201, "Who is this?")
    assert (asked["status"], asked["held_for"]) == ("needs_approval", ["approval"])
    assert (await shop.get(f"/v1/payouts/{ready['id']}")).data["attempts"] == 0
    assert (own.status, own.body["code"]) == (403, "forbidden")
    told = [each["type"] for each in (await shop.get("/v1/events")).data]
    assert "payouts.stopped" in told


async def test_a_float_is_known_once_mpesa_told_it(shop: Shop):
    """Asked for, told, and from then on what is promised is taken off."""
    paybill = await funded(shop, await operated_by(shop, OPERATOR, PASSWORD), shillings=2_000)
    await shop.send("POST", "/v1/balance/check", json={"shortcode": paybill})
    utility = await told(shop, paybill)
    taken = await send(shop, shortcode=paybill)
    short = await send(shop, shortcode=paybill)

    assert (utility["known"], utility["available"]) == ("2000.00", "2000.00")
    assert taken.data["float"] == "known"
    assert (short.status, short.body["code"]) == (409, "float_insufficient")
    after = await told(shop, paybill)
    assert (after["reserved"], after["ready"], after["available"]) == (
        "1200.00", "1200.00", "800.00",
    )


async def told(shop: Shop, paybill: str) -> dict[str, Any]:
    """Return a short code's utility account once M-Pesa told of it."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            for each in (await shop.get("/v1/floats")).data:
                found: dict[str, Any] = each
                if found["account"] == f"float:{paybill}:utility" and found["state"] == "known":
                    return found
            await asyncio.sleep(0.05)


async def test_beneficiaries_are_listed_once_and_removed(shop: Shop):
    listed = await shop.send("POST", "/v1/beneficiaries", json={"phone": "0712345678"})
    again = await shop.send("POST", "/v1/beneficiaries", json={"phone": "254712345678"})
    removed = await shop.send("DELETE", f"/v1/beneficiaries/{listed.data['id']}")

    assert again.data == listed.data
    assert removed.status == 204
    assert (await shop.get("/v1/beneficiaries")).data == []
