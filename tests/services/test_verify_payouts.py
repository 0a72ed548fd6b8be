"""verify is green while money goes out, and names the very payout when one is spoilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from hakika.domain.callback import Door
from hakika.domain.fact import Reason
from hakika.domain.fee import FeeRefund, Rate
from hakika.domain.ids import PayoutId
from hakika.domain.money import Money
from hakika.domain.payout import Payout
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.seller import Schedule
from hakika.domain.shortcode import paybill
from hakika.domain.stop import Stop, Why, of_merchant
from hakika.services import providers, refunds, sellers, settlements
from hakika.services.verify import Report, verify
from hakika.store import stops
from tests.services.test_payouts import OPERATOR, heard, made
from tests.services.test_settlements import BANK, seller_of, sold
from tests.services.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = PayoutFact(Kind.ASKED, Source.CLOCK, attempt=1)
ACCEPTED = PayoutFact(Kind.ACCEPTED, Source.DARAJA, attempt=1, conversation_id="AG_1", raw=b"{}")
SILENT = PayoutFact(Kind.SILENT, Source.DARAJA, attempt=1, note="No answer.")
DECLINED = PayoutFact(
    Kind.DECLINED, Source.RESULT, reason=Reason("float", "1", "Too little.", "", ""), raw=b"{}",
)
_numbers = count(1)


def went() -> PayoutFact:
    return PayoutFact(Kind.PAID, Source.RESULT, receipt=f"SGV{next(_numbers):07d}", raw=b"{}")


def broken(report: Report) -> dict[str, list[str]]:
    """Return what is wrong, by the code of the check; no sentence ever says who is paid."""
    found = {check.code: list(check.violations) for check in report.checks if check.violations}
    assert "345678" not in str(report)
    return found


async def refunded(shop: World, amount: Money | None = None, *facts: PayoutFact) -> Payout:
    """Return a refund of a new payment, of all of it or of a part."""
    payment = await shop.completed()
    asked = await refunds.request(shop.rt, shop.key, refunds.Order(
        payment.id, f"refund {next(_numbers)}", {}, amount=amount,
    ))
    return await heard(shop, asked.payout, *facts)


@pytest_asyncio.fixture(loop_scope="module")
async def platform(world: World) -> World:
    """A platform with an API operator, and a fee of 1.5 percent."""
    wanted = providers.Wanted(paybill("600966"), OPERATOR, is_default=True)
    await providers.put(world.rt, world.key, wanted)
    await sellers.add_plan(world.rt, world.key, Rate(150), seller_id=None, since=None)
    return world


@pytest_asyncio.fixture(loop_scope="module")
async def lives(platform: World) -> dict[str, Payout]:
    """One payout of each kind and state: all that this file's database has."""
    found = {
        name: await heard(platform, await made(platform), *facts) for name, facts in {
            "ready": (), "sending": (ASKED,), "pending": (ASKED, ACCEPTED),
            "unknown": (ASKED, SILENT), "failed": (ASKED, ACCEPTED, DECLINED),
            "again": (ASKED, SILENT, replace(ASKED, attempt=2)),
            "withdrawn": (PayoutFact(Kind.WITHDRAWN, Source.OPERATOR, who="key"),),
            "late": (ASKED, DECLINED, went()),
        }.items()
    }
    found["whole"] = await refunded(platform, None, ASKED, went())
    found["part"] = await refunded(platform, Money.shillings(500), ASKED, went())
    found["refused"] = await refunded(platform, None, ASKED, DECLINED)
    for name, account in (("by hand", BANK), ("by phone", None)):
        more: dict[str, Any] = {"account": account} if account else {}
        seller, shop = await seller_of(
            platform, Schedule.ON_DEMAND, fee_refund=FeeRefund.RETURN, **more,
        )
        await sold(shop, Money.shillings(300))
        found[name] = (await settlements.settle(
            platform.rt, platform.key, seller.id, f"settle {name}",
        )).payout
    found["by phone"] = await heard(platform, found["by phone"], ASKED, went())
    for name in ("forgotten", "stopped"):
        other = await platform.besides()
        wanted = providers.Wanted(paybill("600966"), OPERATOR, is_default=True)
        await providers.put(other.rt, other.key, wanted)
        found[name] = await made(other)
    found |= {
        name: await heard(platform, await made(platform), ASKED, ACCEPTED, went())
        for name in ("completed", *SPOILT) if name not in found
    }
    async with platform.rt.store.transaction() as tx:
        owner = found["stopped"].merchant_id
        await stops.add(tx, Stop(
            of_merchant(owner, livemode=False), Why.SWITCH, "", "", platform.rt.now(),
        ))
    platform.change(
        "update payouts set next_check_at = now() - interval '1 hour'"
        f" where id = '{found['stopped'].id}'",
    )
    return found


# What is spoilt of a payout of its own; the check that must see it, and what it must say.
SPOILT: Mapping[str, tuple[str, str, str]] = {
    "state": (
        "update payouts set state = 'failed' where id = '{id}'",
        "I4", "Payout {id} is failed in its row, and its facts come to completed."),
    "evidence": (
        "update payouts set decided_by = 'operator' where id = '{id}'",
        "I11", "Payout {id} is completed, and no fact of it proves that."),
    "amount": (
        "update payouts set amount_cents = 5 where id = '{id}'",
        "I11", "Fact 1 of payout {id} does not agree with its hash"),
    "row": (
        "update payouts set private = '' where id = '{id}'",
        "I4", "Payout {id} has a row that cannot be read."),
    "fact": (
        "update payout_facts set private = '' where payout_id = '{id}' and sequence = 2",
        "I11", "Fact 2 of payout {id} cannot be read."),
    "moment": (
        "update payout_facts set heard_at = heard_at + interval '1 day'"
        " where payout_id = '{id}' and sequence = 3",
        "I11", "Fact 3 of payout {id} does not agree with its hash"),
    "lost": (
        "delete from payout_facts where payout_id = '{id}' and sequence = 4",
        "I11", "Payout {id} has lost its fact 4."),
    "middle": (
        "delete from payout_facts where payout_id = '{id}' and sequence = 3",
        "I11", "Payout {id} has lost its fact 3."),
    "noted": (
        "update payout_facts set state = 'unknown' where payout_id = '{id}' and sequence = 3",
        "I4", "Fact 3 of payout {id} notes that it led to unknown, and it leads to pending."),
    "release": (
        "delete from postings where receipt = '{id}' and move = 'release'",
        "I2", "Payout {id} is completed, and 1200.00 is held for it still."),
    "hold": (
        "delete from postings where receipt = '{id}' and move = 'hold'",
        "I3", "The books lack the hold of 1200.00 with receipt {id} of payout {id}."),
    "gone": (
        "delete from postings where receipt = '{receipt}'",
        "I3", "The books lack the payout of 1200.00 with receipt {receipt} of payout {id}."),
    "another account": (
        "update postings set credit = 'float:600966:working' where receipt = '{receipt}'",
        "I3", "with receipt {receipt} of payout {id} with another credit."),
    "mode": (
        "update postings set livemode = true where receipt = '{id}'",
        "I13", "The posting of receipt {id} belongs to another merchant or mode"),
    "untold": (
        "delete from events where subject_id = '{id}'",
        "I8", "Payout {id} has the events none, and its facts make payout.completed."),
    "told to another": (
        "update events set merchant_id = 'mer_x' where subject_id = '{id}'",
        "I13", "belongs to another merchant, mode or seller than its payout {id}"),
    "key": (
        "alter table payouts drop constraint payouts_once;"
        "update payouts set idempotency_key = (select idempotency_key from payouts"
        " where id = '{completed}') where id = '{id}'",
        "I10", "has several payouts: {completed}, {id}."),
    "receipt": (
        "alter table payouts drop constraint payouts_receipt_key;"
        "update payouts set receipt = (select receipt from payouts where id = '{completed}')"
        " where id = '{id}'",
        "I6", "is on several payouts: {completed}, {id}."),
    "removed": (
        "delete from payouts where id = '{id}'",
        "I11", "There are 4 facts of payout {id}, which is not here."),
    "removed too": (
        "delete from payouts where id = '{id}'",
        "I3", "The books have a hold of payout {id}, which is not here."),
    "removed as well": (
        "delete from payouts where id = '{id}'",
        "I8", "tells of payout {id}, which is not here."),
    "pending": (
        "update payouts set next_check_at = null where id = '{id}'",
        "I5", "Payout {id} is pending, and neither a check nor a person will look."),
    "forgotten": (
        "update payouts set next_check_at = now() - interval '16 minutes' where id = '{id}'",
        "I5", "Payout {id} is ready, no stop stands before it, and nobody sends it."),
    "whole": (
        "update payouts set amount_sent_cents = 5 where id = '{id}'",
        "I7", "Refund {id} gave back 0.05, and payment {payment_id} says 1500.00 of it."),
    "part": (
        "update payouts set payment_id = 'pay_x' where id = '{id}'",
        "I13", "Payout {id} is of payment pay_x, which belongs to another merchant"),
    "by hand": (
        "update events set seller_id = null where subject_id = '{id}'",
        "I13", "belongs to another merchant, mode or seller than its payout {id}"),
}


async def test_what_went_out_is_green_until_it_is_spoilt(
    platform: World, lives: dict[str, Payout],
) -> None:
    """One world and one look for all: each thing spoilt is a payout's own, and none is missed."""
    report = await verify(platform.rt)

    assert broken(report) == {}
    looked_at = {check.code: check.looked_at for check in report.checks}
    assert (looked_at["I6"], looked_at["I7"]) == (len(lives), 3)

    names = {
        name: {
            "id": payout.id, "receipt": payout.receipt, "payment_id": payout.payment_id or "-",
            "completed": lives["completed"].id,
        } for name, payout in lives.items()
    }
    platform.change("alter table events disable trigger user", "alter table postings disable "
                    "trigger user", "alter table payout_facts disable trigger user", *(
        statement.format(**names[name])
        for name, (statements, _, _) in SPOILT.items() for statement in statements.split(";")
    ))
    found = broken(await verify(platform.rt))

    for name, (_, code, sentence) in SPOILT.items():
        expected = sentence.format(**names[name])
        assert any(expected in each for each in found.get(code, ())), (name, expected, found)
    known = {each for name in SPOILT for each in names[name].values() if each} | {"pay_x"}
    assert [
        each for several in found.values() for each in several
        if not any(spoilt in each for spoilt in known)
    ] == []


async def test_each_order_of_m_pesas_is_held_against_ours(world: World) -> None:
    """As after a restore of an older backup: the payee was paid, and we know nothing."""
    rt = world.rt

    def ordered(payout_id: str, door: Door = Door.PAYOUT_RESULT) -> dict[str, Any]:
        return {
            "conversation_id": "AG_9", "receipt": "SGV9999999", "amount_cents": 100,
            "result_url": rt.callback_url(PayoutId(payout_id), door),
        }

    gone, stranger = rt.new_id("pyo"), ordered(rt.new_id("pyo"))
    stranger["result_url"] = "https://elsewhere.example/cb/1"
    found = broken(await verify(rt, truth={
        "payments": [], "c2b": [], "payouts": [stranger], "reversals": [ordered(gone)],
    }))

    lost = f"M-Pesa moved money with SGV9999999 for payout {gone}, which is not here."
    assert lost in found["I6"]
    assert not any("elsewhere" in each for each in found["I6"])
