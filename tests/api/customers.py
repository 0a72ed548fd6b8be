"""What the tests of customers do over and over, and whom they do it to."""

from __future__ import annotations

from hakika.services import keys
from hakika.services.keys import Wanted

ABSENT = "cus_01kaxb2m8fe2tv5k0c3y7h9q4d"
WANJIKU = {
    "name": "Wanjiku Kamau", "email": "wanjiku@example.com", "reference": "MEMBER-77",
    "metadata": {"tier": "gold"},
}


async def make(shop, **fields):
    return await shop.send("POST", "/v1/customers", json=fields)


async def made(shop, **fields):
    return (await make(shop, **fields)).data


async def change(shop, customer, **fields):
    return await shop.send("PATCH", f"/v1/customers/{customer['id']}", json=fields)


async def erase(shop, customer):
    return await shop.send("DELETE", f"/v1/customers/{customer['id']}")


async def found(shop, query, **more):
    return [each["id"] for each in (await shop.get(f"/v1/customers?{query}", **more)).data]


async def told(shop, **more):
    """Return name, subject and data of each event, in their order, which has no gaps."""
    events = (await shop.get("/v1/events", **more)).data
    assert [each["sequence"] for each in events] == [*range(1, len(events) + 1)]
    return [(each["type"], each["data"]["id"], each["data"]) for each in events]


def spelled(phone):
    """The same number as a person writes it."""
    return f"0{phone[3:6]} {phone[6:9]} {phone[9:]}"


def key_of(shop, *, livemode=False, scopes=()):
    _, text = shop.world.in_api(keys.create(
        shop.world.rt, shop.merchant_id, Wanted(livemode=livemode, scopes=scopes),
    ))
    return text
