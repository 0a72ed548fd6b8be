"""Customers: made, read, changed, found and erased; each change is told as an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from hakika.domain import customer as rules
from hakika.domain.customer import Customer, Details, customer_data, erased_data
from hakika.domain.errors import CustomerExists, Invalid, NotFound
from hakika.domain.event import EventName
from hakika.domain.ids import CustomerId, EventId, MerchantId, PaymentId
from hakika.domain.merchant import ApiKey, Scope
from hakika.domain.msisdn import Msisdn, read_mask
from hakika.domain.payment import Payment
from hakika.domain.witness import Witness
from hakika.services.runtime import Runtime
from hakika.store import customers, events, payment_search
from hakika.store.customers import PhoneTaken, Sought, Tail
from hakika.store.events import Told
from hakika.store.payment_search import Filter
from hakika.store.transaction import Transaction


class _Whose(TypedDict):
    merchant_id: MerchantId
    livemode: bool


async def create(rt: Runtime, key: ApiKey, details: Details) -> Customer:
    """Return a new customer.

    Raises:
        Invalid: nothing in `details` says who is meant.
        CustomerExists: another customer has this phone, and is named.
    """
    customer = _new(rt, key, details)
    async with rt.store.transaction() as tx:
        if await customers.add(tx, customer):
            await _tell(rt, tx, key, EventName.CUSTOMER_CREATED, customer_data(customer))
            return customer
    raise await _exists(rt, key, details.phone)


def _new(rt: Runtime, key: ApiKey, details: Details) -> Customer:
    now = rt.now()
    return Customer(
        id=CustomerId(rt.new_id("cus")), merchant_id=key.merchant_id, livemode=key.livemode,
        details=rules.check(details), created_at=now, updated_at=now,
    )


async def _exists(rt: Runtime, key: ApiKey, phone: Msisdn | None) -> CustomerExists:
    assert phone is not None, "nothing else of a customer is unique"
    async with rt.store.autocommit() as tx:
        other = await customers.with_phone(
            tx, phone, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    named = f"Customer {other}" if other else "A customer who was deleted just now"
    return CustomerExists(f"{named} has this phone number.")


async def read(rt: Runtime, key: ApiKey, customer_id: CustomerId) -> Customer:
    """Return a living customer of this key's merchant and mode. Raises: NotFound."""
    async with rt.store.autocommit() as tx:
        customer = await customers.read(
            tx, customer_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    return _found(customer, customer_id)


def _found(customer: Customer | None, customer_id: CustomerId) -> Customer:
    if customer is None:
        raise NotFound(f"There is no customer {customer_id} for this key.")
    return customer


async def change(
    rt: Runtime, key: ApiKey, customer_id: CustomerId, changes: Mapping[str, Any],
) -> Customer:
    """Return a customer with `changes` by field, as `domain.customer.changed` applies them.

    What changes nothing is not told.

    Raises:
        NotFound: no such living customer.
        Invalid, CustomerExists: as `create`.
    """
    try:
        async with rt.store.transaction() as tx:
            before = _found(await _locked(tx, key, customer_id), customer_id)
            after = rules.changed(before, changes, now=rt.now())
            if after is not before:
                await customers.change(tx, after)
                await _tell(rt, tx, key, EventName.CUSTOMER_UPDATED, customer_data(after))
            return after
    except PhoneTaken:
        raise await _exists(rt, key, changes["phone"]) from None


async def _locked(tx: Transaction, key: ApiKey, customer_id: CustomerId) -> Customer | None:
    return await customers.lock(
        tx, customer_id, merchant_id=key.merchant_id, livemode=key.livemode,
    )


async def erase(rt: Runtime, key: ApiKey, customer_id: CustomerId) -> None:
    """Delete a customer: what was personal is gone from its row and from all its events.

    Its payments stay, with its id. A webhook that is just on its way may still say what was.

    Raises:
        NotFound: no such living customer.
    """
    now = rt.now()
    async with rt.store.transaction() as tx:
        _found(await _locked(tx, key, customer_id), customer_id)
        await customers.erase(tx, customer_id, now=now)
        await events.retell(tx, key.merchant_id, customer_id, erased_data(customer_id))
        await _tell(rt, tx, key, EventName.CUSTOMER_DELETED, erased_data(customer_id))


async def find(rt: Runtime, key: ApiKey, sought: Sought, *, limit: int) -> list[Customer]:
    """Return up to `limit` living customers of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await customers.find(
            tx, sought, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


async def payments_of(
    rt: Runtime, key: ApiKey, customer_id: CustomerId, *, before: PaymentId | None, limit: int,
) -> list[Payment]:
    """Return up to `limit` payments that name a living customer, newest first. Raises: NotFound."""
    await read(rt, key, customer_id)
    async with rt.store.autocommit() as tx:
        return await payment_search.find(
            tx, Filter(customer_id=customer_id, before=before),
            merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


async def named(tx: Transaction, key: ApiKey, customer_id: CustomerId) -> CustomerId:
    """Return the customer that a new payment names. Raises: Invalid, when there is none."""
    customer = await customers.read(
        tx, customer_id, merchant_id=key.merchant_id, livemode=key.livemode,
    )
    if customer is None:
        raise Invalid(
            f"There is no customer {customer_id} for this key.", field="customer_id",
            code="customer_unknown", hint="GET /v1/customers lists the customers.",
        )
    return customer.id


async def behind(tx: Transaction, several: Sequence[Witness]) -> list[CustomerId | None]:
    """Return the customers who paid unasked, where the merchant has the person already, else None.

    Their numbers are never found out: what M-Pesa tells of one is only compared.
    """
    tails = [_tail(each) for each in several]
    found = await customers.with_tails(tx, {tail for tail in tails if tail})
    return [
        await _behind(tx, each, found.get(tail, []) if tail else [])
        for each, tail in zip(several, tails, strict=True)
    ]


def _tail(witness: Witness) -> Tail | None:
    """Return how the payer's number ends, when that is all that can be compared."""
    mask = read_mask(witness.payer_masked)
    if witness.payer or witness.payer_hash or not mask or len(mask.tail) < customers.TAIL_DIGITS:
        return None
    return Tail(witness.merchant_id, witness.livemode, mask.tail[-customers.TAIL_DIGITS:])


async def _behind(
    tx: Transaction, witness: Witness, alike: Sequence[Customer],
) -> CustomerId | None:
    whose: _Whose = {"merchant_id": witness.merchant_id, "livemode": witness.livemode}
    if witness.payer is not None:
        return await customers.with_phone(tx, witness.payer, **whose)
    if witness.payer_hash:
        return await customers.with_hashed_phone(tx, witness.payer_hash, **whose)
    mask = read_mask(witness.payer_masked)
    return rules.the_one_behind(mask, witness.payer_name, alike) if mask else None


async def paying(rt: Runtime, tx: Transaction, key: ApiKey, details: Details) -> CustomerId:
    """Return the customer who has the phone in `details`: the one there is, or one made of them.

    Raises:
        Forbidden: the key may not make customers.
    """
    key.require(Scope.CUSTOMERS_WRITE)
    assert details.phone is not None, "a payer has a phone"
    while True:
        present = await customers.with_phone(
            tx, details.phone, merchant_id=key.merchant_id, livemode=key.livemode,
        )
        if present is not None:
            return present
        customer = _new(rt, key, details)
        if await customers.add(tx, customer):
            await _tell(rt, tx, key, EventName.CUSTOMER_CREATED, customer_data(customer))
            return customer.id
        # Another payment of the same phone was quicker by a moment: now its customer is seen.


async def _tell(
    rt: Runtime, tx: Transaction, key: ApiKey, name: EventName, data: dict[str, Any],
) -> None:
    """Write an event beside what it tells of, and its deliveries."""
    told = [Told(EventId(rt.new_id("evt")), name, data)]
    await events.tell(
        tx, key.merchant_id, livemode=key.livemode, subject_id=data["id"], told=told, now=rt.now(),
    )
