"""Everything that proves what became of a payment, gathered for whoever asks about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from hakika.domain import invariant
from hakika.domain.errors import NotFound
from hakika.domain.ids import PaymentId
from hakika.domain.invariant import StoredFact
from hakika.domain.ledger import Posted
from hakika.domain.merchant import ApiKey
from hakika.domain.payment import Payment
from hakika.services import ledger
from hakika.services.runtime import Runtime
from hakika.store import evidence, payments
from hakika.store.evidence import Testimony, Told
from hakika.store.payment_rows import HeardFact, fact_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A payment with all that is known of it, each list in order."""

    payment: Payment
    heard: Sequence[HeardFact]
    breaches: Sequence[str]             # what is wrong with the chain of its facts: nothing
    posted: Sequence[Posted]
    testimonies: Sequence[Testimony]
    told: Sequence[Told]


async def gather(
    rt: Runtime, key: ApiKey, payment_id: PaymentId, *, revealed: bool,
) -> Evidence:
    """Return the evidence of a payment of this key's merchant and mode. Raises: NotFound.

    `revealed` says that its reader will see numbers and names, which is noted.
    """
    await ledger.chain(rt, key.merchant_id, livemode=key.livemode)
    async with rt.store.autocommit() as tx:
        payment = await payments.read(
            tx, payment_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
        if payment is None:
            raise NotFound(f"There is no payment {payment_id} for this key.")
        heard = await payments.heard(tx, payment)
        found = Evidence(
            payment, heard, list(invariant.chain_breaches(payment, _stored(heard))),
            await evidence.posted(tx, payment), await evidence.testimonies(tx, payment),
            await evidence.told(tx, payment),
        )
    if revealed:
        log.info("evidence_revealed", payment=payment_id, key=key.id)
    return found


def _stored(heard: Sequence[HeardFact]) -> list[StoredFact]:
    return [
        StoredFact(
            fact_of(each), each.sequence, each.heard_at, each.state, each.details, each.link,
        )
        for each in heard
    ]
