"""M-Pesa's own list, read over real HTTP: it finds what no callback told, and never invents."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.api.test_c2b import pay
from tests.api.world import Shop

ROWS = 220
_shortcodes = count(603_000)


@pytest_asyncio.fixture
async def paybill(shop: Shop) -> str:
    """A paybill whose list is read, and of whose payments nobody tells Hakika."""
    number = str(next(_shortcodes))
    await shop.put_paybill(number, nominated_number="254722000000")
    registered = await shop.send("POST", "/v1/payments/mpesa/register-pull", json={})
    assert registered.data == {"shortcode": number, "registered": True}, registered.raw
    return number


async def reconciled(shop: Shop) -> dict[str, Any]:
    """Read the list now; return what was found."""
    run: dict[str, Any] = (await shop.send("POST", "/v1/payments/mpesa/reconcile", json={})).data
    return run


def counts(run: dict[str, Any]) -> tuple[int, int, int, int]:
    return run["rows"], run["synced"], run["skipped"], run["not_found"]


async def test_a_list_completes_a_payment_that_nobody_told_of(shop, paybill):
    """The callback was lost. (F14, T39)"""
    ordered = (await shop.order(shortcode=paybill, phone="254711000002", reference="LOST-1")).data
    receipt = await pay(shop, paybill, account="LOST-1")  # the same money, in M-Pesa's list alone

    run = await reconciled(shop)

    assert run["error"] is None
    assert run["synced"] + run["not_found"] >= 1
    found = (await shop.get(f"/v1/payments?search={receipt}")).data
    assert [each["status"] for each in found] == ["completed"]
    assert ordered["id"]


async def test_money_that_nobody_asked_for_is_never_just_a_log_line(shop, paybill):
    receipt = await pay(shop, paybill)

    first, second = await reconciled(shop), await reconciled(shop)

    assert counts(first) == (1, 0, 0, 1)
    assert counts(second) == (1, 0, 1, 0)
    (payment,) = (await shop.get(f"/v1/payments?search={receipt}")).data
    assert (payment["source"], payment["confirmed_by"]) == ("c2b", "pull")
    listed = (await shop.get("/v1/reconciliation/runs")).data
    assert [each["id"] for each in listed] == [second["id"], first["id"]]


@pytest.mark.parametrize("fault", [None, "short_page"])
async def test_a_long_list_is_read_to_its_end(shop, paybill, fault):
    """A page that is not full is not the end. (T55)"""
    await _history(shop, paybill)

    async with shop.switched(pull_fault=fault):
        run = await reconciled(shop)

    assert counts(run) == (ROWS, 0, 0, ROWS), run
    assert (await shop.get("/v1/balance")).data["suspense"] == f"{ROWS}.00"


async def _history(shop: Shop, paybill: str) -> None:
    async with shop.session.get(f"{shop.world.simulator}/_simulator/clock") as answer:
        now = (await answer.json())["now"]
    payments = [
        {"kind": "c2b", "phone": f"2547{number:08d}", "shortcode": paybill, "amount": 1,
         "account": f"H{number}", "at": now - 3600 + number}
        for number in range(ROWS)
    ]
    async with shop.session.post(
        f"{shop.world.simulator}/_simulator/history", json={"payments": payments},
    ) as answer:
        answer.raise_for_status()


@pytest.mark.parametrize("fault", ["error_code", "stuck", "500", "reset"])
async def test_a_list_that_fails_is_read_again_and_never_taken_for_empty(shop, paybill, fault):
    """T56: nothing is known of this time, so the next run looks at it again."""
    before = await reconciled(shop)
    receipt = await pay(shop, paybill)

    async with shop.switched(pull_fault=fault):
        failed = await reconciled(shop)
    mended = await reconciled(shop)

    assert before["error"] is None and before["rows"] == 0
    assert failed["error"] and (failed["synced"], failed["not_found"]) == (0, 0)
    assert mended["error"] is None and mended["rows"] == 1
    assert mended["since"] == failed["since"] > before["since"]
    assert len((await shop.get(f"/v1/payments?search={receipt}")).data) == 1


async def test_a_short_code_that_is_not_registered_says_so(shop):
    await shop.put_paybill(str(next(_shortcodes)))
    refused = await shop.send("POST", "/v1/payments/mpesa/register-pull", json={})
    assert refused.body["errors"][0]["code"] == "nominated_number_missing"

    run = await reconciled(shop)

    assert run["error"] and run["rows"] == 0
