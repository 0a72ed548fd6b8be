"""The breaker of API operators: one refusal stops all that would be tried with it. Read `heard`.

Credentials that M-Pesa has never taken are tried by one order at a time: ten sent at once with a
wrong password would lock the operator before the first of them is answered.
"""

from __future__ import annotations

from datetime import datetime

from hakika.domain import stop
from hakika.domain.errors import OperatorStopped
from hakika.domain.ids import PayoutId, ProviderId
from hakika.domain.merchant import Owner
from hakika.domain.operator import trouble_words
from hakika.domain.payout import Change
from hakika.domain.payout_fact import Kind, Source
from hakika.domain.stop import Stop, Why
from hakika.services import stops
from hakika.services.runtime import Runtime
from hakika.store import inquiries
from hakika.store import operators as store
from hakika.store import stops as stops_store
from hakika.store.transaction import Transaction

# So long an order with new credentials has them for itself. A result takes seconds; of what M-Pesa
# never answers nothing can be learnt, and a try in ten minutes locks nobody out.
FIRST_TRY_SECONDS = 600
LOOK_AGAIN_SECONDS = 5        # for what waits until that one is answered


async def heard(
    rt: Runtime, tx: Transaction, owner: Owner, shortcode: str, *, daraja_code: str,
    asked_at: datetime,
) -> None:
    """Stop the operator when this code speaks of it, in the transaction of what was heard.

    An answer to what was asked with earlier credentials says nothing of those that stand now.
    """
    words = trouble_words(daraja_code)
    if words is None or not await store.is_of_now(tx, owner, shortcode, asked_at=asked_at):
        return
    key = stop.of_operator(owner.merchant_id, shortcode, livemode=owner.livemode)
    await stops.put(rt, tx, owner, Stop(key, Why.OPERATOR, words, "", rt.now()))
    await inquiries.stop_turns(tx, owner, shortcode)


async def heard_of_order(rt: Runtime, tx: Transaction, change: Change) -> None:
    """Learn of the operator what a fact about an order says of it, in the fact's transaction."""
    payout, fact = change.after, change.fact
    if payout.asked_at is None:
        return
    owner = Owner(payout.merchant_id, payout.livemode)
    if fact.reason is not None and trouble_words(fact.reason.daraja_code):
        await heard(
            rt, tx, owner, payout.shortcode.number, daraja_code=fact.reason.daraja_code,
            asked_at=payout.asked_at,
        )
    elif fact.source is Source.RESULT and fact.kind in {Kind.PAID, Kind.DECLINED}:
        await proven(rt, tx, owner, payout.shortcode.number, asked_at=payout.asked_at)


async def proven(
    rt: Runtime, tx: Transaction, owner: Owner, shortcode: str, *, asked_at: datetime,
) -> None:
    """Note that M-Pesa took the operator: from now on many may be sent at once."""
    await store.prove(tx, owner, shortcode, asked_at=asked_at, now=rt.now())


async def may_try(
    rt: Runtime, tx: Transaction, provider_id: ProviderId, payout_id: PayoutId,
) -> bool:
    """Say whether this order may be sent with these credentials, in the order's transaction."""
    if await store.is_proven(tx, provider_id):
        return True
    await store.hold(tx, provider_id)
    since = rt.now() - rt.payout_patience.seconds(FIRST_TRY_SECONDS)
    return not await store.is_under_way(tx, provider_id, since=since, but=payout_id)


async def may_ask(rt: Runtime, tx: Transaction, provider_id: ProviderId) -> bool:
    """Say whether M-Pesa may be asked about an order with these credentials.

    Those that it never took are tried by one question at a time, as by one order.
    """
    if await store.is_proven(tx, provider_id):
        return True
    await store.hold(tx, provider_id)
    since = rt.now() - rt.payout_patience.seconds(FIRST_TRY_SECONDS)
    return not await store.is_asked(tx, provider_id, since=since)


async def room(rt: Runtime, tx: Transaction, owner: Owner, shortcode: str) -> int | None:
    """Return how many orders it makes sense to take for this short code; None: as many as may go.

    What is taken and may not be tried would only lie until its hold ends.
    """
    since = rt.now() - rt.payout_patience.seconds(FIRST_TRY_SECONDS)
    is_proven, is_under_way = await store.standing(tx, owner, shortcode, since=since)
    return None if is_proven else int(not is_under_way)


async def refuse_stopped(tx: Transaction, owner: Owner, shortcode: str) -> None:
    """Raise OperatorStopped when nothing may be asked with the operator of a short code."""
    key = stop.of_operator(owner.merchant_id, shortcode, livemode=owner.livemode)
    for found in await stops_store.of(tx, [key]):
        raise OperatorStopped(f"The API operator of {shortcode} is stopped. {found.note}")
