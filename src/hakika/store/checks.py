"""What is due to be looked at again, and the budget of status queries of each short code."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString

from hakika.domain.payment import Payment
from hakika.store.payments import COLUMNS, payment_of
from hakika.store.transaction import Transaction

# More than any query budget can ask about in an hour; the most urgent of them go first.
DUE_MAX = 500

_DUE: LiteralString = (
    "select " + COLUMNS + " from payments where next_check_at <= %(now)s"
    " order by next_check_at limit %(limit)s"
)

_TAKE: LiteralString = """
    update payments set next_check_at = %(lease)s
     where id = %(id)s and facts_count = %(facts_count)s and next_check_at = %(due_at)s
    returning id
"""

_POSTPONE: LiteralString = """
    update payments set next_check_at = %(until)s where id = %(id)s and next_check_at is not null
"""

_OPEN_BUDGET: LiteralString = """
    insert into query_budgets (shortcode, livemode, next_free_at)
    values (%(shortcode)s, %(livemode)s, %(now)s) on conflict do nothing
"""

_SPEND: LiteralString = """
    update query_budgets set next_free_at = greatest(next_free_at, %(now)s) + %(interval)s
     where shortcode = %(shortcode)s and livemode = %(livemode)s and next_free_at <= %(now)s
    returning shortcode
"""

_CLOSE_UNTIL: LiteralString = """
    update query_budgets set next_free_at = greatest(next_free_at, %(until)s)
     where shortcode = %(shortcode)s and livemode = %(livemode)s
"""


async def due(tx: Transaction, *, now: datetime) -> list[Payment]:
    """Return payments whose next check is due, longest overdue first."""
    rows = await tx.rows(_DUE, {"now": now, "limit": DUE_MAX})
    return [payment_of(row) for row in rows]


async def take(tx: Transaction, payment: Payment, *, lease: datetime) -> bool:
    """Hold a due payment until `lease`, so that nobody else checks it; False: another has it."""
    row = await tx.row(
        _TAKE,
        {
            "id": payment.id, "facts_count": payment.facts_count,
            "due_at": payment.next_check_at, "lease": lease,
        },
    )
    return row is not None


async def postpone(tx: Transaction, payment: Payment, *, until: datetime) -> None:
    """Put off the next check of a payment that is still waiting."""
    await tx.execute(_POSTPONE, {"id": payment.id, "until": until})


async def spend(
    tx: Transaction, shortcode: str, *, livemode: bool, interval: timedelta, now: datetime,
) -> bool:
    """Take one query from the budget of a short code; False: none is left just now."""
    whose = {"shortcode": shortcode, "livemode": livemode, "now": now}
    await tx.execute(_OPEN_BUDGET, whose)
    return await tx.row(_SPEND, whose | {"interval": interval}) is not None


async def close_until(
    tx: Transaction, shortcode: str, *, livemode: bool, until: datetime,
) -> None:
    """Ask nothing for this short code before `until`: Daraja said that it is too much."""
    await tx.execute(_CLOSE_UNTIL, {"shortcode": shortcode, "livemode": livemode, "until": until})
