"""`python -m bench.floor`: the same commits and the same HTTP exchanges, with no product around.

The bound for what can be had on a machine: bare ASGI on uvicorn (uvloop, httptools), psycopg, one
statement a commit, aiohttp for what is sent. It believes everybody, checks nothing, signs nothing,
retries nothing and forgets its webhooks when it dies. What it does for one lifecycle:

1. commit: idempotency key, payment, fact; then the push to Daraja over a kept connection
2. commit: the answer as a fact, and the payment moved; then 202
3. the callback; commit: payment moved, fact, event, delivery; then 200
4. the webhook over a kept connection; commit: the delivery is recorded
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any, LiteralString

import aiohttp
import uvicorn
import uvloop
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from bench import processes

SCHEMA: LiteralString = """
    create table payments (
        id text primary key, state text not null, amount_cents bigint not null,
        phone text not null, reference text not null, description text not null,
        metadata jsonb not null, idempotency_key text not null unique, checkout_request_id text,
        receipt text unique, created_at timestamptz not null, completed_at timestamptz);
    create table facts (
        payment_id text not null, sequence integer not null, heard_at timestamptz not null,
        raw bytea not null, primary key (payment_id, sequence));
    create table events (
        id bigint generated always as identity primary key, payment_id text not null,
        data jsonb not null, created_at timestamptz not null);
    create table deliveries (
        event_id bigint primary key, state text not null, status integer,
        finished_at timestamptz)
"""

BEGIN: LiteralString = """
    with born as (
        insert into payments (id, state, amount_cents, phone, reference, description, metadata,
            idempotency_key, created_at)
        values (%(id)s, 'sending', %(amount_cents)s, %(phone)s, %(reference)s, %(description)s,
            %(metadata)s, %(idempotency_key)s, %(now)s)
        on conflict do nothing returning id
    )
    insert into facts (payment_id, sequence, heard_at, raw) select id, 1, %(now)s, '' from born
"""

ACCEPTED: LiteralString = """
    with moved as (
        update payments set checkout_request_id = %(checkout_request_id)s,
            state = case state when 'sending' then 'pending' else state end
         where id = %(id)s returning id
    )
    insert into facts (payment_id, sequence, heard_at, raw)
    select id, 2, %(now)s, %(raw)s from moved
"""

PAID: LiteralString = """
    with moved as (
        update payments set state = 'completed', receipt = %(receipt)s, completed_at = %(now)s
         where id = %(id)s
        returning id, amount_cents, phone, reference, description, metadata, idempotency_key,
            created_at
    ), heard as (
        insert into facts (payment_id, sequence, heard_at, raw)
        select id, 3, %(now)s, %(raw)s from moved
    ), told as (
        insert into events (payment_id, data, created_at)
        select id, to_jsonb(moved), %(now)s from moved returning id
    ), due as (
        insert into deliveries (event_id, state) select id, 'scheduled' from told
    )
    select told.id as event_id, moved.* from told, moved
"""

DELIVERED: LiteralString = """
    update deliveries set state = 'succeeded', status = %(status)s, finished_at = %(now)s
     where event_id = %(event_id)s
"""

CONNECTIONS_MAX = 5    # as many as Hakika has by default
QUIET_SECONDS = 75     # as Hakika; uvicorn's own 5 s lost callbacks between two rounds

_NAIROBI = timezone(timedelta(hours=3))
_THANKS = b'{"ResultCode":0,"ResultDesc":"Accepted"}'

_Connection = AsyncConnection[DictRow]

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Floor:
    """The floor program. `webhook_url` is where every webhook goes."""

    def __init__(
        self, *, database_url: str, daraja_url: str, webhook_url: str, own_url: str,
        shortcode: str, passkey: str,
    ) -> None:
        self._daraja_url, self._webhook_url, self._own_url = daraja_url, webhook_url, own_url
        self._shortcode, self._passkey = shortcode, passkey
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            database_url, min_size=CONNECTIONS_MAX, max_size=CONNECTIONS_MAX, open=False,
            kwargs={"autocommit": True, "row_factory": dict_row}, connection_class=_Connection,
        )
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._posts: set[asyncio.Task[None]] = set()

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send,
    ) -> None:
        """Answer one request: an order, or a callback at /c/{payment id}."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        if scope["path"].startswith("/c/"):
            await self._hear(scope["path"][3:], body)
            await _answer(send, HTTPStatus.OK, _THANKS)
        else:
            key = dict(scope["headers"])[b"idempotency-key"].decode()
            await _answer(send, HTTPStatus.ACCEPTED, await self._request(json.loads(body), key))

    async def open(self) -> None:
        """Connect to the database and get Daraja's token."""
        await self._pool.open(wait=True)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        async with self._session.get(
            f"{self._daraja_url}/oauth/v1/generate?grant_type=client_credentials",
            headers={"Authorization": "Basic " + base64.b64encode(b"key:secret").decode()},
        ) as answer:
            self._token = (await answer.json(content_type=None))["access_token"]

    async def _request(self, order: dict[str, Any], key: str) -> bytes:
        payment_id = f"pay_{secrets.token_hex(13)}"
        await self._execute(BEGIN, {
            "id": payment_id, "amount_cents": order["amount"] * 100, "phone": order["phone"],
            "reference": order["reference"], "description": order["description"],
            "metadata": Jsonb(order["metadata"]), "idempotency_key": key, "now": _now(),
        })
        raw = await self._push(payment_id, order)
        await self._execute(ACCEPTED, {
            "id": payment_id, "raw": raw, "now": _now(),
            "checkout_request_id": json.loads(raw)["CheckoutRequestID"],
        })
        return json.dumps({
            "success": True, "data": {"id": payment_id, "status": "pending", **order},
        }).encode()

    async def _push(self, payment_id: str, order: dict[str, Any]) -> bytes:
        assert self._session is not None
        timestamp = f"{datetime.now(_NAIROBI):%Y%m%d%H%M%S}"
        password = base64.b64encode(f"{self._shortcode}{self._passkey}{timestamp}".encode())
        phone = int(order["phone"])
        async with self._session.post(
            f"{self._daraja_url}/mpesa/stkpush/v1/processrequest",
            data=json.dumps({
                "BusinessShortCode": int(self._shortcode), "Password": password.decode(),
                "Timestamp": timestamp, "TransactionType": "CustomerPayBillOnline",
                "Amount": order["amount"], "PartyA": phone, "PartyB": int(self._shortcode),
                "PhoneNumber": phone, "CallBackURL": f"{self._own_url}/c/{payment_id}",
                "AccountReference": order["reference"], "TransactionDesc": order["description"],
            }).encode(),
            headers={
                "Authorization": f"Bearer {self._token}", "Content-Type": "application/json",
            },
        ) as answer:
            assert answer.status == HTTPStatus.OK, await answer.text()
            return await answer.read()

    async def _hear(self, payment_id: str, raw: bytes) -> None:
        items = json.loads(raw)["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
        receipt = next(each["Value"] for each in items if each["Name"] == "MpesaReceiptNumber")
        told = await self._execute(
            PAID, {"id": payment_id, "receipt": receipt, "raw": raw, "now": _now()},
        )
        assert told is not None, "the payment is committed before it is pushed"
        task = asyncio.create_task(self._deliver(told))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    async def _deliver(self, told: dict[str, Any]) -> None:
        assert self._session is not None
        body = json.dumps(
            {"id": told["event_id"], "type": "payment.completed", "data": told}, default=str,
            separators=(",", ":"),
        ).encode()
        async with self._session.post(
            self._webhook_url, data=body, headers={"Content-Type": "application/json"},
        ) as answer:
            await answer.read()
        await self._execute(DELIVERED, {
            "event_id": told["event_id"], "status": answer.status, "now": _now(),
        })

    async def _execute(
        self, statement: LiteralString, values: dict[str, Any],
    ) -> dict[str, Any] | None:
        """Run one statement, which is one commit; return its row, if it has one."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchone() if cursor.description else None


async def _answer(send: Send, status: int, body: bytes) -> None:
    await send({
        "type": "http.response.start", "status": status,
        "headers": [
            (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
        ],
    })
    await send({"type": "http.response.body", "body": body})


def _now() -> datetime:
    return datetime.now(UTC)


async def run(settings: dict[str, str]) -> None:
    """Serve until the process is ended."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    floor = Floor(own_url=url, **settings)
    await floor.open()
    server = uvicorn.Server(uvicorn.Config(
        floor, http="httptools", ws="none", lifespan="off", log_level="warning",
        access_log=False, server_header=False, date_header=False, backlog=2048,
        timeout_keep_alive=QUIET_SECONDS,
    ))
    processes.say({"api": url})
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    uvloop.run(run(json.loads(os.environ["BENCH_FLOOR"])))
