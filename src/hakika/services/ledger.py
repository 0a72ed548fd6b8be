"""Read the books of a merchant: what stands on each account, and each posting in its order."""

from __future__ import annotations

import structlog

from hakika.domain.ids import MerchantId
from hakika.domain.ledger import Posted
from hakika.domain.merchant import ApiKey
from hakika.domain.money import Money
from hakika.domain.payment import State
from hakika.services.runtime import Runtime
from hakika.store import ledger, payment_search
from hakika.store.ledger import CHAINED_MAX, Sums
from hakika.store.transaction import StatementRefused

log = structlog.get_logger(__name__)


async def postings(rt: Runtime, key: ApiKey, *, after: int, limit: int) -> list[Posted]:
    """Return up to `limit` postings of this key's merchant and mode after a number, in order."""
    await chain_surely(rt, key.merchant_id, livemode=key.livemode)
    async with rt.store.autocommit() as tx:
        return await ledger.after(
            tx, after, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


async def sums(rt: Runtime, key: ApiKey) -> list[Sums]:
    """Return what was moved on each account of this key's merchant and mode."""
    await chain_surely(rt, key.merchant_id, livemode=key.livemode)
    async with rt.store.autocommit() as tx:
        return await ledger.sums(tx, key.merchant_id, livemode=key.livemode)


async def awaited(rt: Runtime, key: ApiKey) -> Money:
    """Return what M-Pesa says was paid, without saying which money that was: not in the books."""
    async with rt.store.autocommit() as tx:
        return await payment_search.received(
            tx, State.RECEIPT_AWAITED, merchant_id=key.merchant_id, livemode=key.livemode,
        )


async def chain(rt: Runtime, merchant_id: MerchantId, *, livemode: bool) -> int:
    """Put every committed posting of this merchant and mode in its chain; return how many."""
    async with rt.store.autocommit() as tx:
        if not await ledger.waits(tx, merchant_id, livemode=livemode):
            return 0
    chained = 0
    while True:
        async with rt.store.transaction() as tx:
            newly = await ledger.chain(tx, merchant_id, livemode=livemode)
        chained += newly
        if newly < CHAINED_MAX:
            return chained


async def chain_all(rt: Runtime) -> int:
    """Do the same for every merchant; return how many. Safe beside others that do it."""
    async with rt.store.autocommit() as tx:
        waiting = await ledger.waiting(tx)
    return sum([await chain_surely(rt, merchant, livemode=live) for merchant, live in waiting])


async def chain_surely(rt: Runtime, merchant_id: MerchantId, *, livemode: bool) -> int:
    """Chain; when that cannot be done, say so, and let others and readers go on."""
    try:
        return await chain(rt, merchant_id, livemode=livemode)
    except StatementRefused:
        log.exception("postings_not_chained", merchant=merchant_id, livemode=livemode)
        return 0
