"""Let a merchant catch up: every event after a number, waiting for the next one if asked to."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hakika.domain.customer import erased_data
from hakika.domain.event import Event
from hakika.domain.ids import CustomerId, is_id
from hakika.domain.merchant import ApiKey, Scope
from hakika.services.runtime import Runtime
from hakika.store import events
from hakika.store.transaction import Transaction

# How often a waiting reader looks: short enough for a person, rare enough for the database.
LOOK_SECONDS = 0.25


async def after(
    rt: Runtime, key: ApiKey, sequence: int, *, limit: int, wait_seconds: float = 0,
) -> list[Event]:
    """Return up to `limit` events after `sequence`, in order.

    When there are none yet, wait up to `wait_seconds` for the first. A key that may not read
    customers is told of them by their ids alone.
    """
    looks = 1 + int(wait_seconds / LOOK_SECONDS)
    for look in range(looks):
        if look:
            await asyncio.sleep(LOOK_SECONDS)
        found = await _look(rt, key, sequence, limit=limit)
        if found:
            return [_as_seen_by(key, each) for each in found]
    return []


def _as_seen_by(key: ApiKey, event: Event) -> Event:
    """Return `event` without what this key may not read; leaving it out would make a gap."""
    if not is_id(event.subject_id, "cus") or Scope.CUSTOMERS_READ in key.scopes:
        return event
    return replace(event, data=erased_data(CustomerId(event.subject_id)))


async def _look(rt: Runtime, key: ApiKey, sequence: int, *, limit: int) -> list[Event]:
    async with rt.store.autocommit() as tx:
        if not await events.are_unnumbered(tx, key.merchant_id, livemode=key.livemode):
            return await _after(tx, key, sequence, limit=limit)
    async with rt.store.transaction() as tx:
        await events.number(tx, key.merchant_id, livemode=key.livemode)
        return await _after(tx, key, sequence, limit=limit)


async def _after(tx: Transaction, key: ApiKey, sequence: int, *, limit: int) -> list[Event]:
    return await events.after(
        tx, sequence, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
    )
