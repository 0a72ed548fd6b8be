"""A platform's sellers, the fees that hold for them, and what waits to be settled with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

import orjson

from hakika.domain.fee import Bearer, FeePlan, FeeRefund, Rate
from hakika.domain.ids import FeePlanId, MerchantId, PaymentId, SellerId
from hakika.domain.ledger import owed_account
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.seller import AccountKind, Owed, PayoutAccount, Schedule, Seller, Terms
from hakika.store import ledger
from hakika.store.keyring import Sealer
from hakika.store.transaction import Transaction

_ADD: LiteralString = """
    insert into sellers (id, merchant_id, livemode, private, schedule, fee_refund, automatic_b2b,
        next_settlement_at, created_at, updated_at)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(private)s, %(schedule)s, %(fee_refund)s,
        %(automatic_b2b)s, %(next_settlement_at)s, %(created_at)s, %(updated_at)s)
"""

_CHANGE: LiteralString = """
    update sellers set private = %(private)s, schedule = %(schedule)s,
           fee_refund = %(fee_refund)s, automatic_b2b = %(automatic_b2b)s,
           next_settlement_at = %(next_settlement_at)s, updated_at = %(updated_at)s
     where id = %(id)s
"""

_OWN: LiteralString = """
    select * from sellers
     where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s
"""

_GET: LiteralString = "select * from sellers where id = %(id)s"

_LOCK: LiteralString = _GET + " for update"

_LIST: LiteralString = """
    select * from sellers where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::text is null or id < %(before)s)
     order by id desc limit %(limit)s
"""

_ADD_PLAN: LiteralString = """
    insert into fee_plans (id, merchant_id, livemode, seller_id, basis_points, fixed_cents,
        minimum_cents, maximum_cents, bearer, since, created_at)
    values (%(id)s, %(merchant_id)s, %(livemode)s, %(seller_id)s, %(basis_points)s,
        %(fixed_cents)s, %(minimum_cents)s, %(maximum_cents)s, %(bearer)s, %(since)s,
        %(created_at)s)
"""

_LIST_PLANS: LiteralString = """
    select * from fee_plans where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (%(before)s::text is null or id < %(before)s)
       and (%(seller_id)s::text is null or seller_id = %(seller_id)s)
     order by id desc limit %(limit)s
"""

# A seller's own stands before the platform's, however old it is.
_IN_FORCE: LiteralString = """
    select * from fee_plans where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and (seller_id = %(seller_id)s or seller_id is null) and since <= %(now)s
     order by seller_id nulls last, since desc, id desc limit 1
"""

_DUE_DAILY: LiteralString = """
    select id from sellers where next_settlement_at <= %(now)s
     order by next_settlement_at limit %(limit)s
"""

_WAITING: LiteralString = "select distinct seller_id from unsettled limit %(limit)s"

_UNSETTLED: LiteralString = """
    select payment_id, amount_cents - coalesce(platform_fee_cents, 0) as net_cents
      from unsettled join payments on payments.id = payment_id
     where unsettled.seller_id = %(id)s order by payment_id limit %(limit)s
"""

_ALL_UNSETTLED: LiteralString = """
    select coalesce(sum(amount_cents - coalesce(platform_fee_cents, 0)), 0)::bigint as cents
      from unsettled join payments on payments.id = payment_id
     where unsettled.seller_id = %(id)s
"""

_SETTLED: LiteralString = "delete from unsettled where payment_id = any(%(ids)s)"

_PAID_OUT: LiteralString = """
    select coalesce(sum(amount_cents) filter (where state = 'completed'), 0)::bigint as settled,
           coalesce(sum(amount_cents) filter (where state not in
               ('completed', 'reversed', 'failed', 'canceled')), 0)::bigint as on_its_way
      from payouts where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and seller_id = %(id)s and purpose = 'settlement'
"""


async def add(tx: Transaction, seller: Seller) -> None:
    """Write a new seller."""
    await tx.execute(_ADD, _values(seller, await tx.sealer(seller.merchant_id)))


async def change(tx: Transaction, seller: Seller) -> None:
    """Write what a seller, which must be locked, is from now on."""
    await tx.execute(_CHANGE, _values(seller, await tx.sealer(seller.merchant_id)))


async def read(
    tx: Transaction, seller_id: SellerId, *, merchant_id: MerchantId, livemode: bool,
) -> Seller | None:
    """Return a seller of this platform and mode, or None."""
    return await _opened(tx, await tx.row(
        _OWN, {"id": seller_id, "merchant_id": merchant_id, "livemode": livemode},
    ))


async def get(tx: Transaction, seller_id: SellerId) -> Seller | None:
    """Return a seller, whosever it is, or None."""
    return await _opened(tx, await tx.row(_GET, {"id": seller_id}))


async def lock(tx: Transaction, seller_id: SellerId) -> Seller | None:
    """Return a seller, held until the transaction ends: what is owed to it is promised once."""
    return await _opened(tx, await tx.row(_LOCK, {"id": seller_id}))


async def find(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, before: SellerId | None,
    limit: int,
) -> list[Seller]:
    """Return up to `limit` sellers of this platform and mode, newest first."""
    sealer = await tx.sealer(merchant_id)
    rows = await tx.rows(_LIST, {
        "merchant_id": merchant_id, "livemode": livemode, "before": before, "limit": limit,
    })
    return [_seller_of(row, sealer) for row in rows]


async def add_plan(tx: Transaction, plan: FeePlan) -> None:
    """Write a new fee plan."""
    rate = plan.rate
    await tx.execute(_ADD_PLAN, {
        "id": plan.id, "merchant_id": plan.merchant_id, "livemode": plan.livemode,
        "seller_id": plan.seller_id, "basis_points": rate.basis_points,
        "fixed_cents": rate.fixed.cents, "minimum_cents": rate.least.cents,
        "maximum_cents": None if rate.most is None else rate.most.cents,
        "bearer": rate.bearer.value, "since": plan.since, "created_at": plan.created_at,
    })


async def plans(
    tx: Transaction, *, merchant_id: MerchantId, livemode: bool, seller_id: SellerId | None,
    before: FeePlanId | None, limit: int,
) -> list[FeePlan]:
    """Return up to `limit` fee plans of this platform and mode, newest first."""
    rows = await tx.rows(_LIST_PLANS, {
        "merchant_id": merchant_id, "livemode": livemode, "seller_id": seller_id,
        "before": before, "limit": limit,
    })
    return [_plan_of(row) for row in rows]


async def terms(
    tx: Transaction, seller_id: SellerId, *, merchant_id: MerchantId, livemode: bool, now: datetime,
) -> Terms | None:
    """Return a seller and the rate that holds for it at `now`, or None: there is no such seller."""
    seller = await read(tx, seller_id, merchant_id=merchant_id, livemode=livemode)
    if seller is None:
        return None
    row = await tx.row(_IN_FORCE, {
        "merchant_id": merchant_id, "livemode": livemode, "seller_id": seller_id, "now": now,
    })
    return Terms(seller, None if row is None else _plan_of(row).rate)


async def due_daily(tx: Transaction, *, now: datetime, limit: int) -> list[SellerId]:
    """Return sellers whose day has come to be settled."""
    rows = await tx.rows(_DUE_DAILY, {"now": now, "limit": limit})
    return [SellerId(row["id"]) for row in rows]


async def waiting(tx: Transaction, *, limit: int) -> list[SellerId]:
    """Return sellers who have payments that wait for their settlement."""
    return [SellerId(row["seller_id"]) for row in await tx.rows(_WAITING, {"limit": limit})]


async def unsettled(
    tx: Transaction, seller_id: SellerId, *, limit: int,
) -> list[tuple[PaymentId, Money]]:
    """Return the payments of a seller that wait, and the net of each, oldest first."""
    rows = await tx.rows(_UNSETTLED, {"id": seller_id, "limit": limit})
    return [(PaymentId(row["payment_id"]), Money(row["net_cents"])) for row in rows]


async def all_unsettled(tx: Transaction, seller_id: SellerId) -> Money:
    """Return the net of all payments of a seller that wait."""
    row = await tx.row(_ALL_UNSETTLED, {"id": seller_id})
    assert row is not None, "an aggregate without groups has one row"
    return Money(row["cents"])


async def drop_unsettled(tx: Transaction, payment_ids: Sequence[PaymentId]) -> None:
    """Let payments wait no more: their settlement was made, or they are owed with others."""
    await tx.execute(_SETTLED, {"ids": list(payment_ids)})


async def owed(tx: Transaction, seller: Seller) -> Money:
    """Return what is owed to a seller and promised to nobody yet."""
    return await ledger.credited(
        tx, seller.merchant_id, livemode=seller.livemode, account=owed_account(seller.id),
    )


async def standing(tx: Transaction, seller: Seller) -> Owed:
    """Return what is owed to a seller, what of it is on its way, and what it got."""
    row = await tx.row(_PAID_OUT, {
        "merchant_id": seller.merchant_id, "livemode": seller.livemode, "id": seller.id,
    })
    assert row is not None, "an aggregate without groups has one row"
    return Owed(await owed(tx, seller), Money(row["on_its_way"]), Money(row["settled"]))


def _values(seller: Seller, sealer: Sealer) -> dict[str, Any]:
    return {
        "id": seller.id, "merchant_id": seller.merchant_id, "livemode": seller.livemode,
        "private": sealer.seal(_place(seller.id), _private(seller)),
        "schedule": seller.schedule.value, "fee_refund": seller.fee_refund.value,
        "automatic_b2b": seller.automatic_b2b, "next_settlement_at": seller.next_settlement_at,
        "created_at": seller.created_at, "updated_at": seller.updated_at,
    }


def _private(seller: Seller) -> bytes:
    account = seller.account
    return orjson.dumps([seller.name, None if account is None else [
        account.kind, account.phone.digits if account.phone else None, account.number,
        account.account, account.bank_code, account.holder,
    ]])


def _place(seller_id: str) -> str:
    return f"sellers.private {seller_id}"


async def _opened(tx: Transaction, row: dict[str, Any] | None) -> Seller | None:
    return None if row is None else _seller_of(row, await tx.sealer(row["merchant_id"]))


def _seller_of(row: dict[str, Any], sealer: Sealer) -> Seller:
    name, kept = orjson.loads(sealer.open(_place(row["id"]), row["private"]))
    account = None
    if kept is not None:
        kind, phone, number, told, bank_code, holder = kept
        account = PayoutAccount(
            AccountKind(kind), Msisdn(phone) if phone else None, number, told, bank_code, holder,
        )
    return Seller(
        id=SellerId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"], name=name, account=account,
        schedule=Schedule(row["schedule"]), fee_refund=FeeRefund(row["fee_refund"]),
        automatic_b2b=row["automatic_b2b"], next_settlement_at=row["next_settlement_at"],
        created_at=row["created_at"], updated_at=row["updated_at"],
    )


def _plan_of(row: dict[str, Any]) -> FeePlan:
    most = row["maximum_cents"]
    return FeePlan(
        id=FeePlanId(row["id"]), merchant_id=MerchantId(row["merchant_id"]),
        livemode=row["livemode"],
        seller_id=SellerId(row["seller_id"]) if row["seller_id"] else None,
        rate=Rate(
            row["basis_points"], Money(row["fixed_cents"]), Money(row["minimum_cents"]),
            None if most is None else Money(most), Bearer(row["bearer"]),
        ),
        since=row["since"], created_at=row["created_at"],
    )
