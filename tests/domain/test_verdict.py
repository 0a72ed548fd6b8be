"""How a callback and a query's answer are read: the rules that cost money when they are broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hakika.domain.fact import Kind, Reason, Source
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Payment
from hakika.domain.shortcode import paybill
from hakika.domain.verdict import Said, from_callback, from_query, is_about

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAYMENT = Payment(
    id=PaymentId("pay_1"), merchant_id=MerchantId("mer_1"), livemode=False,
    amount=Money.shillings(500), payer=Msisdn("254712345678"), shortcode=paybill("174379"),
    reference="ORDER-1", description="", idempotency_key="order-1", created_at=NOON,
    updated_at=NOON, merchant_request_id="29115", checkout_request_id="ws_1",
)
NO_FUNDS = Reason("insufficient_funds", "1", "developer", "payer", "mlipaji")
PAID = Said(
    succeeded=True, reason=None, is_final=True, receipt="UKL7RT61SV", amount=PAYMENT.amount,
    merchant_request_id="29115", checkout_request_id="ws_1", raw=b"{}",
)
FAILED = Said(succeeded=False, reason=NO_FUNDS, is_final=True, settles_by_query=True)
CANCELED = replace(FAILED, canceled=True)
UNDECIDED = replace(FAILED, is_final=False, settles_by_query=False)


def test_a_callback_with_receipt_and_the_exact_amount_is_paid():
    """The one proof that lets a merchant ship."""
    fact = from_callback(PAYMENT, PAID)

    assert (fact.kind, fact.source, fact.receipt, fact.amount, fact.raw, fact.reason) == (
        Kind.PAID, Source.STK_CALLBACK, "UKL7RT61SV", PAYMENT.amount, b"{}", None,
    )


@pytest.mark.parametrize("amount", [Money.shillings(499), Money.shillings(501), Money(50_001)])
def test_another_amount_is_mispaid_and_never_paid(amount):
    """A forged or mistaken callback about one shilling must not release goods for five hundred."""
    fact = from_callback(PAYMENT, replace(PAID, amount=amount))

    assert (fact.kind, fact.amount) == (Kind.MISPAID, amount)
    assert str(amount) in fact.note and str(PAYMENT.amount) in fact.note


@pytest.mark.parametrize("said", [replace(PAID, receipt=""), replace(PAID, amount=None)])
def test_success_without_a_receipt_or_an_amount_is_doubted(said):
    """M-Pesa's success always has both; what has not cannot be reconciled."""
    assert from_callback(PAYMENT, said).kind is Kind.DOUBTED


@pytest.mark.parametrize(
    ("said", "kind"),
    [(FAILED, Kind.DECLINED), (CANCELED, Kind.CANCELED), (UNDECIDED, Kind.DOUBTED)],
)
def test_a_callback_without_money_is_read_by_its_code(said, kind):
    """A code that is not on the closed list decides nothing."""
    fact = from_callback(PAYMENT, said)

    assert (fact.kind, fact.reason) == (kind, NO_FUNDS)


def test_a_query_knows_that_it_was_paid_and_nothing_more():
    """It tells no receipt and no amount, so it can confirm and cannot prove."""
    fact = from_query(replace(PAID, receipt="", amount=None), prompt_is_dead=False)

    assert (fact.kind, fact.source) == (Kind.CONFIRMED, Source.STK_QUERY)


@pytest.mark.parametrize("said", [FAILED, CANCELED])
def test_a_query_cannot_fail_a_payment_while_the_prompt_lives(said):
    """Daraja has said 1032 and 1037 of prompts that were paid seconds later."""
    assert from_query(said, prompt_is_dead=False).kind is Kind.INQUIRED


@pytest.mark.parametrize(("said", "kind"), [(FAILED, Kind.DECLINED), (CANCELED, Kind.CANCELED)])
def test_a_query_settles_once_the_prompt_is_dead(said, kind):
    """Else a payment whose callback was lost would stay open for days."""
    assert from_query(said, prompt_is_dead=True).kind is kind


@pytest.mark.parametrize("prompt_is_dead", [True, False])
def test_a_code_that_is_not_on_the_list_is_no_verdict(prompt_is_dead):
    """4999 means "being processed", whatever its text says."""
    assert from_query(UNDECIDED, prompt_is_dead=prompt_is_dead).kind is Kind.INQUIRED


@pytest.mark.parametrize(
    ("said", "about"),
    [
        (PAID, True),
        (replace(PAID, checkout_request_id="ws_2"), False),
        (replace(PAID, merchant_request_id="29116"), False),
        (replace(PAID, checkout_request_id="", merchant_request_id=""), True),
        (replace(PAID, checkout_request_id="ws_1", merchant_request_id=""), True),
    ],
)
def test_a_callback_with_other_ids_is_about_another_push(said, about):
    """The address of one payment must not settle another."""
    assert is_about(PAYMENT, said) is about


def test_a_callback_may_come_before_we_know_any_id():
    """The push may be answered after the payer has paid, or never."""
    unanswered = replace(PAYMENT, merchant_request_id="", checkout_request_id="")

    assert is_about(unanswered, PAID)
