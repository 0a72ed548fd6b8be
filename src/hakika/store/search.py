"""Payments by what a person types: one statement for each meaning, each on an index of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.payment import Payment, folded
from hakika.domain.search import Around, Meaning, Named, What
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import CHECKOUT, PHONE, REFERENCE, payment_of
from hakika.store.payment_statements import COLUMNS
from hakika.store.transaction import Transaction

_WHOSE: LiteralString = "merchant_id = %(merchant_id)s and livemode = %(livemode)s"

# A second receipt of one prompt is no column of the payment: the books know it, and who told of it.
_RECEIPT: LiteralString = (
    "id in (select id from payments where receipt = %(text)s and " + _WHOSE
    + " union select payment_id from postings where receipt = %(text)s and " + _WHOSE
    + " union select payment_id from witnesses where receipt = %(text)s and " + _WHOSE + ")"
)

# When it was asked for; or, of money that was told of later, when M-Pesa moved it. What came is
# another amount than what was asked for only of few payments, which have an index of their own.
_AROUND: LiteralString = (
    "id in (select id from payments where " + _WHOSE + " and amount_cents = %(cents)s"
    " and created_at >= %(since)s and created_at < %(until)s"
    " union select id from payments where " + _WHOSE
    + " and amount_received_cents <> amount_cents and amount_received_cents = %(cents)s"
    " and created_at >= %(since)s and created_at < %(until)s"
    " union select payment_id from witnesses where " + _WHOSE
    + " and happened_at >= %(since)s and happened_at < %(until)s and amount_cents = %(cents)s)"
)

_CLAUSES: Mapping[What, LiteralString] = {
    What.PAYMENT_ID: "id = %(text)s",
    What.RECEIPT: _RECEIPT,
    What.CHECKOUT_ID: "checkout_hash = %(hash)s",
    What.MERCHANT_REQUEST_ID: "merchant_request_id = %(text)s and merchant_request_id <> ''",
    What.PHONE: "phone_hash = %(hash)s",
    What.REFERENCE: "reference_hash = %(hash)s",
    What.AMOUNT_AND_TIME: _AROUND,
}

_FIND: Mapping[What, LiteralString] = {
    what: "select " + COLUMNS + " from payments where " + clause + " and " + _WHOSE
    + " and (%(before)s::text is null or id < %(before)s) order by id desc limit %(limit)s"
    for what, clause in _CLAUSES.items()
}

_BLIND = {What.CHECKOUT_ID: CHECKOUT, What.PHONE: PHONE, What.REFERENCE: REFERENCE}


async def find(
    tx: Transaction, meaning: Meaning, *, merchant_id: MerchantId, livemode: bool,
    before: PaymentId | None, limit: int,
) -> list[Payment]:
    """Return up to `limit` payments of this merchant and mode that `meaning` fits, newest first."""
    sealer = await tx.sealer(merchant_id)
    values = values_of(meaning, sealer) | {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    }
    # Never prepared: which index is best depends on how many have the same reference or number.
    cursor = await tx.connection.execute(statement(meaning), values, prepare=False)
    return [payment_of(row, sealer) for row in await cursor.fetchall()]


def statement(meaning: Meaning) -> LiteralString:
    """Return the statement that finds what a meaning fits."""
    return _FIND[meaning.what]


def values_of(meaning: Meaning, sealer: Sealer) -> dict[str, Any]:
    """Return what a meaning's statement is run with, besides whose payments and how many."""
    match meaning:
        case Around(amount, since, until):
            return {"cents": amount.cents, "since": since, "until": until}
        case Named(What.REFERENCE, text):
            return {"hash": sealer.blind(REFERENCE, folded(text))}
        case Named(what, text) if what in _BLIND:
            return {"hash": sealer.blind(_BLIND[what], text)}
        case Named(_, text):
            return {"text": text}
