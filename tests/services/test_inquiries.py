"""M-Pesa's answers to our questions: early, twice, late, forged, or never.

The money that they tell of is counted once, and what they do not say is not made up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from hakika.domain.callback import Door
from hakika.domain.errors import ProviderRefused, Unavailable
from hakika.domain.inquiry import RAWS_MAX, Inquiry, Kind, Outcome, State, next_turn
from hakika.domain.payment import Payment
from hakika.domain.payment import State as PaymentState
from hakika.domain.provider import Provider, Secrets
from hakika.domain.shortcode import paybill
from hakika.domain.times import NAIROBI
from hakika.services import callbacks, inquiries, payments, providers, witnesses
from hakika.services.callbacks import Arrival
from hakika.services.verify import verify
from hakika.store.payment_search import Filter
from tests.services.world import SAFARICOM, STRANGER, WRONG_PHONE, World, order, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = Secrets("consumer-key", "consumer-secret", "passkey", "testapi", "U2VhbGVk")
WANTED = providers.Wanted(paybill("600966"), OPERATOR, is_default=True)


@pytest.fixture
def receipt() -> str:
    """A receipt that no other test has."""
    return f"UKN{next(_receipts):06d}V"


_receipts = count()


async def asked(world: World, receipt: str) -> Inquiry:
    await providers.put(world.rt, world.key, WANTED)
    return (await inquiries.ask_status(world.rt, world.key, receipt=receipt)).inquiry


def result(conversation_id: str, *, code: object = 0, kind: object = 0, **told: Any) -> bytes:
    """Return a result as M-Pesa sends it."""
    listed = [{"Key": key, "Value": value} for key, value in told.items()]
    return json.dumps({"Result": {
        "ResultType": kind, "ResultCode": code, "ResultDesc": "As told.",
        "OriginatorConversationID": "another-orders-id", "TransactionID": "UKL0000000",
        "ConversationID": conversation_id, "ResultParameters": {"ResultParameter": listed},
    }}).encode()


def status(conversation_id: str, receipt: str, **changed: Any) -> bytes:
    """Return the result of a status query: 1,500 shillings that a person has paid."""
    told = {
        "DebitPartyName": "254708374149 - JANE WANJIKU", "CreditPartyName": "600966 - Duka Ltd",
        "TransactionStatus": "Completed", "Amount": "1500", "ReceiptNo": receipt,
        "FinalisedTime": f"{datetime.now(NAIROBI):%Y%m%d%H%M%S}", "ReasonType": "Pay Bill Online",
    }
    return result(conversation_id, **(told | changed))


async def answer(
    world: World, inquiry: Inquiry, raw: bytes, *, door: Door = Door.RESULT,
    address: str = SAFARICOM,
) -> None:
    """Bring an answer to one of the inquiry's own addresses."""
    await bring(world, world.rt.callback_url(inquiry.id, door), raw, address=address)


async def bring(world: World, url: str, raw: bytes, *, address: str = SAFARICOM) -> None:
    await callbacks.receive(world.rt, Arrival(url.rpartition("/")[2], raw, address))


async def read(world: World, inquiry: Inquiry) -> Inquiry:
    return await inquiries.read(world.rt, world.key, inquiry.id)


async def prompted(world: World) -> Payment:
    """Return a payment whose payer was asked for 1,500 and has not answered."""
    await providers.put(world.rt, world.key, WANTED)
    return await world.read((await world.ask(order(shortcode="600966"))).data["id"])


def payer(payment: Payment) -> str:
    assert payment.payer is not None
    return f"{payment.payer.digits} - JANE WANJIKU"


async def all_of(world: World) -> list[Payment]:
    return await payments.find(world.rt, world.key, Filter(), limit=100)


async def verified(world: World) -> None:
    """See that nothing is wrong with anything of this merchant's."""
    report = await verify(world.rt)
    ours = [world.key.merchant_id, *(each.id for each in await all_of(world))]
    said = [each for check in report.checks for each in check.violations]
    assert [each for each in said if any(name in each for name in ours)] == []


async def hear_again(world: World) -> None:
    world.change("update witnesses set next_try_at = now() where next_try_at is not null")
    await witnesses.hear_again(world.rt)


async def test_an_answer_that_overtakes_daraja_counts_and_is_not_taken_back(world, receipt):
    """The result can be here before the acceptance: its address says whose it is. (T38)"""
    payment = await prompted(world)

    async def overtake(question: Mapping[str, Any], conversation_id: str) -> None:
        raw = status(conversation_id, receipt, DebitPartyName=payer(payment))
        await bring(world, question["ResultURL"], raw)

    world.daraja.overtaking = overtake
    found = await read(world, await asked(world, receipt))

    assert (found.state, found.outcome) == (State.ANSWERED, Outcome.COMPLETED)
    assert found.originator_conversation_id.startswith("originator-")
    assert (await world.read(payment.id)).receipt == receipt == found.receipt
    assert found.payment_id == payment.id
    await verified(world)


async def test_an_answer_heard_many_times_at_once_is_one(world, receipt):
    """T36."""
    payment = await prompted(world)
    inquiry = await asked(world, receipt)
    raw = status(inquiry.conversation_id, receipt, DebitPartyName=payer(payment))
    await asyncio.gather(*(answer(world, inquiry, raw) for _ in range(8)))

    assert (await world.read(payment.id)).state is PaymentState.COMPLETED
    assert world.events(payment.id) == ["payment.completed"]
    assert world.value(
        "select cardinality(raws) from inquiries where id = %s", inquiry.id,
    ) == 1
    assert world.quarantined() == []
    await verified(world)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("Declined", Outcome.FAILED), ("Cancelled", Outcome.FAILED), ("Expired", Outcome.FAILED),
        ("Initiated", Outcome.UNDECIDED), ("Pending Authorized", Outcome.UNDECIDED),
        ("Something new", Outcome.UNDECIDED), ("", Outcome.UNDECIDED),
    ],
)
async def test_only_completed_is_money(world, receipt, said, outcome):
    """T25: the question was answered with code 0, whatever became of the money."""
    payment = await prompted(world)
    inquiry = await asked(world, receipt)
    await answer(world, inquiry, status(
        inquiry.conversation_id, receipt, TransactionStatus=said, DebitPartyName=payer(payment),
    ))

    found = await read(world, inquiry)
    assert (found.state, found.outcome) == (State.ANSWERED, outcome)
    assert (await world.read(payment.id)).state is PaymentState.PENDING
    assert len(await all_of(world)) == 1


async def test_what_is_about_something_else_is_kept_aside(world, receipt):
    """T26: another question's answer, another receipt, and what cannot be read."""
    inquiry = await asked(world, receipt)
    ours = inquiry.conversation_id
    for raw in (
        status("AG_20261121_another", receipt), status(ours, "UKL7RT61SV"),
        status(ours, "OAK0000000"), b"<html>", b"{}", result("", code=0),
    ):
        await answer(world, inquiry, raw)
    other = (await asked(world, receipt)).id.replace("inq_0", "inq_7")
    await bring(world, world.rt.callback_url(other, Door.RESULT), status(ours, receipt))
    forged = world.rt.callback_url(inquiry.id, Door.RESULT)[:-9] + "000000000"
    await bring(world, forged, status(ours, receipt))

    assert [row["reason"] for row in world.quarantined()] == [
        "not_this_inquiry", "not_this_inquiry", "not_this_inquiry", "unreadable", "unreadable",
        "unreadable", "no_such_inquiry", "unknown_address",
    ]
    assert (await read(world, inquiry)).state is State.ASKED
    assert await all_of(world) == []


async def test_one_question_has_not_many_answers(world, receipt):
    """Who found an address can neither fill the database nor take back what was answered."""
    inquiry = await asked(world, receipt)
    await answer(world, inquiry, status(inquiry.conversation_id, receipt))
    for number in range(RAWS_MAX):
        await answer(world, inquiry, status(
            inquiry.conversation_id, receipt, TransactionStatus="Declined", Amount=number,
        ))

    assert [row["reason"] for row in world.quarantined()] == ["too_many_answers"]
    assert (await read(world, inquiry)).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("notice", [b"", b"{}", b"[1]", b"<html>", b"whole", b"waits"])
async def test_a_notice_from_the_queue_is_no_verdict(world, receipt, notice):
    """T45: nobody documents what it holds; and it may come after the answer, too."""
    payment = await prompted(world)
    inquiry = await asked(world, receipt)
    raws = {
        b"whole": result(inquiry.conversation_id, code=1),
        b"waits": result(inquiry.conversation_id, code=26, kind=1),
    }
    await answer(world, inquiry, raws.get(notice, notice), door=Door.TIMEOUT)
    waiting = await read(world, inquiry)
    await answer(world, inquiry, status(
        inquiry.conversation_id, receipt, DebitPartyName=payer(payment),
    ))
    await answer(world, inquiry, b"once more", door=Door.TIMEOUT)

    assert (waiting.state, waiting.outcome) == (State.TIMED_OUT, None)
    assert (await read(world, inquiry)).state is State.ANSWERED
    assert (await world.read(payment.id)).receipt == receipt


async def test_another_questions_notice_is_kept_aside(world, receipt):
    inquiry = await asked(world, receipt)
    await answer(world, inquiry, result("AG_20261121_another"), door=Door.TIMEOUT)

    assert (await read(world, inquiry)).state is State.ASKED
    assert world.quarantined()[-1]["reason"] == "not_this_inquiry"


async def test_a_result_that_says_that_more_will_come_is_waited_for(world, receipt):
    """T29: ResultType 1 settles nothing, whatever its code is."""
    inquiry = await asked(world, receipt)
    for code in (0, 2001):
        await answer(world, inquiry, result(inquiry.conversation_id, code=code, kind=1))
    between = await read(world, inquiry)
    await answer(world, inquiry, status(inquiry.conversation_id, receipt))

    assert between.state is State.ASKED
    assert (await read(world, inquiry)).outcome is Outcome.COMPLETED


async def test_silence_is_put_once_and_may_still_be_answered(world, receipt):
    world.daraja.away = True
    inquiry = await asked(world, receipt)
    assert inquiry.state is State.SILENT and len(world.daraja.questions) == 1

    await answer(world, inquiry, status("AG_20261121_the_one", receipt))

    found = await read(world, inquiry)
    assert (found.state, found.conversation_id) == (State.ANSWERED, "AG_20261121_the_one")
    assert len(world.daraja.questions) == 1


async def test_what_daraja_refuses_at_once_is_written_and_told(world, receipt):
    world.daraja.refuses = (400, WRONG_PHONE)
    with pytest.raises(ProviderRefused):
        await asked(world, receipt)

    (inquiry,) = await inquiries.find(world.rt, world.key, before=None, limit=10)
    assert inquiry.state is State.REFUSED and "Daraja refused" in inquiry.answer


async def test_what_was_never_asked_says_so(world, receipt):
    world.daraja.refuses = (429, {})
    with pytest.raises(Unavailable):
        await asked(world, receipt)

    (inquiry,) = await inquiries.find(world.rt, world.key, before=None, limit=10)
    assert inquiry.state is State.REFUSED and "was not asked" in inquiry.answer


async def test_another_amount_than_we_know_is_put_before_a_person(world, receipt):
    payment = await prompted(world)
    await world.call_back(payment, paid(payment, receipt=receipt))
    inquiry = await asked(world, receipt)
    await answer(world, inquiry, status(
        inquiry.conversation_id, receipt, Amount="15.00", DebitPartyName=payer(payment),
    ))

    found = await world.read(payment.id)
    assert found.needs_review and found.amount_received == payment.amount
    await verified(world)


async def test_a_crash_after_the_answer_was_kept_loses_no_money(world, receipt, monkeypatch):
    """Safaricom does not call twice: the witness is committed with the answer. (I12)"""
    inquiry = await asked(world, receipt)

    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("the process ended here")

    with monkeypatch.context() as patch:
        patch.setattr(witnesses, "judge_kept", die)
        with pytest.raises(RuntimeError):
            await answer(world, inquiry, status(inquiry.conversation_id, receipt))
    assert (await read(world, inquiry)).state is State.ANSWERED and await all_of(world) == []

    await hear_again(world)
    assert [each.receipt for each in await all_of(world)] == [receipt]
    await verified(world)


async def test_a_masked_number_waits_for_sources_that_tell_more(world, receipt):
    """A guess would credit the wrong payment, and a birth would keep the right one from it."""
    payment = await prompted(world)
    inquiry = await asked(world, receipt)
    masked = f"2547****{payer(payment)[9:12]} - JANE"
    await answer(world, inquiry, status(
        inquiry.conversation_id, receipt, DebitPartyName=masked,
    ))
    assert [each.state for each in await all_of(world)] == [PaymentState.PENDING]

    await world.call_back(payment, paid(payment, receipt=receipt))
    await hear_again(world)

    assert [each.receipt for each in await all_of(world)] == [receipt]
    assert (await read(world, inquiry)).payment_id == payment.id
    await verified(world)


async def test_a_live_answer_from_elsewhere_is_not_believed_when_that_counts(world, receipt):
    live = (await world.live()).having(callback_sources="enforce")
    inquiry = await asked(live, receipt)
    raw = status(inquiry.conversation_id, receipt)
    await answer(live, inquiry, raw, address=STRANGER)

    assert live.quarantined()[-1]["reason"] == "unlisted_address"
    assert (await read(live, inquiry)).state is State.ASKED
    await answer(live, inquiry, raw)
    assert (await read(live, inquiry)).state is State.ANSWERED


async def test_names_and_numbers_in_answers_are_sealed(world, receipt):
    inquiry = await asked(world, receipt)
    await answer(world, inquiry, status(inquiry.conversation_id, receipt))

    (row,) = world.rows("select * from inquiries where id = %s", inquiry.id)
    assert "WANJIKU" not in str(row) and "254708374149" not in str(row)
    assert "WANJIKU" not in (await read(world, inquiry)).answer
    assert row["told"] and row["raws"]


def balance(conversation_id: str, told: str, **more: Any) -> bytes:
    return result(conversation_id, code="0", kind="0", AccountBalance=told, **more)


async def test_a_balance_is_kept_by_m_pesas_own_time(world):
    """Charges are negative and have cents; what has no place in the books is told all the same."""
    await providers.put(world.rt, world.key, WANTED)
    inquiry = (await inquiries.ask_balance(world.rt, world.key)).inquiry
    at = datetime.now(UTC).replace(microsecond=0)
    raw = balance(
        inquiry.conversation_id,
        "Working Account|KES|700000.00|6186.83|340382.00|0.00&Charges Paid Account|KES|-1540.05"
        "|-1540.05|0.00|0.00&Organization Settlement Account|KES|0.00|0.00|0.00|0.00",
        BOCompletedTime=f"{at.astimezone(NAIROBI):%Y%m%d%H%M%S}",
    )
    for _ in range(2):
        await answer(world, inquiry, raw)

    kept = world.rows(
        "select account, observed_at, amount_cents from balances where merchant_id = %s"
        " order by account", world.key.merchant_id,
    )
    assert [tuple(row.values()) for row in kept] == [
        ("float:600966:charges", at, -154_005), ("float:600966:working", at, 70_000_000),
    ]
    assert [each["account"] for each in (await read(world, inquiry)).told["accounts"]] == [
        "float:600966:working", "float:600966:charges", None,
    ]


async def test_half_a_balance_is_none(world):
    """What is left out would look like money that is gone."""
    await providers.put(world.rt, world.key, WANTED)
    inquiry = (await inquiries.ask_balance(world.rt, world.key)).inquiry
    for told in (
        "Utility Account|KES|7.00|7.00&Working Account|KES|", "", "Utility Account|USD|7.00",
        "Utility Account|KES|7.00&Utility Account|KES|8.00", "Utility Account|KES|1e5",
    ):
        await answer(world, inquiry, balance(inquiry.conversation_id, told))

    assert {row["reason"] for row in world.quarantined()} == {"unreadable"}
    assert world.rows("select 1 from balances where merchant_id = %s", world.key.merchant_id) == []
    assert (await read(world, inquiry)).state is State.ASKED


async def due(world: World) -> Provider:
    """Return a short code whose turn it is."""
    way = await providers.put(world.rt, world.key, WANTED)
    world.change("update balance_turns set next_ask_at = now() - interval '1 second'"
                 f" where provider_id = '{way.id}'")
    return way


def turn(world: World, way: Provider) -> datetime | None:
    (row,) = world.rows("select next_ask_at from balance_turns where provider_id = %s", way.id)
    at: datetime | None = row["next_ask_at"]
    return at


async def test_each_midnight_one_of_many_workers_asks_once(world):
    """T14: every question is a try with a password."""
    way = await providers.put(world.rt, world.key, WANTED)
    assert turn(world, way) == next_turn(datetime.now(UTC))
    assert await inquiries.ask_due(world.rt) == 0

    await due(world)
    counted = await asyncio.gather(*(inquiries.ask_due(world.rt) for _ in range(4)))

    assert sum(counted) == len(world.daraja.questions) == 1
    assert world.daraja.questions[0]["CommandID"] == "AccountBalance"
    (inquiry,) = await inquiries.find(world.rt, world.key, before=None, limit=10)
    assert (inquiry.kind, inquiry.state) == (Kind.BALANCE, State.ASKED)
    assert turn(world, way) == next_turn(datetime.now(UTC))


async def test_a_short_code_without_an_operator_has_no_turn(world):
    way = await due(world)
    bare = providers.Wanted(WANTED.shortcode, Secrets("key", "secret", "passkey"))
    await providers.put(world.rt, world.key, bare)
    assert turn(world, way) is None

    await due(world)
    await providers.delete(world.rt, world.key, "600966")
    assert (turn(world, way), await inquiries.ask_due(world.rt)) == (None, 0)


@pytest.mark.parametrize("code", ["2001", "18", "20", "21", "22", "8006"])
async def test_an_operator_that_is_refused_is_not_tried_again_by_itself(world, code):
    """T14: a third wrong password locks it, and with it every payout and reversal."""
    way = await due(world)
    await inquiries.ask_due(world.rt)
    (inquiry,) = await inquiries.find(world.rt, world.key, before=None, limit=10)
    await answer(world, inquiry, result(inquiry.conversation_id, code=code))

    assert turn(world, way) is None
    assert (await read(world, inquiry)).told["result_code"] == code
    await providers.put(world.rt, world.key, WANTED)
    assert turn(world, way) is not None
    await answer(world, inquiry, result(inquiry.conversation_id, code=code, late="word"))
    assert turn(world, way) is not None  # these are other credentials


async def test_an_answer_without_a_refused_operator_stops_nothing(world):
    way = await due(world)
    await inquiries.ask_due(world.rt)
    (inquiry,) = await inquiries.find(world.rt, world.key, before=None, limit=10)
    await answer(world, inquiry, result(inquiry.conversation_id, code=26))

    assert (await read(world, inquiry)).state is State.REFUSED
    assert turn(world, way) == next_turn(datetime.now(UTC))


async def test_a_question_that_never_left_is_put_again_half_an_hour_later(world):
    """It was no try with a password; and the day would have no balance."""
    way = await due(world)
    world.daraja.refuses = (429, {})
    before = datetime.now(UTC)
    await inquiries.ask_due(world.rt)

    at = turn(world, way)
    assert at is not None and at - before <= timedelta(minutes=31)
    assert at <= next_turn(before) + timedelta(minutes=31)
