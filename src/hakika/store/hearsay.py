"""Bring forward the first look at what hearsay names. It is put anyway, so it makes no more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import LiteralString

from hakika.domain.ids import PaymentId
from hakika.domain.payment import Payment
from hakika.store.payment_rows import payment_of
from hakika.store.payment_statements import COLUMNS
from hakika.store.transaction import Transaction

# Daraja's id is its own for each push; more of them with one would be strange already.
_ALIKE_MAX = 5

_OPEN: LiteralString = """
    next_check_at > %(now)s and checks = 0 and state in ('pending', 'unknown')
"""

_SOONER: LiteralString = """
    set next_check_at = least(next_check_at, greatest(%(now)s, asked_at + %(pause)s))
"""

_PAYMENTS: LiteralString = (
    "select " + COLUMNS + " from payments where merchant_request_id = %(merchant_request_id)s"
    " and merchant_request_id <> '' and checkout_hash is not null and livemode = any(%(modes)s)"
    " and" + _OPEN + "limit %(limit)s"
)

_PAYMENTS_SOONER: LiteralString = (
    "update payments" + _SOONER + "where id = any(%(ids)s) and" + _OPEN
)

# Those that wait for a look are few, and have an index of their own.
_PAYOUTS_SOONER: LiteralString = (
    "update payouts" + _SOONER + "where livemode = any(%(modes)s)"
    " and array[id, conversation_id, originator_conversation_id] && %(ids)s::text[] and" + _OPEN
)


async def payments_called(
    tx: Transaction, merchant_request_id: str, *, modes: Sequence[bool], now: datetime,
) -> list[Payment]:
    """Return the payments that Daraja calls so, and that it was never asked about."""
    rows = await tx.rows(_PAYMENTS, {
        "merchant_request_id": merchant_request_id, "modes": list(modes), "now": now,
        "limit": _ALIKE_MAX,
    })
    return [payment_of(row, await tx.sealer(row["merchant_id"])) for row in rows]


async def look_at_payments(
    tx: Transaction, ids: Sequence[PaymentId], *, pause: timedelta, now: datetime,
) -> None:
    """Let the first look at these payments be due, `pause` after the push, unless it was taken."""
    await tx.execute(_PAYMENTS_SOONER, {"ids": list(ids), "pause": pause, "now": now})


async def look_at_payouts(
    tx: Transaction, ids: Collection[str], *, modes: Sequence[bool], pause: timedelta,
    now: datetime,
) -> None:
    """Let the first look at the payouts with one of these ids be due, as with payments."""
    await tx.execute(_PAYOUTS_SOONER, {
        "ids": list(ids), "modes": list(modes), "pause": pause, "now": now,
    })
