"""verify is green on honest books, and names the very row when one of them is spoilt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from hakika.domain.fact import Source
from hakika.domain.ids import PaymentId
from hakika.services.findings import SENTENCES_MAX
from hakika.services.runtime import Runtime
from hakika.services.verify import Report, verify
from hakika.store import invariants, quarantine
from tests.services.books import (
    MEND,
    MISPAID,
    PHONE,
    PRICE,
    STORIES,
    TABLES,
    WITH_MONEY,
    World,
    bear,
    checkout_id,
    receipt,
    runtime,
    spoil,
    superuser,
)
from tests.services.breaches import HARMLESS, SPOILT, UNTRUE

# One loop for all, so that they share the running parts.
pytestmark = pytest.mark.asyncio(loop_scope="module")

@pytest.fixture(scope="module")
def unspoilt(module_database_url: str) -> World:
    """The world as it was born, with a second set of all its rows to mend it from."""
    names = asyncio.run(bear(module_database_url))
    with superuser(module_database_url) as connection:
        connection.execute("create schema saved")
        for table in TABLES:
            connection.execute(f"create table saved.{table} as table {table}".encode())
    return World(module_database_url, names)


@pytest.fixture
def world(unspoilt: World) -> Iterator[World]:
    """The world, mended after the test. A copy of the database would take ten times as long."""
    yield unspoilt
    with superuser(unspoilt.url) as connection:
        connection.execute(MEND.encode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rt(unspoilt: World) -> AsyncIterator[Runtime]:
    async with runtime(unspoilt.url) as opened:
        yield opened


def sentences(report: Report) -> dict[str, list[str]]:
    """Return what is wrong, by the code of the check; no sentence ever says who paid."""
    found = {check.code: list(check.violations) for check in report.checks if check.violations}
    assert PHONE[3:] not in str(report)
    return found


async def test_honest_books_are_green(rt: Runtime, world: World) -> None:
    report = await verify(rt)

    assert sentences(report) == {}
    assert report.green
    looked_at = {check.code: check.looked_at for check in report.checks}
    assert looked_at["I4"] == len(STORIES)
    assert looked_at["I11"] == sum(1 + len(story) for story in STORIES.values())
    assert all(count > 0 for code, count in looked_at.items() if code not in {"I6", "I7", "I12"})


@pytest.mark.parametrize("what", SPOILT)
async def test_what_is_spoilt_is_named(rt: Runtime, world: World, what: str) -> None:
    statements, codes, sentence = SPOILT[what]
    spoil(world, statements)

    found = sentences(await verify(rt))

    assert set(found) == set(codes.split())
    said = [each for code in found for each in found[code]]
    assert any(sentence.format(**world.names) in each for each in said), said


@pytest.mark.parametrize("what", HARMLESS)
async def test_what_is_in_order_is_let_be(rt: Runtime, world: World, what: str) -> None:
    """A check that cries wolf is soon not read any more."""
    spoil(world, HARMLESS[what])

    assert sentences(await verify(rt)) == {}


async def test_a_number_out_of_order_is_named(rt: Runtime, world: World) -> None:
    with superuser(world.url) as connection:
        first, second = connection.execute(
            "select id, sequence from events where subject_id = %s order by position",
            (world.names["late"],),
        ).fetchall()
        for event_id, number in ((first[0], second[1]), (second[0], first[1])):
            connection.execute("update events set sequence = %s where id = %s", (number, event_id))

    assert sentences(await verify(rt)) == {
        "I8": [
            f"Event {second[0]} of payment {world.names['late']} came after {first[0]}, "
            "and has the lower number.",
        ],
    }


async def test_only_the_first_sentences_are_kept_and_the_rest_counted(
    rt: Runtime, world: World,
) -> None:
    """A million spoilt rows must not fill the memory of the one who looks."""
    with superuser(world.url) as connection:
        connection.execute(
            "insert into facts select 'pay_gone_' || number, 1, now(), 'asked', 'caller', 'unsent',"
            " '', '' from generate_series(1, 250) number"
        )

    report = await verify(rt)

    check = next(check for check in report.checks if check.code == "I11")
    assert (len(check.violations), check.more) == (SENTENCES_MAX, 150)


async def test_all_is_read_as_of_one_moment(
    rt: Runtime, world: World, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is committed while verify runs must not look like a half-written payment."""
    monkeypatch.setattr(invariants, "BATCH", 1)
    seen: list[tuple[int, int]] = []

    def spoil_what_comes_later(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 1:
            spoil(world, "delete from facts; delete from events")

    report = await verify(rt, progress=spoil_what_comes_later)

    assert sentences(report) == {}
    assert seen == [(done, len(STORIES)) for done in range(1, len(STORIES) + 1)]


async def test_who_stops_it_half_way_can_ask_again(rt: Runtime, world: World) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyError(done)

    with pytest.raises(KeyError):
        await verify(rt, progress=stop)

    assert (await verify(rt)).green


def push(rt: Runtime, world: World, name: str, **odd: Any) -> dict[str, Any]:
    """Return what the simulator would say of a payment's push."""
    url = rt.callback_url(PaymentId(world.names[name]))
    heard = sum(fact.source is Source.STK_CALLBACK for fact in STORIES[name])
    paid = name in WITH_MONEY
    amount = MISPAID.amount if name == "review" else PRICE
    assert amount is not None
    return {
        "receipt": receipt(name) if paid else None, "checkout_request_id": checkout_id(name),
        "merchant_request_id": f"mr-{name}", "shortcode": "174379", "phone": PHONE,
        "amount_cents": amount.cents, "account_reference": "INV-7",
        "result_code": "0" if paid else "1", "state": "paid" if paid else "failed",
        "callback_url": url,
        "callbacks_sent": [
            {"at": 0.0, "status": 200, "kind": "genuine", "problem": None, "url": url}
        ] * heard,
    } | odd


def truth(rt: Runtime, world: World, *others: dict[str, Any]) -> dict[str, Any]:
    """Return what really happened, with `others` in the place of what they tell anew."""
    never_sent = {"unsent", "sending"}
    rows = [push(rt, world, name) for name in STORIES if name not in never_sent]
    anew = {row["checkout_request_id"] for row in others}
    kept = [row for row in rows if row["checkout_request_id"] not in anew]
    return {"payments": [*kept, *others], "c2b": [], "payouts": [], "reversals": []}


async def test_books_that_agree_with_the_truth_are_green(rt: Runtime, world: World) -> None:
    stranger = push(
        rt, world, "sending", callback_url="https://elsewhere.example/hook", state="paid",
        receipt="UKL8888888", callbacks_sent=[{"status": 200, "kind": "genuine"}],
    )

    report = await verify(rt, truth=truth(rt, world, stranger))

    assert sentences(report) == {}
    thanked = next(check for check in report.checks if check.code == "I12")
    assert thanked.looked_at == sum(
        fact.source is Source.STK_CALLBACK for story in STORIES.values() for fact in story
    )


@pytest.mark.parametrize("what", UNTRUE)
async def test_what_is_not_true_is_named(rt: Runtime, world: World, what: str) -> None:
    name, odd, code, sentence = UNTRUE[what]

    found = sentences(await verify(rt, truth=truth(rt, world, push(rt, world, name, **odd))))

    assert found == {code: [sentence.format(**world.names)]}


async def test_a_payment_that_was_lost_is_named(rt: Runtime, world: World) -> None:
    """As after a restore of an older backup: the payer paid, and we know nothing."""
    gone = PaymentId(rt.new_id("pay"))
    lost = push(
        rt, world, "sending", callback_url=rt.callback_url(gone), state="paid",
        receipt="UKL6666666", callbacks_sent=[{"status": 200}],
    )

    found = sentences(await verify(rt, truth=truth(rt, world, lost)))

    assert found == {
        "I1": [f"M-Pesa moved money with UKL6666666 for payment {gone}, which is not here."],
        "I12": [f"Payment {gone} has kept 0 callbacks, and 1 were answered with thanks."],
    }


async def test_a_receipt_of_anothers_push_is_named(rt: Runtime, world: World) -> None:
    """Money of one payer must not complete the payment of another."""
    moved = push(rt, world, "completed", callback_url=push(rt, world, "pending")["callback_url"])

    found = sentences(await verify(rt, truth=truth(rt, world, moved)))

    assert (
        "Payment {completed} cites the receipt or ids of a push that was made for payment "
        "{pending}.".format(**world.names)
    ) in found["I1"]


async def test_money_in_flight_is_a_note_and_no_violation(rt: Runtime, world: World) -> None:
    paid = push(rt, world, "pending", state="paid", receipt="UKL5555555")

    report = await verify(rt, truth=truth(rt, world, paid))

    assert sentences(report) == {}
    notes = next(check.notes for check in report.checks if check.code == "I1")
    assert notes == (f"Payment {world.names['pending']} is pending, and will learn of UKL5555555.",)


async def test_money_is_not_in_flight_when_nobody_will_look(rt: Runtime, world: World) -> None:
    spoil(world, "update payments set next_check_at = null where id = '{pending}'")
    paid = push(rt, world, "pending", state="paid", receipt="UKL5555555")

    found = sentences(await verify(rt, truth=truth(rt, world, paid)))

    assert set(found) == {"I1", "I5"}
    assert found["I1"] == [
        f"Payment {world.names['pending']} is pending, M-Pesa moved money (UKL5555555), "
        "and neither a check nor a person will look.",
    ]


async def test_a_callback_in_quarantine_is_not_lost(rt: Runtime, world: World) -> None:
    async with rt.store.transaction() as tx:
        await quarantine.put(
            tx, b"{}", reason="unreadable", source_address="", now=rt.now(),
            payment_id=PaymentId(world.names["completed"]),
        )
    heard_twice = push(
        rt, world, "completed", callbacks_sent=[{"status": 200}, {"status": 200}, {"status": 503}],
    )

    report = await verify(rt, truth=truth(rt, world, heard_twice))

    assert sentences(report) == {}
