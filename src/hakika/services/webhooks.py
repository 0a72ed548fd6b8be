"""Webhooks: endpoints, and the telling of one event to one of them, once and again until heard."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from hakika.domain import retry, webhook
from hakika.domain.errors import NotFound, TooManyEndpoints
from hakika.domain.event import EventName, envelope
from hakika.domain.ids import EndpointId
from hakika.domain.merchant import ApiKey
from hakika.domain.webhook import Answer, DeliveryState, Endpoint
from hakika.outbound.addresses import check_url
from hakika.services.killpoints import KillPoint
from hakika.services.runtime import Runtime
from hakika.services.telemetry import outcome_of_post
from hakika.store import events, jobs, webhooks
from hakika.store.jobs import JobKind
from hakika.store.webhooks import Begun

# Longer than a POST may take, so that a try is not made twice; a crashed one is due again then.
LEASE_SECONDS = 30

# A delivery whose job was lost (its worker was killed) is enqueued again after this.
RESCUE_SECONDS = 5

# What is written of a delivery that ended its worker, or our code, at each of its tries.
NEVER_FINISHED = Answer(status=None, error="No try of it ever came to an end.")

NOT_WANTED = Answer(status=None, error="The endpoint was deleted or disabled.")


async def add_endpoint(
    rt: Runtime, key: ApiKey, url: str, *, names: Collection[EventName] = (),
) -> Endpoint:
    """Return a new endpoint with its secret, which is shown this once.

    Raises:
        Invalid: the address may not be called, such as a private one. Use a public https address.
        TooManyEndpoints: delete one first.
    """
    async with rt.store.transaction() as tx:
        present = await webhooks.endpoints(
            tx, merchant_id=key.merchant_id, livemode=key.livemode,
        )
        if len(present) >= webhook.ENDPOINTS_MAX:
            raise TooManyEndpoints(f"There are {webhook.ENDPOINTS_MAX} endpoints already.")
        endpoint = _new_endpoint(rt, key, url, names)
        await webhooks.add(tx, endpoint)
    return endpoint


async def set_only_endpoint(rt: Runtime, key: ApiKey, url: str) -> Endpoint:
    """Replace all endpoints by one that hears everything; return it with its new secret.

    Raises:
        Invalid: as `add_endpoint`; what was there stays.
    """
    endpoint = _new_endpoint(rt, key, url, ())
    async with rt.store.transaction() as tx:
        for old in await webhooks.endpoints(
            tx, merchant_id=key.merchant_id, livemode=key.livemode,
        ):
            await webhooks.delete(
                tx, old.id, merchant_id=key.merchant_id, livemode=key.livemode, now=rt.now(),
            )
        await webhooks.add(tx, endpoint)
    return endpoint


def _new_endpoint(
    rt: Runtime, key: ApiKey, url: str, names: Collection[EventName],
) -> Endpoint:
    return Endpoint(
        id=EndpointId(rt.new_id("whe")), merchant_id=key.merchant_id, livemode=key.livemode,
        url=checked_url(rt, key, url), secret=rt.new_webhook_secret(), events=frozenset(names),
        created_at=rt.now(),
    )


def checked_url(rt: Runtime, key: ApiKey, url: str) -> str:
    """Return `url` when webhooks may go there. Raises: Invalid.

    A courtesy at the time of asking: each try checks again, at the moment of connecting.
    """
    return check_url(url, livemode=key.livemode, allow=rt.webhook_allow)


async def endpoints(rt: Runtime, key: ApiKey) -> list[Endpoint]:
    """Return the endpoints of this key's merchant and mode."""
    async with rt.store.reading() as tx:
        return await webhooks.endpoints(
            tx, merchant_id=key.merchant_id, livemode=key.livemode,
        )


async def delete_endpoint(rt: Runtime, key: ApiKey, endpoint_id: EndpointId) -> None:
    """Delete an endpoint; what waits for it is dropped. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        deleted = await webhooks.delete(
            tx, endpoint_id, merchant_id=key.merchant_id, livemode=key.livemode, now=rt.now(),
        )
    if not deleted:
        raise NotFound(f"There is no webhook endpoint {endpoint_id} for this key.")


async def deliver(rt: Runtime, delivery_id: int) -> None:
    """Make one try at a delivery, if one is due. Safe to call twice, and at the same time."""
    with rt.telemetry.span("webhook.deliver", delivery=str(delivery_id)):
        started_at = rt.now()
        begun = await _begin(rt, delivery_id, now=started_at)
        if begun is None:
            return  # sent already, not due yet, or begun by another worker
        rt.passing(KillPoint.AFTER_ATTEMPT_BEGUN)
        with rt.telemetry.webhook(begun, now=started_at) as post:
            answer = await _post(rt, begun)
            post.outcome = outcome_of_post(answer)
        rt.passing(KillPoint.AFTER_POST)
        await _finish(rt, begun, answer, started_at=started_at)
        rt.passing(KillPoint.AFTER_ATTEMPT_FINISHED)


async def _begin(rt: Runtime, delivery_id: int, *, now: datetime) -> Begun | None:
    """Count the try, durably, and see that its event has a number."""
    lease = now + rt.patience.seconds(LEASE_SECONDS)
    async with rt.store.transaction() as tx:
        begun = await webhooks.begin_attempt(tx, delivery_id, now=now, lease=lease)
        if begun is None or begun.event.sequence is not None:
            return begun
        event = begun.event
        await events.number(tx, event.merchant_id, livemode=event.livemode)
        sequence = await events.sequence_of(tx, event)
        return replace(begun, event=replace(event, sequence=sequence))


async def _post(rt: Runtime, begun: Begun) -> Answer:
    if not begun.is_wanted:
        return NOT_WANTED
    if begun.attempt > retry.ATTEMPTS_MAX:
        return NEVER_FINISHED
    body = json.dumps(envelope(begun.event), separators=(",", ":")).encode()
    return await rt.outbound.post(
        begun.url,
        headers=webhook.headers(
            begun.secret, message_id=begun.event.id, now=rt.now(), body=body,
        ),
        body=body, livemode=begun.event.livemode,
    )


async def _finish(rt: Runtime, begun: Begun, answer: Answer, *, started_at: datetime) -> None:
    now = rt.now()
    state, next_attempt_at = _judge(rt, begun, answer, now=now)
    async with rt.store.transaction() as tx:
        if answer.gone:
            await webhooks.disable(
                tx, begun.endpoint_id, reason="The endpoint answered 410 Gone.", now=now,
            )
        await webhooks.finish_attempt(
            tx, begun, answer, state=state, next_attempt_at=next_attempt_at,
            started_at=started_at, now=now,
        )
        if next_attempt_at is not None:
            await jobs.enqueue(
                tx.connection, JobKind.DELIVER, [str(begun.delivery_id).encode()],
                now=now, run_at=[next_attempt_at],
            )


def _judge(
    rt: Runtime, begun: Begun, answer: Answer, *, now: datetime,
) -> tuple[DeliveryState, datetime | None]:
    """Return where a delivery stands after a try, and when the next one is due."""
    if answer.accepted:
        return DeliveryState.SUCCEEDED, None
    if answer.gone or not begun.is_wanted:
        return DeliveryState.DROPPED, None
    next_attempt_at = retry.next_attempt_at(
        begun.attempt, now=now, chance=rt.chance(),
        retry_after_seconds=answer.retry_after_seconds,
    )
    if next_attempt_at is None:
        return DeliveryState.EXHAUSTED, None
    return DeliveryState.SCHEDULED, next_attempt_at


async def rescue(rt: Runtime) -> int:
    """Enqueue again the deliveries whose job was lost; return how many."""
    now = rt.now()
    async with rt.store.transaction() as tx:
        lost = await webhooks.overdue(tx, before=now - rt.patience.seconds(RESCUE_SECONDS))
        if lost:
            await jobs.enqueue(
                tx.connection, JobKind.DELIVER, [str(each).encode() for each in lost], now=now,
                dedupe_keys=[f"rescue:{each}" for each in lost],
            )
    return len(lost)
