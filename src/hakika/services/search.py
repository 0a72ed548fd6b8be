"""The answer in half a minute: payments by whatever somebody holds of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hakika.domain import search
from hakika.domain.ids import PaymentId
from hakika.domain.merchant import ApiKey
from hakika.domain.payment import Payment
from hakika.domain.search import Meaning, What
from hakika.services.runtime import Runtime
from hakika.store import search as store


@dataclass(frozen=True, slots=True)
class Hit:
    """A payment, and what of it was found in the text."""

    payment: Payment
    found_by: Sequence[What]

    @property
    def id(self) -> PaymentId:
        """The payment's id, which a list of hits goes on after."""
        return self.payment.id


@dataclass(frozen=True, slots=True)
class Found:
    """What a text was taken for, and what came of it, newest first."""

    meanings: Sequence[Meaning]
    hits: Sequence[Hit]


async def find(
    rt: Runtime, key: ApiKey, text: str, *, before: PaymentId | None, limit: int,
) -> Found:
    """Return up to `limit` payments of this key's merchant and mode that `text` names.

    Raises:
        Invalid: with code `search_vague`; the hint says what can be searched for.
    """
    meanings = search.read(text, now=rt.now())
    payments: dict[PaymentId, Payment] = {}
    found_by: dict[PaymentId, list[What]] = {}
    async with rt.store.autocommit() as tx:
        for meaning in meanings:
            for payment in await store.find(
                tx, meaning, merchant_id=key.merchant_id, livemode=key.livemode, before=before,
                limit=limit,
            ):
                payments[payment.id] = payment
                found_by.setdefault(payment.id, []).append(meaning.what)
    newest = sorted(payments, reverse=True)[:limit]
    return Found(meanings, [Hit(payments[each], found_by[each]) for each in newest])
