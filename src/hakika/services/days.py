"""Everything about a day that closing it needs, read in the one frozen picture of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from hakika.domain import closing
from hakika.domain.closing import Damage, Day, Span, span_of
from hakika.domain.discrepancy import Difference
from hakika.domain.ledger import COLLECTING, Chain, Flaw, float_accounts
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.domain.provider import Provider
from hakika.domain.reconciliation import OVERLAP
from hakika.domain.reported import IN_FLIGHT, Movement, Reported
from hakika.domain.tariff import COLLECTED_ON, Tariffs
from hakika.domain.times import written
from hakika.store import closing as closings
from hakika.store import days as store
from hakika.store import providers
from hakika.store.days import ToldBalance
from hakika.store.transaction import Transaction

# Long before this no posting of a day can have been chained, whatever the clocks say.
_BEFORE_A_DAY = timedelta(hours=1)


async def found(
    tx: Transaction, owner: Owner, day: date, tariffs: Tariffs,
) -> list[Difference]:
    """Return everything that is wrong with a day."""
    span = span_of(day)
    damage = await _damage(tx, owner, span)
    found: list[Difference] = []
    providers_ = {
        each.shortcode.number: each
        for each in await providers.of(tx, owner.merchant_id, livemode=owner.livemode)
    }
    for shortcode in await store.shortcodes(tx, owner, span):
        read = await _day(tx, owner, day, shortcode)
        provider = providers_.get(shortcode)
        if provider is not None and provider.tariff and read.stated:
            read = replace(
                read, expected=_expected(provider, tariffs, day),
                charged=await store.charged(tx, owner, span, float_accounts(shortcode)),
            )
        receipts = await _of_receipts(tx, owner, read, damage)
        found += [*receipts, *closing.of_day(read, receipts)]
    return [*found, *closing.damages(damage, found)]


def _expected(
    provider: Provider, tariffs: Tariffs, day: date,
) -> Callable[[Money], Money | None]:
    """Return what says the charge for a collection, by the tariff that the merchant named."""
    product = COLLECTED_ON[provider.shortcode.kind]
    return lambda amount: tariffs.charge_for(product, provider.tariff, amount, on=day)


async def _day(tx: Transaction, owner: Owner, day: date, shortcode: str) -> Day:
    span = span_of(day)
    accounts = float_accounts(shortcode)
    opened = await closings.opened(tx, owner)
    stated = await store.stated(tx, owner, span, shortcode)
    covered = [
        account for account, spans in stated.items()
        if closing.covered_to(spans, span) == span.end
    ]
    listed = [
        Span(each.start, each.end - OVERLAP)
        for each in await store.pulled(tx, owner, span, shortcode)
    ]
    return Day(
        day, shortcode,
        await store.taken(tx, owner, span, accounts),
        [
            reported for account in accounts if account in opened
            and (reported := await _reported(tx, owner, span, account, account in covered))
            and reported.at >= opened[account]
        ],
        closing.covered_to(listed, span), any(account.endswith(COLLECTING) for account in covered),
    )


async def _of_receipts(
    tx: Transaction, owner: Owner, day: Day, damage: Sequence[Damage],
) -> list[Difference]:
    """Return what is wrong with the day's receipts, which are looked at one by one."""
    accounts = float_accounts(day.shortcode)
    rows = store.rows(tx, owner, span_of(day.day), day.shortcode, accounts)
    async with aclosing(rows):
        return [
            each async for row in rows for each in closing.of_receipt(day, row, damage)
        ]


async def _reported(
    tx: Transaction, owner: Owner, span: Span, account: str, is_stated: bool,
) -> Reported | None:
    """Return what M-Pesa says lies on an account at a day's end, beside what the books say."""
    last = await store.last_line(tx, owner, span, account) if is_stated else None
    if last is not None:
        return await held_against(tx, owner, replace(last, at=span.end))
    after = await store.first_balance_after(tx, owner, span, account)
    return None if after is None else await held_against(tx, owner, after)


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
            is_here = happened is None or span.start <= happened < span.end
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


async def sources(tx: Transaction, owner: Owner, span: Span, shortcode: str) -> dict[str, Any]:
    """Return which of M-Pesa's records a short code's day was held against."""
    listed = closing.covered_to(
        [
            Span(each.start, each.end - OVERLAP)
            for each in await store.pulled(tx, owner, span, shortcode)
        ], span,
    )
    stated = await store.stated(tx, owner, span, shortcode)
    return {
        "shortcode": shortcode, "listed_to": written(listed) if listed else None,
        "stated": sorted(
            account for account, spans in stated.items()
            if closing.covered_to(spans, span) == span.end
        ),
    }
