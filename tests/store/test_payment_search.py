"""Lists of payments look at what they show, and not at everything that a merchant ever had."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from hakika.domain.ids import MerchantId, PaymentId, uuid7_bits, write
from hakika.domain.payment import State
from hakika.store import payment_search
from hakika.store.payment_search import Filter
from hakika.store.transaction import Store, Transaction
from tests.store.world import NOON, RECEIPT, born

PAYMENTS = 2_000
LIMIT = 20

# Enough for a page and what a filter leaves out of it; a tenth of the payments would be more.
ROWS_LOOKED_AT_MAX = 100

A_MINUTE = timedelta(minutes=1)
RARE_ONE_IN = 200

# Completed payments, one a minute until NOON; every two hundredth has failed.
GROW = """
    insert into payments
    select (jsonb_populate_record(payments, jsonb_build_object(
        'id', made.id, 'created_at', made.created_at, 'state', made.state,
        'receipt', made.receipt, 'completed_at', made.completed_at, 'failure_code', made.failure,
        'next_check_at', null, 'reference_hash', '\\x' || md5(made.id),
        'phone_hash', '\\x' || md5(made.id)))).*
      from payments, jsonb_to_recordset(%(made)s::jsonb) as made (
        id text, created_at timestamptz, state text, receipt text, completed_at timestamptz,
        failure text)
"""

def _id(when: datetime, *, number: int) -> PaymentId:
    milliseconds = int(when.timestamp() * 1000)
    return PaymentId(write("pay", uuid7_bits(milliseconds=milliseconds, random_bits=number)))


FILTERS = {
    "first page": Filter(),
    "deep page": Filter(before=_id(NOON - PAYMENTS // 2 * A_MINUTE, number=0)),
    "a common state": Filter(states=[State.COMPLETED, State.RECEIPT_AWAITED]),
    "a rare state": Filter(states=[State.FAILED]),
    "states that nothing is in": Filter(states=[State.UNKNOWN, State.REVIEW]),
    "newer than": Filter(since=NOON - 5 * A_MINUTE),
    "newer than, and in a rare state": Filter(
        since=NOON - 300 * A_MINUTE, states=[State.FAILED],
    ),
    "older than": Filter(until=NOON - (PAYMENTS - 50) * A_MINUTE),
    "a receipt": Filter(search=RECEIPT),
    "something that is nowhere": Filter(search="NOWHERE"),
}


async def test_a_page_costs_what_it_shows(store: Store, merchant_id: MerchantId):
    """At a million payments, looking at all of them is half a second for each page."""
    await born(store, merchant_id)
    async with store.transaction() as tx:
        rows = [made(number, NOON - number * A_MINUTE) for number in range(1, PAYMENTS + 1)]
        await tx.connection.execute(GROW, {"made": json.dumps(rows)})
        await tx.execute("analyze payments")
        # Few pages of a small table are cheaper to read whole; a large one's are not.
        await tx.execute("set local enable_seqscan = off")
        costs = {name: await _cost(tx, merchant_id, wanted) for name, wanted in FILTERS.items()}

    assert {name: cost for name, cost in costs.items() if cost > ROWS_LOOKED_AT_MAX} == {}


async def _cost(tx: Transaction, merchant_id: MerchantId, wanted: Filter) -> float:
    """Return how many rows PostgreSQL looks at for a page."""
    values = payment_search.values_of(wanted, await tx.sealer(merchant_id)) | {
        "merchant_id": merchant_id, "livemode": False, "limit": LIMIT,
    }
    cursor = await tx.connection.execute(
        sql.SQL("explain (analyze, format json) ") + payment_search.statement(values), values,
        prepare=False,
    )
    (row,) = await cursor.fetchall()
    return looked_at(row["QUERY PLAN"][0]["Plan"])


def looked_at(plan: dict[str, Any]) -> float:
    """Return how many rows the leaves of a plan have read, kept or not."""
    if below := plan.get("Plans"):
        return sum(map(looked_at, below))
    kept, left_out = plan["Actual Rows"], plan.get("Rows Removed by Filter", 0)
    return float(plan["Actual Loops"] * (kept + left_out))


def made(number: int, when: datetime) -> dict[str, Any]:
    failed = number % RARE_ONE_IN == 0
    return {
        "id": _id(when, number=number), "created_at": when.isoformat(),
        "state": "failed" if failed else "completed",
        "receipt": None if failed else f"UKL{number:07d}",
        "completed_at": None if failed else when.isoformat(),
        "failure": "insufficient_funds" if failed else None,
    }
