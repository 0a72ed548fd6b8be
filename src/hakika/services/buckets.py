"""Turns at Daraja: taken before money is sent or a question put. Read `take_turns`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from hakika.domain import bucket as rules
from hakika.domain.bucket import BURST, Api, Bucket
from hakika.domain.payout import Payout
from hakika.services.runtime import Runtime
from hakika.store import buckets as store
from hakika.store.transaction import StoreUnavailable, Transaction

log = structlog.get_logger(__name__)


async def take_turns(
    rt: Runtime, tx: Transaction, shortcode: str, api: Api,
    take: Callable[[int], Awaitable[list[Payout]]], *, livemode: bool,
) -> list[tuple[datetime, Payout]]:
    """Return the payouts that `take` found, as many as it is told at most, and when each may go."""
    now = rt.now()
    bucket = await _held(rt, tx, shortcode, api, livemode=livemode, now=now)
    free = rules.turns(bucket, now=now)
    taken = await take(free) if free else []
    after, at = rules.take(bucket, len(taken), now=now)
    if taken:
        await store.put(tx, shortcode, api, after, livemode=livemode)
    return list(zip(at, taken, strict=True))


async def may_ask(rt: Runtime, shortcode: str, *, livemode: bool) -> bool:
    """Take a turn for one question, if there is one now; money that goes out comes first."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        lowered_at = await store.lowered_at(tx, shortcode, Api.STATUS, livemode=livemode)
        if lowered_at is not None and now < lowered_at + timedelta(seconds=rules.YIELD_SECONDS):
            return False
        bucket = await _held(rt, tx, shortcode, Api.STATUS, livemode=livemode, now=now)
        after, at = rules.take(bucket, 1, now=now)
        is_now = at[0] <= now
        if is_now:
            await store.put(tx, shortcode, Api.STATUS, after, livemode=livemode)
    return is_now


async def heed(
    rt: Runtime, shortcode: str, api: Api, rest_seconds: int | None, *, livemode: bool,
) -> None:
    """Slow down, when the gateway said "too fast": `rest_seconds` is what it wants, or None.

    Never raises: what became of the call must be recorded, and the rate is not worth it.
    """
    if rest_seconds is None:
        return
    try:
        async with rt.store.transaction() as tx:
            now = rt.now()
            bucket = await _held(rt, tx, shortcode, api, livemode=livemode, now=now)
            after = rules.throttled(bucket, now=now, rest_seconds=rest_seconds)
            await store.put(tx, shortcode, api, after, livemode=livemode)
    except StoreUnavailable:
        return
    if after.lowered_at != bucket.lowered_at:
        log.info("daraja_rate_lowered", shortcode=shortcode, api=api.value, rate=after.rate)


async def _held(
    rt: Runtime, tx: Transaction, shortcode: str, api: Api, *, livemode: bool, now: datetime,
) -> Bucket:
    start = rt.settings.payouts_per_second
    return await store.hold(
        tx, shortcode, api, livemode=livemode, start=start,
        free_at=now - timedelta(seconds=BURST / start),
    )
