"""A whole file of payouts against a gateway that counts, through two workers; and what came of it.

For a journey of some hundred rows, and for `bench/bulk.py` with as many as one likes.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hakika.domain.ids import MerchantId
from hakika.domain.provider import Secrets
from hakika.domain.shortcode import paybill
from hakika.services import keys, providers
from hakika.services.keys import Wanted
from hakika.services.runtime import open_runtime
from tests.journeys.process import Process
from tests.journeys.world import World

PAYBILL = "600966"
OPERATOR, PASSWORD = "testapi", "Simulated#1"
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Limits:
    """What the gateway does, and where Hakika begins."""

    rows: int
    per_second: float
    burst: int
    answers_lost_percent: float
    starts_at: float = 2.0


@dataclass
class Found:
    """What came of a file."""

    paid_twice: list[str]                # payees whom M-Pesa paid more than once
    untrue: list[str]                    # payouts that say something else than M-Pesa did
    counts: Mapping[str, int]
    seconds: float                       # from the start to the last outcome
    refused: int                         # calls that came too fast
    rate: float                          # orders a second, without the first and the last tenth


async def sent(
    world: World, limits: Limits, *, kill_after: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Found:
    """Send a file to its end; after `kill_after` rows one of two workers is killed and replaced."""
    await _prepared(world, limits)
    world = replace(world, environment={
        **world.environment, "HAKIKA_PAYOUTS_PER_SECOND": str(limits.starts_at),
    })
    api = await world.start("api")
    workers = [await world.start("worker", called_back_at=api.url) for _ in range(2)]
    file_id = await _started(world, api, limits.rows)
    began, killed = time.monotonic(), False
    while True:
        file = await world.get(api, f"/v1/payout-files/{file_id}")
        done = limits.rows - file["rows_unsent"]
        tell(f"{done} of {limits.rows} sent, {file['rate']}/s, {file['counts']}")
        if done >= kill_after and file["counts"] and not killed:
            await workers[0].kill()
            workers[0] = await world.start("worker", called_back_at=api.url)
            killed = True
        if killed and _is_over(file, limits.rows):
            break
        await asyncio.sleep(LOOK_SECONDS)
    return await _found(world, api, file, seconds=time.monotonic() - began)


async def _prepared(world: World, limits: Limits) -> None:
    """Give the merchant an operator and money, and let the gateway count."""
    await operated(world, shillings=limits.rows * 1_000)
    await _simulated(world, "PUT", "switches", {
        "calls_per_second": limits.per_second, "calls_burst": limits.burst,
        "answers_off": limits.answers_lost_percent,
    })


async def operated(world: World, *, shillings: int) -> None:
    """Give the merchant an API operator, and money to be sent."""
    async with world.http.get(f"{world.simulator}/_simulator/certificate") as answer:
        public = x509.load_pem_x509_certificate(await answer.read()).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    secret = base64.b64encode(public.encrypt(PASSWORD.encode(), padding.PKCS1v15())).decode()
    async with open_runtime(world.settings, public_url="http://127.0.0.1:1") as rt:
        key, _ = await keys.create(rt, MerchantId(world.merchant_id), Wanted(livemode=False))
        secrets = Secrets("own-key", "own-secret", "own-passkey", OPERATOR, secret)
        await providers.put(rt, key, providers.Wanted(paybill(PAYBILL), secrets, is_default=True))
    await _simulated(world, "POST", "portal/floats", {
        "shortcode": PAYBILL, "from": "bank", "to": "utility", "amount_cents": shillings * 100,
    })


async def _simulated(world: World, method: str, path: str, body: Mapping[str, Any]) -> None:
    async with world.http.request(
        method, f"{world.simulator}/_simulator/{path}", json=body,
    ) as answer:
        assert answer.status == 200, await answer.text()


async def _started(world: World, api: Process, rows: int) -> str:
    lines = [f"0792{number:06d},{100 + number % 900},Row {number}" for number in range(rows)]
    file = "\n".join(["phone,amount,reference", *lines]).encode()
    address = f"{api.url}/v1/payout-files"
    async with world.http.post(address, data=file, headers=world.authorization) as answer:
        assert answer.status == 201, await answer.text()
        file_id: str = (await answer.json())["data"]["id"]
    async with world.http.post(f"{address}/{file_id}/start", headers=world.authorization) as answer:
        assert answer.status == 200, await answer.text()
    return file_id


def _is_over(file: Mapping[str, Any], rows: int) -> bool:
    """Say whether of every row it is known what M-Pesa did: none is left in doubt."""
    counts = file["counts"]
    return not file["rows_unsent"] and sum(
        counts.get(each, 0) for each in ("completed", "failed")
    ) == rows


async def _found(
    world: World, api: Process, file: Mapping[str, Any], *, seconds: float,
) -> Found:
    truth = [each for each in (await world.truth())["payouts"] if each["receipt"]]
    by_id = {each["originator_conversation_id"]: each["receipt"] for each in truth}
    paid = Counter(each["receiver"] for each in truth)
    untrue, after = [], 0
    while True:
        page = await world.get(
            api, f"/v1/payout-files/{file['id']}/rows?limit=500&cursor={after}",
        )
        untrue += [
            each["payout_id"] for each in page if by_id.get(each["payout_id"]) != each["receipt"]
        ]
        if len(page) < 500:
            break
        after = page[-1]["row"]
    asked, refused = _asked(world, file["id"])
    middle = asked[len(asked) // 10:-len(asked) // 10]
    return Found(
        paid_twice=[payee for payee, times in paid.items() if times > 1], untrue=untrue,
        counts=file["counts"], seconds=seconds, refused=refused,
        rate=(len(middle) - 1) / (middle[-1] - middle[0]),
    )


def _asked(world: World, file_id: str) -> tuple[list[float], int]:
    """Return when each row was last ordered, in order, and how many orders came too fast."""
    with psycopg.connect(world.settings.database_url.get_secret_value()) as database:
        times = database.execute(
            "select extract(epoch from asked_at)::float8 from payouts "
            "where batch_id = %s and asked_at is not null order by 1", (file_id,),
        ).fetchall()
        refused = database.execute(
            "select count(*) from payout_facts f join payouts p on p.id = f.payout_id "
            "where p.batch_id = %s and f.kind = 'unreachable'", (file_id,),
        ).fetchall()
    return [each for each, in times], refused[0][0]
