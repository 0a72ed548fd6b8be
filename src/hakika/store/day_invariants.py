"""All closings, and the newest balance of each account, for `services/verify.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import LiteralString

import orjson

from hakika.domain.day_invariant import StoredClosing
from hakika.domain.ids import MerchantId
from hakika.domain.ledger import FIRST_LINK
from hakika.domain.merchant import Owner
from hakika.domain.money import Money
from hakika.store.days import ToldBalance
from hakika.store.transaction import Transaction

BATCH = 100

_CLOSINGS: LiteralString = """
    select c.*, l.link from day_closings c
      left join posting_links l using (merchant_id, livemode, sequence)
     order by c.merchant_id, c.livemode, c.number
"""

_NEWEST: LiteralString = """
    select distinct on (merchant_id, livemode, account) *
      from (
        select merchant_id, livemode, account, observed_at, amount_cents from balances
         where source = 'balance'
        union all
        select merchant_id, livemode, account, last_at, closing_cents from statements
         where closing_cents is not null
      ) as told
     where exists (
        select from balances b where b.source = 'opening' and b.merchant_id = told.merchant_id
           and b.livemode = told.livemode and b.account = told.account
           and b.observed_at <= told.observed_at)
     order by merchant_id, livemode, account, observed_at desc
"""


async def closings(tx: Transaction) -> AsyncGenerator[list[StoredClosing], None]:
    """Yield every closing, in order, some at a time.

    It holds a cursor of `tx`: close it before the transaction ends, whatever happens.
    """
    async with tx.connection.cursor(name="hakika_verify_closings") as cursor:
        await cursor.execute(_CLOSINGS)
        while rows := await cursor.fetchmany(BATCH):
            yield [
                StoredClosing(
                    row["merchant_id"], row["livemode"], row["number"], row["day"], row["result"],
                    row["sequence"], bytes(row["checkpoint"]), bytes(row["signature"]),
                    bytes(row["public_key"]), orjson.loads(bytes(row["summary"])),
                    FIRST_LINK if not row["sequence"] else row["link"] and bytes(row["link"]),
                )
                for row in rows
            ]


async def newest_balances(tx: Transaction) -> list[tuple[Owner, ToldBalance]]:
    """Return what M-Pesa told last of each account whose books have begun."""
    return [
        (
            Owner(MerchantId(row["merchant_id"]), row["livemode"]),
            ToldBalance(row["account"], row["observed_at"], Money(row["amount_cents"])),
        )
        for row in await tx.rows(_NEWEST)
    ]
