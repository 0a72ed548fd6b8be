"""`/v1/webhooks/mpesa…` (seed 002): anybody can knock there, so nobody is believed there. (F20)"""

from __future__ import annotations

import asyncio

from hakika.domain.callback import GUESSABLE
from hakika.services import checks
from tests.api.test_callbacks import THANKS, call, merchant_id_of, success, waiting
from tests.api.test_inquiries import lost
from tests.api.world import WAIT_SECONDS_MAX, Shop, new_person


async def test_a_forged_success_moves_nothing_and_learns_nothing(shop: Shop):
    """The same bytes for what is true of a payment, for what is not, and for garbage."""
    payment = await waiting(shop)
    right = success(payment, merchant=merchant_id_of(shop, payment))
    answers = [
        await call(shop, shop.world.url + path, raw)
        for path in GUESSABLE for raw in (right, success(payment), b"garbage", b"")
    ]
    found = (await shop.get(f"/v1/payments/{payment['id']}")).data
    facts = (await shop.get(f"/v1/payments/{payment['id']}/timeline")).data

    assert {answer[:2] for answer in answers} == {THANKS}
    assert len({tuple(answer[2]) for answer in answers}) == 1
    assert (found["status"], found["receipt"], found["confirmed_by"]) == ("pending", None, None)
    assert [each["fact"] for each in facts] == ["asked", "accepted"]
    assert (await shop.get("/v1/balance")).data["collected"] == "0.00"


async def test_a_true_success_is_found_by_our_own_question(shop: Shop):
    """A payer paid, and only the old address heard of it."""
    await shop.put_paybill("605111")
    payment_id, _ = await lost(shop, "605111")
    path = f"/v1/payments/{payment_id}"
    payment = (await shop.get(path)).data
    raw = success(payment, merchant=merchant_id_of(shop, payment))
    await call(shop, shop.world.url + GUESSABLE[0], raw)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while (found := (await shop.get(path)).data)["status"] == "pending":
            await asyncio.sleep(0.1)
            shop.world.in_api(checks.look_again(shop.world.rt))

    assert (found["status"], found["confirmed_by"]) == ("completed", "stk_query")


async def test_a_callback_url_of_the_older_service_is_our_own_door(shop: Shop):
    """Its callers named the address that Safaricom calls; ours is made for each payment."""
    ours = await shop.order(callback_url=shop.world.url + GUESSABLE[0], phone=new_person())
    theirs = await shop.order(
        callback_url="https://shop.example" + GUESSABLE[0], phone=new_person(),
    )

    assert ours.status == 202
    assert theirs.problem[:2] == (400, "invalid_request")
