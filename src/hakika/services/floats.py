"""Floats: what lies on a merchant's accounts, what is promised, and who is told that little is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hakika.domain import funds as rules
from hakika.domain.event import EventName
from hakika.domain.funds import Funds, Queue, funds_data
from hakika.domain.guard import DAY
from hakika.domain.ids import EventId
from hakika.domain.ledger import float_account
from hakika.domain.merchant import ApiKey, Owner
from hakika.domain.money import Money
from hakika.domain.payout import State, Way
from hakika.domain.payout_books import account_of
from hakika.services.runtime import Runtime
from hakika.store import events, floats, guards, providers
from hakika.store.events import Told
from hakika.store.transaction import Transaction


async def read(rt: Runtime, key: ApiKey) -> list[dict[str, Any]]:
    """Return what lies on each account that this merchant's money leaves, as it is written."""
    async with rt.store.autocommit() as tx:
        low = (await guards.rules(tx, key.owner)).float_low
        return await _accounts(rt, tx, key.owner, low)


async def _accounts(
    rt: Runtime, tx: Transaction, owner: Owner, low: Mapping[str, Money],
) -> list[dict[str, Any]]:
    now = rt.now()
    present = await providers.of(tx, owner.merchant_id, livemode=owner.livemode)
    accounts = sorted({
        account for each in present for account in (
            float_account(each.shortcode), account_of(Way.PAYBILL, each.shortcode),
        )
    })
    promises = await floats.promised(tx, owner)
    found = await floats.funds(tx, owner, accounts, promises)
    data = []
    for account in accounts:
        queue = Queue(
            ready=promises.of(account, State.READY), held=promises.of(account, State.HELD),
            left_in_a_day=await floats.left(tx, owner, account, since=now - DAY),
        )
        data.append(funds_data(
            account, found.get(account), queue, reserved=promises.reserved(account),
            low=_least(low, account), now=now,
        ))
    return data


def _least(low: Mapping[str, Money], account: str) -> Money | None:
    """Return below what a merchant wants to be told: of what payouts to people leave, alone."""
    _, number, place = account.split(":")
    return low.get(number) if place != "working" else None


async def watch(rt: Runtime) -> int:
    """Tell each merchant whose float is lower than it wants, once until it recovers.

    Returns of how many floats it was told. Safe beside other workers.
    """
    async with rt.store.autocommit() as tx:
        owners = await guards.watching_floats(tx)
    told = 0
    for owner in owners:
        async with rt.store.transaction() as tx:
            told += await _watch(rt, tx, owner)
    return told


async def _watch(rt: Runtime, tx: Transaction, owner: Owner) -> int:
    now = rt.now()
    held = await guards.hold(tx, owner)
    least = held.rules.float_low
    present = await providers.of(tx, owner.merchant_id, livemode=owner.livemode)
    accounts = {
        float_account(each.shortcode): each.shortcode.number
        for each in present if each.shortcode.number in least
    }
    found = await floats.funds(tx, owner, list(accounts), await floats.promised(tx, owner))
    known = {
        accounts[account]: funds for account, funds in found.items() if funds.is_fresh(now=now)
    }
    low = {
        number: funds for number, funds in known.items() if rules.is_low(funds, least[number])
    }
    # Where nobody knows what lies there now, what was told stays told.
    still = [each for each in held.told_low if each in least and each not in known]
    new = [number for number in sorted(low) if number not in held.told_low]
    for number in new:
        await _tell(rt, tx, owner, low[number], least[number])
    wanted = sorted({*low, *still})
    if wanted != sorted(held.told_low):
        await guards.set_told_low(tx, owner, wanted)
    return len(new)


async def _tell(rt: Runtime, tx: Transaction, owner: Owner, funds: Funds, least: Money) -> None:
    await events.tell(
        tx, owner.merchant_id, livemode=owner.livemode, subject_id=funds.account, now=rt.now(),
        told=[Told(EventId(rt.new_id("evt")), EventName.FLOAT_LOW, {
            "account": funds.account, "shortcode": funds.account.split(":")[1],
            "known": str(funds.known), "reserved": str(funds.reserved),
            "available": str(funds.available), "low_below": str(least),
        })],
    )
