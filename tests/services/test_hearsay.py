"""What comes to addresses that anybody can guess: it makes us look, and says nothing. (F20)"""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from hakika.domain.patience import HURRIED_SECONDS
from hakika.domain.payment import Payment, State
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.provider import Secrets
from hakika.domain.shortcode import paybill
from hakika.services import checks, hearsay, providers
from hakika.settings import Settings
from tests.services.test_payouts import ASKED, heard, made
from tests.services.world import PAID, SAFARICOM, STRANGER, World, canceled, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORGERIES = 20
OPERATOR = Secrets("consumer-key", "consumer-secret", "passkey", "testapi", "U2VhbGVk")


@pytest_asyncio.fixture(loop_scope="module")
async def shop(world: World) -> World:
    """A merchant with an API operator."""
    wanted = providers.Wanted(paybill("600966"), OPERATOR, is_default=True)
    await providers.put(world.rt, world.key, wanted)
    return world


async def hear(world: World, raw: bytes, *, address: str = SAFARICOM) -> None:
    await hearsay.receive(world.rt, raw, source_address=address)


async def pushed(world: World) -> Payment:
    """Return a payment that nobody answered yet, and that Daraja knows of by now."""
    payment = await world.pending()
    world.let_pass(HURRIED_SECONDS)
    return await world.read(payment.id)


async def moved(world: World, payment: Payment) -> bool:
    """Say whether anything of the payment is otherwise than it was, but for its next check."""
    now = await world.read(payment.id)
    return (now.state, now.facts_count, now.receipt) != (
        payment.state, payment.facts_count, payment.receipt,
    )


async def test_a_forged_success_changes_nothing_and_costs_one_question(world: World):
    """Whoever made the payment knows its ids; the money has to be M-Pesa's own word."""
    payment = await pushed(world)
    await hear(world, paid(payment))
    believed = await moved(world, payment)
    for _ in range(FORGERIES):
        await hear(world, paid(payment))
        await checks.look_again(world.rt)

    assert not believed
    assert (await world.read(payment.id)).state is State.PENDING
    assert await world.facts(payment.id) == ["asked", "accepted", "inquired"]
    assert world.daraja.queries == [payment.checkout_request_id]
    assert world.events(payment.id) == []
    assert {row["reason"] for row in world.quarantined()} == {"guessable_address"}


async def test_a_true_success_is_found_true_by_our_own_question(world: World):
    """What an old address hears is not lost: it is asked about at once."""
    payment = await pushed(world)
    too_early = await checks.look_again(world.rt)
    world.daraja.says = PAID
    await hear(world, paid(payment))
    asked = await checks.look_again(world.rt)

    assert (too_early, asked) == (0, 1)
    assert (await world.read(payment.id)).state is State.RECEIPT_AWAITED
    assert world.events(payment.id) == ["payment.completed"]
    assert await world.facts(payment.id) == ["asked", "accepted", "confirmed"]


async def test_all_its_later_questions_come_when_they_would_have(world: World):
    """The first look is taken early; none is added, and none is lost."""
    payment = await pushed(world)
    await hear(world, canceled(payment))
    await checks.look_again(world.rt)
    for _ in range(FORGERIES):
        await hear(world, canceled(payment))
    after = await world.read(payment.id)

    assert after.asked_at is not None and after.next_check_at is not None
    assert (after.checks, (after.next_check_at - after.asked_at).total_seconds()) == (1, 45)


async def test_nobody_looks_before_daraja_can_know(world: World):
    """Asked at once, it says that there is no such push; and the first look would be wasted."""
    payment = await world.pending()
    await hear(world, paid(payment))
    at_once = await checks.look_again(world.rt)
    world.let_pass(HURRIED_SECONDS)

    assert (at_once, await checks.look_again(world.rt)) == (0, 1)


@pytest.mark.parametrize("changed", [
    {"CheckoutRequestID": "ws_CO_1"}, {"MerchantRequestID": "another"}, {"MerchantRequestID": ""},
], ids=str)
async def test_half_a_guess_makes_nobody_look(world: World, changed: dict[str, str]):
    payment = await pushed(world)
    await hear(world, paid(payment, **changed))
    asked = await checks.look_again(world.rt)

    assert (asked, len(world.quarantined())) == (0, 1)


async def test_what_is_settled_is_not_looked_at_again(world: World):
    payment = await world.completed()
    await hear(world, canceled(payment))
    asked = await checks.look_again(world.rt)

    assert (asked, await moved(world, payment)) == (0, False)


async def test_no_stranger_hurries_a_live_payment_where_addresses_are_enforced(world: World):
    live = (await world.live()).having(callback_sources="enforce")
    payment = await pushed(live)
    await hear(live, paid(payment), address=STRANGER)
    hurried_by_a_stranger = await checks.look_again(live.rt)
    await hear(live, paid(payment))

    assert (hurried_by_a_stranger, await checks.look_again(live.rt)) == (0, 1)


@pytest.mark.parametrize("raw", [b"", b"garbage", b"[]", b'{"Body":{"stkCallback":null}}', b"\xff"])
async def test_what_cannot_be_read_is_kept(world: World, raw: bytes):
    await hear(world, raw)

    (held,) = world.quarantined()
    assert held["raw"] == raw


async def test_a_stranger_who_sends_too_many_is_not_heard(world: World):
    """A guessable address is an address to be flooded."""
    most: int = Settings.model_fields["stray_callbacks_per_minute"].default
    for _ in range(most + 5):
        await hear(world, b"flood", address="198.51.100.77")

    assert len(world.quarantined()) == most


async def test_a_result_makes_a_payout_be_looked_at_and_settles_nothing(shop: World):
    """Reversal and B2C results had such addresses too: a forged one must not end an order."""
    payout = await heard(shop, await made(shop), ASKED, PayoutFact(
        Kind.ACCEPTED, Source.DARAJA, conversation_id="AG_20261122_0001", attempt=1,
    ))
    raw = json.dumps({"Result": {
        "ResultType": 0, "ResultCode": 0, "ResultDesc": "Done", "TransactionID": "UKL0000001",
        "ConversationID": payout.conversation_id, "OriginatorConversationID": payout.id,
    }}).encode()
    shop.change(f"update payouts set asked_at = asked_at - interval '{HURRIED_SECONDS} s'")
    query = "select next_check_at <= now() as is_due, state, checks from payouts where id = %s"
    before, = shop.rows(query, payout.id)
    await hear(shop, raw)
    after, = shop.rows(query, payout.id)

    assert (before["is_due"], after) == (False, before | {"is_due": True})
