"""Half a minute with somebody on the phone: whatever they hold, it finds the payment."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from hakika.services import request_log
from tests.api.test_c2b import found, pay, paybill
from tests.api.test_inquiries import check, heard, lost, with_operator
from tests.api.world import Shop, new_person

__all__ = ["paybill"]

NAIROBI = timezone(timedelta(hours=3))


async def hits(shop: Shop, text: str) -> list[tuple[str, list[str]]]:
    """Search; return which payments were found, and by what."""
    answer = await shop.get(f"/v1/search?q={quote(text)}")
    assert answer.status == 200, answer.raw
    return [(each["payment"]["id"], each["found_by"]) for each in answer.data]


def spoken(payment: dict[str, Any]) -> str:
    """Return the time of a payment as a payer in Nairobi says it."""
    return f"{datetime.fromisoformat(payment['created_at']).astimezone(NAIROBI):%d/%m/%Y at %H:%M}"


async def test_a_payment_is_found_by_everything_that_names_it(shop):
    ordered = await shop.order(amount=1_234, reference="SHOE-7")
    payment = await shop.settled(ordered.data["id"])
    await shop.order(amount=99, phone=new_person(), reference="OTHER-1")
    (request,) = shop.world.rows(
        "select merchant_request_id from payments where id = %s", payment["id"],
    )
    by = {
        payment["receipt"]: "receipt", payment["receipt"].lower(): "receipt",
        payment["phone"]: "phone", "0" + payment["phone"][3:]: "phone",
        f"+{payment['phone'][:3]} {payment['phone'][3:6]} {payment['phone'][6:]}": "phone",
        "shoe -7": "reference", payment["provider_ref"]: "checkout_id",
        request["merchant_request_id"]: "merchant_request_id", payment["id"]: "payment_id",
        f"KES 1,234 {spoken(payment)}": "amount_and_time",
        f"1234 {spoken(payment)[:10]}": "amount_and_time",
    }

    assert {text: await hits(shop, text) for text in by} == {
        text: [(payment["id"], [what])] for text, what in by.items()
    }


async def test_money_that_nobody_asked_for_is_found_by_the_payers_message(shop, paybill):
    """The payer's number is masked; the receipt, the reference and the time are not."""
    payment = await found(shop, await pay(shop, paybill, amount=777, account="Wambui 4"))

    assert await hits(shop, payment["receipt"]) == [(payment["id"], ["receipt"])]
    assert await hits(shop, "WAMBUI4") == [(payment["id"], ["reference"])]
    assert await hits(shop, f"777 {spoken(payment)}") == [(payment["id"], ["amount_and_time"])]


async def test_what_m_pesa_was_asked_about_finds_the_payment(shop):
    """By either conversation id: support at Safaricom asks for one of them."""
    payment_id, receipt = await lost(shop, await with_operator(shop))
    asked = await heard(shop, await check(shop, receipt))
    await shop.settled(payment_id)
    (ids,) = shop.world.rows(
        "select conversation_id, originator_conversation_id from inquiries where id = %s",
        asked["id"],
    )

    for text in ids.values():
        assert await hits(shop, text) == [(payment_id, ["conversation_id"])], text


async def test_a_text_of_two_meanings_finds_both(shop):
    """Somebody's reference is somebody else's phone number; each hit says which it was."""
    person = new_person()
    by_phone = (await shop.order(phone=person)).data["id"]
    by_reference = (await shop.order(phone=new_person(), reference=person)).data["id"]

    assert await hits(shop, person) == [(by_reference, ["reference"]), (by_phone, ["phone"])]


async def test_nothing_found_is_an_answer_with_a_way_on(shop):
    answer = await shop.get("/v1/search?q=NOWHERE123")

    assert (answer.status, answer.data) == (200, [])
    assert answer.body["read_as"] == ["a receipt", "an account reference"]
    assert "the receipt" in answer.body["hint"]


@pytest.mark.parametrize("text", ["...", "KES 1,500", "3 Nov", "%20", "%00"])
async def test_half_a_question_is_refused_in_words(shop, text):
    answer = await shop.get(f"/v1/search?q={text}")

    assert answer.problem == (400, "invalid_request", [("q", "search_vague")])
    assert "1500 2026-01-31 14:05" in answer.body["hint"]


async def test_a_payer_with_many_payments_is_shown_page_by_page(shop):
    person = new_person()
    made = [
        (await shop.order(phone=person, reference=person)).data["id"] for _ in range(1)
    ] + [(await shop.order(phone=new_person(), reference=person)).data["id"] for _ in range(4)]
    walked, cursor = [], ""
    while True:
        page = await shop.get(f"/v1/search?q={person}&limit=2{cursor}")
        walked += [each["payment"]["id"] for each in page.data]
        if page.body["page"]["next"] is None:
            break
        cursor = f"&cursor={page.body['page']['next']}"

    assert walked == sorted(made, reverse=True)


async def test_another_merchant_finds_nothing(shop, other_shop):
    """By none of the meanings. (I13)"""
    payment = await shop.settled((await shop.order(reference="MINE-1")).data["id"])
    (request,) = shop.world.rows(
        "select merchant_request_id from payments where id = %s", payment["id"],
    )

    for text in (
        payment["id"], payment["receipt"], payment["phone"], "MINE-1", payment["provider_ref"],
        request["merchant_request_id"], f"500 {spoken(payment)}",
    ):
        assert await hits(other_shop, text) == [], text


async def test_what_was_searched_for_is_masked_in_the_request_log(shop):
    """A name may stand there as well as a number."""
    await shop.get("/v1/search?q=Wanjiku%20Mwangi")
    await shop.get("/v1/search?q=0712345678")
    shop.world.in_api(request_log.write_notes(shop.world.rt))

    logged = [each["query"] for each in (await shop.get("/v1/requests")).data]
    assert {"q": "•••"} in logged
    assert {"q": "07••••5678"} in logged
