"""The refunds of payments, for `services/verify.py`; see `invariants.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from psycopg.rows import DictRow

from hakika.domain.ids import PayoutId
from hakika.domain.money import Money
from hakika.domain.payout import State
from hakika.domain.refund_invariant import StoredRefund
from hakika.store.transaction import Transaction

_OF_PAYMENTS: LiteralString = """
    select payment_id as subject_id, id, state, amount_cents, amount_sent_cents, receipt
      from payouts where payment_id = any(%(ids)s) and purpose = 'refund' order by id
"""

_STATES = frozenset(each.value for each in State)


async def of_payments(tx: Transaction, payment_ids: Sequence[str]) -> list[DictRow]:
    """Return the rows of some payments' refunds, oldest first."""
    return await tx.rows(_OF_PAYMENTS, {"ids": payment_ids})


def stored_refunds(rows: Sequence[DictRow]) -> tuple[StoredRefund, ...]:
    """Return the refunds of rows. One in a state that is none is told of with the payouts."""
    return tuple(
        StoredRefund(
            PayoutId(row["id"]), State(row["state"]), Money(row["amount_cents"]),
            None if row["amount_sent_cents"] is None else Money(row["amount_sent_cents"]),
            row["receipt"] or "",
        )
        for row in rows if row["state"] in _STATES
    )
