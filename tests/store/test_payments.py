"""Payments and facts as rows: written whole or not at all, and never changed behind our back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import psycopg
import pytest

from hakika.domain.fact import Fact, Kind, Reason, Source
from hakika.domain.ids import EndpointId, MerchantId
from hakika.domain.payment import Change, Payment, State, advance
from hakika.domain.webhook import Endpoint
from hakika.store import idempotency, payments, webhooks
from hakika.store.payment_rows import fact_of
from hakika.store.payments import ReceiptTaken
from hakika.store.transaction import Store
from tests.store.world import (
    ACCEPTED,
    ASKED,
    FINGERPRINT,
    NOON,
    PAID,
    RECEIPT,
    SILENT,
    add_merchant,
    asked,
    begin,
    born,
    hear,
    new_id,
    told,
)

DECLINED = Fact(
    Kind.DECLINED, Source.STK_CALLBACK, note="A note.", raw=b"\x00\xff",
    reason=Reason("insufficient_funds", "1", "dev", "payer", "mlipaji", "daraja", retryable=True),
)


def endpoint_of(merchant_id: MerchantId) -> Endpoint:
    return Endpoint(
        id=EndpointId("whe_mine"), merchant_id=merchant_id, livemode=False,
        url="https://a.example/", secret="whsec_x", events=frozenset(), created_at=NOON,
    )


async def written(store: Store, change: Change, *, answer: dict[str, str] | None = None) -> bool:
    """Write a change as the services do, unless somebody was faster."""
    payment = change.after
    async with store.autocommit() as tx:
        sealer = await tx.sealer(payment.merchant_id)
        sealed = idempotency.sealed_answer(payment.id, answer, sealer) if answer else None
        return await payments.apply(tx, change, told(change), forgotten=NOON, answer=sealed)


async def read(store: Store, payment: Payment) -> Payment | None:
    async with store.autocommit() as tx:
        return await payments.read(
            tx, payment.id, merchant_id=payment.merchant_id, livemode=payment.livemode,
        )


async def count(store: Store, statement: str) -> int:
    async with store.pool.connection() as connection:
        row = await (await connection.execute(statement)).fetchone()
    assert row is not None
    return int(row["count"])


async def test_a_payment_comes_back_as_it_went_in(store, merchant_id):
    """A column that is forgotten is a decision that is forgotten."""
    payment = await born(store, merchant_id)
    for fact in (ACCEPTED, DECLINED, PAID):
        payment = await hear(store, payment.id, fact)

    assert await read(store, payment) == payment


async def test_facts_come_back_as_they_were_heard(store, merchant_id):
    """Their hashes are made of them again, years later."""
    payment = await born(store, merchant_id)
    for fact in (ACCEPTED, DECLINED, PAID):
        payment = await hear(store, payment.id, fact)

    async with store.autocommit() as tx:
        heard = await payments.heard(tx, payment)

    assert [fact_of(each) for each in heard] == [ASKED, ACCEPTED, DECLINED, PAID]
    assert [each.sequence for each in heard] == [1, 2, 3, 4]
    assert heard[-1].link == payment.facts_link


async def test_a_key_bears_one_payment(store, merchant_id):
    """The second request with a key writes nothing: no payment, no fact, no endpoint."""
    first, second = asked(merchant_id), asked(merchant_id)
    async with store.transaction() as tx:
        assert await begin(tx, first)
    async with store.transaction() as tx:
        assert not await begin(tx, second)

    assert await read(store, second.after) is None
    assert await count(store, "select count(*) from facts") == 1
    async with store.autocommit() as tx:
        claim = await idempotency.claim(tx, "order-1", merchant_id=merchant_id, livemode=False)
    assert claim is not None
    assert (claim.payment_id, claim.fingerprint) == (first.after.id, FINGERPRINT)


async def test_of_many_requests_with_one_key_one_bears_the_payment(store, merchant_id):
    """An impatient caller sends again before the first is through."""

    async def one() -> bool:
        async with store.transaction() as tx:
            return await begin(tx, asked(merchant_id))

    won = await asyncio.gather(*(one() for _ in range(20)))

    assert sum(won) == 1
    assert await count(store, "select count(*) from payments") == 1


async def test_keys_of_two_merchants_are_two_keys(store, merchant_id):
    """Everybody's first order is order-1."""
    other = await add_merchant(store)

    await born(store, merchant_id)
    await born(store, other)

    assert await count(store, "select count(*) from payments") == 2


async def test_the_first_answer_to_a_key_stands(store, merchant_id):
    """The same key is answered alike for ever, whatever became of the payment."""
    payment = await born(store, merchant_id)
    for fact in (ACCEPTED, SILENT):
        change = advance(payment, fact, now=NOON)
        assert await written(store, change, answer={"status": change.after.status.value})
        payment = change.after

    async with store.autocommit() as tx:
        claim = await idempotency.claim(tx, "order-1", merchant_id=merchant_id, livemode=False)
    assert claim is not None
    assert claim.answer == {"status": "pending"}


async def test_of_two_moves_of_one_payment_one_wins(store, merchant_id):
    """Both saw it sending, without a lock: the later one judges again, and overwrites nothing."""
    payment = await born(store, merchant_id)

    async def move(fact: Fact) -> bool:
        return await written(store, advance(payment, fact, now=NOON))

    ended = await asyncio.gather(*(move(fact) for fact in (ACCEPTED, SILENT) * 3))

    assert sorted(ended) == [False] * 5 + [True]
    assert await count(store, "select count(*) from facts") == 2


async def test_whoever_is_overtaken_writes_nothing_at_all(store, merchant_id):
    """No event, no delivery, no answer, and the prompt stays where it is."""
    payment = await born(store, merchant_id)
    async with store.transaction() as tx:
        await webhooks.add(tx, endpoint_of(merchant_id))
    assert await written(store, advance(payment, ACCEPTED, now=NOON))

    late = advance(payment, DECLINED, now=NOON)
    assert late.events
    assert not await written(store, late, answer={"status": "failed"})

    assert await count(store, "select count(*) from payments where state = 'pending'") == 1
    for table in ("events", "deliveries"):
        assert await count(store, f"select count(*) from {table}") == 0
    assert await count(store, "select count(*) from open_prompts") == 1
    assert await count(store, "select count(answer) from idempotency_keys") == 0


async def test_a_change_that_fails_leaves_nothing_behind(store, merchant_id):
    """State, fact and events are one commit. (I8)"""
    payment = await born(store, merchant_id)
    change = advance(payment, PAID, now=NOON)

    with pytest.raises(RuntimeError):
        async with store.transaction() as tx:
            await payments.apply(tx, change, told(change), forgotten=NOON)
            raise RuntimeError("the process dies here")

    assert await read(store, payment) == payment
    assert await count(store, "select count(*) from events") == 0
    assert await count(store, "select count(*) from facts") == 1


async def test_a_receipt_belongs_to_one_payment(store, merchant_id):
    """The same money must not pay two orders; the second is shown to a person. (I1)"""
    first = await born(store, merchant_id, key="order-1")
    second = await born(store, merchant_id, key="order-2")
    await hear(store, first.id, PAID)

    with pytest.raises(ReceiptTaken, match=RECEIPT):
        await hear(store, second.id, PAID)

    assert await read(store, second) == second


async def test_two_payments_that_race_for_a_receipt_cannot_both_have_it(store, merchant_id):
    """Each saw a database in which nobody had it."""
    rivals = [await born(store, merchant_id, key=f"order-{n}") for n in range(6)]

    ended = await asyncio.gather(
        *(hear(store, each.id, PAID) for each in rivals), return_exceptions=True,
    )

    assert [type(each) for each in ended].count(Payment) == 1
    assert [type(each) for each in ended].count(ReceiptTaken) == 5


async def test_a_payment_of_another_merchant_or_mode_is_not_there(store, merchant_id):
    """The merchant is part of every question, so a guessed id tells nothing. (I13)"""
    payment = await born(store, merchant_id)
    stranger = MerchantId(new_id("mer"))

    assert await read(store, replace(payment, merchant_id=stranger)) is None
    assert await read(store, replace(payment, livemode=True)) is None


async def test_each_wanted_event_has_a_delivery_in_the_same_commit(store, merchant_id):
    """For every endpoint that wants it, and for no other. (I9)"""
    payment = await born(store, merchant_id)
    mine = endpoint_of(merchant_id)
    stranger = await add_merchant(store)
    async with store.transaction() as tx:
        for endpoint in (
            mine, replace(mine, id=EndpointId("whe_theirs"), merchant_id=stranger),
            replace(mine, id=EndpointId("whe_live"), livemode=True),
        ):
            await webhooks.add(tx, endpoint)

    await hear(store, payment.id, PAID)

    assert await count(
        store, "select count(*) from deliveries where endpoint_id = 'whe_mine'",
    ) == 1
    assert await count(store, "select count(*) from deliveries") == 1


@pytest.mark.parametrize("statement", [
    "update facts set kind = 'paid'", "update facts set private = ''", "delete from facts",
    "truncate facts", "update facts_2026_03 set kind = 'paid'", "delete from facts_2026_03",
    "truncate facts_2026_03",
])
async def test_facts_are_never_changed_or_deleted(store, merchant_id, statement):
    """They are the audit log: not even our own mistake may rewrite it. (I11)"""
    await born(store, merchant_id)

    with pytest.raises(psycopg.errors.RestrictViolation, match="never changed or deleted"):
        await count(store, statement)

    assert await count(store, "select count(*) from facts where kind = 'asked'") == 1


@pytest.mark.parametrize("statement", [
    "update payments set amount_cents = 0", "update payments set state = 'paid'",
    "update payments set state = 'completed', completed_at = now()",
    "update payments set state = 'failed'", "update payments set completed_at = now()",
    "update payments set failure_code = 'x'",
])
async def test_the_schema_refuses_a_state_that_cannot_be(store, merchant_id, statement):
    """The second pair of eyes, for the day our code is wrong."""
    await born(store, merchant_id)

    with pytest.raises(psycopg.errors.CheckViolation):
        await count(store, statement)


async def test_every_state_can_be_stored(store, merchant_id):
    """A state that the grid knows and the schema does not would be lost at the worst moment."""
    async with store.autocommit() as tx:
        row = await tx.row(
            "select pg_get_constraintdef(oid) as rule from pg_constraint"
            " where conname = 'payments_state_check'",
        )

    assert row is not None
    assert [state for state in State if f"'{state}'" not in row["rule"]] == []
