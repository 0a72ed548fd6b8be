"""Webhook endpoints: registered, changed, tried out, given new secrets, deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hakika.domain import webhook
from hakika.domain.delivery import Answer
from hakika.domain.dialect import Dialect, Message, masked
from hakika.domain.errors import Invalid, NotFound, SecretOverlap, TooManyEndpoints
from hakika.domain.event import TEST, Event, EventName
from hakika.domain.health import FINE
from hakika.domain.ids import EndpointId, EventId
from hakika.domain.merchant import OVERLAP_SECONDS, ApiKey, check_overlap
from hakika.domain.times import written
from hakika.domain.webhook import Endpoint, endpoint_data
from hakika.outbound.addresses import check_url
from hakika.services import endpoint_health
from hakika.services.delivering import post
from hakika.services.runtime import Runtime
from hakika.store import merchants, webhooks
from hakika.store.deliveries import Letter
from hakika.store.transaction import Transaction

DISABLED_BY_MERCHANT = "Its merchant disabled it."


class Unchanged:
    """What a change says of a field that it does not touch."""


UNCHANGED: Final = Unchanged()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new endpoint is to be."""

    url: str
    events: Collection[EventName] = ()         # empty: all
    dialect: Dialect = Dialect.STANDARD
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_per_second: float | None = None       # None: the instance's


@dataclass(frozen=True, slots=True)
class Changed:
    """What is to become of an endpoint. A field that is None, or UNCHANGED, stays as it is."""

    url: str | None = None
    events: Collection[EventName] | None = None
    dialect: Dialect | None = None
    description: str | None = None
    headers: Mapping[str, str] | None = None
    rate_per_second: float | Unchanged | None = UNCHANGED
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """A test event, without its signatures, and what came of it."""

    url: str
    message: Message
    answer: Answer


async def add_endpoint(rt: Runtime, key: ApiKey, wanted: Wanted) -> Endpoint:
    """Return a new endpoint with its secret, which is shown this once.

    Raises:
        Invalid: the address may not be called, such as a private one, or another field is wrong.
        TooManyEndpoints: delete one first.
    """
    async with rt.store.transaction() as tx:
        await merchants.lock(tx, key.merchant_id)
        present = await webhooks.endpoints(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, seller_id=key.seller_id,
        )
        if len(present) >= webhook.ENDPOINTS_MAX:
            raise TooManyEndpoints(f"There are {webhook.ENDPOINTS_MAX} endpoints already.")
        endpoint = _new_endpoint(rt, key, wanted)
        await webhooks.add(tx, endpoint)
    return endpoint


async def set_only_endpoint(rt: Runtime, key: ApiKey, url: str) -> Endpoint:
    """Replace all endpoints by one that hears everything; return it with its new secret.

    Raises:
        Invalid: as `add_endpoint`; what was there stays.
    """
    endpoint = _new_endpoint(rt, key, Wanted(url))
    async with rt.store.transaction() as tx:
        await merchants.lock(tx, key.merchant_id)
        for old in await webhooks.endpoints(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, seller_id=key.seller_id,
        ):
            await webhooks.delete(
                tx, old.id, merchant_id=key.merchant_id, livemode=key.livemode, now=rt.now(),
            )
        await webhooks.add(tx, endpoint)
    return endpoint


def _new_endpoint(rt: Runtime, key: ApiKey, wanted: Wanted) -> Endpoint:
    return Endpoint(
        id=EndpointId(rt.new_id("whe")), merchant_id=key.merchant_id, livemode=key.livemode,
        url=checked_url(rt, key, wanted.url), secret=rt.new_webhook_secret(),
        events=frozenset(wanted.events), dialect=wanted.dialect,
        description=_checked_description(wanted.description),
        headers=webhook.check_headers(wanted.headers),
        rate_per_second=webhook.check_rate(wanted.rate_per_second), created_at=rt.now(),
        seller_id=key.seller_id,
    )


def checked_url(rt: Runtime, key: ApiKey, url: str) -> str:
    """Return `url` when webhooks may go there. Raises: Invalid.

    A courtesy at the time of asking: each try checks again, at the moment of connecting.
    """
    return check_url(url, livemode=key.livemode, allow=rt.webhook_allow)


def _checked_description(text: str) -> str:
    if len(text) > webhook.DESCRIPTION_CHARACTERS_MAX:
        raise Invalid(
            f"A description has {webhook.DESCRIPTION_CHARACTERS_MAX} characters at most.",
            field="description", code="description_too_long",
        )
    return text


async def endpoints(rt: Runtime, key: ApiKey) -> list[Endpoint]:
    """Return the endpoints of this key's merchant and mode."""
    async with rt.store.autocommit() as tx:
        return await webhooks.endpoints(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, seller_id=key.seller_id,
        )


async def read_endpoint(rt: Runtime, key: ApiKey, endpoint_id: EndpointId) -> Endpoint:
    """Return one endpoint. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        return await _found(tx, key, endpoint_id)


async def change_endpoint(
    rt: Runtime, key: ApiKey, endpoint_id: EndpointId, changed: Changed,
) -> Endpoint:
    """Change an endpoint; return it as it is then. A new address or a repair gets a fresh start:
    what failed goes out now.

    Nothing goes to the old address any more, what was scheduled before included, but for what is
    on its way at this moment.

    Raises:
        Invalid: as `add_endpoint`; nothing is changed.
        NotFound: no such endpoint for this key.
    """
    now = rt.now()
    async with rt.store.transaction() as tx:
        endpoint = await _found(tx, key, endpoint_id, lock=True)
        after = replace(endpoint, **_fields(rt, key, changed))
        if changed.enabled is False and endpoint.disabled_at is None:
            await webhooks.disable(tx, endpoint.id, reason=DISABLED_BY_MERCHANT, now=now)
            after = replace(after, disabled_at=now, disabled_reason=DISABLED_BY_MERCHANT)
        if changed.enabled:
            after = replace(after, disabled_at=None, disabled_reason="")
        is_mended = changed.enabled or after.url != endpoint.url
        if is_mended:
            after = replace(after, health=FINE)
        await webhooks.change(tx, after, now=now)
        tx.wake_workers()
    if is_mended:
        await endpoint_health.bring_forward(rt, endpoint_id)
    return after


def _fields(rt: Runtime, key: ApiKey, changed: Changed) -> dict[str, Any]:
    """Return the fields of an endpoint that a change sets, checked."""
    fields: dict[str, Any] = {}
    if changed.url is not None:
        fields["url"] = checked_url(rt, key, changed.url)
    if changed.events is not None:
        fields["events"] = frozenset(changed.events)
    if changed.dialect is not None:
        fields["dialect"] = changed.dialect
    if changed.description is not None:
        fields["description"] = _checked_description(changed.description)
    if changed.headers is not None:
        fields["headers"] = webhook.check_headers(changed.headers)
    if not isinstance(changed.rate_per_second, Unchanged):
        fields["rate_per_second"] = webhook.check_rate(changed.rate_per_second)
    return fields


async def rotate_secret(
    rt: Runtime, key: ApiKey, endpoint_id: EndpointId, *, overlap_seconds: int = OVERLAP_SECONDS,
) -> Endpoint:
    """Give an endpoint a new secret, shown this once; the old one signs too for the overlap.

    Raises:
        Invalid: the overlap is longer than a week.
        NotFound: no such endpoint for this key.
        SecretOverlap: an overlap runs, and this is not to end it. Which of its two secrets the
            receiver has, nobody here knows.
    """
    overlap = check_overlap(overlap_seconds)
    async with rt.store.transaction() as tx:
        old = await _found(tx, key, endpoint_id, lock=True)
        if overlap and old.previous_until is not None and rt.now() < old.previous_until:
            raise SecretOverlap(
                f"The secret before this one signs too until {written(old.previous_until)}.",
            )
        rotated = replace(
            old, secret=rt.new_webhook_secret(), previous_secret=old.secret if overlap else "",
            previous_until=rt.now() + overlap if overlap else None,
        )
        await webhooks.set_secrets(tx, rotated)
    return rotated


async def delete_endpoint(rt: Runtime, key: ApiKey, endpoint_id: EndpointId) -> None:
    """Delete an endpoint; what waits for it is dropped. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        deleted = await webhooks.delete(
            tx, endpoint_id, merchant_id=key.merchant_id, livemode=key.livemode, now=rt.now(),
            seller_id=key.seller_id,
        )
    if not deleted:
        raise _not_found(endpoint_id)


async def try_endpoint(rt: Runtime, key: ApiKey, endpoint_id: EndpointId) -> Tried:
    """Post a test event to an endpoint, also to a disabled one; return what came of it.

    It is signed as any other, has no sequence and is kept nowhere. Raises: NotFound.
    """
    endpoint = await read_endpoint(rt, key, endpoint_id)
    now = rt.now()
    event = Event(
        id=EventId(rt.new_id("evt")), merchant_id=key.merchant_id, livemode=key.livemode,
        name=TEST, sequence=None, subject_id=endpoint.id, data=endpoint_data(endpoint),
        created_at=now,
    )
    answer = await post(rt, Letter(
        url=endpoint.url, dialect=endpoint.dialect, event=event, own_headers=endpoint.headers,
        newest_secret=endpoint.secret, previous_secret=endpoint.previous_secret,
        previous_until=endpoint.previous_until,
    ))
    return Tried(
        endpoint.url, masked(endpoint.dialect, event, now=now, own=endpoint.headers), answer,
    )


async def _found(
    tx: Transaction, key: ApiKey, endpoint_id: EndpointId, *, lock: bool = False,
) -> Endpoint:
    endpoint = await webhooks.read(
        tx, endpoint_id, merchant_id=key.merchant_id, livemode=key.livemode, lock=lock,
        seller_id=key.seller_id,
    )
    if endpoint is None:
        raise _not_found(endpoint_id)
    return endpoint


def _not_found(endpoint_id: EndpointId) -> NotFound:
    return NotFound(f"There is no webhook endpoint {endpoint_id} for this key.")
