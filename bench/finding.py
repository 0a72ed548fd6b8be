"""How long a search takes among many payments, by each thing that it can be for.

Each look is for another payment, so that what one look has read is of no use to the next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from statistics import median
from typing import Any, LiteralString

import aiohttp
import psycopg
from psycopg.rows import dict_row

from bench import fill
from bench.processes import BenchFailed
from bench.stand import Contender, Stand
from hakika.domain.times import NAIROBI

# What a search may take at the largest size.
SEARCH_MS_MAX = 50

LOOKS = 25               # for each thing; the median counts

_SAMPLE: LiteralString = """
    select id, created_at, amount_cents, merchant_request_id from payments
     where receipt = %(receipt)s
"""

Queries = Mapping[str, Sequence[str]]


async def search_ms(ready: Stand, contender: Contender, size: int) -> dict[str, Any]:
    """Return the median and the longest time that the API takes for a search, for each thing."""
    headers = {"Authorization": f"Bearer {contender.key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        return {
            name: await _timed(http, contender, texts, finds=name != "something unknown")
            for name, texts in (await _queries(ready, size)).items()
        }


async def _queries(ready: Stand, size: int) -> Queries:
    """Return what is searched for: the texts, by what they are."""
    # Of the younger half: the very first are real ones, which have names of their own.
    some = [_paid(size // 2 + size // 2 * each // LOOKS) for each in range(LOOKS)]
    dear = [_paid(number, common=False) for number in some]
    plain, priced = await _known(ready, some), await _known(ready, dear)
    return {
        "receipt": [fill.receipt_of(each) for each in some],
        "phone": [f"0{fill.phone_of(each)[3:]}" for each in some],
        "reference": [fill.reference_of(each) for each in some],
        "checkout id": [fill.checkout_of(each) for each in some],
        "merchant request id": [each["merchant_request_id"] for each in plain],
        "payment id": [each["id"] for each in plain],
        "amount and minute": [_said(each, "%Y-%m-%d %H:%M") for each in priced],
        "amount and day": [_said(each, "%Y-%m-%d") for each in priced],
        "every second one's amount, and minute": [_said(each, "%Y-%m-%d %H:%M") for each in plain],
        "every second one's amount, and day": [_said(each, "%Y-%m-%d") for each in plain],
        "something unknown": [f"NOWHERE{each:03d}" for each in range(LOOKS)],
    }


def _paid(number: int, *, common: bool = True) -> int:
    """Return the next number of a paid payment, of the price that every second one has, or not."""
    while number % fill.ONE_CANCELED_IN == 0 or fill.has_common_price(number) is not common:
        number += 1
    return number


async def _known(ready: Stand, numbers: Sequence[int]) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(
        ready.database("hakika"), row_factory=dict_row,
    ) as connection:
        return [
            row for number in numbers for row in await (await connection.execute(
                _SAMPLE, {"receipt": fill.receipt_of(number)},
            )).fetchall()
        ]


def _said(payment: Mapping[str, Any], form: str) -> str:
    when: datetime = payment["created_at"]
    return f"KES {payment['amount_cents'] // 100} {when.astimezone(NAIROBI):{form}}"


async def _timed(
    http: aiohttp.ClientSession, contender: Contender, texts: Sequence[str], *, finds: bool,
) -> dict[str, float]:
    taken = []
    for text in texts:
        began = time.perf_counter()
        async with http.get(f"{contender.url}/v1/search", params={"q": text}) as answer:
            body = await answer.json()
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status != HTTPStatus.OK:
            raise BenchFailed(f"A search was refused: {body}")
        if finds is not bool(body["data"]):
            raise BenchFailed(f"A search for {text!r} found {len(body['data'])}.")
    return {"p50": round(median(taken), 1), "max": round(max(taken), 1)}
