"""What the simulator's tests see it with: a caller of its wire, and a merchant that is called."""

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
SHORTCODE = "174379"
PAYS = "254708374149"
PERSON = "254712345678"
WAIT_SECONDS_MAX = 8.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One POST that reached the merchant."""

    path: str
    text: str
    at: float

    @property
    def outcome(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)["Body"]["stkCallback"]
        return found

    @property
    def items(self) -> dict[str, Any]:
        listed = self.outcome["CallbackMetadata"]["Item"]
        return {item["Name"]: item.get("Value") for item in listed}


@dataclass
class Merchant:
    """A callback receiver that writes down everything and answers `status`."""

    heard: list[Heard] = field(default_factory=list)
    status: int = 200
    url: str = ""
    location: str | None = None
    pause_seconds: float = 0.0
    answer: Any = field(default_factory=lambda: {"ResultCode": 0})
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        self.heard.append(Heard(request.path, await request.text(), time.time()))
        self._changed.set()
        await asyncio.sleep(self.pause_seconds)
        headers = {} if self.location is None else {"Location": self.location}
        return web.json_response(self.answer, status=self.status, headers=headers)

    async def hears(self, count: int = 1) -> list[Heard]:
        """Return what was heard, once it is `count` callbacks or more."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while len(self.heard) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.heard


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def refusal(self) -> tuple[int, str, str]:
        """The status, code and message of a refusal in shape E1."""
        body = self.json
        assert set(body) == {"requestId", "errorCode", "errorMessage"}
        return self.status, body["errorCode"], body["errorMessage"]


@dataclass
class Daraja:
    """Calls one simulator as a merchant's program does, and looks behind the scenes."""

    url: str
    session: aiohttp.ClientSession
    callback_url: str
    bearer: str = ""

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        options.setdefault("allow_redirects", False)
        async with self.session.request(method, self.url + path, **options) as response:
            return Answer(response.status, await response.text())

    async def log_in(self, key: str = "key") -> None:
        answer = await self.ask_token(basic(key, "secret"))
        self.bearer = f"Bearer {answer.json['access_token']}"

    async def ask_token(self, authorization: str, grant: str = "client_credentials") -> Answer:
        return await self.call(
            "GET",
            "/oauth/v1/generate",
            params={"grant_type": grant},
            headers={"Authorization": authorization},
        )

    def push_body(self, phone: str = PAYS, amount: int = 500, **changes: Any) -> dict[str, Any]:
        body = credentials() | {
            "TransactionType": "CustomerPayBillOnline",
            "Amount": amount,
            "PartyA": int(phone),
            "PartyB": int(SHORTCODE),
            "PhoneNumber": int(phone),
            "CallBackURL": self.callback_url,
            "AccountReference": "INV-1",
            "TransactionDesc": "Rent",
        }
        return {k: v for k, v in (body | changes).items() if v is not ...}

    async def push(self, phone: str = PAYS, amount: int = 500, **changes: Any) -> Answer:
        """Push; a change of `...` leaves the field out."""
        return await self.call(
            "POST",
            "/mpesa/stkpush/v1/processrequest",
            json=self.push_body(phone, amount, **changes),
            headers={"Authorization": self.bearer},
        )

    async def pushed(self, phone: str = PAYS, amount: int = 500, **changes: Any) -> str:
        """Push, which must be accepted, and return the CheckoutRequestID."""
        answer = await self.push(phone, amount, **changes)
        assert answer.status == 200, answer.text
        found: str = answer.json["CheckoutRequestID"]
        return found

    async def query(self, checkout_request_id: str, **changes: Any) -> Answer:
        body = credentials() | {"CheckoutRequestID": checkout_request_id} | changes
        return await self.call(
            "POST",
            "/mpesa/stkpushquery/v1/query",
            json=body,
            headers={"Authorization": self.bearer},
        )

    async def control(self, method: str, path: str, body: Any = None) -> Answer:
        return await self.call(method, f"/_simulator/{path}", json=body)

    async def turn(self, **switches: Any) -> None:
        answer = await self.control("PUT", "switches", switches)
        assert answer.status == 200, answer.text

    async def truth(self, **filters: str) -> dict[str, Any]:
        answer = await self.call("GET", "/_simulator/truth", params=filters)
        found: dict[str, Any] = answer.json
        return found

    async def payment(self, checkout_request_id: str) -> dict[str, Any]:
        found = await self.truth(checkout_request_id=checkout_request_id)
        payment: dict[str, Any] = found["payments"][0]
        return payment

    async def settled(self) -> None:
        """Return once nothing is open or pending any more."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while any((await self.control("GET", "settled")).json.values()):
                await asyncio.sleep(0.02)


def credentials(passkey: str = PASSKEY, at: datetime | None = None) -> dict[str, Any]:
    """Return the three fields that prove who calls."""
    nairobi = (at or datetime.now(UTC)) + timedelta(hours=3)
    timestamp = f"{nairobi:%Y%m%d%H%M%S}"
    password = base64.b64encode(f"{SHORTCODE}{passkey}{timestamp}".encode()).decode()
    return {"BusinessShortCode": SHORTCODE, "Password": password, "Timestamp": timestamp}


def basic(key: str, secret: str) -> str:
    """Return the Authorization header for a key and secret."""
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()
