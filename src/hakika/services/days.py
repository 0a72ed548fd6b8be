"""Everything about a day that closing it needs, read in the one frozen picture of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from hakika.domain import closing
from hakika.domain.checkpoint import MovementsDigest
from hakika.domain.closing import Damage, Day, Span, day_of, span_of
from hakika.domain.discrepancy import Difference
from hakika.domain.ledger import COLLECTING, Chain, Flaw, float_accounts, posted_data
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.provider import Provider
from hakika.domain.reconciliation import OVERLAP
from hakika.domain.reported import IN_FLIGHT, Movement, Reported
from hakika.domain.tariff import COLLECTED_ON, Tariffs
from hakika.domain.times import written
from hakika.store import closing as closings
from hakika.store import days as store
from hakika.store import discrepancies, providers
from hakika.store.days import ToldBalance
from hakika.store.transaction import Transaction

# Long before this no posting of a day can have been chained, whatever the clocks say.
_BEFORE_A_DAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Looked:
    """What is wrong with a day, and which of M-Pesa's records each short code was held against."""

    differences: list[Difference]
    sources: list[dict[str, Any]]


async def look(tx: Transaction, owner: Owner, day: date, tariffs: Tariffs) -> Looked:
    """Hold everything of a day against M-Pesa's records."""
    span = span_of(day)
    damage = await _damage(tx, owner, span)
    found = [] if damage else await _unlike_signed(tx, owner, day)
    edited = {each.receipt for each in damage}
    providers_ = {
        each.shortcode.number: each
        for each in await providers.of(tx, owner.merchant_id, livemode=owner.livemode)
    }
    shortcodes, sources = await store.shortcodes(tx, owner, span), []
    if not shortcodes:
        found.append(closing.nothing_known(day))
    for shortcode in shortcodes:
        covered = await _covered(tx, owner, span, shortcode)
        read = await _day(tx, owner, day, shortcode, covered)
        sources.append(_source(read, covered))
        provider = providers_.get(shortcode)
        if provider is not None and provider.tariff and read.stated:
            read = replace(
                read, expected=_expected(provider, tariffs, day),
                charged=await store.charged(tx, owner, span, float_accounts(shortcode)),
            )
        receipts = await _of_receipts(tx, owner, read, edited)
        found += [*receipts, *closing.of_day(read, receipts)]
    return Looked([*found, *closing.damages(damage, found)], sources)


def _expected(
    provider: Provider, tariffs: Tariffs, day: date,
) -> Callable[[Money], Money | None]:
    """Return what says the charge for a collection, by the tariff that the merchant named."""
    product = COLLECTED_ON[provider.shortcode.kind]
    return lambda amount: tariffs.charge_for(product, provider.tariff, amount, on=day)


async def _covered(tx: Transaction, owner: Owner, span: Span, shortcode: str) -> list[str]:
    """Return the accounts of a short code whose statements cover the whole time."""
    stated = await store.stated(tx, owner, span, shortcode)
    return sorted(
        account for account, spans in stated.items()
        if closing.covered_to(spans, span) == span.end
    )


async def _day(
    tx: Transaction, owner: Owner, day: date, shortcode: str, covered: Collection[str],
) -> Day:
    span = span_of(day)
    accounts = float_accounts(shortcode)
    listed = [
        Span(each.start, each.end - OVERLAP)
        for each in await store.pulled(tx, owner, span, shortcode)
    ]
    return Day(
        day, shortcode,
        await store.taken(tx, owner, span, shortcode, accounts),
        await _reported(tx, owner, span, accounts, covered),
        closing.covered_to(listed, span), any(account.endswith(COLLECTING) for account in covered),
    )


def _source(day: Day, covered: Collection[str]) -> dict[str, Any]:
    return {
        "shortcode": day.shortcode,
        "listed_to": written(day.listed_to) if day.listed_to else None,
        "stated": list(covered),
        "balances": list(dict.fromkeys(each.account for each in day.reported)),
    }


async def _of_receipts(
    tx: Transaction, owner: Owner, day: Day, edited: Collection[str],
) -> list[Difference]:
    """Return what is wrong with the day's receipts, which are looked at one by one."""
    accounts = float_accounts(day.shortcode)
    rows = store.rows(tx, owner, span_of(day.day), day.shortcode, accounts)
    async with aclosing(rows):
        return [
            each async for row in rows if row.receipt not in edited
            for each in closing.of_receipt(day, row)
        ]


async def _reported(
    tx: Transaction, owner: Owner, span: Span, accounts: Sequence[str], covered: Collection[str],
) -> list[Reported]:
    """Return what M-Pesa says lies on each account at a day's end, beside what the books say.

    A statement and M-Pesa's own answer are held against the books each by itself. Before the books
    of an account began, only a statement can be held against itself.
    """
    opened = await closings.opened(tx, owner)
    first = {
        each.account: each for each in await closings.unopened(tx, owner, span) if each.is_exact
    }
    found: list[Reported] = []
    for account in accounts:
        last = await store.last_line(tx, owner, span, account) if account in covered else None
        if account in opened:
            found += await _beside_books(tx, owner, span, account, last, since=opened[account])
        elif last is not None and account in first:
            found.append(await _first_day(tx, owner, span, first[account], last))
    return found


async def _beside_books(
    tx: Transaction, owner: Owner, span: Span, account: str, last: ToldBalance | None, *,
    since: datetime,
) -> list[Reported]:
    told = [replace(last, at=span.end)] if last is not None else []
    after = await store.first_balance_after(tx, owner, span, account)
    told += [after] if after is not None else []
    shortcode = account.split(":")[1]
    settled = await discrepancies.settled(tx, owner, shortcode, account, day_of(span.start))
    return [
        replace(await held_against(tx, owner, each), settled=settled)
        for each in told if each.at >= since
    ]


async def _first_day(
    tx: Transaction, owner: Owner, span: Span, first: ToldBalance, last: ToldBalance,
) -> Reported:
    """Return a statement's last balance beside its first one and what moved in between."""
    ours = (await store.balances_at(tx, owner, span.end)).get(first.account, Money(0))
    before = await closings.moved_before(tx, owner, first)
    began = first.balance.cents - before.cents
    return Reported(first.account, span.end, last.balance, Money(began + ours.cents))


async def held_against(tx: Transaction, owner: Owner, told: ToldBalance) -> Reported:
    """Return a balance that M-Pesa told, beside what the books say of that time."""
    ours = (await store.balances_at(tx, owner, told.at)).get(told.account, Money(0))
    return Reported(
        told.account, told.at, told.balance, ours, await nearby(tx, owner, told),
    )


async def nearby(tx: Transaction, owner: Owner, told: ToldBalance) -> tuple[Movement, ...]:
    """Return what moved shortly before and after M-Pesa told a balance: its clock is not ours."""
    span = Span(told.at - IN_FLIGHT, told.at + IN_FLIGHT)
    return await store.moved_within(tx, owner, span, told.account)


async def _damage(tx: Transaction, owner: Owner, span: Span) -> list[Damage]:
    """Return the postings of a day that are not as they were chained.

    Of one whose row is gone nobody can say when it happened: it belongs to the day of the one
    before it.
    """
    sequence, link = await store.start(tx, owner, span.start - _BEFORE_A_DAY)
    chain = Chain(owner.merchant_id, owner.livemode, sequence, link)
    found: list[Damage] = []
    last: datetime | None = None
    async with aclosing(store.chain_after(tx, owner, sequence)) as postings:
        async for posted in postings:
            expected = chain.sequence + 1
            flaw = chain.flaw(posted)
            happened = posted.posting.happened_at if posted.posting else last
            is_here = happened is None or any(
                each is not None and span.start <= each < span.end for each in (happened, last)
            )
            if flaw is Flaw.LOST and is_here:
                found += [Damage(each, "") for each in range(expected, posted.sequence)]
            elif flaw is not None and is_here:
                posting = posted.posting
                found.append(Damage(
                    posted.sequence, posting.receipt if posting else posted.unreadable,
                    posting.shortcode if posting else "",
                ))
            last = happened
    return found


async def _unlike_signed(tx: Transaction, owner: Owner, day: date) -> list[Difference]:
    """Return what differs between a day's movements and those that its last closing signed.

    Whoever deletes a posting, or lets one have happened on another day, is found here: the chain
    alone cannot tell of which day it was.
    """
    before = await closings.of_day(tx, owner, day)
    if before is None:
        return []
    digest, count = MovementsDigest(), 0
    movements = store.movements(tx, owner, span_of(day), sequence=before.sequence)
    async with aclosing(movements):
        async for each in movements:
            digest.add(posted_data(each))
            count += 1
    if digest.hexdigest() == before.signed.checkpoint.movements_sha256:
        return []
    signed = sum(each["count"] for each in before.summary["moved"])
    return [closing.unlike_signed(day, number=before.number, signed=signed, count=count)]
