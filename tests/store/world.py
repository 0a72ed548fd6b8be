"""What the store's tests write: one merchant, and payments with facts as the services make them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.ids import EventId, MerchantId, PaymentId, uuid7_bits, write
from hakika.domain.merchant import Merchant
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Change, Payment, advance
from hakika.domain.payment import born as start_of
from hakika.domain.payment_data import payment_data
from hakika.domain.prompt import PromptGuard
from hakika.domain.shortcode import paybill
from hakika.store import merchants, partitions, payments
from hakika.store.events import Told
from hakika.store.payments import Intent
from hakika.store.transaction import Store, Transaction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDERED = Money.shillings(500)
RECEIPT = "UKL7RT61SV"
FINGERPRINT = bytes(32)

# No prompt of these tests stands in the way of another.
GUARD = PromptGuard(hour_ago=NOON, prompts_max=10_000, forgotten=NOON + timedelta(days=1))

ASKED = Fact(Kind.ASKED, Source.CALLER, attempt=1)
ACCEPTED = Fact(
    Kind.ACCEPTED, Source.DARAJA, attempt=1, merchant_request_id="29115",
    checkout_request_id="ws_1", raw=b'{"ResponseCode":"0"}',
)
PAID = Fact(
    Kind.PAID, Source.STK_CALLBACK, receipt=RECEIPT, amount=ORDERED, raw=b'{"Body":{}}',
    merchant_request_id="29115", checkout_request_id="ws_1",
)
SILENT = Fact(Kind.SILENT, Source.DARAJA, attempt=1)
CONTRADICTED = Fact(Kind.CONTRADICTED, Source.STK_CALLBACK)


def new_id(prefix: str) -> str:
    """Return an id that is minted at NOON."""
    milliseconds = int(NOON.timestamp() * 1000)
    return write(
        prefix, uuid7_bits(milliseconds=milliseconds, random_bits=secrets.randbits(74)),
    )


def asked(merchant_id: MerchantId, *, key: str = "order-1") -> Change:
    """A payment about to be sent, with its first fact."""
    payment = start_of(Payment(
        id=PaymentId(new_id("pay")), merchant_id=merchant_id, livemode=False, amount=ORDERED,
        payer=Msisdn("254712345678"), shortcode=paybill("174379"), reference="ORDER-1",
        description="T-shirt", metadata={"order": "1"}, idempotency_key=key, created_at=NOON,
        updated_at=NOON,
    ))
    change = advance(payment, ASKED, now=NOON)
    return replace(change, after=replace(change.after, next_check_at=NOON))


async def add_merchant(store: Store) -> MerchantId:
    merchant_id = MerchantId(new_id("mer"))
    async with store.transaction() as tx:
        await partitions.make_ahead(tx, now=NOON)
        await merchants.add(tx, Merchant(merchant_id, "Duka", NOON))
    return merchant_id


async def begin(tx: Transaction, change: Change) -> bool:
    return await payments.begin(tx, change, Intent(
        fingerprint=FINGERPRINT, endpoint_id=new_id("whe"), signs_with="", guard=GUARD,
    ))


async def born(store: Store, merchant_id: MerchantId, *, key: str = "order-1") -> Payment:
    """A payment that stands in the store, sending."""
    change = asked(merchant_id, key=key)
    async with store.transaction() as tx:
        assert await begin(tx, change)
    return change.after


def told(change: Change) -> list[Told]:
    return [
        Told(EventId(new_id("evt")), name, payment_data(change.after)) for name in change.events
    ]


async def hear(store: Store, payment_id: PaymentId, fact: Fact) -> Payment:
    """Record a fact as the services do: locked, judged, written."""
    async with store.transaction() as tx:
        payment = await payments.lock(tx, payment_id)
        assert payment is not None
        change = advance(payment, fact, now=NOON)
        await payments.apply(tx, change, told(change), forgotten=NOON)
    return change.after


