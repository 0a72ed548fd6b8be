"""Postings: written with their change, chained without gaps, and out of everybody's reach."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from hakika.domain.ids import MerchantId
from hakika.domain.ledger import Chain, Posted
from hakika.domain.money import Money
from hakika.store import ledger
from hakika.store.payments import ReceiptTaken
from hakika.store.transaction import StatementRefused, Store
from tests.store.world import PAID, add_merchant, born, hear

PAYMENTS = 12


async def paid(store: Store, merchant_id: MerchantId, place: int) -> None:
    payment = await born(store, merchant_id, key=f"order-{place}")
    await hear(store, payment.id, replace(PAID, receipt=f"UKL7RT6{place:03d}"))


async def chain(store: Store, merchant_id: MerchantId) -> int:
    async with store.transaction() as tx:
        return await ledger.chain(tx, merchant_id, livemode=False)


async def posted(store: Store, merchant_id: MerchantId, *, after: int = 0) -> list[Posted]:
    async with store.autocommit() as tx:
        return await ledger.after(
            tx, after, merchant_id=merchant_id, livemode=False, limit=1000,
        )


async def test_the_chain_never_forks_while_many_write_and_many_chain(store, merchant_id):
    """Two who take the same head would give two postings one number. (faults.md C6)"""
    writing = asyncio.gather(*(paid(store, merchant_id, place) for place in range(PAYMENTS)))
    while not writing.done():
        await asyncio.gather(chain(store, merchant_id), chain(store, merchant_id))
    await writing
    await chain(store, merchant_id)

    found = await posted(store, merchant_id)
    chain_of = Chain(merchant_id, livemode=False)
    assert [sentence for each in found for sentence in chain_of.breaches(each)] == []
    assert [each.sequence for each in found] == list(range(1, PAYMENTS + 1))
    assert len({each.link for each in found}) == PAYMENTS


async def test_merchants_have_chains_of_their_own(store, merchant_id):
    other = await add_merchant(store)
    await paid(store, merchant_id, 1)
    await paid(store, other, 2)
    async with store.autocommit() as tx:
        assert await ledger.waiting(tx) == sorted([(merchant_id, False), (other, False)])

    assert await chain(store, merchant_id) == await chain(store, other) == 1
    assert [each.sequence for each in await posted(store, other)] == [1]
    async with store.autocommit() as tx:
        assert await ledger.waiting(tx) == []


async def test_the_sums_of_accounts_are_those_of_what_is_chained(store, merchant_id):
    """Reading a balance costs the same, however many postings there are."""
    for place in range(3):
        await paid(store, merchant_id, place)
        await chain(store, merchant_id)

    async with store.autocommit() as tx:
        found = await ledger.sums(tx, merchant_id, livemode=False)
    assert [(each.account, each.debits.cents, each.credits.cents) for each in found] == [
        ("collected", 0, 150_000), ("float:174379:utility", 150_000, 0),
    ]


async def test_whoever_finds_nothing_to_chain_writes_nothing(store, merchant_id):
    async with store.autocommit() as tx:
        assert not await ledger.waits(tx, merchant_id, livemode=False)
        await paid(store, merchant_id, 1)
        assert await ledger.waits(tx, merchant_id, livemode=False)


async def test_more_than_one_batch_is_one_chain(store, merchant_id, monkeypatch):
    monkeypatch.setattr(ledger, "CHAINED_MAX", 2)
    for place in range(3):
        await paid(store, merchant_id, place)

    assert [await chain(store, merchant_id) for _ in range(3)] == [2, 1, 0]
    found = await posted(store, merchant_id)
    assert [second.sequence - first.sequence for first, second in pairwise(found)] == [1, 1]


@pytest.mark.parametrize(
    "statement",
    [
        "update postings set amount_cents = 1", "delete from postings", "truncate postings",
        "update posting_links set link = ''", "delete from posting_links",
        "truncate posting_links",
    ],
)
async def test_no_statement_changes_or_deletes_a_posting(store, merchant_id, statement):
    """Not even a superuser's, unless he takes the triggers off first. (I2)"""
    await paid(store, merchant_id, 1)
    await chain(store, merchant_id)

    with pytest.raises(StatementRefused, match="never changed or deleted"):
        async with store.transaction() as tx:
            await tx.execute(statement)


async def test_who_owns_the_tables_lost_the_right_to_change_them(store):
    """Of a role that is no superuser, as in production. (faults.md C9)"""
    async with store.autocommit() as tx:
        found = await tx.rows("""
            select table_name, privilege_type from information_schema.role_table_grants
             where table_name in ('postings', 'posting_links')
               and privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE')
        """)
    assert found == []


@pytest.mark.parametrize(
    "values", ["0, 'float:1:utility', 'collected'", "1, 'collected', 'collected'"],
)
async def test_a_posting_that_moves_nothing_is_refused(store, values):
    """The database keeps the books in balance by itself, whatever the code does. (I2)"""
    with pytest.raises(StatementRefused, match="violates check constraint"):
        async with store.transaction() as tx:
            await tx.execute(
                "insert into postings (amount_cents, debit, credit, merchant_id, livemode, move,"
                " shortcode, receipt, payment_id, happened_at, posted_at) values ("
                + values + ", 'mer', false, 'collection', '1', 'R', 'pay', now(), now())"
            )


async def test_a_receipt_that_is_posted_is_taken_for_every_other_payment(store, merchant_id):
    """Also when the first payment has it as a second receipt, which is in no row but the books."""
    first = await born(store, merchant_id, key="order-1")
    await hear(store, first.id, replace(PAID, receipt="UKL7RT6001"))
    await hear(store, first.id, PAID)
    second = await born(store, merchant_id, key="order-2")

    with pytest.raises(ReceiptTaken):
        await hear(store, second.id, PAID)

    await chain(store, merchant_id)
    async with store.autocommit() as tx:
        sums = {each.account: each for each in await ledger.sums(tx, merchant_id, livemode=False)}
    assert sums["float:174379:utility"].debits == Money.shillings(1_000)
    assert sums["suspense"].credits == sums["collected"].credits == Money.shillings(500)
