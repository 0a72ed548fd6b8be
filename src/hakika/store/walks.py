"""Everything of a merchant and mode, oldest first, a page at a time: for exports of any length.

Each page is a statement of its own and goes on where the one before ended, so that nobody holds a
snapshot for minutes. Each walk returns the place to go on from, or None: that was the last page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from hakika.domain.closing import Closing
from hakika.domain.discrepancy import Discrepancy
from hakika.domain.ids import MerchantId
from hakika.domain.ledger import Posted
from hakika.domain.payment import Payment
from hakika.store.closing import closing_of
from hakika.store.discrepancies import discrepancy_of
from hakika.store.ledger import posted_of
from hakika.store.payment_rows import payment_of
from hakika.store.payment_search import CLOCK_STEP_SECONDS, id_at
from hakika.store.payment_statements import COLUMNS
from hakika.store.transaction import Transaction

_WHOSE: LiteralString = "merchant_id = %(merchant_id)s and livemode = %(livemode)s"

_DURING: LiteralString = """
    and (%(since)s::timestamptz is null or {time} >= %(since)s)
    and (%(until)s::timestamptz is null or {time} < %(until)s)
"""

# By the index of lists alone, which has no time but that in the id.
_COUNT_PAYMENTS: LiteralString = (
    "select count(*) as rows from payments where " + _WHOSE
    + " and (%(since_id)s::text is null or id >= %(since_id)s)"
    " and (%(until_id)s::text is null or id < %(until_id)s)"
)

_PAYMENTS: LiteralString = (
    "select " + COLUMNS + " from payments where " + _WHOSE
    + " and id > %(after)s and (%(until_id)s::text is null or id < %(until_id)s)"
    + _DURING.replace("{time}", "created_at") + " order by id limit %(limit)s"
)

_COUNT_POSTINGS: LiteralString = (
    "select count(*) as rows from postings where " + _WHOSE
    + _DURING.replace("{time}", "happened_at")
)

_HEAD: LiteralString = "select sequence from posting_heads where " + _WHOSE

# A piece of the chain, whatever of it happened in the time: else the first page of a short time
# would look at all the years before it.
_POSTINGS: LiteralString = (
    "select sequence, link, postings.* from posting_links join postings"
    " using (merchant_id, livemode, position) where " + _WHOSE
    + " and sequence > %(after)s and sequence <= %(after)s + %(limit)s"
    + _DURING.replace("{time}", "happened_at") + " order by sequence"
)


# A day stands for its midnight in Nairobi.
_OF_DAYS: LiteralString = _DURING.replace(
    "{time}", "(day::timestamp at time zone 'Africa/Nairobi')",
)

_COUNT_DISCREPANCIES: LiteralString = (
    "select count(*) as rows from discrepancies where " + _WHOSE + _OF_DAYS
)

_DISCREPANCIES: LiteralString = (
    "select * from discrepancies where " + _WHOSE + " and id > %(after)s" + _OF_DAYS
    + " order by id limit %(limit)s"
)

_COUNT_DAYS: LiteralString = (
    "select count(distinct day) as rows from day_closings where " + _WHOSE + _OF_DAYS
)

_DAYS: LiteralString = (
    "select distinct on (day) * from day_closings where " + _WHOSE
    + " and day > %(after)s::date" + _OF_DAYS + " order by day, number desc limit %(limit)s"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Whose rows, and of when (UTC; `until` is not included; None: no end on that side)."""

    merchant_id: MerchantId
    livemode: bool
    since: datetime | None = None
    until: datetime | None = None


async def count_payments(tx: Transaction, span: Span) -> int:
    """Return how many payments there are, give or take those of the very ends."""
    row = await tx.row(_COUNT_PAYMENTS, _values(span) | {
        "since_id": _id_at(span.since, 0), "until_id": _id_at(span.until, 0),
    })
    assert row is not None, "an aggregate without groups has one row"
    return int(row["rows"])


async def payments(
    tx: Transaction, span: Span, after: str | None, limit: int,
) -> tuple[list[Payment], str | None]:
    """Return up to `limit` payments that were created in the span, after an id."""
    sealer = await tx.sealer(span.merchant_id)
    rows = await tx.rows(_PAYMENTS, _values(span) | {
        "after": after or _id_at(span.since, -CLOCK_STEP_SECONDS) or "",
        "until_id": _id_at(span.until, CLOCK_STEP_SECONDS), "limit": limit,
    })
    found = [payment_of(row, sealer) for row in rows]
    return found, found[-1].id if len(found) == limit else None


async def count_postings(tx: Transaction, span: Span) -> int:
    """Return how many postings there are."""
    row = await tx.row(_COUNT_POSTINGS, _values(span))
    assert row is not None, "an aggregate without groups has one row"
    return int(row["rows"])


async def postings(
    tx: Transaction, span: Span, after: str | None, limit: int,
) -> tuple[list[Posted], str | None]:
    """Return the chained postings of the span among the next `limit` after a number."""
    before = int(after or 0)
    head = await tx.row(_HEAD, _values(span))
    rows = await tx.rows(_POSTINGS, _values(span) | {"after": before, "limit": limit})
    is_last = head is None or before + limit >= head["sequence"]
    return [posted_of(row) for row in rows], None if is_last else str(before + limit)


async def count_discrepancies(tx: Transaction, span: Span) -> int:
    """Return how many discrepancies there are."""
    row = await tx.row(_COUNT_DISCREPANCIES, _values(span))
    assert row is not None, "an aggregate without groups has one row"
    return int(row["rows"])


async def discrepancies(
    tx: Transaction, span: Span, after: str | None, limit: int,
) -> tuple[list[Discrepancy], str | None]:
    """Return up to `limit` discrepancies of days in the span, after an id."""
    rows = await tx.rows(_DISCREPANCIES, _values(span) | {"after": after or "", "limit": limit})
    found = [discrepancy_of(row) for row in rows]
    return found, found[-1].id if len(found) == limit else None


async def count_days(tx: Transaction, span: Span) -> int:
    """Return how many days were closed."""
    row = await tx.row(_COUNT_DAYS, _values(span))
    assert row is not None, "an aggregate without groups has one row"
    return int(row["rows"])


async def days(
    tx: Transaction, span: Span, after: str | None, limit: int,
) -> tuple[list[Closing], str | None]:
    """Return up to `limit` days of the span after a day, each as it was closed last."""
    rows = await tx.rows(_DAYS, _values(span) | {"after": after or "0001-01-01", "limit": limit})
    found = [closing_of(row) for row in rows]
    return found, found[-1].day.isoformat() if len(found) == limit else None


def _values(span: Span) -> dict[str, Any]:
    return {
        "merchant_id": span.merchant_id, "livemode": span.livemode, "since": span.since,
        "until": span.until,
    }


def _id_at(when: datetime | None, seconds: int) -> str | None:
    return None if when is None else id_at(when, seconds)
