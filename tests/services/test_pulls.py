"""M-Pesa's own list is heard by the page: mostly it tells what is known, and not always."""

from __future__ import annotations

import pytest

from hakika.domain.fact import Source
from hakika.domain.money import Money
from hakika.domain.witness import Witness
from hakika.services import witnesses
from hakika.services.witnesses import Outcome
from tests.services.test_witnesses import OURS, asked, provider, verified
from tests.services.world import paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPTS = ["UKP000001A", "UKP000001B", "UKP000001C"]


async def test_a_page_of_a_list_is_heard_as_each_of_its_rows_would_be(world):
    """Rows that agree are kept together. One among them that does not must not pass with them."""
    await provider(world)
    one, other = await asked(world), await asked(world)
    for payment, its in zip((one, other), RECEIPTS, strict=False):
        await world.call_back(payment, paid(payment, receipt=its))
    page = [
        Witness(
            Source.PULL, world.key.merchant_id, False, OURS, each, amount, world.rt.now(),
            reference="RENT", payer=one.payer, raw=b"{}",
        )
        for each, amount in zip(RECEIPTS, (one.amount, Money(100), Money(100)), strict=True)
    ]

    heard = [await witnesses.hear_many(world.rt, page) for _ in range(2)]

    assert [dict(each) for each in heard] == [
        {Outcome.KNOWN: 2, Outcome.UNASKED: 1}, {Outcome.KNOWN: 3},
    ]
    assert not (await world.read(one.id)).needs_review
    assert (await world.read(other.id)).needs_review
    kept = world.rows(
        "select payment_id, next_try_at from witnesses where source = 'pull' and merchant_id = %s"
        " order by receipt", world.key.merchant_id,
    )
    assert [row["payment_id"] for row in kept][:2] == [one.id, other.id]
    assert all(row["payment_id"] and row["next_try_at"] is None for row in kept)
    await verified(world)
