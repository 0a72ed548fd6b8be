"""Pull: what a business collected in the last 48 hours, page by page, and how it goes wrong."""

from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from hakika_simulator.clock import EAT
from tests.simulator.test_c2b import PAYBILL, pay
from tests.simulator.world import PERSON, SHORTCODE, Answer, Daraja

NOON = datetime(2026, 3, 3, 12, tzinfo=EAT)


async def call(daraja: Daraja, path: str, **body: Any) -> Answer:
    return await daraja.call(
        "POST", f"/pulltransactions/v1/{path}", json=body,
        headers={"Authorization": daraja.bearer},
    )


async def register(daraja: Daraja, shortcode: str = PAYBILL) -> Answer:
    return await call(
        daraja, "register", ShortCode=shortcode, RequestType="Pull", NominatedNumber=PERSON,
        CallBackURL=daraja.callback_url,
    )


async def pull(
    daraja: Daraja, offset: int = 0, *, since: datetime, until: datetime, shortcode: str = PAYBILL
) -> Answer:
    return await call(
        daraja, "query", ShortCode=shortcode, StartDate=f"{since:%Y-%m-%d %H:%M:%S}",
        EndDate=f"{until:%Y-%m-%d %H:%M:%S}", OffSetValue=str(offset),
    )


async def lay_down(daraja: Daraja, count: int) -> list[str]:
    """Make `count` payments, a minute apart, the last one at noon, and set the clock to noon."""
    past = [
        {
            "phone": PERSON, "shortcode": PAYBILL, "amount": 168, "account": "acc1",
            "at": (NOON - timedelta(minutes=number)).isoformat(),
        }
        for number in reversed(range(count))
    ]
    answer = await daraja.control("POST", "history", {"payments": past})
    await daraja.control("PUT", "clock", {"now": (NOON + timedelta(seconds=1)).timestamp()})
    await register(daraja)
    receipts: list[str] = answer.json["receipts"]
    return receipts


async def ids(daraja: Daraja, offset: int = 0) -> list[str]:
    """Return the receipts of one page of the last two days."""
    answer = await pull(daraja, offset, since=NOON - timedelta(days=2), until=NOON)
    told = answer.json["Response"]
    return [] if told == "[[]]" else [row["transactionId"] for row in told[0]]


async def test_registering_twice_is_told_and_does_no_harm(daraja: Daraja) -> None:
    first, second = (await register(daraja)).json, (await register(daraja)).json

    assert (first["ResponseStatus"], second["ResponseStatus"]) == ("1000", "1001")
    assert first["ResponseDescription"] == "Shortcode Registered Successfully"
    assert first["ShortCode"] == PAYBILL


async def test_rows_are_in_a_list_in_a_list(daraja: Daraja) -> None:
    receipts = await lay_down(daraja, 1)
    answer = await pull(daraja, since=NOON, until=NOON)

    assert answer.json.pop("ResponseRefID")
    assert (answer.json["ResponseCode"], answer.json["ResponseMessage"]) == ("1000", "Success")
    assert answer.json["Response"] == [[{
        "transactionId": receipts[0],
        "trxDate": "2026-03-03T12:00:00Z",
        "msisdn": 712345678,
        "sender": "MPESA",
        "transactiontype": "c2b-pay-bill-debit",
        "billreference": "acc1",
        "amount": "168.00",
        "organizationname": "BUSINESS 600000",
    }]]


async def test_nothing_is_a_text(daraja: Daraja) -> None:
    await register(daraja)
    answer = await pull(daraja, since=NOON, until=NOON)

    assert (answer.status, answer.json["ResponseCode"]) == (200, "1001")
    assert answer.json["Response"] == "[[]]"


async def test_pages_have_a_hundred_rows(daraja: Daraja) -> None:
    receipts = await lay_down(daraja, 230)
    pages = [await ids(daraja, offset) for offset in (0, 100, 200, 300)]

    assert [len(page) for page in pages] == [100, 100, 30, 0]
    assert [receipt for page in pages for receipt in page] == receipts


async def test_pull_looks_back_48_hours_of_mpesas_clock(daraja: Daraja) -> None:
    """The month before last is nowhere but on the statements."""
    old, new = NOON - timedelta(hours=48, minutes=1), NOON - timedelta(hours=47, minutes=59)
    past = [
        {"phone": PERSON, "shortcode": PAYBILL, "amount": 1, "account": "a", "at": at.isoformat()}
        for at in (old, new)
    ]
    receipts = (await daraja.control("POST", "history", {"payments": past})).json["receipts"]
    await daraja.control("PUT", "clock", {"now": NOON.timestamp()})
    await register(daraja)
    answer = await pull(daraja, since=NOON - timedelta(days=9), until=NOON)

    assert [row["transactionId"] for row in answer.json["Response"][0]] == [receipts[1]]


async def test_pushes_and_tills_are_in_it_under_the_store(daraja: Daraja) -> None:
    await daraja.pushed()
    await daraja.pushed(PartyB="600123", TransactionType="CustomerBuyGoodsOnline")
    await daraja.settled()
    await register(daraja, SHORTCODE)
    now = datetime.now(EAT)
    answer = await pull(
        daraja, since=now - timedelta(hours=1), until=now + timedelta(hours=1),
        shortcode=SHORTCODE,
    )

    rows = answer.json["Response"][0]
    assert sorted((row["transactiontype"], row["billreference"]) for row in rows) == [
        ("c2b-buy-goods-debit", ""),
        ("c2b-pay-bill-debit", "INV-1"),
    ]


async def test_charges_and_reversals_are_not_in_it(daraja: Daraja) -> None:
    await daraja.turn(charge_percent=1, charges_off_collections=True)
    first, second = (await pay(daraja))["receipt"], (await pay(daraja))["receipt"]
    await daraja.control("POST", "portal/reversals", {"receipt": first})
    await register(daraja)
    now = datetime.now(EAT)
    answer = await pull(daraja, since=now - timedelta(hours=1), until=now + timedelta(hours=1))

    assert [row["transactionId"] for row in answer.json["Response"][0]] == [first, second]


async def test_a_stuck_offset_gives_the_first_page_again(daraja: Daraja) -> None:
    await lay_down(daraja, 150)
    await daraja.turn(pull_fault="stuck")

    assert await ids(daraja, 0) == await ids(daraja, 100)


async def test_a_page_in_the_middle_may_be_short(daraja: Daraja) -> None:
    receipts = await lay_down(daraja, 230)
    await daraja.turn(pull_fault="short_page")
    pages = [await ids(daraja, offset) for offset in (0, 100, 150)]

    assert [len(page) for page in pages] == [100, 50, 80]
    assert [receipt for page in pages for receipt in page] == receipts


async def test_an_error_may_come_with_200(daraja: Daraja) -> None:
    await lay_down(daraja, 1)
    await daraja.turn(pull_fault="error_code")
    answer = await pull(daraja, since=NOON, until=NOON)

    assert (answer.status, answer.json["errorCode"]) == (200, "500.003.1001")


async def test_pull_may_fail_or_hang_up(daraja: Daraja) -> None:
    await lay_down(daraja, 1)
    await daraja.turn(pull_fault="500")
    failed = await pull(daraja, since=NOON, until=NOON)
    await daraja.turn(pull_fault="reset")
    with pytest.raises(aiohttp.ClientError):
        await pull(daraja, since=NOON, until=NOON)

    assert failed.refusal == (500, "500.003.1001", "Internal Server Error")


async def test_an_unregistered_shortcode_is_refused(daraja: Daraja) -> None:
    answer = await pull(daraja, since=NOON, until=NOON)

    assert answer.refusal == (400, "400.001", "Invalid ShortCode")


@pytest.mark.parametrize(
    ("field", "value"),
    [("StartDate", "2026-03-03"), ("EndDate", ...), ("OffSetValue", "-1"), ("OffSetValue", ...)],
)
async def test_a_wrong_field_is_named(daraja: Daraja, field: str, value: object) -> None:
    await register(daraja)
    body = {
        "ShortCode": PAYBILL, "StartDate": "2026-03-03 00:00:00",
        "EndDate": "2026-03-03 10:00:00", "OffSetValue": "0",
    } | {field: value}
    answer = await call(daraja, "query", **{k: v for k, v in body.items() if v is not ...})

    assert answer.refusal == (400, "400.002.02", f"Bad Request - Invalid {field}")


async def test_a_stale_token_is_refused_in_pulls_own_code(daraja: Daraja) -> None:
    daraja.bearer = "Bearer stale"

    assert (await register(daraja)).refusal == (401, "401.001", "Invalid Access Token")
