"""M-Pesa's question whether a payment is let in: answered by the merchant's rule, and in time."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook

from hakika.domain.callback import Door
from hakika.domain.customer import Details
from hakika.domain.errors import Invalid
from hakika.domain.provider import Provider
from hakika.domain.validation import Refused, Rule, Terms, WhenUndecided
from hakika.services import callbacks, customers, providers, validations
from hakika.services.callbacks import Arrival
from hakika.store.transaction import StoreUnavailable
from tests.services.test_witnesses import OURS, asked, confirm, provider, told
from tests.services.world import SAFARICOM, STRANGER, World, canceled, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSE = WhenUndecided.REFUSE


async def under(world: World, rule: Rule, **more: Any) -> Provider:
    """Return a paybill with a rule."""
    await provider(world)
    return await validations.set_terms(
        world.rt, world.key, OURS.number, Terms(rule, **more),
    )


async def said(
    world: World, way: Provider, *, address: str = SAFARICOM, **changed: Any,
) -> Refused | None:
    """Return the answer to M-Pesa's question about a payment."""
    token = world.rt.callback_url(way.id, Door.VALIDATION).rpartition("/")[2]
    return await callbacks.receive(
        world.rt, Arrival(token, told("UKV000001V", **changed), address),
    )


async def test_everything_is_let_in_until_a_rule_is_set(world):
    assert await said(world, await provider(world)) is None


async def test_a_reference_is_known_by_a_payment_or_by_a_customer(world):
    """A tenant's house number stands with the customer; an order's with its payment."""
    way = await under(world, Rule.KNOWN_REFERENCE)
    await asked(world, reference="ORDER 9")
    await customers.create(world.rt, world.key, Details(name="Wanjiku", reference="House 4b"))

    assert await said(world, way, BillRefNumber="order9") is None
    assert await said(world, way, BillRefNumber="HOUSE4B") is None
    assert await said(world, way, BillRefNumber="Wanjiku") is Refused.REFERENCE
    assert await said(world, way, BillRefNumber="") is Refused.REFERENCE


async def test_an_erased_customers_reference_is_known_no_more(world):
    way = await under(world, Rule.KNOWN_REFERENCE)
    customer = await customers.create(world.rt, world.key, Details(reference="HOUSE 4B"))
    await customers.change(world.rt, world.key, customer.id, {"reference": "HOUSE 5C"})

    assert await said(world, way, BillRefNumber="HOUSE 4B") is Refused.REFERENCE
    assert await said(world, way, BillRefNumber="HOUSE 5C") is None
    await customers.erase(world.rt, world.key, customer.id)
    assert await said(world, way, BillRefNumber="HOUSE 5C") is Refused.REFERENCE


async def test_an_open_payment_is_let_in_until_it_is_paid(world):
    """The prompt failed, and the payer pays by hand: that is what the reference is for."""
    way = await under(world, Rule.OPEN_PAYMENT)
    payment = await asked(world, reference="ORDER 10")
    await world.call_back(payment, canceled(payment))
    one = {"BillRefNumber": "order 10", "TransAmount": "1500.00"}

    assert await said(world, way, **one) is None
    assert await said(world, way, **one | {"TransAmount": "1499.00"}) is Refused.AMOUNT
    assert await said(world, way, **one | {"BillRefNumber": "order 11"}) is Refused.REFERENCE
    await world.call_back(payment, paid(payment))
    assert await said(world, way, **one) is Refused.REFERENCE


async def test_another_merchants_references_are_not_known(world):
    await asked(await with_paybill(world), reference="ORDER 12")
    way = await under(await world.besides(), Rule.KNOWN_REFERENCE)

    assert await said(world, way, BillRefNumber="ORDER 12") is Refused.REFERENCE


async def with_paybill(world: World) -> World:
    await provider(world)
    return world


async def test_what_is_not_of_this_short_code_is_not_let_in(world):
    way = await under(world, Rule.KNOWN_REFERENCE)

    assert await said(world, way, BusinessShortCode="600967") is Refused.SHORTCODE


async def test_a_merchants_program_is_asked_and_the_question_is_signed(world):
    """By an independent reading of Standard Webhooks. The payer's number is not told."""
    endpoint = await world.add_endpoint()
    way = await asking(world, '{"accept": false, "reason": "amount"}')

    assert await said(world, way, MSISDN="254712345678") is Refused.AMOUNT

    ((headers, body),) = world.receiver.raw
    question = Webhook(endpoint.secret).verify(body.decode(), headers)
    assert question["type"] == "c2b.validation"
    assert question["data"] == {
        "shortcode": "600966", "amount": "1500.00", "currency": "KES", "reference": "DUKA-1",
        "phone_masked": "2547••••5678",
    }


async def asking(world: World, says: str, **more: Any) -> Provider:
    """Return a paybill whose merchant's program is asked, and says `says`."""
    world.receiver.says = says
    return await under(
        world, Rule.CALLBACK, callback_url=world.receiver.url + "/ask", **more,
    )


@pytest.mark.parametrize("status", [500, 302, 404])
async def test_a_program_that_fails_decides_nothing(world, status):
    await world.add_endpoint()
    way = await asking(world, '{"accept": true}', when_undecided=REFUSE)
    world.receiver.statuses = [status]

    assert await said(world, way) is Refused.OTHER


async def test_a_program_that_is_silent_is_answered_for_in_time(world, monkeypatch):
    """M-Pesa waits 8 seconds, and takes silence for what was registered. (T41, F21)"""
    monkeypatch.setattr(validations, "ANSWER_SECONDS_MAX", 0.3)
    await world.add_endpoint()
    world.receiver.answering.clear()

    for when, expected in ((REFUSE, Refused.OTHER), (WhenUndecided.ACCEPT, None)):
        way = await asking(world, '{"accept": true}', when_undecided=when)
        started = time.monotonic()
        assert await said(world, way) is expected
        assert time.monotonic() - started < 6, "a test's whole patience is M-Pesa's own 8 s"
    world.receiver.answering.set()


async def test_a_database_that_hangs_is_answered_for_in_time(world, monkeypatch):
    """The lock stands for whatever makes it slow; nobody waits with the phone in hand. (T41)"""
    monkeypatch.setattr(validations, "ANSWER_SECONDS_MAX", 0.3)
    way = await under(world, Rule.KNOWN_REFERENCE, when_undecided=REFUSE)
    with psycopg.connect(world.url) as other:
        other.execute("lock table customers in access exclusive mode")
        assert await said(world, way) is Refused.OTHER
        other.execute("lock table providers in access exclusive mode")
        with pytest.raises(StoreUnavailable):  # 503: M-Pesa does what was registered with it
            await said(world, way)
    assert await said(world, way, BillRefNumber="nobody's") is Refused.REFERENCE


async def test_without_an_endpoint_no_question_can_be_signed(world):
    with pytest.raises(Invalid) as refused:
        await asking(world, "")
    assert refused.value.errors[0].code == "callback_url_without_endpoint"


@pytest.mark.parametrize("url", ["http://10.0.0.1/ask", "ftp://shop.example"])
async def test_an_address_within_our_own_network_is_not_asked(world, url):
    await world.add_endpoint()
    await provider(world)
    with pytest.raises(Invalid) as refused:
        await validations.set_terms(world.rt, world.key, "", Terms(Rule.CALLBACK, url))
    assert refused.value.errors[0].code == "callback_url_invalid"


async def test_a_stranger_learns_nothing_of_live_references(world):
    """The answer would say which references are real. (T43)"""
    live = (await world.live()).having(callback_sources="enforce")
    (way,) = await providers.find(live.rt, live.key)
    number = way.shortcode.number
    await validations.set_terms(live.rt, live.key, number, Terms(Rule.KNOWN_REFERENCE))
    wrong = {"BusinessShortCode": number, "BillRefNumber": "nobody's"}

    assert await said(live, way, address=STRANGER, **wrong) is None
    assert await said(live, way, **wrong) is Refused.REFERENCE


async def test_what_was_let_in_is_not_paid(world):
    """Only a confirmation is money; it may never come. (T42)"""
    way = await under(world, Rule.OPEN_PAYMENT)
    payment = await asked(world, reference="ORDER 13")

    assert await said(world, way, BillRefNumber="ORDER 13") is None

    assert (await world.read(payment.id)) == payment
    assert world.rows("select * from witnesses where merchant_id = %s", world.key.merchant_id) == []
    await confirm(world, way, told("UKV000013V", BillRefNumber="ELSEWHERE"))
    assert len(world.rows("select * from payments where origin = 'c2b'"
                          " and merchant_id = %s", world.key.merchant_id)) == 1


async def test_credentials_that_are_renewed_keep_the_rule(world):
    way = await under(world, Rule.OPEN_PAYMENT, when_undecided=REFUSE)
    again = await provider(world)

    assert again.terms == way.terms == Terms(Rule.OPEN_PAYMENT, when_undecided=REFUSE)
    assert await providers.find(world.rt, world.key) == [again]
