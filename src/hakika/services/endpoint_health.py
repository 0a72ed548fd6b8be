"""What an endpoint's answers do to the endpoint itself: held back, come back, or disabled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from hakika.domain import health
from hakika.domain.delivery import Answer
from hakika.domain.event import EventName
from hakika.domain.ids import EndpointId, EventId
from hakika.domain.webhook import Endpoint, endpoint_data
from hakika.services.runtime import Runtime
from hakika.store import events, webhooks
from hakika.store.events import Told
from hakika.store.transaction import Transaction

log = structlog.get_logger(__name__)

GONE = "The endpoint answered 410 Gone."
DEAD = f"The endpoint failed for {health.DEAD_AFTER.days} days."


async def note(rt: Runtime, endpoint_id: EndpointId, answers: Sequence[Answer]) -> None:
    """Write how an endpoint is doing after `answers`, oldest first, and do what follows from it."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        endpoint = await webhooks.lock(tx, endpoint_id)
        after = health.after(endpoint.health, answers, now=now)
        await webhooks.set_health(tx, endpoint_id, after)
        endpoint, before = replace(endpoint, health=after), endpoint.health
        if any(answer.gone for answer in answers):
            await _disable(rt, tx, endpoint, GONE, now=now)
        elif after.is_dead:
            await _disable(rt, tx, endpoint, DEAD, now=now)
    if before.was_away(now=now) and not after.is_broken:
        await bring_forward(rt, endpoint_id)


async def drop_unwanted(rt: Runtime) -> int:
    """Drop what still waits for endpoints that were deleted or disabled; return how many."""
    async with rt.store.transaction() as tx:
        return await webhooks.drop_unwanted(tx, now=rt.now())


async def bring_forward(rt: Runtime, endpoint_id: EndpointId) -> None:
    """Let everything that waits for a later try go in its turn: the endpoint takes it again."""
    while True:
        async with rt.store.transaction() as tx:
            brought = await webhooks.bring_forward(tx, endpoint_id, now=rt.now())
            tx.wake_workers()
        if brought < webhooks.AT_ONCE_MAX:
            return


async def _disable(
    rt: Runtime, tx: Transaction, endpoint: Endpoint, reason: str, *, now: datetime,
) -> None:
    """Disable an endpoint, and tell its merchant and the operator; a payment's own, silently."""
    if not await webhooks.disable(tx, endpoint.id, reason=reason, now=now):
        return
    if endpoint.payment_id is not None:
        return
    log.warning(
        "endpoint_disabled", endpoint=endpoint.id, merchant=endpoint.merchant_id, reason=reason,
    )
    disabled = replace(endpoint, disabled_at=now, disabled_reason=reason)
    await events.tell(
        tx, endpoint.merchant_id, livemode=endpoint.livemode, subject_id=endpoint.id, now=now,
        seller_id=endpoint.seller_id,
        told=[Told(
            EventId(rt.new_id("evt")), EventName.ENDPOINT_DISABLED, endpoint_data(disabled),
        )],
    )
