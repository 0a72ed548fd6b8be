"""`python -m bench.daraja`: a Daraja that always says yes, and times itself.

The simulator is the honest Daraja for throughput: it keeps books. For latencies its own time would
have to be known, so here is one that does next to nothing and notes, for each push, when it came,
when it was answered, when its callback left and when that was answered. `GET /timings` gives the
notes and forgets them. Times are nanoseconds of the machine's monotonic clock, which all processes
share.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench import processes, wire

# A payer who is quick: nobody reads a prompt and types a PIN faster. At 20 ms, as it once was here,
# callbacks of a busy machine came before the answer to their push was written, and each of them
# cost Hakika a second look.
PAYER_SECONDS = 0.5

_TOKEN = wire.answer(b'{"access_token":"a-token-of-the-bench","expires_in":"3599"}')


class Daraja:
    """The double's state: connections to whoever is called back, and the notes."""

    def __init__(self) -> None:
        self._callers: dict[tuple[str, int], wire.Connections] = {}
        self._timings: dict[str, list[int]] = {}
        self._pushes = 0

    def hear(self, message: wire.Message) -> bytes:
        """Answer one request."""
        came_at = time.monotonic_ns()
        match message.path.partition("?")[0]:
            case "/oauth/v1/generate":
                return _TOKEN
            case "/timings":
                timings, self._timings = self._timings, {}
                return wire.answer(json.dumps(timings).encode())
            case _:
                return self._accept(json.loads(message.body), came_at)

    def _accept(self, push: dict[str, Any], came_at: int) -> bytes:
        self._pushes += 1
        ids = {
            "MerchantRequestID": f"bench-{self._pushes}",
            "CheckoutRequestID": f"ws_CO_{time.time_ns()}",
        }
        timing = [came_at, 0, 0, 0]
        self._timings[push["AccountReference"]] = timing
        receipt = f"UK{self._pushes + 10_000_000:08d}"
        asyncio.get_running_loop().call_later(
            PAYER_SECONDS, self._call_back, push, ids, receipt, timing,
        )
        text = wire.answer(json.dumps({
            **ids, "ResponseCode": "0", "CustomerMessage": "Success.",
            "ResponseDescription": "Success. Request accepted for processing",
        }).encode())
        timing[1] = time.monotonic_ns()
        return text

    def _call_back(
        self, push: dict[str, Any], ids: dict[str, str], receipt: str, timing: list[int],
    ) -> None:
        where = urlsplit(push["CallBackURL"])
        address = str(where.hostname), where.port or 80
        body = json.dumps({"Body": {"stkCallback": {
            **ids, "ResultCode": 0,
            "ResultDesc": "The service request is processed successfully.",
            "CallbackMetadata": {"Item": [
                {"Name": "Amount", "Value": push["Amount"]},
                {"Name": "MpesaReceiptNumber", "Value": receipt},
                {"Name": "TransactionDate", "Value": int(push["Timestamp"])},
                {"Name": "PhoneNumber", "Value": push["PhoneNumber"]},
            ]},
        }}}).encode()
        if address not in self._callers:
            self._callers[address] = wire.Connections(*address)

        def thanked(answer: wire.Message | None) -> None:
            if answer is not None:
                timing[3] = time.monotonic_ns()

        timing[2] = time.monotonic_ns()
        self._callers[address].ask(wire.post(where.netloc, where.path, body), thanked)


async def run() -> None:
    """Serve until the process is ended."""
    processes.say({"port": await wire.serve(Daraja().hear)})
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(run())
