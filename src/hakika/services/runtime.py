"""The running parts of one process, opened once and passed as the first argument, `rt`.

The only place with a clock and randomness. Every outgoing HTTP session is wrapped here with a check
that no transaction is open, so that daraja and outbound need not know the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hakika.daraja.client import DarajaClient
from hakika.daraja.credentials import Credentials, check_live
from hakika.daraja.token import TokenSource
from hakika.daraja.transport import open_session
from hakika.domain import callback, shortcode
from hakika.domain.callback import Called, Door
from hakika.domain.dialect import SECRET_BYTES, mint_secret
from hakika.domain.ids import PaymentId, PayoutId, uuid7_bits, write
from hakika.domain.merchant import ApiKey, CollectionsStop
from hakika.domain.patience import Patience
from hakika.domain.payout_patience import PayoutPatience
from hakika.domain.provider import Provider
from hakika.domain.seller import Terms
from hakika.domain.tariff import Tariffs
from hakika.outbound.addresses import AllowList
from hakika.outbound.webhooks import WebhookSender, open_sender
from hakika.services import vault
from hakika.services.killpoints import Watcher, nobody_watches
from hakika.services.limits import Limits, open_limits
from hakika.services.notes import Notes
from hakika.services.pushed import Pushed
from hakika.services.recently import Recently
from hakika.services.telemetry import Telemetry
from hakika.services.tokens import SharedTokens
from hakika.settings import Settings, read_tariffs
from hakika.store import partitions
from hakika.store.transaction import Store, inside, open_store

# Statements in one process: each holds a file, and a connection to the database, all the while.
IMPORTS_AT_ONCE = 2


def clock() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every service works with."""

    settings: Settings
    store: Store
    daraja: DarajaClient
    outbound: WebhookSender
    webhook_allow: AllowList                   # private networks that webhooks may reach
    shared_account: Credentials                # of test modes without credentials of their own
    patience: Patience
    payout_patience: PayoutPatience
    public_url: str                            # where Safaricom reaches us; no slash at its end
    keys: Recently[ApiKey | None]              # by handle
    providers: Recently[list[Provider]]        # by merchant and mode
    stops: Recently[CollectionsStop | None]    # by merchant: live collections switched off
    handles: Recently[frozenset[str]]          # of all living keys, by ""
    sellers: Recently[Terms | None]            # by id
    pushed: Pushed
    limits: Limits
    notes: Notes                               # of requests, for the request log
    importing: asyncio.Semaphore               # statements
    telemetry: Telemetry
    tariffs: Tariffs                           # what Safaricom charges, as far as it is known
    passing: Watcher = nobody_watches
    # From HAKIKA_SECRET, which is not in the database: for callback addresses, for the digests of
    # API keys, and for telling apart the bodies of repeated requests.
    _key: bytes = field(default=b"", repr=False)
    pepper: bytes = field(default=b"", repr=False)
    fingerprint_key: bytes = field(default=b"", repr=False)

    def now(self) -> datetime:
        """Return the time, UTC."""
        return clock()

    def ticks(self) -> int:
        """Return nanoseconds that only grow, to tell how long something took."""
        return time.monotonic_ns()

    def chance(self) -> float:
        """Return a random number in [0, 1), for spreading retries. Not for secrets."""
        return random.random()

    def new_id(self, prefix: str) -> str:
        """Return a new id that sorts by time."""
        milliseconds = int(self.now().timestamp() * 1000)
        return write(
            prefix, uuid7_bits(milliseconds=milliseconds, random_bits=secrets.randbits(74)),
        )

    def new_webhook_secret(self) -> str:
        """Return a new `whsec_…`."""
        return mint_secret(secrets.token_bytes(SECRET_BYTES))

    def random_bits(self, count: int) -> int:
        """Return random bits that are fit for secrets."""
        return secrets.randbits(count)

    def callback_url(self, id_: str, door: Door = Door.PAYMENT) -> str:
        """Return the address that Safaricom calls about this payment, or short code, alone."""
        token = callback.write_token(id_, key=self._key, door=door)
        return self.public_url + callback.PATH + token

    def called_about(self, token: str) -> Called | None:
        """Return what the address that ends in `token` was given out for, or None."""
        return callback.read_token(token, key=self._key)

    def payment_called_about(self, token: str) -> PaymentId | None:
        """Return the payment whose callback address ends in `token`, or None."""
        called = self.called_about(token)
        return PaymentId(called.id) if called and called.door is Door.PAYMENT else None

    def payout_called_about(self, token: str) -> PayoutId | None:
        """Return the payout whose result's address ends in `token`, or None."""
        called = self.called_about(token)
        is_order = called is not None and called.door is Door.PAYOUT_RESULT
        return PayoutId(called.id) if called and is_order else None


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, public_url: str = "", passing: Watcher = nobody_watches,
    telemetry: Telemetry | None = None, part: str = "once",
) -> AsyncIterator[Runtime]:
    """Open the running parts of one process, and close them in the end.

    `public_url` stands in when the setting is left out. The database must be migrated. `telemetry`
    is the process's own; `part` names these running parts in it.

    Raises:
        StoreUnavailable: the database does not answer.
        WrongSecret, MasterKeyMissing, KeyMalformed, KmsFailed: not the keys of this database.
        Invalid: the sandbox short code of the settings is none.
    """
    allow = AllowList.parse(settings.webhook_allowed_networks)
    telemetry = telemetry or Telemetry()
    secret = settings.secret.get_secret_value().encode()
    async with AsyncExitStack() as parts:
        store = await open_store(
            settings.database_url.get_secret_value(),
            connections_max=settings.database_connections_max,
            keyring=vault.open_keyring(settings), around=telemetry.inner_span,
        )
        parts.push_async_callback(store.close)
        parts.enter_context(telemetry.watching(part, store))
        session = await parts.enter_async_context(open_session(before_request=refuse_inside))
        outbound = open_sender(allow=allow, now=clock, before_request=refuse_inside)
        parts.push_async_callback(outbound.close)
        tokens = TokenSource(session, SharedTokens(store), now=clock, chance=random.random)
        rt = Runtime(
            settings=settings, store=store, outbound=outbound,
            shared_account=_shared_account(settings),
            webhook_allow=allow, daraja=DarajaClient(session, tokens, now=clock),
            patience=Patience(settings.pace), payout_patience=PayoutPatience(settings.pace),
            keys=Recently(time.monotonic), providers=Recently(time.monotonic),
            stops=Recently(time.monotonic), handles=Recently(time.monotonic),
            sellers=Recently(time.monotonic),
            pushed=Pushed(), limits=open_limits(settings), notes=Notes(),
            importing=asyncio.Semaphore(IMPORTS_AT_ONCE),
            public_url=(settings.public_url or public_url).rstrip("/"),
            telemetry=telemetry, tariffs=read_tariffs(settings), passing=passing, _key=secret,
            pepper=hmac.digest(secret, b"api keys", hashlib.sha256),
            fingerprint_key=hmac.digest(secret, b"fingerprints", hashlib.sha256),
        )
        await vault.prove(store, settings)
        await make_months_ahead(rt)
        yield rt


def _shared_account(settings: Settings) -> Credentials:
    """Return what serves merchants in test mode who have put no credentials of their own.

    A simulator lets every app in that has a name: who tries Hakika out has no account to name.
    """
    nobody = "simulated" if settings.simulator_url else ""
    account = Credentials(
        consumer_key=settings.sandbox_consumer_key.get_secret_value() or nobody,
        consumer_secret=settings.sandbox_consumer_secret.get_secret_value() or nobody,
        passkey=settings.sandbox_passkey.get_secret_value(),
        shortcode=shortcode.paybill(settings.sandbox_shortcode),
        base_url=settings.simulator_url or settings.daraja_sandbox_url,
        livemode=False,
    )
    check_live(account)
    return account


async def make_months_ahead(rt: Runtime) -> list[str]:
    """Make the missing months of facts, events and attempts, and return their names."""
    async with rt.store.transaction() as tx:
        return await partitions.make_ahead(tx, now=rt.now())


def refuse_inside() -> None:
    """Stop our own mistake: a request to the outside that would hold a transaction open."""
    assert not inside.get(), "a request to the outside was made inside a transaction"
