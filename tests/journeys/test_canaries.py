"""Planted secrets, numbers and names: found in no log, no problem, and no plain column. (C8)

The one place where they may stand is what is sealed, what the API answers to their owner, and the
webhooks to the owner's own server.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from aiohttp import web
from psycopg import sql

from hakika.services import keys, merchants
from hakika.services.keys import Wanted
from hakika.services.runtime import open_runtime
from hakika.settings import read_settings
from tests.cli.programs import Running, running
from tests.journeys.world import eventually
from tests.services.world import Daraja, serving
from tests.vault import MASTER_KEY, SECRET

PAYER = "254711908273"
STRANGER = "254722615243"
NAME = "Wanjikuzanele"
CANARIES = {
    "payer": PAYER, "the payer's last nine digits": PAYER[3:], "stranger": STRANGER[3:],
    "name": NAME, "description": "PlantedShoes", "reference": "PLANTEDREF7",
    "metadata": "planted-metadata-value", "metadata name": "planted_name",
    "consumer key": "plantedConsumerKey4711", "consumer secret": "plantedConsumerSecret4711",
    "passkey": "plantedPasskey" + "5e" * 20, "initiator": "plantedInitiator",
    "security credential": "plantedSecurityCredential==", "nominated": "254733908274",
    "token": "planted-access-token-4711", "receiver": "planted-receiver-answer",
    "master key": MASTER_KEY, "secret": SECRET.strip(),
}


@dataclass
class Place:
    """A Hakika at log level debug, its Daraja, a merchant's server, and everything it answered."""

    url: str
    database_url: str
    daraja: Daraja
    receiver: str
    http: aiohttp.ClientSession
    key: str
    serve: Running
    problems: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, **more: Any) -> Any:
        """Send a request with the merchant's key; keep every problem but Daraja's own refusal."""
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        async with self.http.request(method, self.url + path, headers=headers, **more) as answer:
            text = await answer.text()
        if answer.status >= 400 and answer.status != 502:
            self.problems.append(text)
        return json.loads(text) if text.startswith("{") else text

    async def ask(self, number: int, *, phone: str = PAYER) -> str:
        """Ask a payer for money; return where Safaricom is to call back."""
        await self.send("POST", "/v1/payments", headers={"Idempotency-Key": f"k-{number}"}, json={
            "amount": 5, "currency": "KES", "provider": "mpesa", "phone": phone,
            "description": CANARIES["description"], "reference": CANARIES["reference"],
            "metadata": {CANARIES["metadata name"]: CANARIES["metadata"]},
        })
        called: str = self.daraja.pushes[-1]["CallBackURL"]
        return called.removeprefix(self.url)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read the database."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query.encode()).fetchall()


class Talkative(Daraja):
    """A Daraja that repeats what it was sent, as gateways do."""

    async def token(self, _: web.Request) -> web.Response:
        """Give an access token."""
        return web.json_response({"access_token": CANARIES["token"], "expires_in": "3599"})

    async def push(self, request: web.Request) -> web.Response:
        """Take a push, or refuse it with all that it was sent."""
        if self.refuses is not None:
            sent = f"{await request.text()} {request.headers['Authorization']} {NAME}"
            return web.json_response(
                {"errorCode": "400.002.02", "errorMessage": f"Bad Request - {sent}"}, status=400,
            )
        answer = await super().push(request)
        taken = json.loads(answer.body)  # type: ignore[arg-type]
        taken["CheckoutRequestID"] = f"ws_CO_2111202612000000{len(self.pushes)}{PAYER[3:]}"
        return web.json_response(taken)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where logs are written."""
    return tmp_path


@asynccontextmanager
async def open_place(database_url: str, folder: Path) -> AsyncIterator[Place]:
    """Open everything."""
    async def echo(request: web.Request) -> web.Response:
        text = await request.text()
        return web.Response(status=500, text=f"{CANARIES['receiver']} {text}")

    async with AsyncExitStack() as parts:
        daraja = Talkative()
        daraja.url = await parts.enter_async_context(serving({
            ("GET", "/oauth/v1/generate"): daraja.token,
            ("POST", "/mpesa/stkpush/v1/processrequest"): daraja.push,
            ("POST", "/mpesa/stkpushquery/v1/query"): daraja.query,
        }))
        receiver = await parts.enter_async_context(serving({("POST", "/{path:.*}"): echo}))
        environment = {
            "HAKIKA_DATABASE_URL": database_url, "HAKIKA_SECRET": SECRET,
            "HAKIKA_MASTER_KEY": MASTER_KEY, "HAKIKA_DARAJA_SANDBOX_URL": daraja.url,
            "HAKIKA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8", "HAKIKA_LOG_LEVEL": "debug",
        }
        async with open_runtime(read_settings(environment), public_url="http://127.0.0.1") as rt:
            merchant = await merchants.create(rt, "Duka")
            _, key = await keys.create(rt, merchant.id, Wanted(livemode=False))
        serve = parts.enter_context(running(
            "serve", "--json", "--port", "0", "--data", folder, log=folder / "log", **environment,
        ))
        url = (await asyncio.to_thread(serve.place))["api"]
        http = await parts.enter_async_context(aiohttp.ClientSession())
        yield Place(url, database_url, daraja, receiver, http, key, serve)


def callback(place: Place, **changed: Any) -> bytes:
    """Return a callback about the newest payment, with the payer's name in it."""
    newest = len(place.daraja.pushes)
    return json.dumps({"Body": {"stkCallback": {
        "MerchantRequestID": place.rows(
            "select merchant_request_id from payments order by id desc limit 1")[0][0],
        "CheckoutRequestID": f"ws_CO_2111202612000000{newest}{PAYER[3:]}",
        "ResultCode": 0, "ResultDesc": f"Thank you {NAME} {PAYER}",
        "CallbackMetadata": {"Item": [
            {"Name": "Amount", "Value": 5}, {"Name": "MpesaReceiptNumber", "Value": "UKL7RT61SV"},
            {"Name": "PhoneNumber", "Value": int(PAYER)}, {"Name": "FirstName", "Value": NAME},
        ]},
    } | changed}}).encode()


async def drive(place: Place) -> str:
    """Let everything happen that may end in a log or a row; return the webhook secret."""
    endpoint = await place.send(
        "POST", "/v1/webhook-endpoints", json={"url": place.receiver + "/hook"},
    )
    await place.send("PUT", "/v1/merchant/providers", json={"provider": "mpesa", "mpesa": {
        "env": "sandbox", "consumer_key": CANARIES["consumer key"],
        "consumer_secret": CANARIES["consumer secret"], "passkey": CANARIES["passkey"],
        "shortcode": "600997", "initiator": CANARIES["initiator"],
        "security_credential": CANARIES["security credential"],
        "nominated_number": CANARIES["nominated"],
    }})
    paid = await place.ask(1)
    await place.send("POST", paid, data=callback(place))
    await place.send("POST", paid, data=b'{"PhoneNumber": %s, "Name": "%s' % (
        PAYER.encode(), NAME.encode(),
    ))
    await place.send("POST", "/c/" + "0" * 52, data=callback(place))
    canceled = await place.ask(2)
    await place.send(
        "POST", canceled,
        data=callback(place, ResultCode=1032, ResultDesc=f"Canceled by {NAME} {PAYER}"),
    )
    place.daraja.refuses = (400, {})
    await place.ask(3, phone=STRANGER)
    place.daraja.refuses = None
    await ask_wrongly(place)
    await break_something(place)
    return str(endpoint["data"]["secret"])


async def ask_wrongly(place: Place) -> None:
    """Make every mistake with something secret in it."""
    order = {"amount": 5, "currency": "KES", "provider": "mpesa", "phone": PAYER}
    for body in (
        order | {"phone": PAYER + "9"}, order | {"description": f"for {NAME} {PAYER}"},
        order | {"currency": PAYER}, order | {"amount": PAYER}, order | {"shortcode": PAYER[3:]},
        order | {"callback_url": f"http://{NAME}:{PAYER}@127.0.0.1/"}, [PAYER, NAME],
        order | {"metadata": {"for": [PAYER]}},
    ):
        await place.send("POST", "/v1/payments", headers={"Idempotency-Key": "bad"}, json=body)
    await place.send("POST", "/v1/payments", headers={"Idempotency-Key": "k-1"}, json=order)
    await place.send("GET", "/v1/payments", headers={"Authorization": f"Bearer {place.key}x"})
    await place.send("PUT", "/v1/merchant/providers", json={"provider": "mpesa", "mpesa": {
        "env": "live", "consumer_key": CANARIES["consumer key"] + "\n",
        "consumer_secret": CANARIES["consumer secret"], "passkey": "",
    }})


async def break_something(place: Place) -> None:
    """Damage a payment's row, so that its callback and its reading raise inside of us."""
    hurt = await place.ask(4)
    (payment,) = place.rows("select id from payments order by id desc limit 1")[0]
    with psycopg.connect(place.database_url) as connection:
        connection.execute("update payments set private = 'x' || private where id = %s", (payment,))
    await place.send("POST", hurt, data=callback(place))
    await place.send("GET", f"/v1/payments/{payment}")
    await place.send("GET", f"/v1/payments?search={PAYER}")


def spelled(text: str) -> Iterator[str]:
    """Yield every spelling in which a canary would still be one."""
    raw = text.encode()
    plain = {text, hashlib.sha256(raw).hexdigest(), hashlib.md5(raw).hexdigest()}
    for pad in range(3):  # base64 looks different at each place that the text may begin
        cut = base64.b64encode(b"\0" * pad + raw).decode()
        plain.add(cut[4 * (pad > 0):(len(raw) + pad) // 3 * 4])
    yield from plain
    yield from (each.encode().hex() for each in plain)


def found_in(text: str, canaries: dict[str, str]) -> list[str]:
    """Return the names of the canaries that are in `text`, however they are spelled."""
    lower = text.lower()
    return [
        name for name, canary in canaries.items()
        if any(each in text or each.lower() in lower for each in spelled(canary))
    ]


def tables(place: Place) -> Iterator[tuple[str, str]]:
    """Yield each column of each table as one text; bytes are spelled in hex."""
    columns = place.rows(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'public' order by 1, 2"
    )
    with psycopg.connect(place.database_url) as connection:
        for table, column in columns:
            rows = connection.execute(sql.SQL("select {}::text from {}").format(
                sql.Identifier(column), sql.Identifier(table),
            )).fetchall()
            yield f"{table}.{column}", "\n".join(str(row[0]) for row in rows)


@pytest.mark.timeout(120)
async def test_no_canary_is_found_outside_of_its_cage(database_url: str, folder: Path):
    """A log, a backup and a problem answer are read by people who must not know these."""
    async with open_place(database_url, folder) as place:
        webhook_secret = await drive(place)

        async def tried() -> bool:
            return len(place.rows("select 1 from attempts where status is not null")) >= 3

        await eventually(tried, lambda: place.serve.errors)
        metrics = str(await place.send("GET", "/metrics"))
        assert place.serve.end(signal.SIGTERM) == 0
        canaries = CANARIES | {
            "api key": place.key[:-6][16:], "webhook secret": webhook_secret.removeprefix("whsec_"),
        }
        in_columns = {name: found_in(text, canaries) for name, text in tables(place)}

        assert {name: found for name, found in in_columns.items() if found} == {}
        assert found_in(place.serve.errors, canaries) == []
        assert found_in(metrics, canaries) == []
        told = [each for each in place.problems if found_in(each, canaries)]
        assert told == [], "\n".join(told)
        assert "callback_not_interpreted" in place.serve.errors, "nothing was broken"
        assert "unexpected_error" in place.serve.errors, "nothing was broken"
        assert len(in_columns["payments.private"]) == 0 and len(place.problems) >= 10
