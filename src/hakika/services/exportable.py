"""What can be exported, as one table: the columns, and where the rows come from.

Something more to export is a name in `domain.export.What`, a walk in `store/walks.py`, and a row
of `EXPORTABLE`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hakika.domain.closing import Closing, closing_data
from hakika.domain.discrepancy import Discrepancy
from hakika.domain.export import What
from hakika.domain.ledger import Move, Posted
from hakika.domain.masking import mask_text
from hakika.domain.money import Money, parse
from hakika.domain.payment import Payment
from hakika.domain.payment_data import own_key
from hakika.sheets.exports import Column, Kind, Value
from hakika.store import walks
from hakika.store.transaction import Transaction
from hakika.store.walks import Span

# No number of a person is shorter.
_MASKED_CHARACTERS_MIN = 9


@dataclass(frozen=True, slots=True)
class Exportable:
    """One thing to export. `page` returns rows and the place to go on from, or None at the end."""

    columns: Sequence[Column]
    count: Callable[[Transaction, Span], Awaitable[int]]
    page: Callable[
        [Transaction, Span, str | None, int], Awaitable[tuple[Sequence[Any], str | None]]
    ]
    cells: Callable[[Any, bool], Sequence[Value]]    # of a row, revealed or not


def _shown(text: str, revealed: bool) -> str:
    """Return a text that anybody wrote: a payer may have typed a number as the reference."""
    return text if revealed or len(text) < _MASKED_CHARACTERS_MIN else mask_text(text)


def _claim(claim: bool) -> str:
    return "true" if claim else "false"


_PAYMENT_COLUMNS = (
    Column("id"), Column("created_at", Kind.TIME), Column("status"),
    Column("amount", Kind.MONEY), Column("amount_received", Kind.MONEY), Column("receipt"),
    Column("phone"), Column("reference"), Column("description"), Column("source"),
    Column("assigned_to"), Column("shortcode"), Column("confirmed_by"), Column("failure_code"),
    Column("late"), Column("needs_review"), Column("customer_id"), Column("provider_ref"),
    Column("idempotency_key"), Column("metadata"), Column("updated_at", Kind.TIME),
    Column("completed_at", Kind.TIME), Column("seller_id"), Column("platform_fee", Kind.MONEY),
    Column("net_amount", Kind.MONEY),
)


def _payment_cells(payment: Payment, revealed: bool) -> Sequence[Value]:
    payer = payment.payer
    phone = payment.payer_masked
    if payer is not None:
        phone = payer.digits if revealed else payer.masked
    metadata = json.dumps(dict(payment.metadata), ensure_ascii=False) if payment.metadata else ""
    return (
        payment.id, payment.created_at, payment.status.value, payment.amount,
        payment.amount_received, payment.receipt, phone, _shown(payment.reference, revealed),
        _shown(payment.description, revealed), payment.origin.value,
        _shown(payment.assigned_to, revealed), payment.shortcode.number,
        payment.confirmed_by.value if payment.confirmed_by else "",
        payment.failure.code if payment.failure else "", _claim(payment.late),
        _claim(payment.needs_review), payment.customer_id or "",
        _shown(payment.checkout_request_id, revealed),
        _shown(own_key(payment.idempotency_key, payment.seller_id), revealed),
        _shown(metadata, revealed), payment.updated_at, payment.completed_at,
        payment.seller_id or "", payment.platform_fee if payment.seller_id else None,
        payment.net_amount if payment.seller_id else None,
    )


_POSTING_COLUMNS = (
    Column("sequence", Kind.INTEGER), Column("happened_at", Kind.TIME), Column("move"),
    Column("debit"), Column("credit"), Column("amount", Kind.MONEY), Column("shortcode"),
    Column("receipt"), Column("payment_id"), Column("posted_at", Kind.TIME), Column("link"),
)


def _posting_cells(posted: Posted, revealed: bool) -> Sequence[Value]:
    posting = posted.posting
    if posting is None:  # somebody spoilt its row: what is left of it
        return (
            posted.sequence, None, "unreadable", "", "", None, "", posted.unreadable, None,
            posted.posted_at, posted.link.hex(),
        )
    return (
        posted.sequence, posting.happened_at, posting.move.value, posting.debit, posting.credit,
        posting.amount, posting.shortcode, posting.receipt, posting.payment_id, posted.posted_at,
        posted.link.hex(),
    )


_DISCREPANCY_COLUMNS = (
    Column("id"), Column("day"), Column("kind"), Column("state"), Column("shortcode"),
    Column("receipt"), Column("payment_id"), Column("ours", Kind.MONEY),
    Column("theirs", Kind.MONEY), Column("words"), Column("assigned_to"), Column("resolution"),
    Column("resolved_by"), Column("found_at", Kind.TIME), Column("resolved_at", Kind.TIME),
)


def _discrepancy_cells(discrepancy: Discrepancy, revealed: bool) -> Sequence[Value]:
    difference = discrepancy.difference
    return (
        discrepancy.id, discrepancy.day.isoformat(), difference.kind.value,
        "open" if discrepancy.is_open else "resolved", difference.shortcode, difference.receipt,
        difference.payment_id, difference.ours, difference.theirs, difference.words,
        _shown(discrepancy.assigned_to, revealed), _shown(discrepancy.resolution, revealed),
        discrepancy.resolved_by, discrepancy.found_at, discrepancy.resolved_at,
    )


_DAY_COLUMNS = (
    Column("day"), Column("result"), Column("open", Kind.INTEGER), Column("found", Kind.INTEGER),
    Column("movements", Kind.INTEGER), Column("collected", Kind.MONEY),
    Column("closing", Kind.INTEGER), Column("closed_at", Kind.TIME), Column("checkpoint"),
)


def _day_cells(closing: Closing, revealed: bool) -> Sequence[Value]:
    data = closing_data(closing)
    collected = sum(
        parse(each["amount"]).cents for each in data["moved"] if each["move"] == Move.COLLECTION
    )
    return (
        data["day"], data["result"], data["open"], data["found"],
        sum(each["count"] for each in data["moved"]), Money(collected), data["number"],
        closing.closed_at, data["checkpoint"],
    )


EXPORTABLE: Mapping[What, Exportable] = {
    What.PAYMENTS: Exportable(
        _PAYMENT_COLUMNS, walks.count_payments, walks.payments, _payment_cells,
    ),
    What.LEDGER: Exportable(
        _POSTING_COLUMNS, walks.count_postings, walks.postings, _posting_cells,
    ),
    What.DISCREPANCIES: Exportable(
        _DISCREPANCY_COLUMNS, walks.count_discrepancies, walks.discrepancies, _discrepancy_cells,
    ),
    What.DAYS: Exportable(_DAY_COLUMNS, walks.count_days, walks.days, _day_cells),
}
