"""`python -m bench.load SOCKET`: makes lifecycles happen, as told by JSON lines on stdin.

A lifecycle begins when the create request is written, and is over when the create was answered and
the receiver has the webhook; the receiver says so on the Unix socket. Two kinds of load:

- closed: a fixed number of lifecycles is under way; one that is over makes room for the next. It
  finds the highest rate.
- open: lifecycles begin at a given rate, at random moments, however long the others take. It finds
  what people wait at a load that is not of our own making.

Each order is answered by three lines: `begin` and `end` of the time that counts, and `done` with
what happened once nothing is under way any more. Read `Load.run` first.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from bench import processes, wire

# A lifecycle that is not over after this is lost: its webhook would have been tried again by then.
DRAIN_SECONDS_MAX = 30.0

ACCEPTED = 202
FAILURES_SHOWN = 3

_SECOND = 1_000_000_000


@dataclass(slots=True)
class Flight:
    """One lifecycle. Times are nanoseconds of the monotonic clock; 0: not yet."""

    reference: str
    sent_at: int
    answered_at: int = 0
    told_at: int = 0

    @property
    def is_over(self) -> bool:
        """Say whether the create was answered and the webhook came."""
        return bool(self.answered_at and self.told_at)


@dataclass(frozen=True, slots=True)
class Order:
    """What load to make, on whom. `rate` is lifecycles a second: 0 is the closed kind."""

    host: str
    port: int
    key: str
    seconds: float          # the time that counts
    ramp_seconds: float     # load before that
    concurrency: int = 0
    rate: float = 0.0


class Told(asyncio.Protocol):
    """The line from the receiver: a reference and a time for each webhook."""

    def __init__(self, hear: Callable[[str, int], None]) -> None:
        self._hear = hear
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Pass on each whole line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for each in lines:
            reference, came_at = each.split(b" ")
            self._hear(reference.decode(), int(came_at))


class Load:
    """Makes one order of load at a time. Numbers of payments go on from one order to the next."""

    def __init__(self) -> None:
        self._number = 0
        self._chance = random.Random(4)  # the same moments in every run
        self._order = Order("", 0, "", 0, 0)
        self._connections = wire.Connections("", 0)
        self._under_way: dict[str, Flight] = {}
        self._over: list[Flight] = []
        self._failures: list[str] = []
        self._launches = False

    def hear(self, reference: str, came_at: int) -> None:
        """Note that the receiver has a webhook; a second one for a payment changes nothing."""
        flight = self._under_way.get(reference)
        if flight is not None and not flight.told_at:
            flight.told_at = came_at
            self._look(flight)

    async def run(self, order: Order) -> dict[str, Any]:
        """Make the load of an order and return what happened."""
        self._order = order
        self._connections = wire.Connections(order.host, order.port)
        self._over, self._failures, self._launches = [], [], True
        if order.rate:
            self._launch_at_random(asyncio.get_running_loop().time())
        else:
            for _ in range(order.concurrency):
                self._launch()
        await asyncio.sleep(order.ramp_seconds)
        began_at = time.monotonic_ns()
        processes.say({"event": "begin"})
        await asyncio.sleep(order.seconds)
        ended_at = time.monotonic_ns()
        processes.say({"event": "end"})
        self._launches = False
        await self._drained()
        return self._told(began_at, ended_at)

    def _told(self, began_at: int, ended_at: int) -> dict[str, Any]:
        counted = sum(
            began_at <= max(each.answered_at, each.told_at) < ended_at for each in self._over
        )
        return {
            "event": "done", "lifecycles": counted, "seconds": (ended_at - began_at) / _SECOND,
            "lifecycles_in_all": len(self._over), "failures": self._failures[:FAILURES_SHOWN],
            "failures_count": len(self._failures), "lost": len(self._under_way),
            "flights": [
                [each.reference, each.sent_at, each.answered_at, each.told_at]
                for each in self._over if began_at <= each.sent_at < ended_at
            ],
        }

    async def _drained(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        while self._under_way and time.monotonic() < deadline:  # noqa: ASYNC110 - a look is cheap
            await asyncio.sleep(0.01)

    def _launch_at_random(self, due: float) -> None:
        """Begin a lifecycle and arrange for the next one, at an exponential distance."""
        if not self._launches:
            return
        self._launch()
        loop = asyncio.get_running_loop()
        next_due = due + self._chance.expovariate(self._order.rate)
        loop.call_at(next_due, self._launch_at_random, next_due)

    def _launch(self) -> None:
        self._number += 1
        number = self._number
        reference = f"B{number}"
        order = self._order
        request = wire.post(
            f"{order.host}:{order.port}", "/v1/payments", _body(number, reference),
            headers=f"Authorization: Bearer {order.key}\r\nIdempotency-Key: bench-{number}\r\n",
        )
        flight = Flight(reference, time.monotonic_ns())
        self._under_way[reference] = flight
        self._connections.ask(request, lambda message: self._answered(flight, message))

    def _answered(self, flight: Flight, message: wire.Message | None) -> None:
        if message is None or message.status != ACCEPTED:
            self._failures.append("no answer" if message is None else message.body.decode())
            self._under_way.pop(flight.reference, None)
            self._go_on()
            return
        flight.answered_at = time.monotonic_ns()
        self._look(flight)

    def _look(self, flight: Flight) -> None:
        if flight.is_over and self._under_way.pop(flight.reference, None) is not None:
            self._over.append(flight)
            self._go_on()

    def _go_on(self) -> None:
        if self._launches and not self._order.rate:
            self._launch()


def _body(number: int, reference: str) -> bytes:
    """Return an order as a shop sends it. The phone is another for each number up to 10 million."""
    shuffled = number * 7_654_321 % 10_000_000  # not in order, as people do not come in order
    return (
        f'{{"amount":{100 + number % 900},"currency":"KES","provider":"mpesa",'
        f'"phone":"25472{shuffled:07d}","reference":"{reference}","description":"Groceries",'
        f'"metadata":{{"order":"{number}"}}}}'
    ).encode()


async def run(socket_path: str) -> None:
    """Take orders on stdin until it ends."""
    loop = asyncio.get_running_loop()
    load = Load()
    await loop.create_unix_server(lambda: Told(load.hear), socket_path)
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    processes.say({"socket": socket_path})
    while text := await stdin.readline():
        processes.say(await load.run(Order(**json.loads(text))))


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1]))
