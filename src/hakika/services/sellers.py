"""A platform's sellers: made, read and changed; their fees and keys; and the price they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hakika.domain import customer, fee, seller
from hakika.domain.errors import Forbidden, Invalid, NotFound
from hakika.domain.fee import FeePlan, FeeRefund, Price, Rate
from hakika.domain.ids import FeePlanId, SellerId
from hakika.domain.ledger import is_divided
from hakika.domain.merchant import ApiKey
from hakika.domain.money import PAYMENT_SHILLINGS_MAX, Money
from hakika.domain.payment import Payment
from hakika.domain.seller import (
    SELLER_SCOPES,
    Owed,
    PayoutAccount,
    Schedule,
    Seller,
    Terms,
)
from hakika.services import keys, stops
from hakika.services.runtime import Runtime
from hakika.store import sellers as store
from hakika.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new seller is to be."""

    name: str
    account: PayoutAccount | None = None
    schedule: Schedule = Schedule.ON_DEMAND
    fee_refund: FeeRefund = FeeRefund.KEEP
    automatic_b2b: bool = False


async def create(rt: Runtime, key: ApiKey, wanted: Wanted) -> Seller:
    """Return a new seller of this platform and mode. Raises: Invalid."""
    now = rt.now()
    made = seller.changed(
        Seller(
            id=SellerId(rt.new_id("sel")), merchant_id=key.merchant_id, livemode=key.livemode,
            name=_name(wanted.name), account=None, created_at=now, updated_at=now,
            fee_refund=wanted.fee_refund, automatic_b2b=wanted.automatic_b2b,
        ),
        {"schedule": wanted.schedule, "account": wanted.account and seller.checked(wanted.account)},
        now=now,
    )
    async with rt.store.transaction() as tx:
        await store.add(tx, made)
    return made


def _name(text: str) -> str:
    name = customer.read_name(text)
    if not name:
        raise Invalid("A seller has a name.", field="name", code="name_empty")
    return name


async def read(rt: Runtime, key: ApiKey, seller_id: SellerId) -> Seller:
    """Return a seller of this key's platform and mode; a seller's key reads its own alone.

    Raises: NotFound.
    """
    async with rt.store.autocommit() as tx:
        return await _found(tx, key, seller_id)


async def _found(tx: Transaction, key: ApiKey, seller_id: SellerId) -> Seller:
    found = None
    if key.seller_id in {None, seller_id}:
        found = await store.read(
            tx, seller_id, merchant_id=key.merchant_id, livemode=key.livemode,
        )
    if found is None:
        raise NotFound(f"There is no seller {seller_id} for this key.")
    return found


async def find(
    rt: Runtime, key: ApiKey, *, before: SellerId | None, limit: int,
) -> list[Seller]:
    """Return up to `limit` sellers of this key's platform and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.find(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, before=before, limit=limit,
        )


async def change(
    rt: Runtime, key: ApiKey, seller_id: SellerId, changes: Mapping[str, Any],
) -> Seller:
    """Return a seller with `changes` by field: what is made from now on follows them.

    Another payout account stops the settlements with this seller until somebody else has looked,
    where the platform's rules say so: a thief would change it first.

    Raises: NotFound, Invalid.
    """
    fields = dict(changes)
    if "name" in fields:
        fields["name"] = _name(fields["name"])
    if fields.get("account") is not None:
        fields["account"] = seller.checked(fields["account"])
    async with rt.store.transaction() as tx:
        await _found(tx, key, seller_id)
        before = await store.lock(tx, seller_id)
        assert before is not None, "it was there just now, and sellers are kept"
        after = seller.changed(before, fields, now=rt.now())
        await store.change(tx, after)
        if before.account is not None and after.account != before.account:
            what = f"The payout account of seller {seller_id} was changed."
            await stops.freeze_after(rt, tx, key.owner, what, who=key.id, seller_id=seller_id)
    rt.sellers.forget(seller_id)
    return after


async def standing(rt: Runtime, key: ApiKey, seller_id: SellerId) -> tuple[Seller, Owed]:
    """Return a seller and what is owed to it. Raises: NotFound."""
    async with rt.store.transaction() as tx:
        found = await _found(tx, key, seller_id)
        return found, await store.standing(tx, found)


async def add_plan(
    rt: Runtime, key: ApiKey, rate: Rate, *, seller_id: SellerId | None, since: datetime | None,
) -> FeePlan:
    """Return a new fee plan: of a seller, or without one the platform's default.

    What was asked for before keeps its fee.

    Raises:
        NotFound: no such seller.
        Invalid: the rate cannot be reckoned with, or it is to hold in the past.
    """
    now = rt.now()
    if since is not None and since < now:
        raise Invalid(
            "A fee plan holds from now on, or from a later day.", field="from",
            code="fee_plan_past",
        )
    plan = FeePlan(
        id=FeePlanId(rt.new_id("fee")), merchant_id=key.merchant_id, livemode=key.livemode,
        seller_id=seller_id, rate=fee.check(rate), since=since or now, created_at=now,
    )
    async with rt.store.transaction() as tx:
        if seller_id is not None:
            await _found(tx, key, seller_id)
        await store.add_plan(tx, plan)
    if seller_id is not None:
        rt.sellers.forget(seller_id)
    return plan


async def plans(
    rt: Runtime, key: ApiKey, *, seller_id: SellerId | None, before: FeePlanId | None, limit: int,
) -> list[FeePlan]:
    """Return up to `limit` fee plans of this key's platform and mode, newest first."""
    async with rt.store.autocommit() as tx:
        return await store.plans(
            tx, merchant_id=key.merchant_id, livemode=key.livemode, seller_id=seller_id,
            before=before, limit=limit,
        )


async def add_key(
    rt: Runtime, key: ApiKey, seller_id: SellerId, wanted: keys.Wanted,
) -> tuple[ApiKey, str]:
    """Return a new key of a seller and its text, which is shown this once.

    Raises:
        NotFound: no such seller.
        Forbidden: a scope that no seller has, or that the making key lacks.
        Invalid: as `keys.create`.
    """
    await read(rt, key, seller_id)
    more = sorted(set(wanted.scopes) - SELLER_SCOPES)
    if more:
        raise Forbidden(
            "A seller's key cannot do that.",
            hint=f"Leave out the scopes that no seller has: {', '.join(more)}",
        )
    return await keys.create(rt, key.merchant_id, keys.Wanted(
        livemode=key.livemode, scopes=wanted.scopes or SELLER_SCOPES & key.scopes,
        label=wanted.label, networks=wanted.networks, expires_at=wanted.expires_at,
        seller_id=seller_id,
    ), by=key)


async def fee_returned(tx: Transaction, payment: Payment, amount: Money) -> Money | None:
    """Return what of its fee a platform gives back when `amount` of a payment is refunded now.

    None: the payment was not divided between a seller and its platform.
    """
    if payment.seller_id is None or not is_divided(payment):
        return None
    of = await store.get(tx, payment.seller_id)
    assert of is not None, "sellers are kept"
    return fee.returned(
        Price(payment.amount, payment.platform_fee), before=payment.amount_returned, amount=amount,
        policy=of.fee_refund,
    )


def check_account(seller: Seller) -> None:
    """Raise Invalid for a seller who has nowhere to be paid."""
    if seller.account is None:
        raise Invalid(
            "This seller has no payout account.", field="payout_account",
            code="payout_account_missing", hint="Put one first: PATCH /v1/sellers/{id}.",
        )


async def priced(rt: Runtime, key: ApiKey, asked: Money) -> Price:
    """Return what a payer is asked for when this seller's key asks for `asked`.

    Raises:
        Invalid: it could not be paid, or with the fee on top it is more than M-Pesa takes.
    """
    seller_id = key.seller_id
    assert seller_id is not None, "others have no fee"

    async def look() -> Terms | None:
        async with rt.store.autocommit() as tx:
            return await store.terms(
                tx, seller_id, merchant_id=key.merchant_id, livemode=key.livemode, now=rt.now(),
            )

    terms = await rt.sellers.get(seller_id, look)
    assert terms is not None, "its key names it, and sellers are kept"
    check_account(terms.seller)
    price = fee.priced(asked, terms.rate)
    if price.amount > Money.shillings(PAYMENT_SHILLINGS_MAX):
        raise Invalid(
            "With the fee on top, the amount is above the largest M-Pesa payment of KES "
            f"{PAYMENT_SHILLINGS_MAX:,}.", field="amount", code="amount_too_large",
        )
    return price
