"""What has come of a statement's lines since it was imported."""

from __future__ import annotations

from typing import LiteralString

from hakika.domain.ids import StatementId
from hakika.store.transaction import Transaction

# A collection that waited is matched as soon as a payment has its receipt.
_WAITING: LiteralString = """
    select count(*) as count from statement_lines line
     where statement_id = %(id)s and fate = 'waiting' and not exists (
        select from postings
         where postings.receipt = line.receipt and postings.livemode = line.livemode
           and postings.merchant_id = line.merchant_id and move = 'collection'
     )
"""


async def waiting(tx: Transaction, statement_id: StatementId) -> int:
    """Return how many lines of a statement still wait for their payment."""
    row = await tx.row(_WAITING, {"id": statement_id})
    assert row is not None, "a count has one row"
    return int(row["count"])
