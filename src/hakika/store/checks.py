"""What is due to be looked at again, and the budget of status queries of each short code."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString

from hakika.domain.ids import PaymentId
from hakika.domain.money import Money
from hakika.domain.patience import Waiting
from hakika.domain.payment import Payment
from hakika.store.payment_statements import COLUMNS
from hakika.store.payments import opened
from hakika.store.transaction import Transaction

# What one round looks at; what is left over is found by the next, half a second later.
DUE_MAX = 500

# More than any query budget can ask about in an hour; the most urgent of them go first.
WAITING_MAX = 5000

_DUE_BY_CLOCK: LiteralString = """
    select id from payments
     where next_check_at is not null and (
           (state in ('unsent', 'sending') and next_check_at <= %(now)s)
        or (state = 'pending' and asked_at <= %(overdue)s)
        or (state = 'unknown' and not lapsed and asked_at <= %(lapsing)s))
     order by next_check_at limit %(limit)s
"""

_WAITING: LiteralString = """
    select id, amount_cents, asked_at, state = 'unknown' as is_unknown from payments
     where next_check_at <= %(now)s and state in ('pending', 'unknown')
       and checkout_hash is not null and shortcode = %(shortcode)s and livemode = %(livemode)s
     order by next_check_at limit %(limit)s
"""

# The short codes that payments wait on; the waiting are few beside the settled.
_SHORTCODES: LiteralString = """
    select distinct shortcode, livemode from payments
     where next_check_at <= %(now)s and state in ('pending', 'unknown')
       and checkout_hash is not null
"""

_TAKE: LiteralString = (
    """
    update payments set next_check_at = %(lease)s
     where id = %(id)s and next_check_at <= %(now)s and state in ('pending', 'unknown')
    returning """
    + COLUMNS
)

_POSTPONE: LiteralString = """
    update payments set next_check_at = %(until)s where id = %(id)s and next_check_at is not null
"""

_BUDGET: LiteralString = """
    select next_free_at from query_budgets
     where shortcode = %(shortcode)s and livemode = %(livemode)s
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


async def due_by_clock(
    tx: Transaction, *, now: datetime, overdue: datetime, lapsing: datetime,
) -> list[PaymentId]:
    """Return payments about which the time alone says something, longest due first.

    `overdue` and `lapsing` are the newest pushes that are too old to be pending, and to be unknown.
    """
    rows = await tx.rows(
        _DUE_BY_CLOCK, {"now": now, "overdue": overdue, "lapsing": lapsing, "limit": DUE_MAX},
    )
    return [PaymentId(row["id"]) for row in rows]


async def shortcodes_waited_on(tx: Transaction, *, now: datetime) -> list[tuple[str, bool]]:
    """Return short codes and modes with payments that are due to be asked about."""
    rows = await tx.rows(_SHORTCODES, {"now": now})
    return [(row["shortcode"], row["livemode"]) for row in rows]


async def waiting(
    tx: Transaction, shortcode: str, *, livemode: bool, now: datetime,
) -> list[Waiting]:
    """Return payments of a short code that are due to be asked about."""
    rows = await tx.rows(
        _WAITING,
        {"shortcode": shortcode, "livemode": livemode, "now": now, "limit": WAITING_MAX},
    )
    return [
        Waiting(
            PaymentId(row["id"]), Money(row["amount_cents"]), row["asked_at"],
            is_unknown=row["is_unknown"],
        )
        for row in rows
    ]


async def take(
    tx: Transaction, payment_id: PaymentId, *, now: datetime, lease: datetime,
) -> Payment | None:
    """Return a due payment, held until `lease` so that nobody else checks it, or None."""
    return await opened(tx, await tx.row(_TAKE, {"id": payment_id, "now": now, "lease": lease}))


async def postpone(tx: Transaction, payment: Payment, *, until: datetime) -> None:
    """Put off the next check of a payment that is still waiting."""
    await tx.execute(_POSTPONE, {"id": payment.id, "until": until})


async def has_budget(
    tx: Transaction, shortcode: str, *, livemode: bool, now: datetime,
) -> bool:
    """Say whether a query of this short code could be asked now."""
    row = await tx.row(_BUDGET, {"shortcode": shortcode, "livemode": livemode})
    return row is None or bool(row["next_free_at"] <= now)


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
