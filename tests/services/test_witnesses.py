"""The same money, told of several times and in any order, is one payment and one posting."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from hakika.domain.callback import Door
from hakika.domain.customer import Details
from hakika.domain.errors import AssignedAlready, Conflict
from hakika.domain.ids import CustomerId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Origin, Payment, State
from hakika.domain.payment_data import payment_data
from hakika.domain.provider import Provider, Secrets
from hakika.domain.shortcode import Shortcode, paybill, till
from hakika.domain.times import NAIROBI
from hakika.services import callbacks, customers, payments, providers, witnesses
from hakika.services.callbacks import Arrival
from hakika.services.facts import record_heard
from hakika.services.verify import verify
from hakika.store.payment_search import Filter
from tests.services.world import SAFARICOM, World, order, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = paybill("600966")
SHOP = till("5551234", store_number="600100")
SECRETS = Secrets("consumer-key", "consumer-secret", "passkey")


async def provider(world: World, shortcode: Shortcode = OURS) -> Provider:
    return await providers.put(world.rt, world.key, providers.Wanted(shortcode, SECRETS))


@pytest.fixture
def receipt() -> str:
    """A receipt that no other test has: M-Pesa gives none twice."""
    return f"UKM{next(_receipts):06d}V"


_receipts = count()


def told(receipt: str, **changed: Any) -> bytes:
    """Return Safaricom's confirmation of a payment, as documented: all values are texts."""
    now = datetime.now(NAIROBI)
    return json.dumps({
        "TransactionType": "Pay Bill", "TransID": receipt, "TransTime": f"{now:%Y%m%d%H%M%S}",
        "TransAmount": "1500.00", "BusinessShortCode": "600966", "BillRefNumber": "DUKA-1",
        "InvoiceNumber": "", "OrgAccountBalance": "25.00", "ThirdPartyTransID": "",
        "MSISDN": "2547 ***** 126", "FirstName": "JANE", "MiddleName": "", "LastName": "",
    } | changed).encode()


async def confirm(world: World, way: Provider, raw: bytes, *, address: str = SAFARICOM) -> None:
    """Bring a confirmation to the short code's own address."""
    token = world.rt.callback_url(way.id, Door.CONFIRMATION).rpartition("/")[2]
    await callbacks.receive(world.rt, Arrival(token, raw, address))


async def asked(world: World, **changed: Any) -> Payment:
    data = (await world.ask(order(shortcode="600966", **changed))).data
    return await world.read(data["id"])


def twin(payment: Payment, receipt: str, **changed: Any) -> bytes:
    """Return the confirmation that M-Pesa sends beside the callback of a push."""
    assert payment.payer is not None
    return told(
        receipt, BillRefNumber=payment.reference, TransAmount=str(payment.amount),
        MSISDN=f"2547 ***** {payment.payer.digits[-3:]}", **changed,
    )


async def all_of(world: World) -> list[Payment]:
    return await payments.find(world.rt, world.key, Filter(), limit=100)


def posted(world: World) -> list[tuple[str, str, str, int, str]]:
    return [tuple(row.values()) for row in world.rows(
        "select move, debit, credit, amount_cents, receipt from postings where merchant_id = %s"
        " order by position", world.key.merchant_id,
    )]


async def verified(world: World) -> None:
    """See that nothing is wrong with anything of this merchant's; others put theirs to rest."""
    report = await verify(world.rt)
    ours = [world.key.merchant_id, *(each.id for each in await all_of(world))]
    said = [each for check in report.checks for each in check.violations]
    assert [each for each in said if any(name in each for name in ours)] == []


async def test_unasked_money_becomes_a_payment_that_waits_for_its_meaning(world, receipt):
    """Seed 002 would log `not_found`. Money is never a log line."""
    await confirm(world, await provider(world), told(receipt))

    (payment,) = await all_of(world)
    assert (payment.state, payment.origin, payment.receipt, payment.reference) == (
        State.COMPLETED, "c2b", receipt, "DUKA-1",
    )
    assert (payment.payer, payment.payer_masked) == (None, "2547 ***** 126")
    assert not payment.is_explained
    assert world.events(payment.id) == ["payment.completed"]
    assert posted(world) == [
        ("collection", "float:600966:utility", "suspense", 150_000, receipt),
    ]
    await verified(world)


async def test_what_is_assigned_leaves_suspense(world, receipt):
    """And nobody takes it for another order by mistake: two people work on one list."""
    await confirm(world, await provider(world), told(receipt))
    (payment,) = await all_of(world)

    once = await payments.assign(world.rt, payment, "ORDER-7")
    again = await payments.assign(world.rt, once, "ORDER-7")
    with pytest.raises(AssignedAlready, match="to ORDER-7 already"):
        await payments.assign(world.rt, payment, "ORDER-8")    # as it was read before
    other = await payments.assign(world.rt, again, "ORDER-8", replaces=True)

    assert again == once and other.assigned_to == "ORDER-8"
    assert await world.facts(payment.id) == ["paid", "assigned", "assigned"]
    assert posted(world)[1:] == [("clearing", "suspense", "collected", 150_000, receipt)]
    await verified(world)


async def test_what_was_asked_for_is_not_assigned(world):
    with pytest.raises(Conflict):
        await payments.assign(world.rt, await world.completed(), "ORDER-7")


@pytest.mark.parametrize("callback_first", [True, False])
async def test_callback_and_confirmation_of_one_push_are_one_payment(
    world, receipt, callback_first,
):
    """T37, in both orders: one payment, one receipt, one posting, one event."""
    way = await provider(world)
    payment = await asked(world)
    calls = [
        world.call_back(payment, paid(payment, receipt=receipt)),
        confirm(world, way, twin(payment, receipt)),
    ]
    for each in calls if callback_first else reversed(calls):
        await each

    assert [each.id for each in await all_of(world)] == [payment.id]
    assert (await world.read(payment.id)).receipt == receipt
    assert world.events(payment.id) == ["payment.completed"]
    assert [row[0] for row in posted(world)] == ["collection"]
    assert world.value(
        "select payment_id from witnesses where receipt = %s and merchant_id = %s",
        receipt, world.key.merchant_id,
    ) == payment.id
    await verified(world)


async def test_callback_and_confirmation_at_the_same_moment_are_one_payment(world, receipt):
    way = await provider(world)
    asked_for = [await asked(world) for _ in range(6)]
    await asyncio.gather(*(
        call for number, payment in enumerate(asked_for)
        for call in (
            world.call_back(payment, paid(payment, receipt=f"{receipt[:-1]}{number}")),
            confirm(world, way, twin(payment, f"{receipt[:-1]}{number}")),
        )
    ))
    world.change("update witnesses set next_try_at = now() where next_try_at is not null")
    await witnesses.hear_again(world.rt)

    found = await all_of(world)
    assert sorted(each.id for each in found) == sorted(each.id for each in asked_for)
    assert {each.state for each in found} == {State.COMPLETED}
    assert not any(each.needs_review for each in found)
    assert len(posted(world)) == len(asked_for)
    await verified(world)


async def test_a_confirmation_completes_a_payment_whose_callback_was_lost(world, receipt):
    way = await provider(world)
    payment = await asked(world)
    await confirm(world, way, twin(payment, receipt))

    found = await world.read(payment.id)
    assert (found.state, found.confirmed_by) == (State.COMPLETED, "c2b")
    assert (await all_of(world)) == [found]


async def test_money_after_we_said_canceled_is_late(world, receipt):
    way = await provider(world)
    payment = await asked(world)
    await world.call_back(payment, _canceled(payment))
    await confirm(world, way, twin(payment, receipt))

    found = await world.read(payment.id)
    assert (found.state, found.late) == (State.COMPLETED, True)


def _canceled(payment: Payment) -> bytes:
    return json.dumps({"Body": {"stkCallback": {
        "MerchantRequestID": payment.merchant_request_id,
        "CheckoutRequestID": payment.checkout_request_id,
        "ResultCode": 1032, "ResultDesc": "Request canceled by user.",
    }}}).encode()


async def test_a_confirmation_heard_many_times_at_once_is_one(world, receipt):
    way = await provider(world)
    await asyncio.gather(*(confirm(world, way, told(receipt)) for _ in range(8)))

    assert len(await all_of(world)) == len(posted(world)) == 1
    await verified(world)


async def test_two_that_look_alike_wait_for_their_own_callbacks(world, receipt):
    """At a till nobody types a reference: a guess would credit the wrong one."""
    way = await provider(world, SHOP)
    people = [Msisdn("254711000126"), Msisdn("254712000126")]
    first, second = [
        await world.read((await world.ask(order(shortcode="5551234", payer=each))).data["id"])
        for each in people
    ]
    await confirm(world, way, told(receipt, BillRefNumber="", BusinessShortCode="5551234"))
    assert len(await all_of(world)) == 2 and posted(world) == []

    await world.call_back(second, paid(second, receipt=receipt))
    world.change("update witnesses set next_try_at = now() where next_try_at is not null")
    assert await witnesses.hear_again(world.rt) == 1

    assert (await world.read(second.id)).receipt == receipt
    assert (await world.read(first.id)).state is State.PENDING
    assert len(posted(world)) == 1


async def test_what_stays_undecided_is_unasked_in_the_end(world, receipt):
    way = await provider(world, SHOP)
    for phone in ("254711000126", "254712000126"):
        await world.ask(order(shortcode="5551234", payer=Msisdn(phone)))
    await confirm(world, way, told(receipt, BillRefNumber="", BusinessShortCode="5551234"))
    world.change(
        "update witnesses set heard_at = heard_at - interval '1 hour', next_try_at = now()"
        " where next_try_at is not null",
    )
    await witnesses.hear_again(world.rt)

    assert [each.origin for each in await all_of(world)].count(Origin.C2B) == 1
    await verified(world)


async def test_another_amount_for_a_known_receipt_is_put_before_a_person(world, receipt):
    way = await provider(world)
    payment = await asked(world)
    await world.call_back(payment, paid(payment, receipt=receipt))
    await confirm(world, way, told(receipt, TransAmount="15.00"))

    found = await world.read(payment.id)
    assert found.needs_review and found.amount_received == payment.amount
    assert len(posted(world)) == 1
    await verified(world)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{}", "unreadable"), (b"<html>", "unreadable"),
        (told("OAK0000000"), "unreadable"),
        (told("UKM999999V", TransAmount="-5"), "unreadable"),
        (told("UKM999999V", BusinessShortCode="600967"), "not_this_short_code"),
    ],
)
async def test_what_cannot_be_believed_is_kept_aside(world, raw, reason):
    """F20, T61: nothing of it becomes money."""
    await confirm(world, await provider(world), raw)

    assert await all_of(world) == [] and posted(world) == []
    assert world.quarantined()[-1]["reason"] == reason


async def test_a_confirmation_of_a_short_code_that_was_deleted_is_kept_aside(world, receipt):
    way = await provider(world)
    await providers.delete(world.rt, world.key, "600966")
    await confirm(world, way, told(receipt))

    assert world.quarantined()[-1]["reason"] == "no_such_short_code"


async def test_a_live_confirmation_from_elsewhere_is_not_believed_when_that_counts(
    world, receipt,
):
    live = (await world.live()).having(callback_sources="enforce")
    (way,) = await providers.find(live.rt, live.key)
    await confirm(
        live, way, told(receipt, BusinessShortCode=way.shortcode.number), address="198.51.100.9",
    )

    assert live.quarantined()[-1]["reason"] == "unlisted_address"


async def test_a_crash_after_the_witness_was_kept_loses_nothing(world, receipt, monkeypatch):
    """The answer was 200 by then, or never came: the money must become a payment. (I12)"""
    way = await provider(world)

    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("the process ended here")

    with monkeypatch.context() as patch:
        patch.setattr(witnesses, "_settle", die)
        with pytest.raises(RuntimeError):
            await confirm(world, way, told(receipt))
    assert await all_of(world) == []

    world.change("update witnesses set next_try_at = now() where next_try_at is not null")
    await witnesses.hear_again(world.rt)
    assert [each.receipt for each in await all_of(world)] == [receipt]


async def test_what_a_payer_typed_is_sealed(world, receipt):
    raw = told(receipt, BillRefNumber="MAMA NJERI", FirstName="WANJIKU")
    await confirm(world, await provider(world), raw)

    rows = world.rows("select w.*, p.* from witnesses w join payments p on p.id = w.payment_id")
    shown = str([{k: bytes(v) if isinstance(v, memoryview) else v for k, v in row.items()}
                 for row in rows])
    assert "NJERI" not in shown and "WANJIKU" not in shown
    (payment,) = await all_of(world)
    assert payment.reference == "MAMA NJERI"
    assert payment.amount == Money.shillings(1_500) and PaymentId(payment.id)


async def test_one_witness_that_does_not_open_keeps_no_other_waiting(world, receipt):
    """A damaged row among a hundred: the other ninety-nine are somebody's money. (I1)"""
    way = await provider(world)
    others = [f"{receipt[:-1]}{letter}" for letter in "AB"]
    for each in (receipt, *others):
        await keep(world, way, told(each))
    world.change(
        "update witnesses set private = set_byte(private, 20, 1 # get_byte(private, 20)),"
        f" heard_at = heard_at - interval '1 hour' where receipt = '{receipt}'",
    )

    assert await witnesses.hear_again(world.rt) == 3

    assert sorted(each.receipt for each in await all_of(world)) == others
    assert world.value(
        "select next_try_at > now() + interval '5 minutes' from witnesses where receipt = %s",
        receipt,
    )
    said = [each for check in (await verify(world.rt)).checks for each in check.violations]
    assert any(receipt in each for each in said), said
    world.change(f"delete from witnesses where receipt = '{receipt}'")


async def keep(world: World, way: Provider, raw: bytes) -> None:
    """Let the process die as soon as a confirmation is durable, and let its turn come again."""

    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("the process ended here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(witnesses, "_settle", die)
        with pytest.raises(RuntimeError):
            await confirm(world, way, raw)
    world.change("update witnesses set next_try_at = now() where next_try_at is not null")


async def test_money_that_turned_out_to_be_anothers_just_now_accuses_nobody(
    world, receipt, monkeypatch,
):
    """Between our judgement and its commit its own callback came: judged again, not disputed."""
    way = await provider(world)
    meant, owner = await asked(world, reference="TILL 4"), await asked(world, reference="TILL 5")

    async def overtaken(*words: Any, **more: Any) -> Any:
        await world.call_back(owner, paid(owner, receipt=receipt))
        return await record_heard(*words, **more)

    monkeypatch.setattr(witnesses, "record_heard", overtaken)
    await confirm(world, way, twin(meant, receipt))
    world.change("update witnesses set next_try_at = now() where next_try_at is not null")
    assert await witnesses.hear_again(world.rt) == 1

    assert (await world.read(owner.id)).receipt == receipt
    found = await world.read(meant.id)
    assert (found.state, found.needs_review) == (State.PENDING, False)
    await verified(world)


PERSON = Msisdn("254711345126")


async def customer(world: World, phone: Msisdn, name: str = "") -> str:
    return (await customers.create(world.rt, world.key, Details(name=name, phone=phone))).id


@pytest.mark.parametrize(("msisdn", "version"), [
    (PERSON.sha256, 1), (PERSON.sha256.upper(), 1), (PERSON.digits, 1), ("2547 ***** 126", 2),
])
async def test_unasked_money_is_of_the_customer_who_is_known_already(
    world, receipt, msisdn, version,
):
    """By keyed hashes alone; and which version of C2B it was is seen by the form."""
    known = await customer(world, PERSON, "Jane Wanjiku")
    await customer(await world.besides(), PERSON, "Jane")
    way = await provider(world)
    await confirm(world, way, told(receipt, MSISDN=msisdn))

    (payment,) = await all_of(world)
    assert payment.customer_id == known
    assert payment.payer == (PERSON if msisdn == PERSON.digits else None)
    assert PERSON.sha256 not in str(payment_data(payment)).lower()
    (way,) = await providers.find(world.rt, world.key)
    assert way.c2b_version == version
    await verified(world)


@pytest.mark.parametrize("others", [
    [(Msisdn("254722999126"), "")],                    # another fits as well
    [(Msisdn("254722999126"), "Jane")],
])
async def test_who_may_be_several_is_nobody(world, receipt, others):
    """A guess would show one customer's money to another."""
    for phone, name in [(PERSON, "Jane"), *others]:
        await customer(world, phone, name)
    await confirm(world, await provider(world), told(receipt))

    (payment,) = await all_of(world)
    assert (payment.customer_id, payment.payer) == (None, None)


@pytest.mark.parametrize(("name", "msisdn"), [
    ("Otieno", "2547 ***** 126"),          # M-Pesa says that it was a JANE
    ("Jane", "2547 ***** 26"),             # too little is seen of it
    ("Jane", "2547 ***** 127"), ("Jane", "2541 ***** 126"), ("Jane", ""),
    ("Jane", Msisdn("254722999126").sha256),
])
async def test_a_stranger_is_no_customer(world, receipt, name, msisdn):
    """A mask fits one stranger in a thousand."""
    await customer(world, PERSON, name)
    await confirm(world, await provider(world), told(receipt, MSISDN=msisdn))

    (payment,) = await all_of(world)
    assert payment.customer_id is None


async def test_an_erased_customer_is_not_found_by_what_m_pesa_tells(world, receipt):
    erased = CustomerId(await customer(world, PERSON, "Jane"))
    await customers.erase(world.rt, world.key, erased)
    for last, msisdn in (("A", PERSON.sha256), ("B", "2547 ***** 126")):
        await confirm(world, await provider(world), told(receipt[:-1] + last, MSISDN=msisdn))

    assert [each.customer_id for each in await all_of(world)] == [None, None]


async def test_a_hash_tells_two_that_look_alike_apart(world, receipt):
    """At a till nobody types a reference; the hash is certain."""
    way = await provider(world, SHOP)
    first, _ = [
        await world.read((await world.ask(order(shortcode="5551234", payer=each))).data["id"])
        for each in (PERSON, Msisdn("254712345126"))
    ]
    await confirm(world, way, told(
        receipt, BillRefNumber="", BusinessShortCode="5551234", MSISDN=PERSON.sha256,
    ))

    assert (await world.read(first.id)).receipt == receipt
