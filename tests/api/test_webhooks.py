"""Webhook endpoints: the secret is shown once, and what was deleted is gone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import standardwebhooks

from hakika.domain.webhook import headers

URL = "https://shop.example.co.ke/webhooks"


async def add(shop, **body):
    return await shop.send("POST", "/v1/webhook-endpoints", json={"url": URL} | body)


async def listed(shop):
    return (await shop.get("/v1/webhook-endpoints")).data


async def test_a_new_endpoint_shows_its_secret_once(shop):
    """Whoever reads the list later must not be able to forge our webhooks."""
    made = await add(shop, events=["payment.completed"])
    secret = made.data["secret"]

    assert made.status == 201
    assert made.headers["Location"] == f"/v1/webhook-endpoints/{made.data['id']}"
    assert secret.startswith("whsec_") and made.data["webhook_secret"] == secret
    told = await shop.get("/v1/webhook-endpoints")
    assert secret.encode() not in told.raw and b"whsec" not in told.raw
    assert told.data == [
        {name: value for name, value in made.data.items() if "secret" not in name},
    ]


async def test_the_secret_verifies_what_we_sign(shop):
    """With the merchant's own library."""
    secret = (await add(shop)).data["secret"]
    signed = headers(secret, message_id="evt_1", now=datetime.now(UTC), body=b"{}")

    assert standardwebhooks.Webhook(secret).verify(b"{}", dict(signed)) == {}


async def test_each_endpoint_has_a_secret_of_its_own(shop):
    """One that leaks must not open the others."""
    made = [(await add(shop)).data["secret"] for _ in range(2)]

    assert made[0] != made[1]


async def test_a_deleted_endpoint_is_gone(shop):
    """And deleting it again says so."""
    path = f"/v1/webhook-endpoints/{(await add(shop)).data['id']}"

    first, second = await shop.send("DELETE", path), await shop.send("DELETE", path)

    assert (first.status, first.raw) == (204, b"")
    assert second.problem == (404, "not_found", [])
    assert await listed(shop) == []


async def test_the_one_webhook_of_a_merchant_replaces_all(shop):
    """The way of seed 002: one address, one secret."""
    await add(shop)
    await add(shop)

    made = await shop.send("PUT", "/v1/merchant/webhook", json={"webhook_url": f"{URL}/new"})

    assert made.status == 200
    assert made.data["webhook_secret"].startswith("whsec_")
    assert [each["url"] for each in await listed(shop)] == [f"{URL}/new"]


async def test_a_wrong_address_leaves_the_old_webhook_in_place(shop):
    """A slip must not silence a shop."""
    await add(shop)

    answer = await shop.send("PUT", "/v1/merchant/webhook", json={"webhook_url": "http://10.0.0.1"})

    assert answer.problem[:2] == (400, "invalid_request")
    assert [field for field, _ in answer.problem[2]] == ["webhook_url"]
    assert [each["url"] for each in await listed(shop)] == [URL]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"url": "ftp://a.example/"}, [("url", "webhook_url_invalid")]),
        ({"url": "http://192.168.0.1/"}, [("url", "webhook_url_invalid")]),
        ({"url": "http://2130706433/"}, [("url", "webhook_url_invalid")]),
        ({"url": ""}, [("url", "webhook_url_invalid")]),
        ({"url": "https://a.example/" + "x" * 2048}, [("url", "string_too_long")]),
        ({"url": 5}, [("url", "string_type")]),
        ({"url": URL, "events": ["payment.paid"]}, [("events.0", "enum")]),
        ({"url": URL, "events": "payment.completed"}, [("events", "list_type")]),
        ({"url": URL, "secret": "mine"}, [("secret", "unknown_field")]),
        ({}, [("url", "missing_field")]),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_an_endpoint_that_cannot_be_called_is_refused(shop, body, errors):
    """Before the first event is lost on it."""
    answer = await shop.send("POST", "/v1/webhook-endpoints", json=body)

    assert answer.problem == (400, "invalid_request", errors)
    assert await listed(shop) == []


async def test_there_is_an_end_to_endpoints(shop):
    """Each event is sent to each of them."""
    made = [(await add(shop)).status for _ in range(25)]

    refused = await add(shop)

    assert 409 in made or refused.status == 409
    assert refused.problem == (409, "too_many_endpoints", [])
