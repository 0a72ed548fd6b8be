"""Payments by what a person types: one statement for each meaning, each on an index of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from hakika.domain.account_reference import sent_as
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.payment import Payment, folded
from hakika.domain.search import Around, Meaning, Named, What
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import CHECKOUT, PHONE, REFERENCE, payment_of
from hakika.store.payment_search import CLOCK_STEP_SECONDS, id_at
from hakika.store.payment_statements import COLUMNS
from hakika.store.transaction import Transaction

_WHOSE: LiteralString = "merchant_id = %(merchant_id)s and livemode = %(livemode)s"

# A second receipt of one prompt is no column of the payment: the books know it, and who told of it.
_RECEIPT: LiteralString = (
    "id in (select id from payments where receipt = %(text)s and " + _WHOSE
    + " union select payment_id from postings where receipt = %(text)s and " + _WHOSE
    + " union select payment_id from witnesses where receipt = %(text)s and " + _WHOSE + ")"
)

# What was asked for then; and what came then by M-Pesa's clock, which may be another amount, or
# told of much later. Of each the newest ones alone, so that a fare of everybody costs no more.
_AROUND: LiteralString = (
    "id in ((select id from payments where " + _WHOSE + " and amount_cents = %(cents)s"
    " and id >= %(since_id)s and id < %(until_id)s and created_at >= %(since)s"
    " and created_at < %(until)s and (%(before)s::text is null or id < %(before)s)"
    " order by id desc limit %(limit)s)"
    " union (select payment_id from postings where " + _WHOSE + " and amount_cents = %(cents)s"
    " and happened_at >= %(since)s and happened_at < %(until)s"
    " and (%(before)s::text is null or payment_id < %(before)s)"
    " order by payment_id desc limit %(limit)s))"
)

# M-Pesa was asked about it: the receipt that was asked about, or told, has its place in the books.
_CONVERSATION: LiteralString = (
    "id in (select p.payment_id from inquiries i join postings p on p.receipt = i.receipt"
    " and p.shortcode = i.shortcode and p.livemode = i.livemode"
    " and p.merchant_id = i.merchant_id where i.merchant_id = %(merchant_id)s"
    " and i.livemode = %(livemode)s and array[i.conversation_id, i.originator_conversation_id,"
    " i.asked_conversation_id] @> array[%(text)s::text])"
)

_CLAUSES: Mapping[What, LiteralString] = {
    What.PAYMENT_ID: "id = %(text)s",
    What.RECEIPT: _RECEIPT,
    What.CHECKOUT_ID: "checkout_hash = %(hash)s",
    What.MERCHANT_REQUEST_ID: "merchant_request_id = %(text)s and merchant_request_id <> ''",
    What.CONVERSATION_ID: _CONVERSATION,
    What.PHONE: "phone_hash = %(hash)s",
    What.REFERENCE: "reference_hash in (%(hash)s, %(sent_as)s)",
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
            return {
                "cents": amount.cents, "since": since, "until": until,
                "since_id": id_at(since, -CLOCK_STEP_SECONDS),
                "until_id": id_at(until, CLOCK_STEP_SECONDS),
            }
        case Named(What.REFERENCE, text):
            return {
                "hash": sealer.blind(REFERENCE, folded(text)),
                "sent_as": sealer.blind(REFERENCE, folded(sent_as(text))),
            }
        case Named(what, text) if what in _BLIND:
            return {"hash": sealer.blind(_BLIND[what], text)}
        case Named(_, text):
            return {"text": text}
