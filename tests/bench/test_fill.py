"""The store that the bench fills looks like one that has grown."""

from __future__ import annotations

import psycopg

from bench import fill
from hakika.domain.ids import MerchantId, PaymentId
from hakika.store import payment_search
from hakika.store.payment_search import Filter
from tests.services import books

UNTIL = 60
TABLES = ("payments", "idempotency_keys", "events", "deliveries", "attempts")


async def test_a_filled_store_has_as_many_of_everything_and_can_be_read(database_url: str):
    """Lists open what is sealed, and a store without its facts and events would be too fast."""
    names = await books.bear(database_url)
    shop, template = MerchantId(names["other"]), PaymentId(names["foreign"])
    before = counts(database_url)

    async with books.runtime(database_url) as rt:
        await fill.fill(rt, shop, templates=[template], until=UNTIL, progress=lambda *_: None)
        async with rt.store.autocommit() as tx:
            (found,) = await payment_search.find(
                tx, Filter(search=fill.receipt_of(UNTIL - 1)), merchant_id=shop, livemode=False,
                limit=2,
            )

    added = {table: count - before[table] for table, count in counts(database_url).items()}
    assert added == dict.fromkeys(TABLES, UNTIL - before["payments"])
    assert found.payer is not None and found.payer.digits == fill.phone_of(UNTIL - 1)
    assert found.reference == fill.reference_of(UNTIL - 1)


def counts(url: str) -> dict[str, int]:
    """Return how many rows each table has."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(f"select count(*) from {table}").fetchall()[0][0]
            for table in TABLES
        }
