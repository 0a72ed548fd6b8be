"""Webhook endpoints: the secret is shown once, and what was deleted is gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest
import standardwebhooks

from hakika.domain.dialect import Dialect, write
from hakika.domain.event import Event, EventName
from hakika.domain.ids import EventId, MerchantId
from hakika.services import delivering

EVENT = Event(
    id=EventId("evt_1"), merchant_id=MerchantId("mer_1"), livemode=False,
    name=EventName.PAYMENT_COMPLETED, sequence=1, subject_id="pay_1", data={"id": "pay_1"},
    created_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
)

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
        {name: made.data[name] for name in made.data if name not in {"secret", "webhook_secret"}},
    ]


async def test_the_secret_verifies_what_we_sign(shop):
    """With the merchant's own library."""
    secret = (await add(shop)).data["secret"]
    signed = write(Dialect.STANDARD, EVENT, secrets=[secret], now=datetime.now(UTC))

    told = standardwebhooks.Webhook(secret).verify(signed.body, dict(signed.headers))
    assert told["type"] == "payment.completed"


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


async def test_an_endpoint_is_read_and_changed(shop):
    """And nothing of it is shown that its merchant would not want in a log."""
    made = (await add(shop, headers={"X-Key": "canary"}, description="The shop")).data
    path = f"/v1/webhook-endpoints/{made['id']}"
    changed = await shop.send("PATCH", path, json={
        "url": f"{URL}/v2", "events": ["payment.failed"], "dialect": "mpesa-gateway",
        "rate_per_second": 2.5, "enabled": False,
    })
    read = await shop.get(path)
    again = await shop.send("PATCH", path, json={"enabled": True, "rate_per_second": None})

    assert (changed.status, read.data) == (200, changed.data)
    assert read.data | {
        "url": f"{URL}/v2", "events": ["payment.failed"], "dialect": "mpesa-gateway",
        "description": "The shop", "headers": {"x-key": "****"}, "rate_per_second": 2.5,
    } == read.data
    assert read.data["disabled_at"] and read.data["disabled_reason"]
    assert b"canary" not in read.raw and made["secret"].encode() not in read.raw
    assert (again.data["disabled_at"], again.data["rate_per_second"]) == (None, None)


async def test_null_removes_what_need_not_be_there_and_is_refused_elsewhere(shop):
    """It was ignored in silence: the old gateway's token went on being sent."""
    made = (await add(shop, headers={"X-Key": "old"}, description="The shop")).data
    path = f"/v1/webhook-endpoints/{made['id']}"
    cleared = await shop.send("PATCH", path, json={"headers": None, "description": None})
    refused = [
        (await shop.send("PATCH", path, json={name: None})).problem
        for name in ("url", "dialect", "enabled")
    ]

    assert (cleared.data["headers"], cleared.data["description"]) == ({}, "")
    assert {(status, code) for status, code, _ in refused} == {(400, "invalid_request")}
    assert [errors[0][0] for *_, errors in refused] == ["url", "dialect", "enabled"]


async def test_who_chose_events_can_go_back_to_all_of_them(shop):
    """By name they would miss whatever a later version tells."""
    made = (await add(shop, events=["payment.failed"])).data
    changed = await shop.send(
        "PATCH", f"/v1/webhook-endpoints/{made['id']}", json={"events": None},
    )

    assert (changed.status, changed.data["events"]) == (200, [])


async def test_a_list_of_no_events_is_refused_rather_than_heard_as_all(shop):
    """A program that finds nothing to name did not mean everything."""
    made = (await add(shop, events=["payment.failed"])).data
    changed = await shop.send(
        "PATCH", f"/v1/webhook-endpoints/{made['id']}", json={"events": []},
    )

    for answer in (await add(shop, events=[]), changed):
        assert answer.problem == (400, "invalid_request", [("events", "list_empty")])
    assert [each["events"] for each in await listed(shop)] == [["payment.failed"]]


async def test_a_change_that_names_nothing_changes_nothing(shop):
    made = (await add(shop, rate_per_second=3)).data
    path = f"/v1/webhook-endpoints/{made['id']}"
    before = (await shop.get(path)).data

    assert (await shop.send("PATCH", path, json={})).data == before


async def test_a_rotated_secret_is_shown_once_and_says_how_long_the_old_one_lives(shop):
    made = (await add(shop)).data
    path = f"/v1/webhook-endpoints/{made['id']}"
    rotated = await shop.send(
        "POST", f"{path}/rotate-secret", json={"overlap_seconds": 3600},
    )
    at_once = await shop.send("POST", f"{path}/rotate-secret", json={"overlap_seconds": 0})
    without_a_body = await shop.send("POST", f"{path}/rotate-secret")

    secrets = {each.data["secret"] for each in (rotated, at_once, without_a_body)}
    assert len(secrets | {made["secret"]}) == 4
    assert rotated.data["previous_secret_until"] is not None
    assert at_once.data["previous_secret_until"] is None
    shown = (await shop.get(path)).raw
    assert not any(secret.encode() in shown for secret in secrets)


async def test_a_test_event_shows_what_was_sent_and_what_came_of_it(shop):
    """Port 9 of this machine: nobody listens there."""
    made = (await add(shop, url="http://127.0.0.1:9/hook")).data
    tried = await shop.send("POST", f"/v1/webhook-endpoints/{made['id']}/test")

    assert tried.status == 200
    assert (tried.data["accepted"], tried.data["answer"]["status"]) == (False, None)
    assert tried.data["error"] == "The host did not accept a connection."
    assert tried.data["request"]["headers"]["webhook-signature"] == "****"
    assert '"type":"endpoint.test"' in tried.data["request"]["body"]
    assert (await shop.get("/v1/events")).data == []


async def test_deliveries_are_listed_read_and_asked_for_again(shop):
    """What a merchant looks at first when nothing arrives."""
    endpoint = (await add(shop, url="http://127.0.0.1:9/hook")).data
    for _ in range(3):
        await shop.settled((await shop.order()).data["id"])
    page = await shop.get("/v1/deliveries?limit=2")
    rest = await shop.get(f"/v1/deliveries?limit=2&cursor={page.body['page']['next']}")
    first = page.data[0]
    shop.world.in_api(delivering.deliver_due(shop.world.rt))
    read = await shop.get(f"/v1/deliveries/{first['id']}")
    again = await shop.send("POST", f"/v1/deliveries/{first['id']}/redeliver")

    assert [len(page.data), len(rest.data), rest.body["page"]["next"]] == [2, 1, None]
    assert {each["state"] for each in (*page.data, *rest.data)} == {"scheduled"}
    assert {each["endpoint_id"] for each in page.data} == {endpoint["id"]}
    (attempt,) = read.data["attempts_made"]
    assert (attempt["number"], attempt["request"]["url"]) == (1, "http://127.0.0.1:9/hook")
    assert attempt["error"] == read.data["reason"] == "The host did not accept a connection."
    assert again.status == 202
    found = await shop.get(f"/v1/deliveries?event={first['event_id']}&state=scheduled")
    assert [each["id"] for each in found.data] == [first["id"]]
    assert (await shop.get(f"/v1/deliveries?endpoint={endpoint['id']}&state=succeeded")).data == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("cursor=dlv_0000000000000000000zzzzzzz", 400), ("cursor=x", 400), ("state=lost", 400),
        ("limit=0", 400), ("limit=101", 400), ("page=2", 400), ("endpoint=x", 404),
        ("event=x", 404),
    ],
)
async def test_a_list_that_cannot_be_narrowed_so_is_refused(shop, query, status):
    assert (await shop.get(f"/v1/deliveries?{query}")).status == status


@pytest.mark.parametrize(
    "delivery_id", ["dlv_0000000000000000000zzzzzzz", "dlv_7zzzzzzzzzzzzzzzzzzzzzzzzz", "1", "x"],
)
async def test_a_delivery_that_is_not_there_is_404(shop, delivery_id):
    assert (await shop.get(f"/v1/deliveries/{delivery_id}")).status == 404
    assert (await shop.send("POST", f"/v1/deliveries/{delivery_id}/redeliver")).status == 404


async def test_what_is_disabled_is_not_recovered_and_says_so(shop):
    made = (await add(shop)).data
    path = f"/v1/webhook-endpoints/{made['id']}"
    nothing = await shop.send("POST", f"{path}/recover", json={"since": "2026-01-01T00:00:00Z"})
    await shop.send("PATCH", path, json={"enabled": False})
    await shop.settled((await shop.order()).data["id"])
    refused = await shop.send("POST", f"{path}/recover", json={"since": "2026-01-01T00:00:00Z"})
    await shop.send("PATCH", path, json={"enabled": True})
    missed = await shop.send("POST", f"{path}/recover", json={"since": "2026-01-01T00:00:00Z"})

    assert nothing.data == {"recovered": 0}
    assert refused.problem == (409, "endpoint_disabled", [])
    assert "Retry-After" not in refused.headers  # it never passes by itself
    assert missed.data == {"recovered": 1}


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
        ({"url": URL, "dialect": "xml"}, [("dialect", "enum")]),
        ({"url": URL, "rate_per_second": 0}, [("rate_per_second", "greater_than_equal")]),
        ({"url": URL, "headers": {"Host": "a.example"}}, [("headers", "headers_invalid")]),
        ({"url": URL, "headers": {"X-Key": "a\r\nb: c"}}, [("headers", "headers_invalid")]),
        ({"url": URL, "description": "x" * 201}, [("description", "string_too_long")]),
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
    made = await asyncio.gather(*(add(shop) for _ in range(20)))

    refused = await add(shop)

    assert Counter(each.status for each in made) == {201: 16, 409: 4}
    assert refused.problem == (409, "too_many_endpoints", [])


async def test_of_many_who_set_the_one_webhook_at_once_one_is_the_last(shop):
    """Two clicks made two addresses, and each event came twice."""
    await asyncio.gather(*(
        shop.send("PUT", "/v1/merchant/webhook", json={"webhook_url": f"{URL}/{number}"})
        for number in range(20)
    ))

    assert len(await listed(shop)) == 1
