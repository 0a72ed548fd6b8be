"""Everything that is secret is changed while payments go on, and nobody notices but thieves.

Two API processes and a worker behind a load balancer; callers whose payments are paid, called back
and told all the while. Every request is judged by the clock: what had to be served, and what had
to be refused.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from operator import itemgetter
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks import Webhook, WebhookVerificationError

from hakika.domain.ids import MerchantId
from hakika.services import keys, vault, webhooks
from hakika.services.keys import Wanted
from hakika.services.runtime import open_runtime
from hakika.settings import read_settings
from tests.journeys import process
from tests.journeys.process import Process, Said
from tests.journeys.traffic import (
    GAP_SECONDS,
    Asked,
    Front,
    Traffic,
    going_on,
    new_person,
    open_front,
)
from tests.journeys.world import World, eventually
from tests.vault import MASTER_KEY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

# An overlap is long enough for several rounds of payments, also on a machine that does much else.
OVERLAP_SECONDS_MIN, OVERLAP_ROUNDS = 3, 6

# We promise one second; the rest is for a machine that stands still just then.
KNOWN_SECONDS_MAX = 5

PROVIDERS = "/v1/merchant/providers"
ROTATE_SECRET = "/v1/webhook-endpoints/{}/rotate-secret"

SANDBOX = {
    "env": "sandbox", "consumer_key": "one", "consumer_secret": "its-secret",
    "passkey": "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919",
    "shortcode": "174379",
}
LIVE = SANDBOX | {"env": "live", "passkey": "ab" * 32, "shortcode": "600978"}

# The simulator's people pay by themselves; in its seconds, which are faster.
PAYERS_ANSWER_SECONDS = 1


@dataclass
class House:
    """Two APIs behind a front, and a worker."""

    world: World
    front: Front
    worker: Process

    @property
    def apis(self) -> list[Process]:
        """The API processes that serve."""
        return list(self.front.serving)

    async def start(self, role: str) -> Process:
        """Start a process that Safaricom reaches at the front."""
        return await self.world.start(role, called_back_at=self.front.url)

    async def roll(self, **settings: str) -> None:
        """Start each process anew with other settings, one after the other, as a deploy does."""
        self.world.environment = {**self.world.environment, **settings}
        self.world.settings = read_settings(self.world.environment)
        for old in self.apis:
            self.front.serving.append(await self.start("api"))
            await self.front.take_out(old)
            await old.stop()
        old, self.worker = self.worker, await self.start("worker")
        assert await old.stop() == 0

    async def command(self, *words: str, **settings: str) -> Said:
        """Run `hakika` as a process of its own, to its end."""
        return await process.command(*words, environment={**self.world.environment, **settings})

    async def turn(self, **switches: object) -> None:
        """Turn switches of the simulator."""
        async with self.world.http.put(
            f"{self.world.simulator}/_simulator/switches", json=switches,
        ) as answer:
            assert answer.status == 200, await answer.text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(world: World) -> AsyncIterator[House]:
    """What all tests of this file share."""
    async with open_front(world.http) as front:
        worker, *front.serving = await asyncio.gather(*(
            world.start(role, called_back_at=front.url) for role in ("worker", "api", "api")
        ))
        opened = House(world, front, worker)
        await opened.turn(payers_answer_seconds=PAYERS_ANSWER_SECONDS)
        yield opened


@dataclass
class Overlap:
    """A key and a webhook secret that were rotated at once, and all that was seen around it."""

    house: House
    traffic: Traffic
    key: str
    secret: str
    new_key: str = ""
    new_secret: str = ""
    heard_before: int = 0                # webhooks, before anything was rotated
    signed_twice_from: float = 0         # what is asked later is signed with both secrets
    key_ends_at: float = 0
    secret_ends_at: float = 0
    in_it: list[Asked] = field(default_factory=list)       # each process, with each key
    after_it: list[Asked] = field(default_factory=list)    # the same
    one_order: list[Asked] = field(default_factory=list)   # with one idempotency key and each key

    async def rotate(self, endpoint_id: str, *, overlap_seconds: int) -> None:
        """Rotate both."""
        traffic, overlap = self.traffic, {"overlap_seconds": overlap_seconds}
        (old,) = (await traffic.ask("GET", "/v1/keys", key=self.key)).body["data"]
        self.heard_before = len(self.house.world.receiver.heard)
        rotated = await traffic.ask(
            "POST", f"/v1/keys/{old['id']}/rotate", key=self.key, json=overlap,
        )
        self.new_key = traffic.newest_key = rotated.body["data"]["api_key"]
        _, kept = (await traffic.ask("GET", "/v1/keys", key=self.new_key)).body["data"]
        self.key_ends_at = seconds(kept["expires_at"])
        changed = await traffic.ask(
            "POST", ROTATE_SECRET.format(endpoint_id), key=self.new_key, json=overlap,
        )
        self.new_secret = changed.body["data"]["secret"]
        self.secret_ends_at = seconds(changed.body["data"]["previous_secret_until"])
        self.signed_twice_from = changed.answered_at

    async def try_both(self) -> list[Asked]:
        """Show both keys to each process, and return what they said."""
        return [
            await self.traffic.ask("GET", "/v1/webhook-endpoints", key=key, url=api.url)
            for api in self.house.apis for key in (self.key, self.new_key)
        ]

    def is_wrong(self, asked: Asked) -> bool:
        """Say whether a request was refused that was in time, or served that was too late."""
        if asked.key != self.key or asked.answered_at < self.key_ends_at:
            return not asked.was_served
        return asked.sent_at >= self.key_ends_at and asked.status != HTTPStatus.UNAUTHORIZED

    def signers(self, headers: Mapping[str, str], raw: bytes) -> list[str]:
        """Return with which of the two secrets a webhook verifies."""
        found = []
        for name, secret in (("old", self.secret), ("new", self.new_secret)):
            with suppress(WebhookVerificationError):
                Webhook(secret).verify(raw, {name.lower(): text for name, text in headers.items()})
                found.append(name)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def overlap(house: House) -> Overlap:
    """One caller takes the new key at once, one a little later, and one only when it must."""
    world = house.world
    async with open_runtime(world.settings, public_url=house.front.url) as rt:
        (endpoint,) = await webhooks.endpoints(rt, await keys.authenticate(rt, world.key))
    async with going_on(world, house.front) as traffic:
        seen = Overlap(house, traffic, key=world.key, secret=endpoint.secret)
        await traffic.goes_on()
        round_seconds = await traffic.goes_on()
        await seen.rotate(endpoint.id, overlap_seconds=max(
            OVERLAP_SECONDS_MIN, math.ceil(round_seconds * OVERLAP_ROUNDS),
        ))
        world.key = traffic.keys[0] = seen.new_key
        seen.in_it = await seen.try_both()
        order = {"amount": 5, "currency": "KES", "provider": "mpesa", "phone": new_person()}
        seen.one_order = [
            await traffic.ask("POST", "/v1/payments", key=key, json=order, idempotency_key="one")
            for key in (seen.key, seen.new_key)
        ]
        await traffic.goes_on()
        traffic.keys[1] = seen.new_key
        while time.time() < max(seen.key_ends_at, seen.secret_ends_at):
            await asyncio.sleep(GAP_SECONDS)
        seen.after_it = await seen.try_both()
        await traffic.goes_on()
    return seen


async def test_both_keys_are_good_in_an_overlap_and_the_old_one_never_after(overlap: Overlap):
    """Programs are changed one by one; none fails meanwhile, and then the old key opens nothing."""
    traffic = overlap.traffic

    assert [each for each in traffic.asked if overlap.is_wrong(each)] == []
    assert [each.status for each in overlap.in_it] == [200] * 4
    assert [each.status for each in overlap.after_it] == [401, 200] * 2
    assert {each.body["code"] for each in overlap.after_it[::2]} == {"api_key_expired"}
    assert {each.status for each in traffic.refused} == {HTTPStatus.UNAUTHORIZED}
    assert traffic.keys == [overlap.new_key] * len(traffic.keys), "who was late has changed too"


async def test_an_order_asked_again_with_the_new_key_is_the_same_payment(overlap: Overlap):
    """A program that retries while its key is changed must not make the phone ring twice."""
    one, again = overlap.one_order

    assert (one.status, again.status) == (202, 202)
    assert again.body["data"]["id"] == one.body["data"]["id"]


async def test_webhooks_of_an_overlap_are_signed_with_both_secrets_and_then_with_the_new_one(
    overlap: Overlap,
):
    """The receiver may change its secret any time in the overlap, and misses nothing."""
    seen: dict[str, list[list[str]]] = {"before": [], "in it": [], "at an edge": [], "after": []}
    for number, (headers, raw) in enumerate(overlap.house.world.receiver.heard):
        asked_at = seconds(json.loads(raw)["data"]["created_at"])
        sent_at = int(headers["webhook-timestamp"])  # in whole seconds, cut off
        when = "at an edge"
        if number < overlap.heard_before:
            when = "before"
        elif max(sent_at, asked_at) >= overlap.secret_ends_at:
            when = "after"
        elif asked_at > overlap.signed_twice_from and sent_at + 1 <= overlap.secret_ends_at:
            when = "in it"
        signers = overlap.signers(headers, raw)
        assert len(signers) == len(headers["webhook-signature"].split()), "each is of one of them"
        seen[when].append(signers)

    assert seen["before"] and seen["before"].count(["old"]) == len(seen["before"])
    assert seen["in it"] and seen["in it"].count(["old", "new"]) == len(seen["in it"])
    assert seen["after"] and seen["after"].count(["new"]) == len(seen["after"])


async def test_a_key_revoked_at_one_process_is_soon_dead_at_the_other(
    house: House, overlap: Overlap,
):
    """A stolen key must not live on where nobody was told."""
    here, there = house.apis
    ask = overlap.traffic.ask
    made = (await ask("POST", "/v1/keys", key=house.world.key, url=here.url, json={})).body["data"]
    try_it = partial(ask, "GET", "/v1/payments?limit=1", key=made["api_key"])
    assert all([(await try_it(url=there.url)).was_served for _ in range(2)]), "it is known there"
    revoked = await ask("DELETE", f"/v1/keys/{made['id']}", key=house.world.key, url=here.url)
    at_home = await try_it(url=here.url)
    elsewhere = [await try_it(url=there.url)]
    while elsewhere[-1].was_served:
        assert time.time() < revoked.answered_at + KNOWN_SECONDS_MAX
        await asyncio.sleep(GAP_SECONDS)
        elsewhere.append(await try_it(url=there.url))

    assert (at_home.status, at_home.body["code"]) == (401, "api_key_revoked")
    assert (elsewhere[-1].status, elsewhere[-1].body["code"]) == (401, "api_key_revoked")
    assert (await try_it(url=there.url)).status == HTTPStatus.UNAUTHORIZED


async def test_credentials_are_changed_and_tried_and_no_payment_fails(house: House):
    """Also where Safaricom ends an app's token as soon as it gives another."""
    await house.turn(invalidate_previous_token=True)
    async with going_on(house.world, house.front) as traffic:
        ask = partial(traffic.ask, key=house.world.key)
        await traffic.goes_on()
        answers = []
        for app in (SANDBOX, SANDBOX | {"consumer_key": "another"}, SANDBOX | {
            "consumer_key": "third", "consumer_secret": "and-its-own", "shortcode": "600111",
            "default": True,
        }):
            answers.append(await ask("PUT", PROVIDERS, json={"provider": "mpesa", "mpesa": app}))
            await traffic.goes_on()
            answers.append(await ask("POST", PROVIDERS + "/validate"))
            await traffic.goes_on()
    pushed = (await house.world.truth())["payments"]
    await house.turn(invalidate_previous_token=False)

    assert [each.body["data"]["valid"] for each in answers] == [True] * 6
    assert traffic.refused == []
    assert max(pushed, key=itemgetter("pushed_at"))["shortcode"] == "600111"


async def test_a_master_key_is_rotated_as_the_manual_says_and_no_request_fails(house: House):
    """Start with both, wrap anew, start with the new one alone; the old one opens nothing then."""
    new = vault.new_master_key()
    async with going_on(house.world, house.front) as traffic:
        await traffic.goes_on()
        await house.roll(HAKIKA_MASTER_KEY=new, HAKIKA_MASTER_KEY_PREVIOUS=MASTER_KEY)
        await traffic.goes_on()
        rotated = await house.command("vault", "rotate", "--json")
        await traffic.goes_on()
        await house.roll(HAKIKA_MASTER_KEY=new, HAKIKA_MASTER_KEY_PREVIOUS="")
        await traffic.goes_on()

    assert json.loads(rotated.output) == {"wrapped": 2}, "the merchant's, and the house's own"
    assert traffic.refused == []
    # What was sealed before is read by processes that never saw the old key.
    await house.world.all_told(house.apis[0])


async def test_nothing_starts_with_a_wrong_master_key_or_with_none(house: House):
    """It would lose what comes meanwhile. Exit code 2, as for any setting that is wrong."""
    wrong, missing = await asyncio.gather(
        house.command("api", "--port", "0", HAKIKA_MASTER_KEY=vault.new_master_key()),
        house.command("api", "--port", "0", HAKIKA_MASTER_KEY=""),
    )

    assert (wrong.exit_code, missing.exit_code) == (2, 2)
    assert "data keys were wrapped by master key" in wrong.errors
    assert "Set HAKIKA_MASTER_KEY" in wrong.errors
    assert "HAKIKA_MASTER_KEY is not" in missing.errors
    for said in (wrong, missing):
        assert "Traceback" not in said.errors
        assert said.output == ""


async def test_an_operator_stops_live_collections_in_running_processes_and_nothing_else(
    house: House,
):
    """In an incident nobody restarts anything: no phone rings any more, and what was begun ends."""
    key = await live_key(house)
    await house.turn(wrong_passkey_accepted=True)  # as it seems: live money has another passkey
    async with going_on(house.world, house.front) as traffic:
        ask = partial(traffic.ask, key=key)
        put = await ask("PUT", PROVIDERS, json={"provider": "mpesa", "mpesa": LIVE})
        begun = await ask_live(traffic, key)
        stopped = await house.command("collections", "stop", "--reason", "exposed", "--json")
        refused = [await asked_until(traffic, key, api, is_served=False) for api in house.apis]
        switch = (await ask("GET", "/v1/merchant/collections")).body["data"]
        canceled = await call_back(house, traffic, begun)
        await traffic.goes_on()
        resumed = await house.command("collections", "resume", "--json")
        taken = [await asked_until(traffic, key, api, is_served=True) for api in house.apis]

    assert put.body["data"]["valid"] is True
    assert json.loads(stopped.output) == {"enabled": False, "merchant": None}
    assert json.loads(resumed.output) == {"enabled": True, "merchant": None}
    assert [(each.status, each.body["code"]) for each in refused] == [
        (503, "collections_stopped"),
    ] * 2
    assert [each.status for each in taken] == [202] * 2
    assert {each.key for each in traffic.refused} == {key}, "test mode is not touched"
    assert (switch["enabled"], switch["reason"]) == (False, "exposed")
    assert canceled["daraja_code"] == "1032"


async def live_key(house: House) -> str:
    """Return a new key for real money."""
    async with open_runtime(house.world.settings, public_url=house.front.url) as rt:
        merchant_id = MerchantId(house.world.merchant_id)
        return (await keys.create(rt, merchant_id, Wanted(livemode=True)))[1]


async def ask_live(traffic: Traffic, key: str, url: str = "") -> Asked:
    """Ask somebody new for real money."""
    phone = new_person()
    order = {"amount": 5, "currency": "KES", "provider": "mpesa", "phone": phone}
    return await traffic.ask(
        "POST", "/v1/payments", key=key, url=url, json=order, idempotency_key=phone,
    )


async def asked_until(traffic: Traffic, key: str, api: Process, *, is_served: bool) -> Asked:
    """Ask a process for live payments until it takes them, or no more; return the last."""
    asked = await ask_live(traffic, key, api.url)
    deadline = time.time() + KNOWN_SECONDS_MAX
    while asked.was_served is not is_served:
        assert time.time() < deadline, f"the switch is not obeyed: {asked}"
        await asyncio.sleep(GAP_SECONDS)
        asked = await ask_live(traffic, key, api.url)
    return asked


async def call_back(house: House, traffic: Traffic, asked: Asked) -> dict[str, Any]:
    """Say that the payer declined, as Safaricom does; return the payment once that is known."""
    payment: dict[str, Any] = asked.body["data"]
    path = f"/v1/payments/{payment['id']}"
    (push,) = (await house.world.truth(checkout_request_id=payment["provider_ref"]))["payments"]
    async with house.world.http.post(push["callback_url"], json={"Body": {"stkCallback": {
        "MerchantRequestID": push["merchant_request_id"],
        "CheckoutRequestID": push["checkout_request_id"],
        "ResultCode": 1032, "ResultDesc": "Request cancelled by user",
    }}}) as answer:
        assert answer.status == HTTPStatus.OK

    async def is_canceled() -> bool:
        nonlocal payment
        payment = (await traffic.ask("GET", path, key=asked.key)).body["data"]
        return bool(payment["status"] == "canceled")

    await eventually(is_canceled, lambda: f"the payment stays {payment}")
    return payment


def seconds(written: str) -> float:
    """Return a time that the API wrote, as the clock on the wall counts."""
    return datetime.fromisoformat(written).timestamp()


async def test_every_shilling_is_accounted_for_after_all_that(house: House):
    """The books, read with the keys of today, agree with what really happened."""
    report = await house.world.verified()

    assert report.green, [check for check in report.checks if check.violations]
    assert set(house.front.callbacks) == {HTTPStatus.OK}, "Safaricom was never turned away"
