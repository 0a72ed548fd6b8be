"""Money that payers sent by themselves is held against the simulator's truth like any other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.payment import Origin, Payment, advance, born
from hakika.domain.shortcode import paybill
from hakika.domain.truth import Truth, money_breaches

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CAME = Fact(Kind.PAID, Source.C2B, receipt="UKL7RT61SV", amount=Money.shillings(500))
UNASKED = advance(born(Payment(
    id=PaymentId("pay_1"), merchant_id=MerchantId("mer_1"), livemode=False,
    amount=Money.shillings(500), payer=None, shortcode=paybill("600966"), reference="A1",
    description="", idempotency_key="", created_at=NOON, updated_at=NOON, origin=Origin.C2B,
)), CAME, now=NOON).after


def truth(state: str = "completed", cents: int = 50_000) -> Truth:
    c2b = {"receipt": "UKL7RT61SV", "state": state, "amount_cents": cents}
    return Truth.read({"payments": [], "c2b": [c2b]}, lambda _: None)


def test_unasked_money_that_m_pesa_moved_is_true():
    assert list(money_breaches(UNASKED, truth())) == []


@pytest.mark.parametrize(
    ("payment", "told", "sentence"),
    [
        (UNASKED, truth(cents=49_900), "says that 500.00 came, and M-Pesa moved 499.00"),
        (UNASKED, truth("declined"), "which M-Pesa never gave for it"),
        (replace(UNASKED, receipt="UKL7RT61SW"), truth(), "which M-Pesa never gave for it"),
    ],
    ids=["another amount", "declined", "another receipt"],
)
def test_unasked_money_that_is_not_true_is_named(payment, told, sentence):
    assert any(sentence in said for said in money_breaches(payment, told))
