"""The log of requests. What names a person or comes from a caller is sealed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from hakika.domain.ids import KeyId, LoggedRequestId, MerchantId, bits_of, uuid7_bits, write
from hakika.domain.request_log import LoggedRequest
from hakika.domain.sealing import INSTANCE
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

IDEMPOTENCY = "requests.idempotency_key"
REQUEST = "requests.request_id"

_COLUMNS: LiteralString = """
    id, started_at, merchant_id, livemode, key_id, method, route, status, error_code, duration_ms,
    idempotency_hash, request_hash, replayed, client_address, body_bytes, response_bytes, private
"""

_ADD: LiteralString = "copy requests (" + _COLUMNS + ") from stdin"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is narrowed to. Times are UTC; `until` is not included."""

    since: datetime
    until: datetime | None = None
    route: str | None = None
    status: int | None = None
    key_id: str | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    id: str | None = None
    before: str | None = None             # the last request of the page before


# An id begins with the time, so that a span of time is a span in each index.
_CLAUSES: dict[str, LiteralString] = {
    "since": "started_at >= %(since)s and id >= %(first)s",
    "until": "started_at < %(until)s and id < %(beyond)s",
    "route": "route = %(route)s",
    "status": "status = %(status)s",
    "key_id": "key_id = %(key_id)s",
    "idempotency_key": "idempotency_hash = %(idempotency_key)s",
    "request_id": "request_hash = %(request_id)s",
    "id": "id = %(id)s",
    "before": "id < %(before)s",
}


# Nearly every answer has one of these: they are quickly found without an index, which has the rest.
_USUAL: tuple[int, ...] = (200, 202)
_UNUSUAL: LiteralString = "status not in (200, 202)"

_MILLISECOND = timedelta(milliseconds=1)


async def add(tx: Transaction, requests: Sequence[LoggedRequest]) -> None:
    """Write requests, all in one statement."""
    rows = [  # before the copy, which has the connection for itself: a sealer may have to be read
        _row(request, await tx.sealer(request.merchant_id or INSTANCE)) for request in requests
    ]
    async with tx.connection.cursor() as cursor, cursor.copy(_ADD) as copy:
        for row in rows:
            await copy.write_row(row)


def _row(request: LoggedRequest, sealer: Sealer) -> tuple[Any, ...]:
    key = request.idempotency_key
    private = json.dumps({
        "request_id": request.request_id, "path": request.path, "query": request.query,
        "idempotency_key": key, "body": request.body,
    }, separators=(",", ":"), ensure_ascii=False)
    return (
        _number(request.id), request.started_at, request.merchant_id, request.livemode,
        request.key_id, request.method, request.route, request.status, request.error_code,
        request.duration_ms,
        sealer.blind(IDEMPOTENCY, key) if key else None,
        sealer.blind(REQUEST, request.request_id), request.replayed, request.client_address,
        request.body_bytes, request.response_bytes,
        sealer.seal(_place(request.id), private.encode()),
    )


async def find(
    tx: Transaction, wanted: Filter, *, merchant_id: MerchantId, livemode: bool, limit: int,
) -> list[LoggedRequest]:
    """Return up to `limit` requests of this merchant and mode, newest first."""
    sealer = await tx.sealer(merchant_id)
    key, request = wanted.idempotency_key, wanted.request_id
    values = _values(wanted) | {
        "idempotency_key": sealer.blind(IDEMPOTENCY, key) if key else None,
        "request_id": sealer.blind(REQUEST, request) if request else None,
        "merchant_id": merchant_id, "livemode": livemode, "limit": limit,
    }
    clauses: list[LiteralString] = ["merchant_id = %(merchant_id)s", "livemode = %(livemode)s"]
    rows = await _rows(tx, clauses, values)
    return [_request_of(row, sealer) for row in rows]


async def find_any(
    tx: Transaction, wanted: Filter, *, merchant_id: MerchantId | None, limit: int,
) -> list[LoggedRequest]:
    """Return up to `limit` requests, newest first: of everybody, nobody included, or of one."""
    values = _values(wanted) | {
        "idempotency_key": None, "request_id": None, "merchant_id": merchant_id, "limit": limit,
    }
    clauses: list[LiteralString] = [] if merchant_id is None else ["merchant_id = %(merchant_id)s"]
    rows = await _rows(tx, clauses, values)
    return [
        _request_of(row, await tx.sealer(row["merchant_id"] or INSTANCE)) for row in rows
    ]


def _values(wanted: Filter) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in _CLAUSES} | {
        "first": _first_of(wanted.since),
        "beyond": _first_of(wanted.until + _MILLISECOND) if wanted.until else None,
        "id": _number(wanted.id) if wanted.id else None,
        "before": _number(wanted.before) if wanted.before else None,
    }


async def _rows(
    tx: Transaction, clauses: list[LiteralString], values: dict[str, Any],
) -> list[dict[str, Any]]:
    given = [text for name, text in _CLAUSES.items() if values[name] is not None]
    if values["status"] not in (None, *_USUAL):
        given.append(_UNUSUAL)
    query = sql.SQL("select {} from requests where {} order by id desc limit %(limit)s").format(
        sql.SQL(_COLUMNS), sql.SQL(" and ").join(sql.SQL(each) for each in clauses + given),
    )
    return await (await tx.connection.execute(query, values)).fetchall()


def _request_of(row: dict[str, Any], sealer: Sealer) -> LoggedRequest:
    name = write("req", row["id"].int)
    private = json.loads(sealer.open(_place(name), row["private"]))
    return LoggedRequest(
        id=LoggedRequestId(name), started_at=row["started_at"],
        merchant_id=MerchantId(row["merchant_id"]) if row["merchant_id"] else None,
        livemode=row["livemode"], key_id=KeyId(row["key_id"]) if row["key_id"] else None,
        request_id=private["request_id"], method=row["method"], route=row["route"],
        path=private["path"], query=private["query"], status=row["status"],
        error_code=row["error_code"], duration_ms=row["duration_ms"],
        idempotency_key=private["idempotency_key"], replayed=row["replayed"],
        client_address=row["client_address"], body=private["body"],
        body_bytes=row["body_bytes"], response_bytes=row["response_bytes"],
    )


def _number(request: str) -> UUID:
    """Return an id as it is kept: in 16 bytes, not 30, in each of the indexes."""
    return UUID(int=bits_of(request))


def _first_of(moment: datetime) -> UUID:
    """Return the lowest id of the millisecond of `moment`, or of the first that ids can tell."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=uuid7_bits(milliseconds=milliseconds, random_bits=0))


def _place(request: str) -> str:
    return f"requests.private {request}"
