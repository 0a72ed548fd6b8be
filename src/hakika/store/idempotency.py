"""Idempotency keys: read a claim, and keep the answer once it is given.

The claim itself is made in the statement that bears the payment (`payments.begin`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from hakika.domain.idempotency import Claim
from hakika.domain.ids import MerchantId, PaymentId
from hakika.store.transaction import Transaction

CLAIM: LiteralString = """
    select fingerprint, payment_id, answer
      from idempotency_keys
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and operation = 'payments' and key = %(key)s
"""

KEEP: LiteralString = """
    update idempotency_keys set answer = %(answer)s
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and operation = 'payments' and key = %(key)s and answer is null
"""


async def claim(
    tx: Transaction, key: str, *, merchant_id: MerchantId, livemode: bool,
) -> Claim | None:
    """Return the claim on `key`, or None when nobody has made one."""
    row = await tx.row(CLAIM, {"merchant_id": merchant_id, "livemode": livemode, "key": key})
    if row is None:
        return None
    return Claim(
        fingerprint=row["fingerprint"], payment_id=PaymentId(row["payment_id"]),
        answer=row["answer"],
    )


async def keep_answer(
    tx: Transaction, key: str, *, merchant_id: MerchantId, livemode: bool,
    answer: Mapping[str, Any],
) -> None:
    """Keep the answer that every repetition of this key will get. The first one stands."""
    await tx.execute(
        KEEP,
        {
            "merchant_id": merchant_id, "livemode": livemode, "key": key,
            "answer": Jsonb(dict(answer)),
        },
    )
