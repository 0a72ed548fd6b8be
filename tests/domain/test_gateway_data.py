"""A payment in the older gateway's words: three statuses, and numbers for amounts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest

from hakika.domain import gateway_data
from hakika.domain.gateway_data import gateway_status, outcome, pushed_data, transaction_data
from hakika.domain.payment import State, Status
from hakika.domain.payment_data import payment_data
from tests.domain.test_payment import NEW_PAYMENT, PAYMENT_IN

PAID = {"status": "completed", "daraja_code": None, "daraja_message": None, "failure_reason": None}


def test_every_status_has_the_word_that_does_the_least_harm():
    """Who polls for success must not deliver for money that is doubted, gone or given back."""
    assert {status: gateway_status(status.value) for status in Status} == {
        Status.PENDING: "pending", Status.UNKNOWN: "pending", Status.COMPLETED: "success",
        Status.FAILED: "failed", Status.CANCELED: "failed", Status.REVERSED: "failed",
    }


@pytest.mark.parametrize("state", State)
def test_only_what_ended_has_a_result(state: State):
    told = transaction_data(PAYMENT_IN[state])

    assert (told["result_code"] is None) == (told["status"] != "success") or (
        told["status"] == "failed"
    )
    assert (told["result_desc"] is None) == (told["status"] == "pending")


def test_a_failure_tells_safaricoms_code_and_words_and_a_reversal_says_so():
    canceled = PAID | {"status": "canceled", "daraja_code": "1032", "daraja_message": "Cancelled"}
    unsent = PAID | {"status": "failed", "daraja_code": "", "failure_reason": "Never sent."}

    assert outcome(PAID) == ("0", "The service request is processed successfully.")
    assert outcome(canceled) == ("1032", "Cancelled")
    assert outcome(unsent) == (None, "Never sent.")
    assert "reversed" in str(outcome(PAID | {"status": "reversed"})[1])


def test_amounts_are_numbers_and_without_a_fee_plan_the_net_is_all():
    told = pushed_data(NEW_PAYMENT)

    assert [told[name] for name in ("amount", "platform_fee", "net_amount")] == [500, 0, 500]


def test_a_fee_is_told_as_the_older_gateway_told_it(monkeypatch: pytest.MonkeyPatch):
    """1.5 and 98.5, and no fraction of a cent that binary numbers bring along."""

    def with_fee(payment: Any) -> dict[str, Any]:
        amounts = {"amount": "100.00", "platform_fee": "1.50", "net_amount": "98.50"}
        return payment_data(payment) | amounts

    monkeypatch.setattr(gateway_data, "payment_data", with_fee)
    told = orjson.dumps(transaction_data(NEW_PAYMENT)).decode()

    assert '"amount":100,"platform_fee":1.5,"net_amount":98.5' in told
    assert json.loads(told)["net_amount"] == 98.5


def test_a_reference_is_told_as_it_was_written():
    own = "INVOICE-2026-11-000451"
    payment = replace(NEW_PAYMENT, metadata={"order.reference": own})

    assert transaction_data(payment)["reference"] == own
    assert transaction_data(NEW_PAYMENT)["reference"] == NEW_PAYMENT.reference
