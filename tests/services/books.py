"""Small honest books, born by the services' own doors, and a way to spoil and to mend them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg

from hakika.domain.closing import day_of
from hakika.domain.customer import Details
from hakika.domain.delivery import Answer, DeliveryState, Verdict
from hakika.domain.event import EventName
from hakika.domain.fact import Fact, Kind, Reason, Source
from hakika.domain.ids import CustomerId, EndpointId, KeyId, MerchantId, PaymentId
from hakika.domain.merchant import ApiKey, Owner
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import NOT_SENT, Payment, advance, born
from hakika.domain.prompt import PromptGuard
from hakika.domain.shortcode import paybill
from hakika.domain.webhook import Endpoint
from hakika.services import closing, customers, ledger, merchants
from hakika.services.facts import record_heard, with_next_check
from hakika.services.runtime import Runtime, open_runtime
from hakika.settings import read_settings
from hakika.store import deliveries, events, payments, webhooks
from hakika.store.deliveries import Ended, Place
from hakika.store.payments import Intent
from tests.vault import MASTER_KEY, SECRET

TABLES = (
    "customers", "payments", "facts", "idempotency_keys", "quarantine", "events", "event_counters",
    "endpoints", "endpoint_versions", "deliveries", "attempts", "postings", "unchained",
    "posting_links", "posting_heads", "account_sums", "witnesses", "balances", "day_closings",
)
MEND = "".join(
    f"delete from {table}; insert into {table} overriding system value table saved.{table};"
    for table in TABLES
) + """
    alter table payments drop constraint if exists payments_receipt_key,
        add constraint payments_receipt_key unique (receipt, shortcode, livemode);
    alter table deliveries drop constraint if exists deliveries_once,
        add constraint deliveries_once unique (endpoint_id, event_id);
    alter table postings drop constraint if exists postings_receipt_key,
        add constraint postings_receipt_key
            unique nulls not distinct (receipt, shortcode, livemode, move, line);
"""

PHONE = "254708374149"
PRICE = Money.shillings(1_500)
NO_FUNDS = Reason("insufficient_funds", "1", "The payer has too little.", "Top up.", "Ongeza.")

ASKED = Fact(Kind.ASKED, Source.CALLER, attempt=1)
ACCEPTED = Fact(Kind.ACCEPTED, Source.DARAJA, attempt=1, raw=b"{}")
UNREACHABLE = Fact(Kind.UNREACHABLE, Source.DARAJA, attempt=1)
SILENT = Fact(Kind.SILENT, Source.CLOCK)
DECLINED = Fact(Kind.DECLINED, Source.STK_CALLBACK, reason=NO_FUNDS, raw=b"{}")
CANCELED = Fact(Kind.CANCELED, Source.STK_CALLBACK, reason=NO_FUNDS, raw=b"{}")
CONFIRMED = Fact(Kind.CONFIRMED, Source.STK_QUERY, raw=b"{}")
PAID = Fact(Kind.PAID, Source.STK_CALLBACK, amount=PRICE, raw=b"{}")
MISPAID = replace(PAID, kind=Kind.MISPAID, amount=Money.shillings(1_499))
LAPSED = Fact(Kind.LAPSED, Source.CLOCK, reason=NOT_SENT)
CONTRADICTED = Fact(Kind.CONTRADICTED, Source.STK_CALLBACK, raw=b"{}")

# Each payment of the world is named for what it came to.
STORIES: Mapping[str, tuple[Fact, ...]] = {
    "sending": (),
    "unsent": (UNREACHABLE,),
    "pending": (ACCEPTED,),
    "unknown": (ACCEPTED, SILENT),
    "failed": (ACCEPTED, DECLINED),
    "canceled": (ACCEPTED, CANCELED),
    "awaited": (ACCEPTED, CONFIRMED),
    "review": (ACCEPTED, MISPAID),
    "completed": (ACCEPTED, PAID),
    "late": (ACCEPTED, DECLINED, PAID),
    "disputed": (ACCEPTED, PAID, CONTRADICTED),
    "lapsed": (ACCEPTED, SILENT, LAPSED),
    "own": (ACCEPTED, PAID),        # has an address of its own
    "foreign": (ACCEPTED, PAID),    # of the other merchant
}
WITH_MONEY = ("awaited", "review", "completed", "late", "disputed", "own", "foreign")


def receipt(name: str) -> str:
    """Return the receipt of a payment: a real one's form, ten letters and digits."""
    return "UKL" + f"{sorted(STORIES).index(name):07d}"[::-1]


def checkout_id(name: str) -> str:
    """Return the checkout request id of a payment; as in life, it ends in the payer's number."""
    return f"ws_CO_21112026120000{sorted(STORIES).index(name):03d}{PHONE[3:]}"


@dataclass(frozen=True)
class World:
    """A database with one payment of each kind, and the names of what is in it."""

    url: str
    names: Mapping[str, str]


def runtime(url: str) -> Any:
    """Open the running parts on a database. Nothing here ever calls out."""
    return open_runtime(
        read_settings({}, database_url=url, secret=SECRET, master_key=MASTER_KEY),
        public_url="https://pay.example",
    )


async def bear(url: str) -> dict[str, str]:
    """Let everything happen, and return the id of each thing by name."""
    async with runtime(url) as rt:
        shop = (await merchants.create(rt, "Shop")).id
        other = (await merchants.create(rt, "Another")).id
        names: dict[str, str] = {"shop": shop, "other": other}
        for name, merchant, wanted in [
            ("endpoint", shop, ()), ("other_endpoint", other, ()),
            ("picky_endpoint", shop, (EventName.PAYMENT_FAILED,)),
        ]:
            names[name] = await _add_endpoint(rt, merchant, wanted)
        for name, story in STORIES.items():
            owner = other if name == "foreign" else shop
            own: dict[str, Any] = {"signer": names["endpoint"]}
            if name == "own":
                names |= await _bear_customers(rt, shop)
                own |= {"address": "https://shop.example/own", "customer": names["customer"]}
            names[name] = await _born(rt, owner, key=f"key-{name}", **own)
            for fact in story:
                await _hear(rt, names[name], _named(fact, name))
        await _deliver_some(rt, merchants_of=(shop, other))
        await ledger.chain_all(rt)
        await _close_days(rt, MerchantId(shop), url)
        return names | _told(url, names)


async def _close_days(rt: Runtime, owner: MerchantId, url: str) -> None:
    """Let M-Pesa tell what lies on the short code and that nothing moved, and close two days."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into balances select merchant_id, livemode, split_part(account, ':', 2),"
            " account, %s, 'balance', 100 from account_sums"
            " where merchant_id = %s and account like 'float:%%'",
            (rt.now() - timedelta(days=1), owner),
        )
        connection.execute(
            "insert into statements select %(id)s, merchant_id, livemode,"
            " split_part(account, ':', 2), account, '', 'csv', 0, %(start)s, %(end)s, %(start)s,"
            " %(end)s, null, null, '{}', %(end)s from account_sums"
            " where merchant_id = %(owner)s and account like 'float:%%'",
            {
                "id": rt.new_id("stm"), "owner": owner, "start": rt.now() - timedelta(days=4),
                "end": rt.now(),
            },
        )
    for days in (2, 1):
        await closing.close(rt, Owner(owner, livemode=False), day_of(rt.now() - timedelta(days)))
    await ledger.chain_all(rt)


async def _add_endpoint(rt: Runtime, owner: MerchantId, wanted: tuple[EventName, ...]) -> str:
    endpoint = Endpoint(
        id=EndpointId(rt.new_id("whe")), merchant_id=owner, livemode=False,
        url="https://shop.example/hook", secret=rt.new_webhook_secret(),
        events=frozenset(wanted), created_at=rt.now() - timedelta(minutes=1),
    )
    async with rt.store.transaction() as tx:
        await webhooks.add(tx, endpoint)
    return endpoint.id


async def _bear_customers(rt: Runtime, owner: MerchantId) -> dict[str, str]:
    """Make a customer who was changed, and one who was erased."""
    key = ApiKey(
        id=KeyId(rt.new_id("key")), merchant_id=owner, livemode=False, handle="", digest=b"",
        scopes=frozenset(), label="", created_at=rt.now(),
    )
    customer = await customers.create(rt, key, Details(name="Wanjiku", phone=Msisdn(PHONE)))
    await customers.change(rt, key, customer.id, {"reference": "MEMBER-77"})
    erased = await customers.create(rt, key, Details(name="Otieno"))
    await customers.change(rt, key, erased.id, {"email": "otieno@example.com"})
    await customers.erase(rt, key, erased.id)
    return {"customer": customer.id, "erased": erased.id}


async def _born(
    rt: Runtime, owner: MerchantId, *, key: str, signer: str, address: str = "",
    customer: str = "",
) -> str:
    """Bear a payment about to be sent, in the statement that the services use."""
    now = rt.now()
    payment = born(Payment(
        id=PaymentId(rt.new_id("pay")), merchant_id=owner, livemode=False, amount=PRICE,
        payer=Msisdn(PHONE), shortcode=paybill("174379"), reference="INV-7", description="Shoes",
        idempotency_key=key, created_at=now, updated_at=now, metadata={"cart": "7"},
        callback_url=address, customer_id=CustomerId(customer) if customer else None,
    ))
    change = with_next_check(rt, advance(payment, ASKED, now=now))
    async with rt.store.transaction() as tx:
        assert await payments.begin(tx, change, Intent(
            fingerprint=b"f", endpoint_id=rt.new_id("whe"),
            signs_with=signer,
            guard=PromptGuard(hour_ago=now, prompts_max=1000, forgotten=now + timedelta(days=1)),
        ))
    return payment.id


async def _hear(rt: Runtime, payment_id: str, fact: Fact) -> None:
    await record_heard(rt, PaymentId(payment_id), lambda _: fact)


def _named(fact: Fact, name: str) -> Fact:
    """Return the fact with the ids that Daraja would have given."""
    if fact.kind in {Kind.PAID, Kind.MISPAID}:
        fact = replace(fact, receipt=receipt(name))
    if fact.kind in {Kind.ACCEPTED, Kind.PAID, Kind.MISPAID, Kind.DECLINED, Kind.CANCELED}:
        fact = replace(
            fact, checkout_request_id=checkout_id(name), merchant_request_id=f"mr-{name}",
        )
    return fact


async def _deliver_some(rt: Runtime, *, merchants_of: tuple[MerchantId, ...]) -> None:
    """Number the events, and let the first deliveries in each lane succeed."""
    for owner in merchants_of:
        async with rt.store.transaction() as tx:
            await events.number(tx, owner, livemode=False)
    now = rt.now()
    async with rt.store.autocommit() as tx:
        turn = await deliveries.turn(tx, [], Place(free=50, rooms={}), now=now, lease=now)
        ended = [
            Ended(taken, Answer(200), Verdict(DeliveryState.SUCCEEDED)) for taken in turn.begun
        ]
        await deliveries.turn(tx, ended, None, now=now, lease=now)


def _told(url: str, names: Mapping[str, str]) -> dict[str, str]:
    """Return the first event of each payment, its first delivery, and one that succeeded."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select distinct on (events.subject_id) events.subject_id, events.id, deliveries.id"
            " from events join deliveries on event_id = events.id"
            " order by events.subject_id, events.position, deliveries.id"
        ).fetchall()
        done = connection.execute("select min(delivery_id) from attempts").fetchone()
    assert done is not None
    told = {"done": str(done[0])}
    name_of = {payment_id: name for name, payment_id in names.items()}
    for payment_id, event_id, delivery_id in rows:
        told[f"{name_of[payment_id]}_event"] = event_id
        told[f"{name_of[payment_id]}_delivery"] = str(delivery_id)
    return told


@contextmanager
def superuser(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Lend a connection on which no trigger protects anything."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        yield connection


def spoil(world: World, statements: str) -> None:
    """Run statements in which `{name}` stands for an id."""
    with superuser(world.url) as connection:
        connection.execute(statements.format(**world.names).encode())
