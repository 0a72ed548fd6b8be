"""A platform's fee on what its sellers collect: how much, who bears it, and what a refund returns.

Pure arithmetic on whole cents. The one rule of rounding, everywhere here: half a cent goes up. A
fee that the payer bears is rounded up to whole shillings besides, because M-Pesa asks for no cents.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hakika.domain.errors import Invalid
from hakika.domain.ids import FeePlanId, MerchantId, SellerId
from hakika.domain.money import CENTS_PER_SHILLING, NOTHING, PAYMENT_SHILLINGS_MAX, Money
from hakika.domain.times import written

BASIS_POINTS_WHOLE = 10_000    # of what is asked; one is a hundredth of a percent


class Bearer(StrEnum):
    """Who bears the fee."""

    SELLER = "seller"    # it is taken out of what the payer pays
    PAYER = "payer"      # it is asked for on top


class FeeRefund(StrEnum):
    """What becomes of the fee when a payment is given back."""

    KEEP = "keep"        # the platform keeps it: the seller gives back what the payer paid
    RETURN = "return"    # the platform gives its share back too, pro rata


@dataclass(frozen=True, slots=True)
class Rate:
    """How a fee is reckoned: a share and a fixed part together, within a least and a most."""

    basis_points: int
    fixed: Money = NOTHING
    least: Money = NOTHING
    most: Money | None = None
    bearer: Bearer = Bearer.SELLER


@dataclass(frozen=True, slots=True)
class FeePlan:
    """A rate, and since when it holds (UTC). Without a seller it is the platform's default."""

    id: FeePlanId
    merchant_id: MerchantId
    livemode: bool
    seller_id: SellerId | None
    rate: Rate
    since: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Price:
    """What the payer is asked for, and the fee in it."""

    amount: Money
    fee: Money

    @property
    def net(self) -> Money:
        """What the seller is owed when it is paid."""
        return Money(self.amount.cents - self.fee.cents)


def check(rate: Rate) -> Rate:
    """Return `rate` when it can be reckoned with. Raises: Invalid."""
    if not 0 <= rate.basis_points <= BASIS_POINTS_WHOLE:
        raise Invalid(
            f"The share is 0 to {BASIS_POINTS_WHOLE} basis points: 150 is 1.5 percent.",
            field="basis_points", code="basis_points_invalid",
        )
    for name in ("fixed", "least", "most"):
        part: Money | None = getattr(rate, name)
        if part is not None and not 0 <= part.cents <= PAYMENT_SHILLINGS_MAX * CENTS_PER_SHILLING:
            raise Invalid(
                f"A part of a fee is 0 to {PAYMENT_SHILLINGS_MAX:,} shillings.",
                field=_FIELDS[name], code="fee_part_invalid",
            )
    if rate.most is not None and rate.most < rate.least:
        raise Invalid(
            "The most that a fee may be is less than the least.", field="maximum",
            code="fee_part_invalid",
        )
    return rate


_FIELDS = {"fixed": "fixed", "least": "minimum", "most": "maximum"}


def priced(asked: Money, rate: Rate | None) -> Price:
    """Return what a payer is asked for when a seller asks for `asked`. Without a rate: no fee."""
    if rate is None:
        return Price(asked, NOTHING)
    fee = _reckoned(asked, rate)
    if rate.bearer is Bearer.SELLER:
        return Price(asked, min(fee, asked))  # more than what comes in cannot be kept of it
    whole = -(-fee.cents // CENTS_PER_SHILLING) * CENTS_PER_SHILLING
    return Price(Money(asked.cents + whole), Money(whole))


def _reckoned(asked: Money, rate: Rate) -> Money:
    share = _half_up(asked.cents * rate.basis_points, BASIS_POINTS_WHOLE)
    fee = max(Money(share + rate.fixed.cents), rate.least)
    return fee if rate.most is None else min(fee, rate.most)


def returned(price: Price, *, before: Money, amount: Money, policy: FeeRefund) -> Money:
    """Return how much of its fee the platform gives back when `amount` of a payment is refunded.

    `before` is what was refunded earlier. Pro rata of all that is refunded by then, so that parts
    give back together what the whole would: to the cent, however it is divided.
    """
    assert before.cents >= 0 and before.cents + amount.cents <= price.amount.cents, "never above it"
    if policy is FeeRefund.KEEP or not price.amount.cents:
        return NOTHING
    by_now = _half_up(price.fee.cents * (before.cents + amount.cents), price.amount.cents)
    return Money(by_now - _half_up(price.fee.cents * before.cents, price.amount.cents))


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def fee_plan_data(plan: FeePlan) -> dict[str, Any]:
    """Return `plan` as merchants read it."""
    rate = plan.rate
    return {
        "id": plan.id, "livemode": plan.livemode, "seller_id": plan.seller_id,
        "basis_points": rate.basis_points, "fixed": str(rate.fixed), "minimum": str(rate.least),
        "maximum": None if rate.most is None else str(rate.most), "bearer": rate.bearer.value,
        "from": written(plan.since), "created_at": written(plan.created_at),
    }
