"""The world of the services' tests: a database, a Daraja that does as it is told, a merchant.

One world for a file, because opening one costs a second; `World.anew` gives each test a merchant of
its own and puts all that was before to rest. Nothing here waits for time to pass: `World.let_pass`
moves back what is written instead.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

import psycopg
from aiohttp import web
from psycopg.rows import dict_row

from hakika.domain.ids import PaymentId
from hakika.domain.merchant import ApiKey
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.patience import Patience
from hakika.domain.payment import Payment
from hakika.domain.provider import Secrets
from hakika.domain.sealing import INSTANCE
from hakika.domain.shortcode import paybill
from hakika.domain.webhook import Endpoint
from hakika.services import (
    callbacks,
    delivering,
    keys,
    merchants,
    payments,
    providers,
    webhooks,
)
from hakika.services.callbacks import Arrival
from hakika.services.killpoints import KillPoint
from hakika.services.payments import Asked, Order
from hakika.services.providers import Wanted
from hakika.services.runtime import Runtime, open_runtime
from hakika.settings import Settings, read_settings
from tests.vault import MASTER_KEY, SECRET, opened

PUBLIC_URL = "https://pay.example"
PRICE = Money.shillings(1_500)
SAFARICOM = "196.201.214.200"
STRANGER = "203.0.113.9"

# A way into live Daraja; nothing in it is Safaricom's sandbox's.
LIVE = Wanted(paybill("600978"), Secrets("live-key", "live-secret", "ab" * 32))

STILL_PROCESSING = {"ResponseCode": "0", "ResultCode": "4999", "ResultDesc": "Under processing"}
PAID = {"ResponseCode": "0", "ResultCode": "0", "ResultDesc": "Processed successfully."}
TOO_MANY = {"errorCode": "429.001.01", "errorMessage": "Quota violation"}
WRONG_PHONE = {"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid PhoneNumber"}

# Everything that says when something is due. What a fact's chain holds is never moved.
_LET_PASS = """
    update payments set asked_at = asked_at - %(time)s, updated_at = updated_at - %(time)s,
        next_check_at = next_check_at - %(time)s;
    update query_budgets set next_free_at = next_free_at - %(time)s;
    update deliveries set next_attempt_at = next_attempt_at - %(time)s,
        waits_since = waits_since - %(time)s;
    update endpoints set held_until = held_until - %(time)s,
        failing_since = failing_since - %(time)s, last_failed_at = last_failed_at - %(time)s,
        previous_until = previous_until - %(time)s;
    update quarantine set next_try_at = next_try_at - %(time)s;
"""

# What other tests left behind must never be due again; facts are not touched, they are evidence.
_PUT_TO_REST = """
    update payments set next_check_at = null;
    delete from attempts; delete from deliveries; delete from quarantine;
    delete from query_budgets; delete from open_prompts; delete from balance_turns;
"""

_numbers = itertools.count(1)


class Died(BaseException):
    """The process died here, as far as a service can see."""


@dataclass
class Daraja:
    """Takes every push with ids of its own, and answers every query with what it `says`."""

    url: str = ""
    away: bool = False                                  # hangs up on everybody, without a word
    refuses: tuple[int, Mapping[str, str]] | None = None
    says: Mapping[str, str] = field(default_factory=lambda: STILL_PROCESSING)
    status: int = 200                                   # of the answer to a query
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0                                # that each query takes
    pushes: list[Mapping[str, Any]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)    # checkout request ids, as they came
    questions: list[Mapping[str, Any]] = field(default_factory=list)
    overtaking: Callable[[Mapping[str, Any], str], Awaitable[None]] | None = None

    async def token(self, _: web.Request) -> web.Response:
        """Give an access token."""
        return web.json_response({"access_token": "an-access-token", "expires_in": "3599"})

    async def push(self, request: web.Request) -> web.Response:
        """Take a push and give it ids."""
        self.pushes.append(await request.json())
        if self.away:
            return _hung_up(request)
        if self.refuses is not None:
            status, body = self.refuses
            return web.json_response(body, status=status)
        return web.json_response({
            "MerchantRequestID": f"merchant-{next(_numbers)}",
            "CheckoutRequestID": f"ws_CO_{next(_numbers)}",
            "ResponseCode": "0", "ResponseDescription": "Success", "CustomerMessage": "Success",
        })

    async def query(self, request: web.Request) -> web.Response:
        """Say what became of a push."""
        self.queries.append((await request.json())["CheckoutRequestID"])
        await asyncio.sleep(self.seconds)
        if self.away:
            return _hung_up(request)
        return web.json_response(self.says, status=self.status, headers=self.headers)


    async def inquire(self, request: web.Request) -> web.Response:
        """Take a question and give it an id, which is told first to whoever is `overtaking`."""
        question = await request.json()
        self.questions.append(question)
        if self.away:
            return _hung_up(request)
        if self.refuses is not None:
            status, body = self.refuses
            return web.json_response(body, status=status)
        conversation_id = f"AG_20261121_{next(_numbers):020x}"
        if self.overtaking is not None:
            await self.overtaking(question, conversation_id)
        return web.json_response({
            "OriginatorConversationID": f"originator-{next(_numbers)}",
            "ConversationID": conversation_id, "ResponseCode": "0",
            "ResponseDescription": "Accept the service request successfully.",
        })


def _hung_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@dataclass
class Receiver:
    """A merchant's server: it answers with `statuses`, one after another, the last for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    heard: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: set[str] = field(default_factory=set)      # paths that never answer
    failing: set[str] = field(default_factory=set)      # paths that answer 500
    answers: dict[str, int] = field(default_factory=dict)  # paths that answer something else
    poison: set[str] = field(default_factory=set)       # types of events that are answered by 500
    seconds: float = 0.0                                # that each answer takes
    headers: dict[str, str] = field(default_factory=dict)
    says: str = "as told"
    open: int = 0                                       # webhooks that wait for their answer

    def __post_init__(self) -> None:
        self.answering.set()

    async def hear(self, request: web.Request) -> web.Response:
        """Hear one webhook; while `answering` is not set, leave its sender waiting."""
        body = await request.read()
        self.raw.append((dict(request.headers), body))
        self.heard.append(json.loads(body) | {"path": request.path})
        self.open += 1
        try:
            await self.answering.wait()
            await asyncio.sleep(3600 if request.path in self.hanging else self.seconds)
        finally:
            self.open -= 1
        if request.path in self.failing or request.path in self.answers:
            return web.Response(status=self.answers.get(request.path, 500))
        if json.loads(body).get("type") in self.poison:
            return web.Response(status=500)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, text=self.says, headers=self.headers)


@dataclass(frozen=True)
class World:
    """The running parts, and everything outside of them."""

    rt: Runtime
    url: str
    key: ApiKey
    daraja: Daraja
    receiver: Receiver

    async def anew(self) -> World:
        """Return this world as a new merchant finds it, in which nothing is due."""
        self.change(*_PUT_TO_REST.split(";")[:-1])
        vars(self.daraja).update(vars(Daraja(url=self.daraja.url)))
        vars(self.receiver).update(vars(Receiver(url=self.receiver.url)))
        return replace(self, key=await _new_key(self.rt, livemode=False))

    async def besides(self) -> World:
        """Return this world, with everything that is in it, as another merchant finds it."""
        return replace(self, key=await _new_key(self.rt, livemode=False))

    async def live(self) -> World:
        """Return this world as a merchant with a live key finds it."""
        key = await _new_key(self.rt, livemode=True)
        await providers.put(self.rt, key, LIVE)
        return replace(self, key=key)

    def at_pace(self, pace: float) -> World:
        """Return this world with shorter waits for Daraja."""
        return replace(self, rt=replace(self.rt, patience=Patience(pace)))

    def having(self, **settings: object) -> World:
        """Return this world with other settings."""
        changed = self.rt.settings.model_copy(update=settings)
        return replace(self, rt=replace(self.rt, settings=changed))

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Read the database."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """Return the only value of the only row."""
        (row,) = self.rows(query, *values)
        (value,) = row.values()
        return value

    def change(self, *statements: str) -> None:
        """Change the database behind everybody's back."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def let_pass(self, seconds: float) -> None:
        """Let time pass: everything that is due is due that much earlier."""
        with psycopg.connect(self.url) as connection:
            for statement in _LET_PASS.split(";")[:-1]:
                connection.execute(
                    statement.replace("%(time)s", "make_interval(secs => %(seconds)s)").encode(),
                    {"seconds": seconds},
                )

    def dying_at(self, point: KillPoint) -> Runtime:
        """Return running parts whose process dies at `point`."""

        def watch(passed: KillPoint) -> None:
            if passed is point:
                raise Died(point)

        return replace(self.rt, passing=watch)

    async def ask(self, wanted: Order | None = None, *, rt: Runtime | None = None) -> Asked:
        """Ask the payer for money."""
        return await payments.request(rt or self.rt, self.key, wanted or order())

    async def pending(self, amount: Money = PRICE) -> Payment:
        """Return a payment that Daraja took and that nobody answered yet."""
        return await self.read((await self.ask(order(amount=amount))).data["id"])

    async def read(self, payment_id: str) -> Payment:
        """Return a payment as it stands."""
        return await payments.read(self.rt, self.key, PaymentId(payment_id))

    async def facts(self, payment_id: str) -> list[str]:
        """Return the kinds of everything heard about a payment, oldest first."""
        heard = await payments.timeline(self.rt, self.key, PaymentId(payment_id))
        return [fact.kind.value for fact in heard]

    def events(self, payment_id: str) -> list[str]:
        """Return the names of the events about a payment, in order."""
        return [row["name"] for row in self.rows(
            "select name from events where subject_id = %s order by position", payment_id,
        )]

    def quarantined(self) -> list[dict[str, Any]]:
        """Return what is kept aside, opened, oldest first."""
        rows = self.rows("select * from quarantine order by id")
        for row in rows:
            at = row["received_at"].astimezone(UTC).isoformat()
            place = f"quarantine.raw {row['source_address']} {at}"
            row["raw"] = opened(self.url, INSTANCE, place, row["raw"])
        return rows

    async def call_back(
        self, payment: Payment, raw: bytes, *, address: str = SAFARICOM,
        rt: Runtime | None = None,
    ) -> None:
        """Bring a callback to the payment's own address."""
        rt = rt or self.rt
        token = rt.callback_url(payment.id).rpartition("/")[2]
        await callbacks.receive(rt, Arrival(token, raw, address))

    async def completed(self) -> Payment:
        """Return a payment that was asked for and paid."""
        payment = await self.pending()
        await self.call_back(payment, paid(payment))
        return await self.read(payment.id)

    async def add_endpoint(self, path: str = "/hook", **wanted: Any) -> Endpoint:
        """Register an address of the merchant's server."""
        return await webhooks.add_endpoint(
            self.rt, self.key, webhooks.Wanted(self.receiver.url + path, **wanted),
        )

    async def deliver(self, *, rt: Runtime | None = None) -> int:
        """Make one try at everything that is due and may go."""
        return await delivering.deliver_due(rt or self.rt)

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the deliveries, oldest first."""
        return self.rows("select * from deliveries order by id")

    def attempts(self) -> list[tuple[int, int | None]]:
        """Return number and HTTP status of every try that was ever begun."""
        rows = self.rows("select attempt, status from attempts order by delivery_id, attempt")
        return [(row["attempt"], row["status"]) for row in rows]


def order(**changed: Any) -> Order:
    """Return an order with a key and a payer of its own; `changed` are in its body too."""
    number = next(_numbers)
    key = changed.pop("idempotency_key", f"order-{number}")
    payer = Msisdn(f"254708{number:06d}")
    fields: dict[str, Any] = {"amount": PRICE, "payer": payer} | changed
    body = {name: str(value) for name, value in fields.items()}
    return Order(idempotency_key=key, body=body, **fields)


def paid(payment: Payment, *, receipt: str = "", **changed: object) -> bytes:
    """Return Safaricom's callback that a payment was paid; `changed` are fields of stkCallback."""
    receipt = receipt or f"UKL{next(_numbers):06d}V"
    return _callback(payment, {
        "ResultCode": 0, "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": [
            {"Name": "Amount", "Value": payment.amount.whole_shillings()},
            {"Name": "MpesaReceiptNumber", "Value": receipt},
            {"Name": "TransactionDate", "Value": 20261121150000},
        ]},
    } | changed)


def canceled(payment: Payment) -> bytes:
    """Return Safaricom's callback that the payer said no."""
    return _callback(payment, {"ResultCode": 1032, "ResultDesc": "Request canceled by user."})


def _callback(payment: Payment, fields: Mapping[str, object]) -> bytes:
    return json.dumps({"Body": {"stkCallback": {
        "MerchantRequestID": payment.merchant_request_id,
        "CheckoutRequestID": payment.checkout_request_id, **fields,
    }}}).encode()


async def _new_key(rt: Runtime, *, livemode: bool) -> ApiKey:
    merchant = await merchants.create(rt, "Duka")
    key, _ = await keys.create(rt, merchant.id, keys.Wanted(livemode=livemode))
    return key


@asynccontextmanager
async def open_world(database_url: str) -> AsyncIterator[World]:
    """Open a world on a fresh database. Queries are not scarce in it."""
    daraja, receiver = Daraja(), Receiver()
    async with AsyncExitStack() as parts:
        daraja.url = await parts.enter_async_context(serving({
            ("GET", "/oauth/v1/generate"): daraja.token,
            ("POST", "/mpesa/stkpush/v1/processrequest"): daraja.push,
            ("POST", "/mpesa/stkpushquery/v1/query"): daraja.query,
            ("POST", "/mpesa/transactionstatus/v1/query"): daraja.inquire,
            ("POST", "/mpesa/accountbalance/v1/query"): daraja.inquire,
            ("POST", "/mpesa/b2c/v3/paymentrequest"): daraja.inquire,
        }))
        receiver.url = await parts.enter_async_context(
            serving({("POST", "/{path:.*}"): receiver.hear}),
        )
        settings = settings_of(database_url, daraja.url)
        rt = await parts.enter_async_context(open_runtime(settings, public_url=PUBLIC_URL))
        yield World(rt, database_url, await _new_key(rt, livemode=False), daraja, receiver)


def settings_of(database_url: str, daraja_url: str) -> Settings:
    """Return the settings of every process of a world."""
    return read_settings({}, **{
        "database_url": database_url, "secret": SECRET, "master_key": MASTER_KEY,
        "daraja_sandbox_url": daraja_url, "daraja_live_url": daraja_url,
        "sandbox_consumer_key": "key", "sandbox_consumer_secret": "secret",
        "sandbox_queries_per_minute": 60_000, "live_queries_per_minute": 60_000,
        "payouts_per_second": 1_000,
        "webhook_allowed_networks": "127.0.0.0/8",
    })


@asynccontextmanager
async def serving(routes: Mapping[tuple[str, str], Any]) -> AsyncIterator[str]:
    """Serve handlers by method and path on a port of this machine; give the address."""
    app = web.Application()
    for (method, path), handler in routes.items():
        app.router.add_route(method, path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
