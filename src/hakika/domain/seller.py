"""A seller: whoever collects through a platform's short code, and how it gets what it is owed.

The *platform* is the merchant whose short code it is. Read `way_of`, then `instalments`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from hakika.domain import bank, customer
from hakika.domain.bank import BANKS
from hakika.domain.errors import Invalid
from hakika.domain.fee import FeeRefund, Rate
from hakika.domain.ids import MerchantId, SellerId
from hakika.domain.merchant import Scope
from hakika.domain.money import CENTS_PER_SHILLING, Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment_data import CURRENCY
from hakika.domain.payout import Payee, Way
from hakika.domain.shortcode import paybill
from hakika.domain.times import NAIROBI, written

# What M-Pesa pays out at once (daraja.md section 8, Daraja 3.0 FAQ of B2C).
SETTLED_MIN, SETTLED_MAX = Money.shillings(10), Money.shillings(250_000)

# What one round makes of what is owed to one seller: the rest waits for the next.
INSTALMENTS_MAX = 10

# When sellers who are settled daily are: early, after the day before was closed.
DAILY_AT = time(6, tzinfo=NAIROBI)

ACCOUNT_REFERENCE_CHARACTERS_MAX = 13    # that a paybill is told in B2B (daraja.md 5.6)

# What a seller's key may be made to do, and no more.
SELLER_SCOPES = frozenset({
    Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE, Scope.PAYOUTS_READ, Scope.WEBHOOKS_READ,
    Scope.WEBHOOKS_WRITE,
})


class AccountKind(StrEnum):
    """Where a seller wants its money."""

    PHONE = "phone"
    PAYBILL = "paybill"
    TILL = "till"
    BANK = "bank"


class Schedule(StrEnum):
    """When a seller is settled."""

    PER_PAYMENT = "per_payment"
    DAILY = "daily"
    ON_DEMAND = "on_demand"


@dataclass(frozen=True, slots=True)
class PayoutAccount:
    """Where a seller's money goes. Its repr tells the kind alone."""

    kind: AccountKind
    phone: Msisdn | None = None
    number: str = ""         # of a paybill or till; of a bank: of the account
    account: str = ""        # what a paybill is told
    bank_code: str = ""
    holder: str = ""         # of a bank's account

    def __repr__(self) -> str:
        return f"PayoutAccount({self.kind})"


@dataclass(frozen=True, slots=True)
class Seller:
    """Whoever collects through a platform's short code. All times are UTC."""

    id: SellerId
    merchant_id: MerchantId                     # the platform
    livemode: bool
    name: str
    account: PayoutAccount | None               # None: it cannot collect yet
    created_at: datetime
    updated_at: datetime
    schedule: Schedule = Schedule.ON_DEMAND
    fee_refund: FeeRefund = FeeRefund.KEEP
    automatic_b2b: bool = False                 # pay its paybill or till by B2B, not by hand
    next_settlement_at: datetime | None = None  # of who is settled daily


@dataclass(frozen=True, slots=True)
class Terms:
    """A seller, and the rate that holds for it at the moment."""

    seller: Seller
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class Owed:
    """What a platform owes a seller."""

    owed: Money          # and not on its way: less than nothing after refunds of settled payments
    on_its_way: Money    # settlements that are made and not ended
    settled: Money       # settlements that are completed


def checked(account: PayoutAccount) -> PayoutAccount:
    """Return `account` as it is kept. Raises: Invalid, for what cannot be one."""
    match account.kind:
        case AccountKind.PHONE:
            if account.phone is None:
                raise _lacks("phone", "a phone number")
            return PayoutAccount(account.kind, phone=account.phone)
        case AccountKind.PAYBILL:
            if not 1 <= len(account.account) <= ACCOUNT_REFERENCE_CHARACTERS_MAX:
                raise _lacks("account", "an account reference of 1 to 13 characters")
            return PayoutAccount(
                account.kind, number=_shortcode(account.number), account=account.account,
            )
        case AccountKind.TILL:
            return PayoutAccount(account.kind, number=_shortcode(account.number))
        case AccountKind.BANK:
            if not account.holder:
                raise _lacks("holder", "the name of its holder")
            return PayoutAccount(
                account.kind,
                number=bank.read_account_number(account.number, field="payout_account.number"),
                bank_code=bank.parse(account.bank_code, field="payout_account.bank").code,
                holder=customer.read_name(account.holder),
            )


def _shortcode(number: str) -> str:
    try:
        return paybill(number).number
    except Invalid as error:
        raise Invalid(
            error.message, field="payout_account.number", code="payout_account_invalid",
        ) from None


def _lacks(name: str, what: str) -> Invalid:
    return Invalid(
        f"This kind of payout account needs {what}.", field=f"payout_account.{name}",
        code="payout_account_invalid",
    )


def way_of(seller: Seller, *, has_operator: bool) -> Way:
    """Return how a seller is paid: OUTSIDE is by hand, which an operator records.

    `has_operator`: the platform's credentials name who may order money out. A paybill or till is
    paid by B2B only where the platform has switched that on for the seller.
    """
    if seller.account is None or not has_operator:
        return Way.OUTSIDE
    match seller.account.kind:
        case AccountKind.PHONE:
            return Way.PHONE
        case AccountKind.PAYBILL if seller.automatic_b2b:
            return Way.PAYBILL
        case AccountKind.TILL if seller.automatic_b2b:
            return Way.TILL
        case _:
            return Way.OUTSIDE


def payee_of(account: PayoutAccount) -> Payee:
    """Return whom a settlement pays."""
    if account.kind is AccountKind.BANK:
        return Payee(
            number=account.number, account=BANKS[account.bank_code], name=account.holder,
        )
    return Payee(account.phone, account.number, account.account)


def instalments(owed: Money, account: PayoutAccount) -> Iterator[Money]:
    """Yield the amounts in which what is owed is paid now; what is left stays owed.

    M-Pesa pays whole shillings, 10 to 250,000 at once. A bank pays cents, and any amount from 10.
    """
    if account.kind is AccountKind.BANK:
        if owed >= SETTLED_MIN:
            yield owed
        return
    left = owed.cents - owed.cents % CENTS_PER_SHILLING
    for _ in range(INSTALMENTS_MAX):
        if left < SETTLED_MIN.cents:
            return
        part = min(left, SETTLED_MAX.cents)
        if 0 < left - part < SETTLED_MIN.cents:
            part -= SETTLED_MIN.cents  # or the last one would be too small to be sent
        yield Money(part)
        left -= part


def next_daily(now: datetime) -> datetime:
    """Return when sellers who are settled daily are settled next after `now` (UTC)."""
    there = now.astimezone(NAIROBI)
    due = datetime.combine(there.date(), DAILY_AT)
    return due if due > now else due + timedelta(days=1)


def changed(seller: Seller, changes: Mapping[str, Any], *, now: datetime) -> Seller:
    """Return `seller` with `changes` by field."""
    after = replace(seller, **changes, updated_at=now)
    daily = after.schedule is Schedule.DAILY
    return replace(
        after, next_settlement_at=(seller.next_settlement_at or next_daily(now)) if daily else None,
    )


def seller_data(seller: Seller) -> dict[str, Any]:
    """Return `seller` as its platform reads it."""
    return {
        "id": seller.id, "merchant_id": seller.merchant_id, "livemode": seller.livemode,
        "name": seller.name, "payout_account": _account_data(seller.account),
        "settlement": seller.schedule.value, "fee_refund": seller.fee_refund.value,
        "automatic_b2b": seller.automatic_b2b,
        "next_settlement_at":
            written(seller.next_settlement_at) if seller.next_settlement_at else None,
        "created_at": written(seller.created_at), "updated_at": written(seller.updated_at),
    }


def _account_data(account: PayoutAccount | None) -> dict[str, Any] | None:
    if account is None:
        return None
    return {
        "type": account.kind.value, "phone": account.phone.digits if account.phone else None,
        "number": account.number or None, "account": account.account or None,
        "bank": account.bank_code or None, "bank_name": BANKS.get(account.bank_code),
        "holder": account.holder or None,
    }


def owed_data(seller: Seller, owed: Owed) -> dict[str, Any]:
    """Return what is owed to a seller, as it reads it itself."""
    return {
        "seller_id": seller.id, "currency": CURRENCY, "owed": str(owed.owed),
        "on_its_way": str(owed.on_its_way), "settled": str(owed.settled),
    }
