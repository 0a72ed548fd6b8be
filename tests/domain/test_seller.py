"""Sellers: each kind of payout account has one way, and is paid in amounts that M-Pesa takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakika.domain.errors import Invalid
from hakika.domain.ids import MerchantId, SellerId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import Way
from hakika.domain.seller import (
    INSTALMENTS_MAX,
    SETTLED_MAX,
    SETTLED_MIN,
    AccountKind,
    PayoutAccount,
    Schedule,
    Seller,
    changed,
    checked,
    instalments,
    next_daily,
    way_of,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PHONE = PayoutAccount(AccountKind.PHONE, Msisdn("254712345678"))
BANK = PayoutAccount(AccountKind.BANK, number="0123456789", bank_code="68", holder="Mama Njeri")
ACCOUNTS = {
    AccountKind.PHONE: PHONE, AccountKind.BANK: BANK,
    AccountKind.PAYBILL: PayoutAccount(AccountKind.PAYBILL, number="888880", account="0712"),
    AccountKind.TILL: PayoutAccount(AccountKind.TILL, number="5551234"),
}
SELLER = Seller(
    SellerId("sel_1"), MerchantId("mer_1"), livemode=False, name="Mama Njeri", account=PHONE,
    created_at=NOON, updated_at=NOON,
)

# By account, whether the platform switched B2B on, and whether it has an operator.
WAYS = {
    (AccountKind.PHONE, False, True): Way.PHONE, (AccountKind.PHONE, True, True): Way.PHONE,
    (AccountKind.PAYBILL, True, True): Way.PAYBILL, (AccountKind.TILL, True, True): Way.TILL,
}


@pytest.mark.parametrize(
    ("kind", "is_b2b_on", "has_operator"), list(product(AccountKind, (False, True), (False, True))),
)
def test_what_is_not_sent_by_m_pesa_is_sent_by_hand(kind, is_b2b_on, has_operator):
    """The whole grid: nothing is sent by B2B that the platform did not switch on."""
    seller = replace(SELLER, account=ACCOUNTS[kind], automatic_b2b=is_b2b_on)

    way = way_of(seller, has_operator=has_operator)

    assert way is WAYS.get((kind, is_b2b_on, has_operator), Way.OUTSIDE)


@given(st.integers(-10_000, 4_000_000_00))
def test_what_is_paid_is_never_more_than_is_owed_and_always_what_m_pesa_takes(cents):
    """Whole shillings, 10 to 250,000 each; cents and what is too little wait for the next."""
    paid = list(instalments(Money(cents), PHONE))

    left = cents - sum(each.cents for each in paid)
    assert all(SETTLED_MIN <= each <= SETTLED_MAX and each.cents % 100 == 0 for each in paid)
    assert not paid or left >= 0
    assert left < SETTLED_MIN.cents or len(paid) == INSTALMENTS_MAX


@given(st.integers(-10_000, 4_000_000_00))
def test_a_bank_is_paid_to_the_cent(cents):
    paid = list(instalments(Money(cents), BANK))

    assert paid == ([Money(cents)] if cents >= SETTLED_MIN.cents else [])


@pytest.mark.parametrize(
    ("account", "field", "code"),
    [
        (PayoutAccount(AccountKind.PHONE), "payout_account.phone", "payout_account_invalid"),
        (PayoutAccount(AccountKind.TILL, number="12"), "payout_account.number",
         "payout_account_invalid"),
        (PayoutAccount(AccountKind.PAYBILL, number="888880"), "payout_account.account",
         "payout_account_invalid"),
        (replace(BANK, bank_code="99"), "payout_account.bank", "bank_unknown"),
        (replace(BANK, bank_code="Equiti"), "payout_account.bank", "bank_unknown"),
        (replace(BANK, number="12 3"), "payout_account.number", "bank_account_invalid"),
        (replace(BANK, holder=""), "payout_account.holder", "payout_account_invalid"),
    ],
    ids=str,
)
def test_an_account_that_cannot_be_paid_is_refused_by_its_field(account, field, code):
    """Found when the money is on its way, it costs a day; found now, a second."""
    with pytest.raises(Invalid) as refused:
        checked(account)

    assert (refused.value.errors[0].field, refused.value.errors[0].code) == (field, code)


@pytest.mark.parametrize("written", ["68", "Equity Bank", "equity bank kenya", " EQUITY  BANK "])
def test_a_bank_is_known_by_its_code_and_by_its_name(written):
    assert checked(replace(BANK, bank_code=written)) == BANK


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 22, 2, 59, tzinfo=UTC), datetime(2026, 11, 22, 3, tzinfo=UTC)),
        (datetime(2026, 11, 22, 3, tzinfo=UTC), datetime(2026, 11, 23, 3, tzinfo=UTC)),
        (datetime(2026, 11, 21, 22, tzinfo=UTC), datetime(2026, 11, 22, 3, tzinfo=UTC)),
    ],
)
def test_a_day_is_settled_at_six_in_nairobi(now, due):
    assert next_daily(now) == due


def test_only_who_is_settled_daily_has_a_turn():
    daily = changed(SELLER, {"schedule": Schedule.DAILY}, now=NOON)
    later = changed(daily, {"name": "Njeri"}, now=NOON)
    asked = changed(later, {"schedule": Schedule.ON_DEMAND}, now=NOON)

    assert daily.next_settlement_at == later.next_settlement_at == next_daily(NOON)
    assert asked.next_settlement_at is None
