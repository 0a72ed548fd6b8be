"""A posting as merchants read it."""

from __future__ import annotations

from typing import Any

from hakika.domain.ledger import Posted
from hakika.domain.payment_data import CURRENCY
from hakika.domain.times import written


def entry_data(posted: Posted) -> dict[str, Any]:
    """Return a posting as plain JSON values. Amounts are decimal texts in shillings."""
    posting = posted.posting
    assert posting is not None, "what is listed is there"
    return {
        "sequence": posted.sequence, "move": posting.move.value, "debit": posting.debit,
        "credit": posting.credit, "amount": str(posting.amount), "currency": CURRENCY,
        "shortcode": posting.shortcode, "receipt": posting.receipt,
        "payment_id": posting.payment_id, "happened_at": written(posting.happened_at),
        "posted_at": written(posted.posted_at), "link": posted.link.hex(),
    }
