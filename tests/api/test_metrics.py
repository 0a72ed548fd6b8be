"""/metrics tells an operator much, a stranger nothing, and nobody a number or a secret."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest
from fastapi import Request
from prometheus_client.parser import text_string_to_metric_families

from hakika.api.metrics import may_read
from hakika.settings import read_settings
from tests.api.world import PAYS, Shop, World, new_person

OUR_PROXY = "10.0.0.7"
STRANGER = "41.90.1.2"


async def page_of(world: World, session: aiohttp.ClientSession) -> str:
    """Return what a scraper on this machine reads."""
    async with session.get(world.url + "/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


async def count_of(world: World, session: aiohttp.ClientSession, name: str, **labels: str) -> float:
    """Return one sample, or 0: it is not there yet."""
    page = await page_of(world, session)
    return sum(
        sample.value for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def paid(shop: Shop) -> dict[str, Any]:
    """Return a payment that was asked for and paid."""
    asked = await shop.order()
    return await shop.settled(asked.data["id"])


async def test_a_payment_is_seen_from_the_order_to_the_outcome(shop, session):
    """Through every layer: the request, Daraja, the callback."""
    async def counts() -> list[float]:
        return [
            await count_of(shop.world, session, "hakika_http_request_seconds_count",
                           method="POST", route="/v1/payments", status="202"),
            await count_of(shop.world, session, "hakika_http_request_seconds_count",
                           method="POST", route="/c/{token}", status="200"),
            await count_of(shop.world, session, "hakika_daraja_call_seconds_count",
                           endpoint="stk_push", outcome="accepted"),
            await count_of(shop.world, session, "hakika_payments_settled_total",
                           outcome="completed"),
        ]

    before = await counts()
    await paid(shop)
    after = await counts()

    grown = [now - then for now, then in zip(after, before, strict=True)]
    assert min(grown) >= 1, grown  # or more: what earlier tests asked for is still being answered


async def test_a_refused_request_is_counted_by_its_answer(shop, session):
    before = await count_of(
        shop.world, session, "hakika_http_request_seconds_count",
        method="GET", route="/v1/payments/{payment_id}", status="401",
    )
    await shop.get("/v1/payments/pay_whatever", key="")
    after = await count_of(
        shop.world, session, "hakika_http_request_seconds_count",
        method="GET", route="/v1/payments/{payment_id}", status="401",
    )

    assert after - before == 1


async def test_what_a_stranger_may_write_is_no_label(shop, session):
    """Each word of theirs would be a series for ever: anybody could fill our memory."""
    for path in ("/wp-login.php", f"/v1/nothing/{PAYS}"):
        await shop.get(path, key="")
    async with session.request("PROPFIND", shop.world.url + "/v1/payments") as answer:
        await answer.read()

    page = await page_of(shop.world, session)

    assert "wp-login" not in page
    assert "PROPFIND" not in page
    assert re.search(r'_count\{method="GET",route="unmatched",status="404"\} [1-9]', page)


async def test_no_number_no_key_and_no_path_is_on_the_page(shop, session):
    """Whoever reads it sees how it goes, and not whose money it is. (faults.md C8)"""
    person = new_person()
    open_payment = (await shop.order(phone=person)).data
    payment = await paid(shop)
    token = shop.world.rt.callback_url(payment["id"]).rpartition("/")[2]
    async with session.post(f"{shop.world.url}/c/{token}", data=b"{}") as answer:
        assert answer.status == 200
    await shop.get(f"/v1/payments?search={person}")
    await shop.get(f"/v1/payments/{payment['id']}/timeline")

    page = await page_of(shop.world, session)

    for canary in (
        person, person[3:], PAYS, token, shop.key, payment["id"], open_payment["id"],
        payment["receipt"], payment["provider_ref"], payment["reference"], shop.merchant_id, "Duka",
    ):
        assert canary not in page


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
async def test_for_a_stranger_there_is_no_such_path(shop, session, method):
    """Through a proxy that nobody named: the very answer of a path that does not exist."""
    answers = []
    for path in ("/metrics", "/metricz"):
        async with session.request(
            method, shop.world.url + path,
            headers={"X-Forwarded-For": STRANGER, "X-Request-Id": "same"},
        ) as answer:
            body = (await answer.text()).replace(path, "/…")
            headers = {name: value for name, value in answer.headers.items() if name != "date"}
            headers.pop("content-length", None)
            answers.append((answer.status, body, headers))

    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_only_reading_is_answered(shop, session):
    async with session.post(shop.world.url + "/metrics") as answer:
        assert answer.status == 404


async def test_it_is_in_no_document(shop):
    assert "/metrics" not in str(shop.world.documented.document)


def comes(peer: str | None, proxies: tuple[str, ...] = (), **headers: str) -> bool:
    """Say whether such a request may read, by the default networks."""
    request = Request({
        "type": "http", "client": (peer, 40000) if peer else None,
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
    })
    return may_read(request, read_settings({}, trusted_proxies=proxies))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_read(peer):
    assert comes(peer)


@pytest.mark.parametrize("peer", [STRANGER, "10.0.0.7", "192.168.1.1", "fe80::1", "", "unix", None])
def test_nobody_else_may_read(peer):
    """Denied by default: a private network is full of other people's machines."""
    assert not comes(peer)


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "via", "x_real_ip"])
@pytest.mark.parametrize("said", [STRANGER, "127.0.0.1", "", "nonsense"])
def test_a_proxy_on_this_machine_is_not_this_machine(header, said):
    """nginx on the same host, and its address not in HAKIKA_TRUSTED_PROXIES: the whole internet."""
    assert not comes("127.0.0.1", **{header: said})


def test_through_a_trusted_proxy_the_client_counts():
    proxies = ("10.0.0.0/8",)

    assert not comes(OUR_PROXY, proxies, x_forwarded_for=STRANGER)
    assert not comes(OUR_PROXY, proxies, x_forwarded_for=f"127.0.0.1, {STRANGER}")
    assert not comes(OUR_PROXY, proxies)
    assert not comes(OUR_PROXY, proxies, x_forwarded_for="nonsense")
    assert comes(OUR_PROXY, proxies, x_forwarded_for=f"{STRANGER}, 127.0.0.1")
