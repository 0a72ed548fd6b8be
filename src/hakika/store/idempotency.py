"""Idempotency keys: read a claim, and seal the answer that is kept with it.

The claim itself is made in the statement that bears the payment (`payments.begin`), and the answer
is written in the one that moves it (`payments.apply`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import orjson

from hakika.domain.idempotency import Claim
from hakika.domain.ids import MerchantId, PaymentId
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

CLAIM: LiteralString = """
    select fingerprint, payment_id, answer, created_at
      from idempotency_keys
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and operation = 'payments' and key = %(key)s
"""


async def claim(
    tx: Transaction, key: str, *, merchant_id: MerchantId, livemode: bool,
) -> Claim | None:
    """Return the claim on `key`, or None when nobody has made one."""
    row = await tx.row(CLAIM, {"merchant_id": merchant_id, "livemode": livemode, "key": key})
    if row is None:
        return None
    answer = None
    if row["answer"] is not None:
        sealer = await tx.sealer(merchant_id)
        answer = orjson.loads(sealer.open(_place(row["payment_id"]), row["answer"]))
    return Claim(
        fingerprint=row["fingerprint"], payment_id=PaymentId(row["payment_id"]), answer=answer,
        created_at=row["created_at"],
    )


def sealed_answer(payment_id: PaymentId, answer: Mapping[str, Any], sealer: Sealer) -> bytes:
    """Return the answer that every repetition of a payment's key will get, as it is kept."""
    return sealer.seal(_place(payment_id), orjson.dumps(answer))


def _place(payment_id: str) -> str:
    return f"idempotency_keys.answer {payment_id}"
