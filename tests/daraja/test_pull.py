"""Pull's pages: rows, plainly nothing, or a failure; never a failure taken for nothing. (T56)"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from hakika.daraja import pull
from hakika.daraja.strict_json import Unreadable
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn

ROW = {
    "transactionId": "OFH7UCZ9ZX", "trxDate": "2020-08-05T10:13:00Z", "msisdn": 722000000,
    "sender": "MPESA", "transactiontype": "c2b-pay-bill-debit", "billreference": "acc1",
    "amount": "168.00", "organizationname": "Daraja Pull API Test",
}


def page(response: object, code: str = "1000", **more: object) -> bytes:
    fields = {"ResponseRefID": "1", "ResponseCode": code, "Response": response}
    return json.dumps(fields | more).encode()


def test_a_row_is_read_as_documented():
    (row,) = pull.read_page(page([[ROW]]))

    assert (row.receipt, row.amount, row.reference) == ("OFH7UCZ9ZX", Money.shillings(168), "acc1")
    assert row.payer == Msisdn("254722000000")
    assert row.happened_at == datetime(2020, 8, 5, 7, 13, tzinfo=UTC), "Z, and Nairobi all the same"


@pytest.mark.parametrize("response", [[ROW, ROW], [[ROW], [ROW]], [[ROW, ROW]]])
def test_lists_within_lists_are_one_list(response):
    assert len(pull.read_page(page(response))) == 2


@pytest.mark.parametrize("response", ["[[]]", "[]", [], [[]]])
def test_plainly_nothing_is_nothing(response):
    assert pull.read_page(page(response, "1001")) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"{}", page("nothing", "1001"), page(None), page({}), page([[{}]]),
        page([[ROW]], "500"), page([[ROW | {"amount": "-5"}]]),
        page([[ROW | {"transactionId": "OAK0000000"}]]), page([["text"]]), page("[[1]]"),
        page([[ROW]], errorCode="500.003.1001"),
        b'{"requestId":"1","errorCode":"500.003.1001","errorMessage":"Internal Server Error"}',
    ],
)
def test_everything_else_is_a_failure(raw):
    """HTTP 200 with an error in it hides money when it is read as an empty list."""
    with pytest.raises(Unreadable):
        pull.read_page(raw)


def test_a_question_is_asked_in_nairobis_time():
    asked = json.loads(pull.query(
        "600966", since=datetime(2026, 3, 1, 22, 0, tzinfo=UTC),
        until=datetime(2026, 3, 2, 9, 30, tzinfo=UTC), offset=100,
    ))

    assert asked == {
        "ShortCode": "600966", "StartDate": "2026-03-02 01:00:00",
        "EndDate": "2026-03-02 12:30:00", "OffSetValue": "100",
    }


@pytest.mark.parametrize(
    ("raw", "registered"),
    [
        (b'{"ResponseStatus":"1000","ShortCode":"600000"}', True),
        (b'{"Response Status":"1001"}', True), (b'{"ResponseStatus":"1002"}', False),
        (b"", False), (b"<html>", False),
    ],
)
def test_registered_before_is_registered(raw, registered):
    assert pull.is_registered(raw) is registered
