"""Close a day: chain its books, hold them against every witness, name what differs, and sign.

Read `close`. Closing changes nothing but what it finds: a day can be closed as often as anybody
likes, and the newest closing counts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog

from hakika.domain import checkpoint, closing
from hakika.domain.checkpoint import Checkpoint, MovementsDigest, Report, Signed
from hakika.domain.closing import Closing, Result, Span, closing_data, day_of, span_of
from hakika.domain.discrepancy import Difference, Discrepancy, discrepancy_data
from hakika.domain.errors import Conflict, Invalid, NotFound
from hakika.domain.event import EventName
from hakika.domain.ids import EventId
from hakika.domain.ledger import balance, nature, posted_data
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.times import written
from hakika.services import days as days_
from hakika.services import ledger, merchants, witnesses
from hakika.services.discrepancies import keep
from hakika.services.runtime import Runtime
from hakika.store import closing as store
from hakika.store import days as read
from hakika.store import discrepancies, events, signing
from hakika.store import ledger as book
from hakika.store.days import ToldBalance
from hakika.store.events import Told
from hakika.store.transaction import Overtaken, StatementRefused, Transaction

log = structlog.get_logger(__name__)

# A closing waits for as many of them at most.
HEARINGS_MAX = 20

# What lay there at some moment lay there before anything that happened at it.
_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Closed:
    """A day that was closed just now, and everything that is or was wrong with it."""

    owner: Owner
    closing: Closing
    discrepancies: list[Discrepancy]


async def close(
    rt: Runtime, owner: Owner, day: date, *, unless_since: datetime | None = None,
) -> Closed:
    """Close a day of a merchant and mode, and return how it closed.

    Raises:
        Invalid: the day is not over.
        Conflict: it is being closed by another just now, or was closed since `unless_since`.
    """
    if span_of(day).end > rt.now():
        raise Invalid(
            f"{day} is not over in Nairobi.", field="day", code="day_not_over",
            hint="Close it after midnight; after 03:20 M-Pesa's list of it is whole.",
        )
    merchant = await merchants.read(rt, owner.merchant_id)
    await _hear_what_waits(rt)
    await ledger.chain(rt, owner.merchant_id, livemode=owner.livemode)
    try:
        made, kept = await _close(rt, owner, day, merchant.name, unless_since)
    except Overtaken:
        raise _taken(day) from None
    log.info(
        "day_closed", merchant=owner.merchant_id, livemode=owner.livemode, day=str(day),
        result=made.result.value, open=sum(each.is_open for each in kept),
    )
    if made.result is Result.GREEN:
        await _open_accounts(rt, owner, span_of(day))
    return Closed(owner, made, kept)


async def _close(
    rt: Runtime, owner: Owner, day: date, name: str, unless_since: datetime | None,
) -> tuple[Closing, list[Discrepancy]]:
    private_key = await _private_key(rt)
    async with rt.store.transaction() as tx:
        await read.frozen(tx)
        before = await store.of_day(tx, owner, day)
        if before is not None and unless_since is not None and before.closed_at >= unless_since:
            raise _taken(day)
        looked = await days_.look(tx, owner, day, rt.tariffs)
        kept = await _keep(rt, tx, owner, day, looked.differences)
        summary = await _summary(tx, owner, day, kept, name, looked.sources)
        made = await _signed(tx, owner, summary, rt.now(), private_key)
        if not await store.add(tx, owner, made):
            raise _taken(day)
        await _tell(rt, tx, owner, made)
    return made, kept


async def _hear_what_waits(rt: Runtime) -> None:
    """Judge witnesses whose turn it is: a file that was just imported may have brought them."""
    for _ in range(HEARINGS_MAX):
        if not await witnesses.hear_again(rt):
            return


def _taken(day: date) -> Conflict:
    return Conflict(
        f"{day} is being closed by another just now.", hint="Read its result in a moment.",
    )


async def close_all(rt: Runtime, day: date) -> list[Closed]:
    """Close a day of every merchant and mode that has books."""
    return [await close(rt, each, day) for each in await _owners(rt)]


async def close_nightly(rt: Runtime) -> int:
    """Close what is to be closed tonight; return how many days. Safe beside other workers."""
    today = day_of(rt.now() - closing.CLOSES_AFTER)
    return sum([await _close_surely(rt, each, today) for each in await _owners(rt)])


async def _owners(rt: Runtime) -> list[Owner]:
    await ledger.chain_all(rt)  # whose books are not chained has none yet
    async with rt.store.autocommit() as tx:
        return await store.owners(tx)


async def _close_surely(rt: Runtime, owner: Owner, today: date) -> int:
    """Close a merchant's days; when that cannot be done, say so, and let the others be closed."""
    done, tonight = 0, span_of(today).start + closing.CLOSES_AFTER
    for day in await _due(rt, owner, today, tonight):
        try:
            await close(rt, owner, day, unless_since=tonight)
            done += 1
        except Conflict:
            continue
        except StatementRefused:
            log.exception("day_not_closed", merchant=owner.merchant_id, day=str(day))
    return done


async def _due(
    rt: Runtime, owner: Owner, today: date, tonight: datetime,
) -> list[date]:
    """Return the days that were never closed, and those to be closed again tonight.

    Every day since the books began, of the last AGAIN_DAYS: a worker may have been away.
    """
    yesterday = today - timedelta(days=1)
    first = yesterday - timedelta(days=closing.AGAIN_DAYS)
    async with rt.store.autocommit() as tx:
        began = await store.began(tx, owner)
        if began is None or day_of(began) > yesterday:
            return []
        first = max(first, day_of(began))
        closed = await store.closed(tx, owner, first)
        again = await store.to_close_again(tx, owner, first=first, tonight=tonight)
    every = {first + timedelta(days=each) for each in range((yesterday - first).days + 1)}
    return sorted({*again, *(every - closed)})


async def days(rt: Runtime, owner: Owner, *, before: date | None, limit: int) -> list[Closing]:
    """Return up to `limit` closed days, the last one first."""
    async with rt.store.autocommit() as tx:
        return await store.days(tx, owner, before=before, limit=limit)


async def report(rt: Runtime, owner: Owner, day: date) -> Report:
    """Return the report of a closed day, the same at any later time. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        await read.frozen(tx)
        found = await store.of_day(tx, owner, day)
        if found is None:
            raise NotFound(
                f"{day} was not closed yet.",
                hint=f"Close it: `hakika close {day}`, or POST /v1/reconciliation/days/{day}.",
            )
        async with aclosing(_movements(tx, owner, day, found.sequence)) as movements:
            moved = [each async for each in movements]
    return Report(found.signed, found.summary, moved)


async def public_key(rt: Runtime) -> bytes:
    """Return the public key that checkpoints are signed with; made when there is none."""
    return checkpoint.public_of(await _private_key(rt))


async def _open_accounts(rt: Runtime, owner: Owner, span: Span) -> None:
    """Begin the books of accounts with what M-Pesa said that lay on them in a proven day.

    Not before it is proven: money that is found later would be counted twice, in the beginning and
    when it is found. And not while money moved, of which nobody can say on which side it was.
    """
    async with rt.store.autocommit() as tx:
        waiting = await store.unopened(tx, owner, span)
    for each in waiting:
        async with rt.store.transaction() as tx:
            await _open(rt, tx, owner, each)


async def _open(rt: Runtime, tx: Transaction, owner: Owner, each: ToldBalance) -> None:
    if not each.is_exact and await days_.nearby(tx, owner, each):
        return
    before = await store.moved_before(tx, owner, each)
    missing = Money(each.balance.cents - before.cents)
    await store.mark_opened(tx, owner, each)
    await book.open_account(
        tx, owner.merchant_id, livemode=owner.livemode, account=each.account,
        amount=missing, at=each.at - _JUST_BEFORE, now=rt.now(),
    )


async def _keep(
    rt: Runtime, tx: Transaction, owner: Owner, day: date, found: list[Difference],
) -> list[Discrepancy]:
    """Keep what was found, tell of what is news, and return all that was ever found of the day."""
    kept = [(await keep(rt, tx, owner, day, each)).id for each in found]
    await discrepancies.vanish(tx, owner, day, found=kept, now=rt.now())
    return await discrepancies.of_day(tx, owner, day)


async def _summary(
    tx: Transaction, owner: Owner, day: date, kept: list[Discrepancy], name: str,
    sources: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return a day as its report tells it."""
    span = span_of(day)
    sequence, link = await read.head(tx, owner)
    opening = await read.balances_at(tx, owner, span.start)
    closed = await read.balances_at(tx, owner, span.end)
    result = Result.RED if any(each.is_open for each in kept) else Result.GREEN
    return {
        "merchant": {"id": owner.merchant_id, "name": name}, "livemode": owner.livemode,
        "day": day.isoformat(), "from": written(span.start), "to": written(span.end),
        "result": result.value, "sequence": sequence, "link": link.hex(),
        "shortcodes": sources,
        "accounts": [
            {
                "account": each, "counted": nature(each).value,
                "opening": str(_balance(each, opening.get(each, Money(0)))),
                "closing": str(_balance(each, closed.get(each, Money(0)))),
            }
            for each in sorted(closed)
        ],
        "moved": [
            {"move": move, "count": count, "amount": str(amount)}
            for move, count, amount in await read.moved(tx, owner, span, sequence=sequence)
        ],
        "differences": [discrepancy_data(each) for each in kept],
    }


def _balance(account: str, difference: Money) -> Money:
    return balance(account, debits=difference, credits_=Money(0))


async def _movements(
    tx: Transaction, owner: Owner, day: date, sequence: int,
) -> AsyncGenerator[dict[str, Any], None]:
    async with aclosing(read.movements(tx, owner, span_of(day), sequence=sequence)) as postings:
        async for each in postings:
            yield posted_data(each)


async def _signed(
    tx: Transaction, owner: Owner, summary: dict[str, Any], now: datetime, private_key: bytes,
) -> Closing:
    day = date.fromisoformat(summary["day"])
    before = await store.newest(tx, owner)
    digest = MovementsDigest()
    async with aclosing(_movements(tx, owner, day, summary["sequence"])) as movements:
        async for each in movements:
            digest.add(each)
    made = Checkpoint(
        owner.merchant_id, owner.livemode, before.number + 1 if before else 1, summary["day"],
        summary["result"], summary["sequence"], summary["link"], written(now.astimezone(UTC)),
        checkpoint.summary_digest(summary), digest.hexdigest(),
        before.signed.checkpoint.sha256 if before else checkpoint.FIRST,
    )
    signed: Signed = checkpoint.sign(made, private_key)
    return Closing(
        made.number, day, Result(made.result), made.sequence, now, signed, summary,
    )


async def _private_key(rt: Runtime) -> bytes:
    """Return what checkpoints are signed with; made when there is nothing."""
    async with rt.store.transaction() as tx:
        await signing.hold(tx)
        known = await signing.private_key(tx)
        if known is not None:
            return known
        private = rt.random_bits(8 * checkpoint.PRIVATE_KEY_BYTES).to_bytes(
            checkpoint.PRIVATE_KEY_BYTES,
        )
        await signing.add(
            tx, private=private, public=checkpoint.public_of(private), now=rt.now(),
        )
    return private


async def _tell(rt: Runtime, tx: Transaction, owner: Owner, made: Closing) -> None:
    await events.tell(
        tx, owner.merchant_id, livemode=owner.livemode, subject_id=owner.merchant_id, now=rt.now(),
        told=[Told(EventId(rt.new_id("evt")), EventName.DAY_CLOSED, closing_data(made))],
    )
