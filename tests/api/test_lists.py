"""Lists of payments: each filter finds what it says and nothing else, and paging misses nothing."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest

from tests.api.world import PAYS, new_person

NAIROBI = timezone(timedelta(hours=3))


async def listed(shop, query):
    return [each["id"] for each in (await shop.get(f"/v1/payments?{query}")).data]


async def test_payments_are_listed_newest_first(shop):
    """What a person at the counter looks for is on top."""
    made = [(await shop.order(phone=new_person())).data["id"] for _ in range(3)]

    assert await listed(shop, "") == made[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_paging_walks_over_every_payment_once(shop, limit):
    """Also when the last page is exactly full."""
    made = await asyncio.gather(*(shop.order(phone=new_person()) for _ in range(6)))
    walked, cursor = [], ""
    while True:
        answer = await shop.get(f"/v1/payments?limit={limit}{cursor}")
        walked += [each["id"] for each in answer.data]
        if answer.body["page"]["next"] is None:
            break
        cursor = f"&cursor={answer.body['page']['next']}"

    assert sorted(walked) == sorted(each.data["id"] for each in made)
    assert walked == sorted(walked, reverse=True)


@pytest.mark.parametrize("path", [
    "/v1/payments?status=completed&status=failed", "/v1/customers?limit=1&limit=2",
    "/v1/events?after=1&after=1", "/v1/keys?limit=1&limit=2", "/v1/merchant?x=1&x=1",
])
async def test_a_parameter_that_is_repeated_is_refused(shop, path):
    """The last one counted in silence: a list of two statuses had one of them alone."""
    answer = await shop.get(path)
    name = path.partition("?")[2].partition("=")[0]

    assert answer.problem == (400, "invalid_request", [(name, "repeated_parameter")])
    assert name in answer.body["detail"]


async def test_payments_made_meanwhile_do_not_shift_the_pages(shop):
    """An offset would show one payment twice and hide another."""
    old = [(await shop.order(phone=new_person())).data["id"] for _ in range(3)]
    first = await shop.get("/v1/payments?limit=2")
    await shop.order(phone=new_person())

    assert await listed(shop, f"limit=2&cursor={first.body['page']['next']}") == [old[0]]


async def test_a_payment_is_found_by_whatever_a_person_has_in_hand(shop):
    """A receipt from an SMS, the reference, the number in any spelling, or Daraja's id."""
    payment = (await shop.order(reference="INV 7.1-A")).data
    paid = await shop.settled(payment["id"])
    await shop.order(phone=new_person())
    has = [
        paid["receipt"], paid["receipt"].lower(), "INV 7.1-A", paid["provider_ref"], paid["id"],
        PAYS, "0708374149", "+254 708 374 149", "708-374-149",
    ]

    found = {text: await listed(shop, f"search={quote(text)}") for text in has}

    assert found == {text: [paid["id"]] for text in has}


@pytest.mark.parametrize("text", ["INV", "%", "_", "'", "pay_", "0708", "undefined", "\\", "😀"])
async def test_a_search_is_for_the_whole_text(shop, text):
    """A part of a number or a wildcard would show what was not asked for."""
    await shop.order(reference="INV 7")

    assert await listed(shop, f"search={quote(text)}") == []


async def test_payments_are_narrowed_by_status(shop):
    """Each payment has one status at a time."""
    paid = await shop.settled((await shop.order()).data["id"])
    waiting = (await shop.order(phone=new_person())).data

    assert await listed(shop, "status=completed") == [paid["id"]]
    assert await listed(shop, "status=pending") == [waiting["id"]]
    for status in ("failed", "canceled", "unknown", "reversed"):
        assert await listed(shop, f"status={status}") == []


async def test_payments_are_narrowed_by_amount_with_both_ends_included(shop):
    """Seed 002 has min_amount=1000."""
    made = {
        amount: (await shop.order(phone=new_person(), amount=amount)).data["id"]
        for amount in (999, 1000, 1001)
    }

    assert await listed(shop, "min_amount=1000") == [made[1001], made[1000]]
    assert await listed(shop, "max_amount=1000.00") == [made[1000], made[999]]
    assert await listed(shop, "min_amount=1000&max_amount=1000") == [made[1000]]
    assert await listed(shop, "min_amount=0") == [made[1001], made[1000], made[999]]
    assert await listed(shop, "min_amount=" + "9" * 20) == []


async def test_payments_are_narrowed_by_time_with_the_end_left_out(shop):
    """So that two days laid side by side have each payment once."""
    first = (await shop.order(phone=new_person())).data
    second = (await shop.order(phone=new_person())).data
    moment = quote(second["created_at"])

    assert await listed(shop, f"since={moment}") == [second["id"]]
    assert await listed(shop, f"until={moment}") == [first["id"]]
    assert await listed(shop, "since=2020-01-01") == [second["id"], first["id"]]
    assert await listed(shop, "until=2020-01-01T00:00:00%2B03:00") == []


async def test_the_first_and_the_last_time_there_is_are_times(shop):
    """Whoever has no end in mind writes one that is far away."""
    payment = (await shop.order(phone=new_person())).data
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"

    assert await listed(shop, f"since={first}&until={last}") == [payment["id"]]
    assert await listed(shop, f"until={first}") == await listed(shop, f"since={last}") == []


async def test_a_time_in_another_zone_is_the_same_time(shop):
    """Nairobi is three hours ahead of UTC."""
    payment = (await shop.order(phone=new_person())).data
    nairobi = datetime.fromisoformat(payment["created_at"]).astimezone(NAIROBI)

    assert await listed(shop, f"since={quote(nairobi.isoformat())}") == [payment["id"]]


async def test_filters_narrow_together(shop):
    """All that are given must hold."""
    payment = (await shop.order(phone=new_person(), amount=700, reference="A")).data
    await shop.order(phone=new_person(), amount=700, reference="B")
    await shop.order(phone=new_person(), amount=800, reference="A")

    assert await listed(
        shop, "provider=mpesa&search=A&max_amount=700&status=pending&since=2020-01-01",
    ) == [payment["id"]]
