"""Each meaning of a search looks at what it finds, by an index of its own, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, LiteralString

import pytest

from hakika.domain.fact import Kind
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.search import Around, Meaning, Named, What
from hakika.store import search
from hakika.store.transaction import Store, Transaction
from tests.store.test_payment_search import GROW, PAYMENTS, looked_at, made
from tests.store.world import ACCEPTED, NOON, ORDERED, PAID, RECEIPT, born, hear

LIMIT = 20
ROWS_LOOKED_AT_MAX = 100
SECOND_RECEIPT = "UKL7SECOND"

# As many inquiries, each about a receipt of its own.
GROW_INQUIRIES: LiteralString = """
    insert into inquiries (id, kind, merchant_id, livemode, provider_id, shortcode_kind, shortcode,
        store_number, receipt, asked_conversation_id, conversation_id, originator_conversation_id,
        state, answer, asked_at)
    select 'inq_' || number, 'status', %(merchant)s, false, '', 'paybill', '174379', '',
           'UKM' || number, '', 'AG_20261121_0000' || number, '', 'asked', '', %(at)s
      from generate_series(1, 2000) as number
"""

# As many postings of the same amount, one a minute until long before NOON.
GROW_BOOKS: LiteralString = """
    insert into postings (merchant_id, livemode, move, debit, credit, amount_cents, shortcode,
        receipt, payment_id, happened_at, posted_at)
    select merchant_id, livemode, move, debit, credit, amount_cents, shortcode, 'UKM' || number,
           'pay_' || number, happened_at - number * interval '1 minute', posted_at
      from postings, generate_series(20, 2000) as number
"""

# What stands for one payment among many, and the indexes that lead to it.
MEANINGS: list[tuple[Meaning, set[str]]] = [
    (Named(What.RECEIPT, RECEIPT), {"payments_receipt_key"}),
    (Named(What.PHONE, "254712345678"), {"payments_phone"}),
    (Named(What.REFERENCE, "ORDER-1"), {"payments_reference"}),
    (Named(What.CHECKOUT_ID, "ws_1"), {"payments_checkout"}),
    (Named(What.MERCHANT_REQUEST_ID, "29115"), {"payments_merchant_request"}),
    (Named(What.CONVERSATION_ID, "AG_20261121_00007"), {"inquiries_conversations"}),
    (
        Around(ORDERED, NOON - timedelta(days=1), NOON + timedelta(minutes=15)),
        {"payments_amount"},
    ),
    (
        Around(ORDERED, NOON - timedelta(minutes=15), NOON + timedelta(minutes=15)),
        {"postings_day"},
    ),
]


async def found(tx: Transaction, merchant_id: MerchantId, meaning: Meaning) -> list[str]:
    return [each.id for each in await search.find(
        tx, meaning, merchant_id=merchant_id, livemode=False, before=None, limit=LIMIT,
    )]


async def test_a_search_costs_what_it_finds(store: Store, merchant_id: MerchantId):
    """Of a million payments, looking at all of them takes half a second."""
    payment = await born(store, merchant_id)
    await hear(store, payment.id, ACCEPTED)
    await hear(store, payment.id, PAID)
    async with store.transaction() as tx:
        rows = [made(number, NOON - number * timedelta(minutes=1)) for number in range(1, PAYMENTS)]
        rows = [row | {"receipt": row["receipt"] and row["receipt"][::-1]} for row in rows]
        await tx.connection.execute(GROW, {"made": json.dumps(rows)})
        await tx.execute(
            "update payments set checkout_hash = reference_hash, merchant_request_id = id,"
            " amount_cents = case when created_at::time = '06:30' then amount_cents else 1 end"
            " where id <> %(id)s", {"id": payment.id},
        )
        await tx.execute(GROW_BOOKS)
        await tx.execute(GROW_INQUIRIES, {"merchant": merchant_id, "at": NOON})
        await tx.execute("analyze payments, postings, inquiries")
        await tx.execute("set local enable_seqscan = off")

        for meaning, indexes in MEANINGS:
            plan = await planned(tx, merchant_id, meaning)
            assert looked_at(plan) <= ROWS_LOOKED_AT_MAX, meaning
            assert indexes <= used(plan), meaning


async def planned(tx: Transaction, merchant_id: MerchantId, meaning: Meaning) -> dict[str, Any]:
    """Return how PostgreSQL finds what a meaning fits."""
    explain: LiteralString = "explain (analyze, format json) "
    values: dict[str, Any] = search.values_of(meaning, await tx.sealer(merchant_id)) | {
        "merchant_id": merchant_id, "livemode": False, "limit": LIMIT, "before": None,
    }
    cursor = await tx.connection.execute(
        explain + search.statement(meaning), values, prepare=False,
    )
    (row,) = await cursor.fetchall()
    return dict(row["QUERY PLAN"][0]["Plan"])


def used(plan: dict[str, Any]) -> set[str]:
    """Return the indexes of a plan."""
    below = (used(each) for each in plan.get("Plans", ()))
    return {plan.get("Index Name", "")}.union(*below)


async def test_a_second_receipt_finds_its_payment(store: Store, merchant_id: MerchantId):
    """The payer paid twice and holds the receipt that settled nothing: only the books have it."""
    payment = await born(store, merchant_id)
    await hear(store, payment.id, PAID)
    await hear(store, payment.id, replace(PAID, receipt=SECOND_RECEIPT))

    async with store.autocommit() as tx:
        assert await found(tx, merchant_id, Named(What.RECEIPT, SECOND_RECEIPT)) == [payment.id]


async def test_pages_of_one_amount_miss_nothing(store: Store, merchant_id: MerchantId):
    """Each of the two ways has its newest ones; together they must still be all."""
    made = [await born(store, merchant_id, key=f"order-{number}") for number in range(5)]
    for number, payment in enumerate(made[::2]):
        await hear(store, payment.id, replace(PAID, receipt=f"UKL7PAGE{number:02d}"))
    about = Around(ORDERED, NOON - timedelta(minutes=1), NOON + timedelta(minutes=1))
    walked: list[str] = []
    async with store.autocommit() as tx:
        while page := await search.find(
            tx, about, merchant_id=merchant_id, livemode=False, limit=2,
            before=PaymentId(walked[-1]) if walked else None,
        ):
            walked += [each.id for each in page]

    assert walked == sorted((each.id for each in made), reverse=True)


@pytest.mark.parametrize("cents", [ORDERED.cents, 49_900])
async def test_money_of_another_amount_is_found_by_what_came_and_by_what_was_asked(
    store: Store, merchant_id: MerchantId, cents: int,
):
    """The payer says what the message says, which is not what was asked for."""
    payment = await born(store, merchant_id)
    await hear(store, payment.id, replace(PAID, kind=Kind.MISPAID, amount=Money(49_900)))
    about = Around(Money(cents), NOON - timedelta(minutes=1), NOON + timedelta(minutes=1))

    async with store.autocommit() as tx:
        assert await found(tx, merchant_id, about) == [payment.id]


async def test_money_told_of_later_is_found_by_when_it_moved(
    store: Store, merchant_id: MerchantId,
):
    """M-Pesa's list may tell of it a day later; the payer knows when it was paid."""
    payment = await born(store, merchant_id)
    await hear(store, payment.id, PAID)
    moved_at = NOON - timedelta(hours=5)
    async with store.transaction() as tx:
        await tx.execute("set local session_replication_role = replica")  # postings never change
        await tx.execute(
            "update postings set happened_at = %(at)s where payment_id = %(id)s",
            {"at": moved_at, "id": payment.id},
        )
        about = Around(ORDERED, moved_at, moved_at + timedelta(minutes=1))

        assert await found(tx, merchant_id, about) == [payment.id]


async def test_a_receipt_that_only_a_witness_has_finds_the_payment(
    store: Store, merchant_id: MerchantId,
):
    payment = await born(store, merchant_id)
    async with store.transaction() as tx:
        await tx.execute("""
            insert into witnesses values ('UKL7LATER1', '600966', false, 'pull', %(merchant)s,
                77700, %(at)s, %(at)s, '', %(payment)s, null)
        """, {"merchant": merchant_id, "at": NOON, "payment": payment.id})

        assert await found(tx, merchant_id, Named(What.RECEIPT, "UKL7LATER1")) == [payment.id]
