"""`/v1/requests`: a merchant finds out what their program did, and nobody learns anything else."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from hakika.domain.merchant import Scope
from hakika.services import keys, request_log
from hakika.services.keys import Wanted
from hakika.services.notes import Note
from hakika.store import partitions
from hakika.store.transaction import StoreUnavailable
from tests.api.world import PAYS, new_key, new_person

CANARIES = ("254711000111", "0711000222", "WanjikuCanary", "s3cret-canary")


A_NOTE = Note(
    started_at=datetime(2026, 3, 2, tzinfo=UTC), request_id="", key=None, method="GET",
    route="/v1/payments", path="/v1/payments", query=b"", status=200, error_code=None,
    duration_ns=1, idempotency_key=None, replayed=False, client_address="", body=b"", body_bytes=0,
    response_bytes=None,
)


async def logged(shop, query=""):
    """Return the log as it is once everything before was written, without this very request."""
    shop.world.in_api(request_log.write_notes(shop.world.rt))
    return (await shop.get(f"/v1/requests?{query}")).data


async def test_a_request_is_in_the_log_with_what_became_of_it(shop):
    """The developer's first question: what did I send, and what did you answer?"""
    order = {"amount": 500, "currency": "KES", "provider": "mpesa", "phone": PAYS}
    answer = await shop.send(
        "POST", "/v1/payments", idempotency_key="order-77", json=order,
        headers={"X-Request-Id": "shop-till-1"},
    )
    seen, = await logged(shop)
    started_at = datetime.fromisoformat(seen.pop("started_at"))
    duration = seen.pop("duration_ms")
    key = shop.world.rows("select id from api_keys where merchant_id = %s", shop.merchant_id)[0]

    assert seen.pop("id").startswith("req_")
    assert seen == {
        "request_id": "shop-till-1", "livemode": False, "key_id": key["id"], "method": "POST",
        "route": "/v1/payments", "path": "/v1/payments", "query": {}, "status": 202,
        "error_code": None, "idempotency_key": "order-77", "replayed": False,
        "client_address": "127.0.0.1", "body": order | {"phone": "2547••••4149"},
        "body_bytes": len(json.dumps(order)), "response_bytes": len(answer.raw),
    }
    assert 0 < duration < 60_000
    assert abs(datetime.now(started_at.tzinfo) - started_at) < timedelta(minutes=1)


async def test_a_refusal_is_in_the_log_with_its_code(shop):
    """The second question: why did you refuse it?"""
    await shop.order(amount="1.50")
    await shop.get("/v1/payments/pay_01kaxb2m8fe2tv5k0c3y7h9q4d")
    await shop.get("/v1/payments?limit=0")
    await shop.send("POST", "/v1/payments", data=b"{", idempotency_key=new_key())
    found = (await logged(shop))[::-1]

    assert [
        (each["method"], each["route"], each["status"], each["error_code"]) for each in found
    ] == [
        ("POST", "/v1/payments", 400, "invalid_request"),
        ("GET", "/v1/payments/{payment_id}", 404, "not_found"),
        ("GET", "/v1/payments", 400, "invalid_request"),
        ("POST", "/v1/payments", 400, "body_unreadable"),
    ]
    assert found[0]["body"]["amount"] == "1.50"
    assert (found[-1]["body"], found[-1]["body_bytes"]) == (None, 1)


async def test_a_repeated_request_is_marked(shop):
    """Networks repeat; a developer wants to see that it was us who gave the old answer again."""
    for _ in range(2):
        await shop.order(idempotency_key="again")
    again, first = await logged(shop, "idempotency_key=again")

    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["idempotency_key"] == again["idempotency_key"] == "again"


async def test_the_log_is_narrowed_by_each_of_its_filters(shop):
    """A busy shop makes a million a month."""
    await shop.order(idempotency_key="narrow-1")
    await shop.get("/v1/payments", headers={"X-Request-Id": "narrow-2"})
    await shop.get("/v1/payments/pay_01kaxb2m8fe2tv5k0c3y7h9q4d")
    missed, listed, ordered = await logged(shop)

    async def ids(query):
        return [each["id"] for each in await logged(shop, query)]

    assert await ids("route=" + quote("/v1/payments/{payment_id}")) == [missed["id"]]
    assert await ids("route=/v1/payments") == [listed["id"], ordered["id"]]
    assert await ids("status=404") == [missed["id"]]
    assert await ids("status=202") == [ordered["id"]]
    assert await ids("idempotency_key=narrow-1") == [ordered["id"]]
    assert await ids("request_id=narrow-2") == [listed["id"]]
    assert await ids("request_id=narrow") == []
    assert await ids(f"key={ordered['key_id']}&status=202") == [ordered["id"]]
    assert await ids("key=key_01kaxb2m8ffh5r2b8v9n3d6w1c") == []
    at = quote(listed["started_at"])
    assert ordered["id"] not in await ids(f"since={at}&route=/v1/payments")
    assert await ids(f"until={at}") == [ordered["id"]]
    assert await ids("since=2020-01-01&status=202") == [ordered["id"]]


async def test_paging_walks_over_every_request_once(shop):
    """Newest first, also when the last page is exactly full."""
    await asyncio.gather(*(shop.get(f"/v1/payments?search=A{number}") for number in range(6)))
    everything = [each["id"] for each in await logged(shop, "route=/v1/payments")]
    walked, cursor = [], ""
    while True:
        answer = await shop.get(f"/v1/requests?limit=2&route=/v1/payments{cursor}")
        walked += [each["id"] for each in answer.data]
        if answer.body["page"]["next"] is None:
            break
        cursor = f"&cursor={answer.body['page']['next']}"

    assert walked == everything == sorted(everything, reverse=True)
    assert len(walked) == 6


@pytest.mark.parametrize("query", [
    "limit=0", "limit=101", "status=99", "status=abc", "cursor=abc", "since=yesterday",
    "cursor=pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "method=GET", "idempotency_key=", "route=%00",
    "request_id=" + "x" * 65, "key=a%00b",
])
async def test_a_search_that_is_not_understood_is_refused(shop, query):
    """A filter that is ignored shows what was not asked for."""
    answer = await shop.get(f"/v1/requests?{query}")

    assert answer.status == 400
    assert [field for field, _ in answer.problem[2]] == [query.partition("=")[0]]


async def test_one_request_can_be_read(shop):
    """Its address can be sent to a colleague."""
    await shop.get("/v1/payments")
    listed, = await logged(shop)

    assert (await shop.get(f"/v1/requests/{listed['id']}")).data == listed


async def test_nobody_sees_the_requests_of_another_or_of_the_other_mode(shop, other_shop):
    """Neither in a list, nor by an id, nor by a search."""
    await shop.order(idempotency_key="mine")
    mine, = await logged(shop)
    live = shop.world.in_api(keys.create(
        shop.world.rt, shop.merchant_id, Wanted(livemode=True),
    ))[1]
    for stranger, key in ((other_shop, None), (shop, live)):
        for query in ("idempotency_key=mine", f"key={mine['key_id']}", "route=/v1/payments"):
            assert (await stranger.get(f"/v1/requests?{query}", key=key)).data == []
        answer = await stranger.get(f"/v1/requests/{mine['id']}", key=key)
        assert answer.problem == (404, "not_found", [])


@pytest.mark.parametrize("which", ["req_01kaxb2m8fe2tv5k0c3y7h9q4d", "req_1", "pay_1", "%00"])
async def test_a_request_that_is_not_there_is_not_found(shop, which):
    """Like everything that is not there."""
    assert (await shop.get(f"/v1/requests/{which}")).problem == (404, "not_found", [])


async def test_the_log_needs_its_own_scope(api_world, session):
    """A till's key need not see what the back office did."""
    shop = api_world.open_shop(session, scopes=set(Scope) - {Scope.AUDIT_READ})

    assert (await shop.get("/v1/requests")).status == 403
    assert (await shop.get("/v1/requests/req_01kaxb2m8fe2tv5k0c3y7h9q4d")).status == 403


@pytest.mark.parametrize(("days", "count"), [(29, 1), (31, 0)])
async def test_a_search_looks_no_further_back_than_thirty_days(shop, days, count):
    """What is older waits only for its month to be dropped."""
    rt = shop.world.rt
    long_ago = rt.now() - timedelta(days=days)
    make_month_of(shop.world, long_ago)
    key = next(
        each for each in shop.world.in_api(keys.all_of_them(rt))
        if each.merchant_id == shop.merchant_id
    )
    rt.notes.add(replace(A_NOTE, key=key, started_at=long_ago, request_id=f"{days}-days-ago"))

    assert len(await logged(shop, "route=/v1/payments")) == count
    assert len(await logged(shop, "route=/v1/payments&since=2020-01-01")) == count
    assert len(await logged(shop, f"request_id={days}-days-ago")) == count


def make_month_of(world, moment):
    world.in_api(make_ahead(world.rt, moment))


async def make_ahead(rt, moment):
    async with rt.store.transaction() as tx:
        await partitions.make_ahead(tx, now=moment)


async def test_nothing_secret_or_personal_is_in_a_plain_column(shop):
    """A copy of the database alone tells nobody who paid, and no credential. (faults.md C8)"""
    phone, local, name, secret = CANARIES
    await shop.order(
        phone=phone, metadata={"note": local, "customer_name": name, "password": secret},
        idempotency_key=f"key-{phone}",
    )
    await shop.get(f"/v1/payments?search={local}", headers={"X-Request-Id": phone})
    await shop.get(f"/v1/payments/{phone}")
    await shop.send("POST", "/v1/webhook-endpoints", json={"url": f"https://x:{secret}@a.example/"})
    seen = json.dumps(await logged(shop), ensure_ascii=False)
    rows = shop.world.rows("select requests::text as row from requests")

    for canary in CANARIES:
        assert not any(canary in row["row"] for row in rows), canary
        # Two are the caller's own names for a request, by which it is searched for.
        shown = seen.replace(f"key-{phone}", "").replace(f'"request_id": "{phone}"', "")
        assert canary not in shown, canary


async def test_a_request_of_nobody_is_kept_for_the_operator_alone(shop):
    """Who was it that tried keys all night?"""
    await shop.get("/v1/payments?search=0712345678", key="", headers={"X-Request-Id": "stranger"})
    shop.world.in_api(request_log.write_notes(shop.world.rt))
    found = shop.world.in_api(request_log.find_any(shop.world.rt, status=401, limit=5))
    seen = next(each for each in found if each.request_id == "stranger")

    assert (seen.merchant_id, seen.livemode, seen.key_id, seen.body) == (None, None, None, None)
    assert (seen.route, seen.status, seen.error_code) == ("/v1/payments", 401, "unauthenticated")
    assert seen.query == {"search": "07••••5678"}
    assert seen.client_address == "127.0.0.1"
    assert await logged(shop, "request_id=stranger") == []


async def test_health_and_callbacks_are_not_in_the_log(shop):
    """Machines ask all day, and a callback has its own evidence."""
    await shop.get("/healthz", key="", headers={"X-Request-Id": "health"})
    async with shop.session.post(
        f"{shop.world.url}/c/{'x' * 52}", data=b"{}", headers={"X-Request-Id": "callback"},
    ):
        pass
    shop.world.in_api(request_log.write_notes(shop.world.rt))
    found = shop.world.in_api(request_log.find_any(shop.world.rt, limit=100))

    assert not {"health", "callback"} & {each.request_id for each in found}


async def test_when_the_database_is_away_the_log_waits(shop, monkeypatch):
    """It is written when the database is back, up to what fits into memory."""
    with monkeypatch.context() as patched:
        patched.setattr(request_log, "_write", away)
        await shop.get("/v1/payments", headers={"X-Request-Id": "waited"})
        assert shop.world.in_api(request_log.write_notes(shop.world.rt)) == 0
        assert await shop.get("/v1/payments", headers={"X-Request-Id": "too"})

    found = [each["request_id"] for each in await logged(shop, "route=/v1/payments")]
    assert found == ["too", "waited"]


async def away(*_):
    raise StoreUnavailable("The database cannot be reached just now.")


async def test_a_person_who_pays_is_masked_in_the_log(shop):
    """An order is the request that is looked at most."""
    person = new_person()
    await shop.order(phone=f"+{person}")
    seen, = await logged(shop)

    assert person[4:8] not in json.dumps(seen["body"]["phone"])
