"""Every customer with its events, for `services/verify.py`; see `invariants.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import LiteralString

from psycopg.rows import DictRow

from hakika.domain.customer_invariant import CustomerStory
from hakika.domain.ids import CustomerId, MerchantId
from hakika.store.customers import customer_of
from hakika.store.invariants import BATCH, UNREADABLE, by_subject, events_of, sealers, stored_event
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

_CUSTOMERS: LiteralString = """
    select id, merchant_id, livemode, private, created_at, updated_at, deleted_at
      from customers order by id
"""


async def stories(tx: Transaction) -> AsyncGenerator[list[CustomerStory], None]:
    """Yield every customer with its events, oldest first, some at a time.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    async with tx.connection.cursor(name="hakika_verify_customers") as cursor:
        await cursor.execute(_CUSTOMERS)
        while rows := await cursor.fetchmany(BATCH):
            events = by_subject(await events_of(tx, [row["id"] for row in rows]))
            found = await sealers(tx, {row["merchant_id"] for row in rows})
            yield [_story(row, events[row["id"]], found.get(row["merchant_id"])) for row in rows]


def _story(row: DictRow, event_rows: list[DictRow], sealer: Sealer | None) -> CustomerStory:
    is_erased = row["deleted_at"] is not None
    customer = None
    if not is_erased and sealer is not None:
        try:
            customer = customer_of(row, sealer)
        except UNREADABLE:
            customer = None
    return CustomerStory(
        id=CustomerId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], is_erased=is_erased, customer=customer,
        events=() if sealer is None else tuple(stored_event(each, sealer) for each in event_rows),
    )
