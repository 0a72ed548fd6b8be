"""A platform's sellers over the API: each reaches what is its own, on few routes, and no more.

Like test_isolation.py, it goes through the API's own table of routes: a new one is tried at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
import pytest
import pytest_asyncio

from hakika.api.app import ROUTERS
from hakika.api.auth import for_sellers, scopes
from hakika.services import delivering, settlements
from tests.api.test_inquiries import with_operator
from tests.api.test_isolation import BODIES
from tests.api.test_payouts import ended, funded, truth
from tests.api.world import WAIT_SECONDS_MAX, Shop, World, new_key, new_person
from tests.services.world import Receiver, serving

FOR_SELLERS = sorted(for_sellers(ROUTERS), key=lambda each: (each[0] == "DELETE", each))
FOR_PLATFORMS = sorted(set(scopes(ROUTERS)) - set(FOR_SELLERS))
ABOUT_ONE = [each for each in FOR_SELLERS if "{" in each[1]]
LISTS = [path for method, path in FOR_SELLERS if method == "GET" and "{" not in path]


class Anything(dict[str, str]):
    """What stands in a path where none of one's own things does."""

    def __missing__(self, name: str) -> str:
        return f"{name}_1"


pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Platform:
    """A platform, and two sellers with one thing of each kind."""

    shop: Shop
    sellers: list[Shop]
    has: list[dict[str, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(api_world: World) -> AsyncIterator[Platform]:
    """Made once for this file."""
    async with aiohttp.ClientSession() as session:
        shop = api_world.open_shop(session)
        await shop.send("POST", "/v1/fee-plans", json={"basis_points": 150})
        made = [await _seller(shop, number) for number in range(2)]
        yield Platform(shop, [seller for seller, _ in made], [has for _, has in made])


async def _seller(shop: Shop, number: int) -> tuple[Shop, dict[str, str]]:
    created = await shop.send("POST", "/v1/sellers", json={
        "name": f"Seller {number}", "settlement": "per_payment",
        "payout_account": {
            "type": "bank", "bank": "68", "number": f"01234567{number}", "holder": "Mama Njeri",
        },
    })
    key = await shop.send("POST", f"/v1/sellers/{created.data['id']}/keys", json={})
    seller = replace(shop, key=key.data["api_key"])
    endpoint = await seller.send(
        "POST", "/v1/webhook-endpoints", json={"url": f"https://seller-{number}.example/"},
    )
    payment = await seller.order(amount=100, idempotency_key="order-1")
    await seller.settled(payment.data["id"])
    shop.world.in_api(settlements.settle_paid(shop.world.rt))
    payout, = (await seller.get("/v1/payouts")).data
    return seller, {
        "seller_id": created.data["id"], "payment_id": payment.data["id"],
        "payout_id": payout["id"], "endpoint_id": endpoint.data["id"],
    }


@pytest.mark.parametrize(("method", "path"), FOR_PLATFORMS, ids=map(" ".join, FOR_PLATFORMS))
async def test_what_no_route_allows_is_forbidden_to_a_seller(platform, method, path):
    """Even about its own things, and whatever scopes its key has."""
    answer = await platform.sellers[0].send(
        method, path.format_map(Anything(platform.has[0])), idempotency_key=new_key(),
        **({"json": BODIES[method, path]} if (method, path) in BODIES else {}),
    )

    assert answer.problem == (403, "forbidden", [])


@pytest.mark.parametrize(("method", "path"), ABOUT_ONE, ids=map(" ".join, ABOUT_ONE))
async def test_another_sellers_thing_is_not_there(platform, method, path):
    one = platform.sellers[0]
    body = {"json": BODIES[method, path]} if (method, path) in BODIES else {}

    answer = await one.send(method, path.format(**platform.has[1]), **body)

    assert answer.problem == (404, "not_found", [])


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_has_a_seller_its_own_and_nothing_else(platform, path):
    """Nor when it asks for another's; the platform's own key sees both but for endpoints."""
    mine, theirs = (list(has.values()) for has in platform.has)
    for query in ("", f"?seller={platform.has[1]['seller_id']}"):
        answer = await platform.sellers[0].get(path + query)
        if answer.status == 400:
            continue  # this list knows no sellers

        assert any(each.encode() in answer.raw for each in mine)
        assert not any(each.encode() in answer.raw for each in theirs)


async def test_the_platform_sees_all_and_may_narrow_it(platform):
    for path in ("/v1/payments", "/v1/payouts"):
        found = (await platform.shop.get(path)).data
        assert {each["seller_id"] for each in found} == {has["seller_id"] for has in platform.has}

        wanted = platform.has[1]["seller_id"]
        found = (await platform.shop.get(f"{path}?seller={wanted}")).data
        assert {each["seller_id"] for each in found} == {wanted}


async def test_a_sellers_payment_says_fee_and_net_and_its_payout_waits_for_a_person(platform):
    """Seed 004: a bank is queued, and is settled by its reference."""
    has, seller = platform.has[0], platform.sellers[0]
    payment = (await seller.get(f"/v1/payments/{has['payment_id']}")).data
    waiting = (await platform.shop.get("/v1/payouts?status=pending_manual")).data

    assert (payment["platform_fee"], payment["net_amount"], payment["idempotency_key"]) == (
        "1.50", "98.50", "order-1",
    )
    assert {each["id"] for each in waiting} == {each["payout_id"] for each in platform.has}
    path = f"/v1/payouts/{has['payout_id']}/record"
    refused = await platform.shop.send("POST", path, json={"reference": " "})
    done = await platform.shop.send("POST", path, json={"reference": "FT26327XK8Q1"})
    owed = await seller.get(f"/v1/sellers/{has['seller_id']}/balance")

    assert refused.status == 400
    assert (done.data["status"], done.data["receipt"]) == ("completed", "FT26327XK8Q1")
    assert owed.data == {
        "seller_id": has["seller_id"], "currency": "KES", "owed": "0.00", "on_its_way": "0.00",
        "settled": "98.50",
    }


async def test_the_older_gateways_doors_are_for_sellers_and_tell_fee_and_net(platform):
    """Seed 004's own example, to the digit; by another seller's key it is not there."""
    one, other = platform.sellers
    wanted = {
        "amount": 100, "phone": new_person(), "reference": "ORDER-1234", "description": "T-shirt",
    }
    pushed = await one.send(
        "POST", "/api/v1/stk-push", json=wanted, idempotency_key="order-1234-attempt-1",
    )
    body = pushed.body
    theirs = await other.get(f"/api/v1/transactions/{body['transaction_id']}")
    by_checkout_id = await other.get(f"/v1/payments/{body['checkout_request_id']}")

    assert (body["amount"], body["platform_fee"], body["net_amount"]) == (100, 1.5, 98.5)
    assert (theirs.status, by_checkout_id.status) == (404, 404)
    own = await one.get(f"/v1/payments/{body['checkout_request_id']}")
    assert own.data["id"] == body["transaction_id"]


async def test_a_seller_cannot_name_the_platforms_customers(platform):
    answer = await platform.sellers[0].order(customer={"name": "Otieno"})

    assert answer.problem == (403, "forbidden", [])


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"name": ""}, "name", "name_empty"),
        ({"name": "A", "payout_account": {"type": "bank", "bank": "99", "number": "0123456",
          "holder": "B"}}, "payout_account.bank", "bank_unknown"),
        ({"name": "A", "payout_account": {"type": "phone", "phone": "12"}},
         "payout_account.phone", "phone_invalid"),
        ({"name": "A", "payout_account": {"type": "till"}}, "payout_account.number",
         "payout_account_invalid"),
        ({"name": "A", "settlement": "weekly"}, "settlement", "enum"),
    ],
    ids=str,
)
async def test_a_seller_who_could_not_be_paid_is_refused_by_the_field(platform, body, field, code):
    answer = await platform.shop.send("POST", "/v1/sellers", json=body)

    assert answer.problem == (400, "invalid_request", [(field, code)])


async def test_a_seller_is_changed_in_what_is_said_and_nothing_else(platform):
    made = await platform.shop.send("POST", "/v1/sellers", json={
        "name": "Kept", "payout_account": {"type": "till", "number": "5551234"},
        "automatic_b2b": True,
    })
    path = f"/v1/sellers/{made.data['id']}"

    changed = await platform.shop.send("PATCH", path, json={"settlement": "daily"})
    cleared = await platform.shop.send("PATCH", path, json={"payout_account": None})

    assert changed.data["next_settlement_at"]
    assert {**changed.data, "updated_at": "", "next_settlement_at": None} == {
        **made.data, "updated_at": "", "settlement": "daily",
    }
    assert cleared.data["payout_account"] is None


async def test_what_a_payer_pays_is_on_the_sellers_phone_less_the_fee(api_world):
    """The whole of seed 004: prompt, fee, B2C of the net by itself, and `payout.success`."""
    receiver = Receiver()
    routes = {("POST", "/{path:.*}"): receiver.hear}
    async with aiohttp.ClientSession() as session, serving(routes) as url:
        shop = api_world.open_shop(session)
        paybill = await funded(shop, await with_operator(shop))
        await shop.send("POST", "/v1/fee-plans", json={"basis_points": 150})
        made = await shop.send("POST", "/v1/sellers", json={
            "name": "Mama Njeri", "settlement": "per_payment",
            "payout_account": {"type": "phone", "phone": "0712345678"},
        })
        key = await shop.send("POST", f"/v1/sellers/{made.data['id']}/keys", json={})
        seller = replace(shop, key=key.data["api_key"])
        await seller.send(
            "POST", "/v1/webhook-endpoints", json={"url": url, "dialect": "mpesa-gateway"},
        )

        payment = await seller.settled((await seller.order(amount=100)).data["id"])
        shop.world.in_api(settlements.settle_paid(shop.world.rt))
        waiting, = (await seller.get("/v1/payouts")).data
        payout = await ended(shop, waiting["id"])
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while len(receiver.heard) < 2:
                # Not in this loop, which has to hear it.
                due = delivering.deliver_due(shop.world.rt)
                await asyncio.to_thread(shop.world.in_api, due)
                await asyncio.sleep(0.02)
        paid, = await truth(shop, "254712345678", paybill)

    assert (payment["platform_fee"], payment["net_amount"]) == ("1.50", "98.50")
    assert (payout["status"], payout["amount_sent"]) == ("completed", "98.00")
    assert (paid["receipt"], paid["amount_cents"]) == (payout["receipt"], 9_800)
    told = {each["event"]: each["data"] for each in receiver.heard}
    assert set(told) == {"payment.success", "payout.success"}
    assert told["payout.success"].items() >= {
        "transaction_id": payment["id"], "amount": 98, "mpesa_receipt": paid["receipt"],
        "phone": "254712345678",
    }.items()
