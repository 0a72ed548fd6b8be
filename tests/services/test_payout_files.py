"""A file of payouts: a plan until it is started, made once whatever dies, paused and taken back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from hakika.domain.errors import Conflict, Forbidden, MoneyOutFrozen, NotFound
from hakika.domain.file_errors import PayoutFileWrong
from hakika.domain.ids import BatchId, PayoutId
from hakika.domain.merchant import ApiKey
from hakika.domain.payout import Payout
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.payout_file import PayoutFile, State, file_data, outcome_of
from hakika.domain.provider import Secrets
from hakika.domain.shortcode import paybill
from hakika.services import (
    keys,
    ledger,
    payout_files,
    payout_filing,
    payout_outcomes,
    payout_rules,
    providers,
    sending,
    stops,
)
from hakika.services.payout_facts import record
from hakika.services.verify import verify
from hakika.sheets.exports import Format
from tests.services.world import LIVE, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = Secrets("consumer-key", "consumer-secret", "passkey", "testapi", "U2VhbGVk")
WANTED = providers.Wanted(paybill("600966"), OPERATOR, is_default=True)
_names = count(1)


@pytest_asyncio.fixture(loop_scope="module")
async def shop(world: World) -> World:
    """A merchant with an API operator, and no file of anybody that waits."""
    provider = await providers.put(world.rt, world.key, WANTED)
    world.change(
        f"insert into operator_proofs values ('{provider.id}', now() + interval '1 day')",
        "update payout_files set due_at = null",
        "update payouts set next_check_at = now() + interval '1 hour'"
        " where next_check_at is not null",
    )
    return world


def wages(rows: int, *, amount: int = 100) -> bytes:
    """Return a file of that many people, which nobody sent before."""
    name = next(_names)
    lines = [f"0712{number:06d},{amount},Wages {name}" for number in range(rows)]
    return "\n".join(["phone,amount,reference", *lines]).encode()


async def planned(world: World, rows: int, **more: int) -> PayoutFile:
    return (await payout_files.take(world.rt, world.key, wages(rows, **more))).filed.file


async def started(world: World, rows: int) -> PayoutFile:
    file = await planned(world, rows)
    return (await payout_files.start(world.rt, world.key, file.id)).file


async def worked_off(world: World) -> None:
    """Make every row of every started file a payout."""
    while world.value("select count(*) from payout_files where due_at <= now()"):
        await payout_filing.work_off(world.rt)


def states(world: World, file: PayoutFile) -> Counter[str]:
    rows = world.rows("select state from payouts where batch_id = %s", file.id)
    return Counter(row["state"] for row in rows)


async def paid(world: World, file: PayoutFile) -> None:
    """Let M-Pesa pay every order of a file."""
    for row in world.rows(
        "select id, amount_cents from payouts where batch_id = %s and state = 'pending'", file.id,
    ):
        fact = PayoutFact(Kind.PAID, Source.RESULT, receipt=f"SH{next(_names):08d}")
        await record(world.rt, PayoutId(row["id"]), partial(_told, fact))


def _told(fact: PayoutFact, _: Payout) -> PayoutFact:
    return fact


async def told(world: World, file: PayoutFile) -> dict[str, Any]:
    """Return a file as its merchant reads it now."""
    filed = await payout_files.read(world.rt, world.key, file.id)
    return file_data(filed.file, filed.progress)


async def another_key(world: World) -> ApiKey:
    wanted = keys.Wanted(livemode=world.key.livemode)
    key, _ = await keys.create(world.rt, world.key.merchant_id, wanted)
    return key


async def test_a_file_that_was_sent_is_a_plan_and_nothing_else(shop):
    """Every upload is a dry run: what it would cost is said, and nothing is set aside."""
    file = await planned(shop, 3, amount=1_500)
    await worked_off(shop)

    assert (file.state, file.rows, str(file.total)) == (State.PLANNED, 3, "4500.00")
    assert (str(file.charges), file.charges_unknown) == ("15.00", 0)
    assert not states(shop, file)


async def test_the_same_file_again_is_the_same_file(shop):
    """Whoever presses the button twice, or sends last month's file by mistake, pays once."""
    file = wages(3)
    first = await payout_files.take(shop.rt, shop.key, file)
    await payout_files.start(shop.rt, shop.key, first.filed.file.id)
    await worked_off(shop)

    again = await payout_files.take(shop.rt, shop.key, file)
    await payout_files.start(shop.rt, shop.key, again.filed.file.id)
    await worked_off(shop)

    assert (again.filed.file.id, again.again) == (first.filed.file.id, True)
    assert states(shop, first.filed.file) == {"ready": 3}


async def test_a_file_with_a_wrong_row_cannot_be_started(shop):
    file = b"phone,amount\n0712345678,100\n0712345678,9\n"
    taken = (await payout_files.take(shop.rt, shop.key, file)).filed.file

    with pytest.raises(PayoutFileWrong):
        await payout_files.start(shop.rt, shop.key, taken.id)
    (wrong,) = await payout_files.rows(
        shop.rt, shop.key, taken.id, after=0, limit=10, wrong=True,
    )
    assert (taken.state, taken.rows_wrong, wrong.row.number) == (State.WRONG, 1, 3)


async def test_every_row_is_paid_once_and_the_merchant_hears_it(shop):
    """The whole way; the books hold what was promised, and a file ends when its last row does."""
    file = await started(shop, 5)
    await worked_off(shop)
    await sending.send_due(shop.rt)
    filed = await payout_files.read(shop.rt, shop.key, file.id)
    assert file_data(filed.file, filed.progress)["counts"] == {"pending": 5}

    await paid(shop, file)
    shop.change("update payout_files set due_at = now() where due_at is not null")
    await payout_filing.work_off(shop.rt)

    assert (await payout_files.read(shop.rt, shop.key, file.id)).file.state is State.COMPLETED
    assert shop.events(file.id) == ["payout_file.completed"]
    assert len({each["OriginatorConversationID"] for each in shop.daraja.questions}) == 5
    await ledger.chain_all(shop.rt)
    report = await verify(shop.rt)
    assert report.green, [each for each in report.checks if each.violations]


async def test_rows_are_made_some_at_a_time_and_what_is_made_is_not_made_again(shop, monkeypatch):
    """A worker may die after any commit; here each is the last before another goes on."""
    monkeypatch.setattr(payout_filing, "ROWS_AT_ONCE", 2)
    file = await started(shop, 5)

    made = []
    for _ in range(4):
        await payout_filing.work_off(shop.rt)
        made.append(sum(states(shop, file).values()))

    assert made == [2, 4, 5, 5]
    assert shop.value(
        "select count(distinct idempotency_key) from payouts where batch_id = %s", file.id,
    ) == 5


async def test_a_paused_file_sends_nothing_until_it_is_resumed(shop):
    file = await started(shop, 3)
    await worked_off(shop)
    paused = await payout_files.pause(shop.rt, shop.key, file.id)
    await sending.send_due(shop.rt)

    assert file_data(paused.file, paused.progress)["status"] == "paused"
    assert states(shop, file) == {"ready": 3}

    await payout_files.resume(shop.rt, shop.key, file.id)
    await sending.send_due(shop.rt)
    assert states(shop, file) == {"pending": 3}


async def test_what_was_not_sent_is_taken_back(shop):
    """What was sent may have been paid, and is waited for; then the file has ended."""
    file = await started(shop, 12)
    await worked_off(shop)
    await sending.send_due(shop.rt)
    sent = states(shop, file)["pending"]

    await payout_files.cancel(shop.rt, shop.key, file.id)
    await worked_off(shop)
    assert states(shop, file) == {"pending": sent, "canceled": 12 - sent}

    await paid(shop, file)
    shop.change("update payout_files set due_at = now() where due_at is not null")
    await payout_filing.work_off(shop.rt)

    assert (await payout_files.read(shop.rt, shop.key, file.id)).file.state is State.CANCELED
    with pytest.raises(Conflict):
        await payout_files.start(shop.rt, shop.key, file.id)


async def test_nobody_starts_their_own_file_of_real_money(shop):
    """A stolen key that can order payouts must not be enough to empty the float."""
    live = await shop.live()
    secrets = replace(
        LIVE.secrets, initiator="boss", security_credential=OPERATOR.security_credential,
    )
    await providers.put(live.rt, live.key, replace(LIVE, secrets=secrets))
    file = await planned(live, 2)
    approver = await another_key(live)

    for key in (live.key, approver):
        with pytest.raises(Forbidden):
            await payout_files.start(live.rt, key, file.id)
    with pytest.raises(Forbidden):
        await payout_files.approve(live.rt, live.key, file.id)
    begun = await payout_files.approve(live.rt, approver, file.id)

    assert (begun.file.state, begun.file.started_by) == (State.STARTED, approver.id)


async def test_a_rule_of_the_merchants_own_is_told_with_the_plan_and_holds_when_it_starts(shop):
    """A dry run says what would be refused; and a limit is not passed by putting it in a file."""
    await payout_rules.put(shop.rt, shop.key, {"each_max": "150.00", "hour_max": "450.00"})
    dear = await payout_files.take(shop.rt, shop.key, wages(2, amount=200))
    many = await payout_files.take(shop.rt, shop.key, wages(5))

    assert [(each.row, each.refusal.code) for each in dear.against] == [
        (2, "payout_too_large"), (3, "payout_too_large"),
    ]
    assert [(each.row, each.refusal.code) for each in many.against] == [
        (None, "payout_limit"),
    ]
    for plan in (dear, many):
        with pytest.raises(Conflict):
            await payout_files.start(shop.rt, shop.key, plan.filed.file.id)


async def test_a_limit_that_others_used_up_meanwhile_holds_the_rows(shop):
    """Between the start and the last row others may ask: their money is not promised twice."""
    file = await started(shop, 5)
    await payout_rules.put(shop.rt, shop.key, {"hour_max": "450.00"})
    await worked_off(shop)
    assert not states(shop, file)
    assert (await told(shop, file))["waiting_for"]["code"] == "payout_limit"

    await payout_rules.put(shop.rt, shop.key, {"hour_max": "500.00"})
    shop.change("update payout_files set due_at = now() where due_at is not null")
    await worked_off(shop)
    assert states(shop, file) == {"ready": 5}
    assert (await told(shop, file))["waiting_for"] is None


async def test_a_row_that_a_changed_rule_forbids_keeps_no_other_waiting(shop):
    """One payee too dear must not keep a thousand without wages; whoever sent it reads why. Of
    two rows for one payee only the dear one is refused, and what waits for a limit waits alone.
    """
    lines = ["phone,amount,reference"] + [
        f"{phone},{amount},{next(_names)}" for phone, amount in (
            ("0712000001", 100), ("0712000002", 900), ("0712000002", 200), ("0712000003", 100),
            ("0712000004", 300), ("0712000004", 301),
        )
    ]
    file = (await payout_files.take(shop.rt, shop.key, "\n".join(lines).encode())).filed.file
    await payout_files.start(shop.rt, shop.key, file.id)
    await payout_rules.put(shop.rt, shop.key, {"each_max": "500.00", "payee_day_max": "600.00"})
    await worked_off(shop)

    rows = await payout_files.rows(shop.rt, shop.key, file.id, after=0, limit=10)
    assert [outcome_of(file, each.row, each.payout) for each in rows] == [
        "pending", "refused", "pending", "pending", "planned", "planned",
    ]
    data = await told(shop, file)
    assert data["counts"] == {"pending": 3, "refused": 1}
    assert (data["waiting_for"]["code"], data["rows_unsent"]) == ("payee_limit", 5)
    with BytesIO() as outcome:
        await payout_outcomes.write(shop.rt, shop.key, file.id, Format.CSV, outcome)
        assert b"payout_too_large,One payout is 500.00 at most; 900.00 was asked." in (
            outcome.getvalue()
        )

    await payout_rules.put(shop.rt, shop.key, {"payee_day_max": None, "each_max": None})
    shop.change("update payout_files set due_at = now() where due_at is not null")
    await worked_off(shop)
    await sending.send_due(shop.rt)
    await paid(shop, file)
    shop.change("update payout_files set due_at = now() where due_at is not null")
    await payout_filing.work_off(shop.rt)
    data = await told(shop, file)
    assert (data["status"], data["counts"]) == ("completed", {"completed": 5, "refused": 1})


async def test_a_freeze_holds_files_before_and_after_they_are_started(shop):
    """A file of thousands would leave behind a freeze, an approver's yes or not."""
    file, waiting = await started(shop, 3), await planned(shop, 3)
    approver = await another_key(shop)
    await stops.freeze(shop.rt, shop.key)
    await worked_off(shop)
    assert (await told(shop, file))["waiting_for"]["code"] == "money_out_frozen"

    with pytest.raises(MoneyOutFrozen):
        await payout_files.start(shop.rt, shop.key, waiting.id)
    with pytest.raises(MoneyOutFrozen):
        await payout_files.approve(shop.rt, approver, waiting.id)
    assert not states(shop, file)

    await stops.lift_owner(shop.rt, shop.key.owner)
    shop.change("update payout_files set due_at = now() where due_at is not null")
    await worked_off(shop)
    assert states(shop, file) == {"ready": 3}


async def test_another_merchants_file_is_not_there(shop):
    file = await planned(shop, 1)
    stranger = await shop.besides()

    for act in (payout_files.read, payout_files.start, payout_files.pause, payout_files.cancel):
        with pytest.raises(NotFound):
            await act(stranger.rt, stranger.key, BatchId(file.id))
