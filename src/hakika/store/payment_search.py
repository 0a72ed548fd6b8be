"""Lists of payments and of what was heard about one: filtered, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql

from hakika.domain import ids
from hakika.domain.account_reference import sent_as
from hakika.domain.fact import LateAction
from hakika.domain.ids import CustomerId, MerchantId, PaymentId, SellerId
from hakika.domain.money import Money
from hakika.domain.payment import Payment, State, folded
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import (
    CHECKOUT,
    PHONE,
    REFERENCE,
    HeardFact,
    heard_of,
    payment_of,
)
from hakika.store.payment_statements import COLUMNS
from hakika.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is narrowed to. Times are UTC; `until` is not included, both amounts are."""

    states: Sequence[State] | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None             # a whole receipt, reference, phone, or checkout id
    search_phone: str | None = None       # the same text as a phone number, when it is one
    customer_id: CustomerId | None = None
    amount_min: Money | None = None
    amount_max: Money | None = None
    before: PaymentId | None = None       # the last payment of the page before
    is_explained: bool | None = None      # it is known what the money is for
    late_action: LateAction | None = None
    seller_id: SellerId | None = None


# Ids sort by the time at which they were minted, and so does the index that lists are read from. So
# a span of time is a span of it, and what lies outside is never looked at. An id and `created_at`
# are made together; a minute is for a clock that was put right between the two.
CLOCK_STEP_SECONDS = 60

_CLAUSES = {
    "states": "state = any(%(states)s)",
    "since": "created_at >= %(since)s and id >= %(since_id)s",
    "until": "created_at < %(until)s and id < %(until_id)s",
    "search": "(receipt = upper(%(search)s) or id = %(search)s"
    " or reference_hash in (%(search_reference)s, %(search_sent_as)s)"
    " or checkout_hash = %(search_checkout)s or phone_hash = %(search_phone)s)",
    "customer_id": "customer_id = %(customer_id)s",
    "amount_min": "amount_cents >= %(amount_min)s",
    "amount_max": "amount_cents <= %(amount_max)s",
    "before": "id < %(before)s",
    "unexplained": "not explained",
    "explained": "explained",
    "late_action": "late_action = %(late_action)s",
    "seller_id": "seller_id = %(seller_id)s",
}


async def find(
    tx: Transaction, wanted: Filter, *, merchant_id: MerchantId, livemode: bool, limit: int,
) -> list[Payment]:
    """Return up to `limit` payments of this merchant and mode, newest first."""
    sealer = await tx.sealer(merchant_id)
    values = values_of(wanted, sealer) | {
        "merchant_id": merchant_id, "livemode": livemode, "limit": limit,
    }
    # Never prepared: which index is best depends on the values, such as how rare a state is.
    cursor = await tx.connection.execute(statement(values), values, prepare=False)
    return [payment_of(row, sealer) for row in await cursor.fetchall()]


_RECEIVED: LiteralString = """
    select coalesce(sum(amount_received_cents), 0)::bigint as cents from payments
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s and state = %(state)s
       and state <> 'completed'
"""


async def received(
    tx: Transaction, state: State, *, merchant_id: MerchantId, livemode: bool,
) -> Money:
    """Return what came in for all payments in one state, which is not *completed*."""
    row = await tx.row(_RECEIVED, {
        "merchant_id": merchant_id, "livemode": livemode, "state": state.value,
    })
    assert row is not None, "an aggregate without groups has one row"
    return Money(row["cents"])


_FACTS: LiteralString = """
    select payment_id, sequence, heard_at, kind, source, state, private, link
      from facts where payment_id = %(id)s and sequence > %(after)s
     order by sequence limit %(limit)s
"""


async def facts(
    tx: Transaction, payment: Payment, *, after: int, limit: int,
) -> list[HeardFact]:
    """Return up to `limit` facts of a payment with a sequence above `after`, oldest first."""
    sealer = await tx.sealer(payment.merchant_id)
    rows = await tx.rows(_FACTS, {"id": payment.id, "after": after, "limit": limit})
    return [heard_of(row, sealer) for row in rows]


def statement(values: Mapping[str, Any]) -> sql.Composed:
    """Return the statement that finds what `values` say; those that are None narrow nothing."""
    clauses = [
        sql.SQL("merchant_id = %(merchant_id)s"), sql.SQL("livemode = %(livemode)s"),
        *(sql.SQL(text) for name, text in _CLAUSES.items() if values[name] is not None),
    ]
    return sql.SQL("select {} from payments where {} order by id desc limit %(limit)s").format(
        sql.SQL(COLUMNS), sql.SQL(" and ").join(clauses),
    )


def values_of(wanted: Filter, sealer: Sealer) -> dict[str, Any]:
    """Return what a filter's statement is run with, besides whose payments and how many."""
    search, phone = wanted.search, wanted.search_phone
    return {
        "states": None if wanted.states is None else [state.value for state in wanted.states],
        "since": wanted.since, "until": wanted.until, "search": search,
        "since_id": id_at(wanted.since, -CLOCK_STEP_SECONDS) if wanted.since else None,
        "until_id": id_at(wanted.until, CLOCK_STEP_SECONDS) if wanted.until else None,
        "search_reference": sealer.blind(REFERENCE, folded(search)) if search else None,
        "search_sent_as": sealer.blind(REFERENCE, folded(sent_as(search))) if search else None,
        "search_checkout": sealer.blind(CHECKOUT, search) if search else None,
        "search_phone": sealer.blind(PHONE, phone) if phone else None, "before": wanted.before,
        "customer_id": wanted.customer_id,
        "unexplained": None if wanted.is_explained is not False else True,
        "explained": True if wanted.is_explained else None,
        "late_action": wanted.late_action.value if wanted.late_action else None,
        "seller_id": wanted.seller_id,
        "amount_min": wanted.amount_min.cents if wanted.amount_min else None,
        "amount_max": wanted.amount_max.cents if wanted.amount_max else None,
    }


def id_at(when: datetime, seconds: int) -> str:
    """Return what stands before every payment's id that is minted `seconds` after `when`."""
    return ids.first_at("pay", max(0, int((when.timestamp() + seconds) * 1000)))
