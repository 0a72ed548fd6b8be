"""M-Pesa's clock, and a month of payments made in one request."""

import time
from datetime import datetime
from typing import Any

import pytest

from hakika_simulator.clock import EAT
from tests.simulator.world import PAYS, PERSON, SHORTCODE, Daraja, Merchant

SUM_CENTS = 10**15
DAY_SECONDS = 86_400
FIRST = datetime(2026, 3, 1, 8, tzinfo=EAT).timestamp()


def payment(**changes: Any) -> dict[str, Any]:
    """Return one payment of the past."""
    return {
        "kind": "c2b", "phone": PERSON, "shortcode": SHORTCODE, "amount": 150, "account": "ROOM 4",
        "at": "2026-03-01T08:00:00",
    } | changes


async def test_a_month_of_payments_takes_one_request(daraja: Daraja, merchant: Merchant) -> None:
    """Five thousand payments, each at its own time, and every shilling on the accounts."""
    month = [
        payment(phone=f"25472{number % 500:07d}", at=FIRST + number * 30 * DAY_SECONDS / 5_000)
        for number in range(5_000)
    ]
    answer = await daraja.control("POST", "history", {"payments": month})
    receipts = answer.json["receipts"]

    truth = await daraja.truth()
    assert truth["accounts"] == {SHORTCODE: {"utility": 5_000 * 15_000}}
    assert truth["sum_cents"] == SUM_CENTS
    assert [row["receipt"] for row in truth["receipts"]] == receipts
    assert [row["at"] for row in truth["receipts"]] == [each["at"] for each in month]
    assert len(set(receipts)) == 5_000
    assert receipts[0][:3] == "UC1"
    assert merchant.heard == []


async def test_the_past_has_tills_pushes_and_nairobis_times(daraja: Daraja) -> None:
    past = [payment(kind="stk"), payment(shortcode=600123, account="")]
    await daraja.control("POST", "history", {"payments": past})

    told = (await daraja.truth())["receipts"]
    assert [(row["kind"], row["account"], row["at"]) for row in told] == [
        ("stk", "utility", FIRST),
        ("c2b", "merchant", FIRST),
    ]


async def test_a_poor_payer_of_the_past_borrows(daraja: Daraja) -> None:
    await daraja.control("POST", f"wallets/{PERSON}", {"balance_cents": 1})
    answer = await daraja.control("POST", "history", {"payments": [payment()]})

    truth = await daraja.truth()
    assert (answer.status, truth["wallets"][PERSON]) == (200, 0)
    assert truth["sum_cents"] == SUM_CENTS


@pytest.mark.parametrize(
    "change", [{"amount": 1.5}, {"amount": 0}, {"phone": "1"}, {"kind": "b2c"}, {"at": "noon"}]
)
async def test_all_of_a_history_happens_or_none(daraja: Daraja, change) -> None:
    past = [payment(), payment(**change)]

    answer = await daraja.control("POST", "history", {"payments": past})

    assert answer.status == 422
    assert (await daraja.truth())["receipts"] == []


async def test_the_clock_can_be_set_and_runs_on(daraja: Daraja) -> None:
    """Dates are M-Pesa's, but tokens and a caller's Timestamp go by everybody's real time."""
    answer = await daraja.control("PUT", "clock", {"now": "2027-02-03T04:05:06"})
    pushed = await daraja.pushed()
    await daraja.settled()

    paid = await daraja.payment(pushed)
    then = datetime(2027, 2, 3, 4, 5, 6, tzinfo=EAT).timestamp()
    assert answer.json["nairobi"] == "2027-02-03T04:05:06+03:00"
    assert pushed.startswith("ws_CO_03022027")
    assert paid["receipt"].startswith("VB3")
    assert then <= paid["pushed_at"] < paid["finished_at"] < then + 60


async def test_the_clock_goes_forward_and_back_to_real_time(daraja: Daraja) -> None:
    await daraja.control("PUT", "clock", {"now": 1_000_000})
    forward = await daraja.control("PUT", "clock", {"forward_seconds": DAY_SECONDS})
    again = await daraja.control("PUT", "clock", {})

    assert 1_086_400 <= forward.json["now"] < 1_086_500
    assert abs(again.json["now"] - time.time()) < 60
    assert again.json["ahead_seconds"] == pytest.approx(0, abs=1)


async def test_a_reset_sets_the_clock_right(daraja: Daraja) -> None:
    await daraja.control("PUT", "clock", {"now": 1_000_000})
    await daraja.control("POST", "reset")

    assert abs((await daraja.truth())["now"] - time.time()) < 60
    assert (await daraja.push(PAYS)).status == 200
