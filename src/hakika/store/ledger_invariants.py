"""All postings, for `services/verify.py`; see `invariants.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import LiteralString

from psycopg.rows import DictRow

from hakika.domain.ledger import Posted
from hakika.domain.ledger_invariant import StoredPosting
from hakika.store.ledger import posted_of, readable
from hakika.store.transaction import Transaction

BATCH = 1_000

_OF_PAYMENTS: LiteralString = """
    select payment_id as subject_id, postings.* from postings
     where payment_id = any(%(ids)s) order by payment_id, position
"""

_CHAINED: LiteralString = """
    select links.merchant_id, links.livemode, links.sequence, links.link, postings.move, debit,
           credit, amount_cents, shortcode, receipt, payment_id, happened_at, posted_at
      from posting_links links left join postings using (position)
     order by links.merchant_id, links.livemode, links.sequence
"""


async def of_payments(tx: Transaction, payment_ids: Sequence[str]) -> list[DictRow]:
    """Return the rows of some payments' postings, oldest first."""
    return await tx.rows(_OF_PAYMENTS, {"ids": payment_ids})


def stored_posting(row: DictRow) -> StoredPosting:
    """Return the posting of a row, read if it can be."""
    return StoredPosting(
        readable(row), row["receipt"], row["merchant_id"], row["livemode"],
        is_stated=row["line"] is not None,
    )


async def chained(tx: Transaction) -> AsyncGenerator[list[tuple[str, bool, Posted]], None]:
    """Yield every chained posting with its merchant and mode, in order, some at a time.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    async with tx.connection.cursor(name="hakika_verify_postings") as cursor:
        await cursor.execute(_CHAINED)
        while rows := await cursor.fetchmany(BATCH):
            yield [(row["merchant_id"], row["livemode"], posted_of(row)) for row in rows]
