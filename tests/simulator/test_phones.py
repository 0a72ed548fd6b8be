"""The phone page by plain forms, and the same moves through the control API."""

import asyncio

import pytest

from tests.simulator.world import PAYS, PERSON, Answer, Daraja, Merchant

PAGE = f"/phone/{PERSON}"


async def send_pin(daraja: Daraja, pin: str) -> Answer:
    return await daraja.call("POST", f"{PAGE}/pin", data={"pin": pin})


async def test_the_prompt_asks_in_mpesas_words(open_daraja) -> None:
    async with open_daraja(names={"174379": "MAMA MBOGA"}) as daraja:
        await daraja.pushed(PERSON, amount=1500)

        page = (await daraja.call("GET", PAGE)).text

        assert "Do you want to pay KES 1,500.00 to MAMA MBOGA Account no. INV-1?" in page


async def test_a_pin_pays_and_the_phone_tells(daraja: Daraja, merchant: Merchant) -> None:
    pushed = await daraja.pushed(PERSON)
    answer = await send_pin(daraja, "1234")
    page = (await daraja.call("GET", PAGE)).text

    receipt = (await daraja.payment(pushed))["receipt"]
    assert answer.status == 303
    assert f"{receipt} Confirmed. Ksh500.00 sent to BUSINESS 174379 for account INV-1 on" in page
    assert "New M-PESA balance is Ksh99,500.00" in page
    assert "99,500.00" in page
    assert 'id="pin"' not in page
    assert (await merchant.hears())[0].outcome["ResultCode"] == 0


async def test_cancelling_ends_with_1032(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.pushed(PERSON)
    await daraja.call("POST", f"{PAGE}/cancel")

    assert (await merchant.hears())[0].outcome["ResultCode"] == 1032


async def test_an_ignored_prompt_ends_with_1037_after_a_minute(
    daraja: Daraja, merchant: Merchant
) -> None:
    pushed = await daraja.pushed(PERSON)
    told = (await merchant.hears())[0].outcome

    payment = await daraja.payment(pushed)
    assert told["ResultCode"] == 1037
    assert 60 / 50 <= payment["finished_at"] - payment["pushed_at"] < 60 / 50 + 0.5


async def test_a_wrong_pin_ends_with_2001_and_the_third_locks(daraja: Daraja) -> None:
    codes = []
    for pin in ("0000", "0000", "0000", "1234"):
        pushed = await daraja.pushed(PERSON)
        await send_pin(daraja, pin)
        codes.append((await daraja.payment(pushed))["result_code"])

    assert codes == ["2001", "2001", "8006", "8006"]


async def test_a_right_pin_forgives_the_wrong_ones(daraja: Daraja) -> None:
    codes = []
    for amount, pin in enumerate(("0000", "0000", "1234", "0000"), start=1):
        pushed = await daraja.pushed(PERSON, amount=amount)
        await send_pin(daraja, pin)
        codes.append((await daraja.payment(pushed))["result_code"])

    assert codes == ["2001", "2001", "0", "2001"]


async def test_a_locked_pin_can_be_unlocked(daraja: Daraja) -> None:
    for _ in range(3):
        await daraja.pushed(PERSON)
        await send_pin(daraja, "0000")
    await daraja.control("POST", f"phone/{PERSON}/unlock")
    await daraja.pushed(PERSON)
    ended = await daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"})

    assert ended.json["state"] == "paid"


async def test_a_pin_of_other_signs_leaves_the_prompt(open_daraja) -> None:
    """At the speed of life, so that no slow machine lets the prompt run out meanwhile."""
    async with open_daraja(speed=1.0) as daraja:
        pushed = await daraja.pushed(PERSON)
        for pin in ("", "123", "12345", "abcd", "١٢٣٤"):
            answer = await daraja.call(
                "POST", f"{PAGE}/pin", data={"pin": pin}, allow_redirects=True,
            )

            assert "A PIN has four digits." in answer.text, pin
            assert (await daraja.payment(pushed))["state"] == "open", pin


async def test_a_pin_without_a_prompt_is_told(daraja: Daraja) -> None:
    by_form = await daraja.call("POST", f"{PAGE}/pin", data={"pin": "1234"}, allow_redirects=True)
    by_control = await daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"})

    assert "The request is gone" in by_form.text
    assert by_control.status == 409


async def test_two_answers_at_once_count_once(daraja: Daraja) -> None:
    """A double click must not pay twice."""
    await daraja.pushed(PERSON)
    answers = await asyncio.gather(
        *(daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"}) for _ in range(5))
    )

    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
    assert (await daraja.truth())["wallets"][PERSON] == 9_950_000


async def test_what_a_merchant_sends_is_escaped(daraja: Daraja) -> None:
    await daraja.pushed(PERSON, AccountReference="<b>x</b>")
    await daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"})
    await daraja.pushed(PERSON, amount=2, AccountReference="<i>y</i>")
    page = (await daraja.call("GET", PAGE)).text

    assert "<b>x" not in page
    assert "<i>y" not in page
    assert "&lt;b&gt;x" in page
    assert "&lt;i&gt;y" in page


@pytest.mark.parametrize("typed", ["0712345678", "+254712345678", "712345678"])
async def test_any_spelling_of_a_number_finds_the_phone(daraja: Daraja, typed: str) -> None:
    page = await daraja.call("GET", f"/phone/{typed}", allow_redirects=True)

    assert "254712345678" in page.text


@pytest.mark.parametrize("typed", ["12345", "255712345678", "<script>", "0812345678"])
async def test_other_numbers_have_no_phone(daraja: Daraja, typed: str) -> None:
    page = await daraja.call("GET", "/phone", params={"number": typed}, allow_redirects=True)

    assert "That is not a Kenyan mobile number." in page.text
    assert typed not in page.text.partition("<tbody>")[0]


async def test_the_index_lists_open_prompts_and_magic_numbers(daraja: Daraja) -> None:
    await daraja.pushed(PERSON)
    page = (await daraja.call("GET", "/phone")).text

    assert f'href="/phone/{PERSON}"' in page
    assert f'href="/phone/{PAYS}"' in page
    assert "254711000012" in page


async def test_the_page_needs_nothing_from_elsewhere(daraja: Daraja) -> None:
    """Style and script come from the simulator itself: it works on a plane."""
    page = (await daraja.call("GET", PAGE)).text
    assets = [await daraja.call("GET", f"/static/phone.{kind}") for kind in ("css", "js")]

    assert "http" not in page.replace("http-equiv", "")
    assert [asset.status for asset in assets] == [200, 200]
