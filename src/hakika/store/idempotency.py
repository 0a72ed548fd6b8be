"""Idempotency keys: read a claim, and keep the answer once it is given.

The claim itself is made in the statement that bears the payment (`payments.begin`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, LiteralString

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
    answer = None
    if row["answer"] is not None:
        sealer = await tx.sealer(merchant_id)
        answer = json.loads(sealer.open(_place(row["payment_id"]), row["answer"]))
    return Claim(
        fingerprint=row["fingerprint"], payment_id=PaymentId(row["payment_id"]), answer=answer,
    )


async def keep_answer(
    tx: Transaction, key: str, *, payment_id: PaymentId, merchant_id: MerchantId, livemode: bool,
    answer: Mapping[str, Any],
) -> None:
    """Keep the answer that every repetition of this key will get. The first one stands."""
    sealer = await tx.sealer(merchant_id)
    text = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    await tx.execute(
        KEEP,
        {
            "merchant_id": merchant_id, "livemode": livemode, "key": key,
            "answer": sealer.seal(_place(payment_id), text.encode()),
        },
    )


def _place(payment_id: str) -> str:
    return f"idempotency_keys.answer {payment_id}"
