"""Deliveries as their merchant sees them: found, read, and asked for again."""

from __future__ import annotations

from datetime import datetime

from hakika.domain.delivery import Attempt, Delivery
from hakika.domain.errors import EndpointDisabled, NotFound
from hakika.domain.ids import DeliveryId, EndpointId, written_delivery_id
from hakika.domain.merchant import ApiKey
from hakika.services import webhooks as endpoints
from hakika.services.runtime import Runtime
from hakika.store import delivery_search, webhooks
from hakika.store.delivery_search import Filter
from hakika.store.transaction import Transaction


async def find(rt: Runtime, key: ApiKey, wanted: Filter, *, limit: int) -> list[Delivery]:
    """Return up to `limit` deliveries of this key's merchant and mode, the newest events first."""
    async with rt.store.autocommit() as tx:
        return await delivery_search.find(
            tx, wanted, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


async def read(
    rt: Runtime, key: ApiKey, delivery_id: DeliveryId,
) -> tuple[Delivery, list[Attempt]]:
    """Return a delivery and the newest tries at it, oldest first. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        delivery = await _found(tx, key, delivery_id)
        return delivery, await delivery_search.attempts(
            tx, delivery_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )


async def read_one(rt: Runtime, key: ApiKey, delivery_id: DeliveryId) -> Delivery:
    """Return a delivery. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        return await _found(tx, key, delivery_id)


async def redeliver(rt: Runtime, key: ApiKey, delivery_id: DeliveryId) -> Delivery:
    """Make a delivery due now, whatever became of it, with a whole new row of tries.

    Raises:
        NotFound: no such delivery for this key.
        EndpointDisabled: its endpoint takes nothing. Enable it first.
    """
    async with rt.store.transaction() as tx:
        delivery = await _found(tx, key, delivery_id)
        if not await webhooks.is_alive(tx, delivery.endpoint_id):
            raise EndpointDisabled("The endpoint of this delivery is disabled or deleted.")
        await delivery_search.again(tx, delivery_id, now=rt.now())
        return await _found(tx, key, delivery_id)


async def recover(rt: Runtime, key: ApiKey, endpoint_id: EndpointId, *, since: datetime) -> int:
    """Send again what an endpoint missed of the events since `since`; return how many it missed.

    That is: what was given up, and what nobody kept for it while it was disabled. It goes out in
    its turn, as fast as the endpoint takes it. Safe to call twice.

    Raises:
        NotFound: no such endpoint for this key.
        EndpointDisabled: it takes nothing. Enable it first.
    """
    endpoint = await endpoints.read_endpoint(rt, key, endpoint_id)
    if endpoint.disabled_at is not None:
        raise EndpointDisabled("This endpoint is disabled.")
    missed, now = 0, rt.now()
    while True:
        async with rt.store.transaction() as tx:
            found = await delivery_search.recover(tx, endpoint_id, since=since, now=now)
        missed += found
        if found == 0:
            return missed


async def _found(tx: Transaction, key: ApiKey, delivery_id: DeliveryId) -> Delivery:
    delivery = await delivery_search.read(
        tx, delivery_id, merchant_id=key.merchant_id, livemode=key.livemode,
    )
    if delivery is None:
        raise NotFound(f"There is no delivery {written_delivery_id(delivery_id)} for this key.")
    return delivery
