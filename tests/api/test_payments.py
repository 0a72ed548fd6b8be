"""Asking for money: one prompt at most for a key, and the same answer however often it is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from hakika.domain.ids import PaymentId
from hakika.services import callbacks
from hakika.services.callbacks import Arrival
from hakika.store import payments
from tests.api.world import PAYS, Shop, new_key, new_person, open_world
from tests.services.world import canceled, paid

NO_MERCHANT = "254712000012"     # Daraja: "Merchant does not exist"
THROTTLED = "254711000007"       # 429, not executed
RESET = "254711000005"           # pays, and the connection breaks before the answer


async def pushes(session, simulator, reference):
    """What the simulator has carried out for an order."""
    async with session.get(f"{simulator}/_simulator/truth") as answer:
        carried_out = (await answer.json())["payments"]
    return [each for each in carried_out if each["account_reference"] == reference]


async def pushed(shop, reference):
    return len(await pushes(shop.session, shop.world.simulator, reference))


async def test_a_payment_is_asked_for_paid_and_read(shop):
    """The main road, from the order to the receipt."""
    asked = await shop.order(
        amount=1500, phone="0708 374 149", reference="ORDER-MAIN", description="T-shirt",
        metadata={"order": "1"}, idempotency_key="order-main",
    )

    assert asked.status == 202
    assert asked.headers["Location"] == f"/v1/payments/{asked.data['id']}"
    assert {name: asked.data[name] for name in (
        "merchant_id", "livemode", "amount", "currency", "provider", "phone", "reference",
        "description", "idempotency_key", "metadata", "status",
    )} == {
        "merchant_id": shop.merchant_id, "livemode": False, "amount": "1500.00",
        "currency": "KES", "provider": "mpesa", "phone": PAYS, "reference": "ORDER-MAIN",
        "description": "T-shirt", "idempotency_key": "order-main", "metadata": {"order": "1"},
        "status": "pending",
    }
    paid = await shop.settled(asked.data["id"])
    assert (paid["status"], paid["amount_received"], paid["confirmed_by"]) == (
        "completed", "1500.00", "stk_callback",
    )
    truth, = await pushes(shop.session, shop.world.simulator, "ORDER-MAIN")
    assert (truth["receipt"], truth["amount_cents"]) == (paid["receipt"], 150_000)
    timeline = (await shop.get(f"/v1/payments/{paid['id']}/timeline")).data
    assert [each["fact"] for each in timeline] == ["asked", "accepted", "paid"]
    assert [each["sequence"] for each in timeline] == [1, 2, 3]


async def test_a_timeline_is_read_a_page_at_a_time(shop):
    """A payment that was tried two hundred times has four hundred facts."""
    paid = await shop.settled((await shop.order()).data["id"])
    path = f"/v1/payments/{paid['id']}/timeline"
    page = await shop.get(f"{path}?limit=2")
    rest = await shop.get(f"{path}?limit=2&cursor={page.body['page']['next']}")

    assert [each["sequence"] for each in (*page.data, *rest.data)] == [1, 2, 3]
    assert [len(page.data), rest.body["page"]["next"]] == [2, None]
    assert [(await shop.get(f"{path}?{query}")).status for query in ("limit=101", "cursor=x")] == [
        400, 400,
    ]


async def test_an_order_without_a_reference_gets_one_of_its_own(shop):
    """Two orders that look alike on the statement cannot be told apart."""
    made = [(await shop.order(phone=new_person())).data["reference"] for _ in range(3)]

    assert len(set(made)) == 3
    assert [text for text in made if len(text) > 12 or not text.isalnum()] == []


async def test_the_same_key_and_body_are_answered_alike_and_sent_once(shop):
    """Also in another order of fields: it is the same order."""
    key = new_key()
    body = {
        "amount": 5, "currency": "KES", "provider": "mpesa", "phone": PAYS, "reference": key,
    }
    first = await shop.send("POST", "/v1/payments", idempotency_key=key, json=body)
    turned = dict(reversed(body.items()))
    again = await shop.send("POST", "/v1/payments", idempotency_key=key, json=turned)

    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status, again.body) == (first.status, first.body)
    assert await pushed(shop, key) == 1


async def test_a_key_answers_as_it_first_did_after_the_payment_has_moved_on(shop):
    """The same request has the same answer; what is new is read from the payment."""
    key = new_key()
    first = await shop.order(idempotency_key=key)
    await shop.settled(first.data["id"])

    again = await shop.order(idempotency_key=key)

    assert again.body == first.body


async def test_the_same_key_with_another_body_is_refused(shop):
    """A bug of the caller's: both orders would look paid by one payment."""
    key = new_key()
    await shop.order(idempotency_key=key, reference=key)

    answer = await shop.order(idempotency_key=key, reference=key, amount=501)

    assert answer.problem == (422, "idempotency_key_reused", [])
    assert await pushed(shop, key) == 1


async def test_a_hundred_requests_with_one_key_make_one_prompt(shop):
    """An impatient caller, and every retry of every proxy between us. (I10)"""
    key = new_key()

    answers = await asyncio.gather(
        *(shop.order(idempotency_key=key, reference=key) for _ in range(100)),
    )

    told = Counter(answer.status for answer in answers)
    assert set(told) <= {202, 409} and told[202] >= 1
    in_progress = [answer for answer in answers if answer.status == 409]
    assert {answer.body["code"] for answer in in_progress} <= {"idempotency_key_in_progress"}
    assert {answer.headers["Retry-After"] for answer in in_progress} <= {"1"}
    assert len({answer.data["id"] for answer in answers if answer.status == 202}) == 1
    assert await pushed(shop, key) == 1
    after = await shop.order(idempotency_key=key, reference=key)
    assert (after.status, after.headers["Idempotent-Replayed"]) == (202, "true")
    assert len((await shop.get("/v1/payments")).data) == 1


async def test_two_merchants_may_use_the_same_key(shop, other_shop):
    """Everybody's first order is order-1."""
    key = new_key()
    mine = await shop.order(idempotency_key=key, phone=new_person())
    theirs = await other_shop.order(idempotency_key=key, phone=new_person())

    assert (mine.status, theirs.status) == (202, 202)
    assert mine.data["id"] != theirs.data["id"]
    assert "Idempotent-Replayed" not in theirs.headers


async def test_a_refusal_by_daraja_says_what_it_means(shop):
    """No prompt was made; the developer mends the short code and does not wait for a payer."""
    key = new_key()
    answer = await shop.order(idempotency_key=key, phone=NO_MERCHANT)

    assert answer.problem == (502, "daraja_refused", [])
    assert answer.body["daraja"]["message"] and answer.body["daraja"]["meaning"]
    assert answer.body["hint"]
    payment = (await shop.get(f"/v1/payments/{answer.data['id']}")).data
    assert (payment["status"], payment["confirmed_by"]) == ("failed", "daraja")
    assert payment["failure_code"] and payment["payer_message"] and payment["payer_message_sw"]
    again = await shop.order(idempotency_key=key, phone=NO_MERCHANT)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert without_id(again.body) == without_id(answer.body)


def without_id(body):
    return {name: value for name, value in body.items() if name != "request_id"}


@dataclass
class Gate:
    """Safaricom's gateway before the simulator: while it is shut, it answers pushes with 429."""

    simulator: str
    session: aiohttp.ClientSession
    is_shut: bool = True

    async def pass_on(self, request: web.Request) -> web.Response:
        if self.is_shut and "stkpush/" in request.path:
            return web.Response(status=429, headers={"Retry-After": "7"})
        sent = {name: request.headers[name] for name in ("Authorization", "Content-Type")
                if name in request.headers}
        async with self.session.request(
            request.method, self.simulator + request.path_qs, headers=sent,
            data=await request.read(),
        ) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(),
                content_type=answer.content_type,
            )


async def test_when_daraja_cannot_be_asked_the_same_key_asks_again(
    module_database_url, simulator_url, session,
):
    """Nothing was sent, so asking again loses nothing; many who ask at once make one prompt."""
    key = new_key()
    gate = Gate(simulator_url, session)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gate.pass_on)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with open_world(module_database_url, address) as world:
        shop = world.open_shop(session)
        away = await shop.order(idempotency_key=key, reference=key)
        unsent = (await shop.get("/v1/payments")).data
        gate.is_shut = False
        back = await asyncio.gather(
            *(shop.order(idempotency_key=key, reference=key) for _ in range(20)),
        )
    await runner.cleanup()

    assert away.problem == (503, "daraja_unreachable", [])
    assert away.headers["Retry-After"] == "7"
    assert [each["status"] for each in unsent] == ["pending"]
    assert {each.status for each in back} <= {202, 409}
    assert {each.data["id"] for each in back if each.status == 202} == {unsent[0]["id"]}
    assert len(await pushes(session, simulator_url, key)) == 1


async def test_when_daraja_throttles_nothing_was_sent_and_the_caller_is_told_when(shop):
    """429 is the gate's answer: the request never reached M-Pesa."""
    key = new_key()
    answer = await shop.order(idempotency_key=key, phone=THROTTLED, reference=key)
    again = await shop.order(idempotency_key=key, phone=THROTTLED, reference=key)

    assert answer.problem == again.problem == (503, "daraja_unreachable", [])
    assert int(answer.headers["Retry-After"]) >= 1
    assert await pushed(shop, key) == 0
    assert len((await shop.get("/v1/payments")).data) == 1


async def test_when_nobody_listens_at_darajas_address_the_caller_may_ask_again(
    api_world, session, module_database_url,
):
    """DNS, a firewall or an outage: not a byte has left."""
    nowhere = "http://127.0.0.1:1"
    with open_world(module_database_url, nowhere) as world:
        answer = await world.open_shop(session).order()

    assert answer.problem == (503, "daraja_unreachable", [])
    assert answer.headers["Retry-After"]


async def test_a_push_without_an_answer_is_never_sent_again(shop):
    """It may be on the phone: the answer is that nobody knows yet, and the callback tells."""
    key = new_key()
    answer = await shop.order(idempotency_key=key, phone=RESET, reference=key)
    again = await shop.order(idempotency_key=key, phone=RESET, reference=key)

    assert (answer.status, answer.data["status"]) == (202, "unknown")
    assert again.body == answer.body
    assert (await shop.settled(answer.data["id"]))["status"] == "completed"
    assert await pushed(shop, key) == 1


@pytest.mark.parametrize("then", ["canceled", "completed"])
async def test_a_check_asks_daraja_now(shop, then):
    """A payer stands at the counter and says that they have paid."""
    person = new_person()
    payment = (await shop.order(phone=person)).data
    waiting = await shop.send("POST", f"/v1/payments/{payment['id']}/check")
    act, body = ("cancel", {}) if then == "canceled" else ("pin", {"pin": "1234"})
    phone = f"{shop.world.simulator}/_simulator/phone/{person}"
    async with shop.session.post(f"{phone}/{act}", json=body) as answer:
        assert answer.status == 200
    settled = await shop.settled(payment["id"])
    checked = await shop.send("POST", f"/v1/payments/{payment['id']}/check")

    assert (waiting.status, waiting.data["status"]) == (200, "pending")
    assert settled["status"] == then
    assert (checked.status, checked.data) == (200, settled)


async def test_late_money_is_marked_with_what_was_wanted_then(shop):
    """The goods may be sold again; what is done about it is the merchant's own rule. (T46)"""
    assert (await shop.get("/v1/merchant")).data["late_money"] == "fulfil"
    changed = await shop.send("PATCH", "/v1/merchant", json={"late_money": "hold"})
    payment = (await shop.order(phone=new_person())).data["id"]
    await late(shop, payment)
    await shop.send("PATCH", "/v1/merchant", json={"late_money": "refund"})

    assert (changed.data["late_money"], changed.data["livemode"]) == ("hold", False)
    found = (await shop.get(f"/v1/payments/{payment}")).data
    assert (found["status"], found["late"], found["late_action"]) == ("completed", True, "hold")
    (event,) = (each for each in (await shop.get("/v1/events")).data
                if each["type"] == "payment.completed")
    assert (event["data"]["late"], event["data"]["late_action"]) == (True, "hold")
    held = (await shop.get("/v1/payments?late_action=hold")).data
    assert [each["id"] for each in held] == [payment]
    assert (await shop.get("/v1/payments?late_action=refund")).data == []


async def late(shop: Shop, payment_id: str) -> None:
    """Let the payer say no, and pay all the same."""
    rt = shop.world.rt

    async def heard() -> None:
        async with rt.store.autocommit() as tx:
            payment = await payments.get(tx, PaymentId(payment_id))
        assert payment is not None
        token = rt.callback_url(payment.id).rpartition("/")[2]
        for raw in (canceled(payment), paid(payment)):
            await callbacks.receive(rt, Arrival(token, raw, "127.0.0.1"))

    shop.world.in_api(heard())
