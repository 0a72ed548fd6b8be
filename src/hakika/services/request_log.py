"""The request log: noted in memory, written twice a second, searched for 30 days.

What is noted and not yet written is lost when the process is killed; on a graceful stop it is
written. It is a help, not evidence: the facts are.
"""

from __future__ import annotations

import asyncio

import structlog

from hakika.domain.errors import NotFound
from hakika.domain.ids import LoggedRequestId, MerchantId, uuid7_bits, write
from hakika.domain.merchant import ApiKey
from hakika.domain.request_log import (
    KEPT_FOR,
    LoggedRequest,
    masked_body,
    masked_path,
    masked_query,
)
from hakika.services.notes import Note
from hakika.services.runtime import Runtime
from hakika.store import partitions, request_log
from hakika.store.request_log import Filter
from hakika.store.transaction import StatementRefused, StoreUnavailable

log = structlog.get_logger(__name__)

WRITTEN_AT_ONCE_MAX = 500

# After so many the requests that are being served get their turn: masking takes a while.
MASKED_IN_A_ROW_MAX = 25


async def write_notes(rt: Runtime) -> int:
    """Write what was noted of requests; return of how many. Never raises for the database's sake.

    What cannot be written because the database is away is kept and tried again.
    """
    async with rt.notes.writing:
        if dropped := rt.notes.dropped_meanwhile():
            log.warning("request_log_overflowed", dropped=dropped)
        return await _write_all(rt)


async def _write_all(rt: Runtime) -> int:
    written = 0
    while notes := rt.notes.take(WRITTEN_AT_ONCE_MAX):
        try:
            await _write(rt, notes)
        except StoreUnavailable as error:
            rt.notes.put_back(notes)
            log.warning("request_log_not_written", why=str(error))
            break
        except StatementRefused as error:
            log.error("request_log_lost", requests=len(notes), why=str(error))
        else:
            written += len(notes)
    return written


async def _write(rt: Runtime, notes: list[Note]) -> None:
    requests = []
    for place, note in enumerate(notes, start=1):
        requests.append(_logged(rt, note))
        if place % MASKED_IN_A_ROW_MAX == 0:
            await asyncio.sleep(0)
    async with rt.store.autocommit() as tx:
        await request_log.add(tx, requests)


def _logged(rt: Runtime, note: Note) -> LoggedRequest:
    milliseconds = int(note.started_at.timestamp() * 1000)
    key = note.key
    bits = uuid7_bits(milliseconds=milliseconds, random_bits=rt.random_bits(74))
    return LoggedRequest(
        id=LoggedRequestId(write("req", bits)),
        started_at=note.started_at,
        merchant_id=key.merchant_id if key else None, livemode=key.livemode if key else None,
        key_id=key.id if key else None, request_id=note.request_id, method=note.method,
        route=note.route, path=masked_path(note.path), query=masked_query(note.query),
        status=note.status, error_code=note.error_code,
        duration_ms=round(note.duration_ns / 1_000_000, 3), replayed=note.replayed,
        idempotency_key=note.idempotency_key,
        client_address=note.client_address,
        body=masked_body(note.body), body_bytes=note.body_bytes,
        response_bytes=note.response_bytes,
    )


async def find(rt: Runtime, key: ApiKey, wanted: Filter, *, limit: int) -> list[LoggedRequest]:
    """Return up to `limit` requests of this key's merchant and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await request_log.find(
            tx, wanted, merchant_id=key.merchant_id, livemode=key.livemode, limit=limit,
        )


async def find_any(
    rt: Runtime, *, merchant_id: MerchantId | None = None, status: int | None = None, limit: int,
) -> list[LoggedRequest]:
    """Return up to `limit` requests of everybody, or of one merchant, newest first."""
    wanted = Filter(since=rt.now() - KEPT_FOR, status=status)
    async with rt.store.autocommit() as tx:
        return await request_log.find_any(tx, wanted, merchant_id=merchant_id, limit=limit)


async def read(rt: Runtime, key: ApiKey, request_id: LoggedRequestId) -> LoggedRequest:
    """Return one request of this key's merchant and mode. Raises: NotFound."""
    found = await find(
        rt, key, Filter(since=rt.now() - KEPT_FOR, id=request_id), limit=1,
    )
    if not found:
        raise NotFound(f"There is no request {request_id} in the log of the last 30 days.")
    return found[0]


async def drop_old(rt: Runtime) -> list[str]:
    """Drop the months of the log that are past the time it is kept; return their names."""
    async with rt.store.transaction() as tx:
        return await partitions.drop_past(tx, "requests", before=rt.now() - KEPT_FOR)
