"""The accounts of a short code: where money lands, what is charged, and what the portal moves."""

import pytest

from tests.simulator.world import PAYS, PERSON, SHORTCODE, Daraja, Merchant

SUM_CENTS = 10**15
TILL = "600123"


async def receipts(daraja: Daraja) -> list[tuple[str, str, str, int]]:
    """Return kind, short code, account and cents of each line."""
    told = (await daraja.truth())["receipts"]
    return [(row["kind"], row["shortcode"], row["account"], row["cents"]) for row in told]


async def test_a_paybill_collects_on_utility_and_a_till_on_merchant(daraja: Daraja) -> None:
    await daraja.pushed()
    await daraja.pushed(PartyB=TILL, TransactionType="CustomerBuyGoodsOnline")
    await daraja.settled()

    assert (await daraja.truth())["accounts"] == {
        SHORTCODE: {"utility": 50_000},
        TILL: {"merchant": 50_000},
    }
    assert sorted(await receipts(daraja)) == [
        ("stk", SHORTCODE, "utility", 50_000),
        ("stk", TILL, "merchant", 50_000),
    ]


async def test_a_receipt_is_told_in_full(daraja: Daraja) -> None:
    pushed = await daraja.pushed()
    await daraja.settled()

    payment = await daraja.payment(pushed)
    assert (await daraja.truth())["receipts"] == [
        {
            "receipt": payment["receipt"],
            "kind": "stk",
            "shortcode": SHORTCODE,
            "account": "utility",
            "cents": 50_000,
            "phone": PAYS,
            "reference": "INV-1",
            "started_at": payment["pushed_at"],
            "at": payment["finished_at"],
            "linked": None,
            "other_party": None,
        }
    ]


async def test_a_charge_goes_off_charges_paid_and_bears_the_payments_receipt(
    daraja: Daraja,
) -> None:
    """M-Pesa's own statements show a charge under the receipt of what was charged for."""
    await daraja.turn(charge_percent=0.55)
    await daraja.pushed(amount=1000)
    await daraja.settled()

    truth = await daraja.truth()
    assert truth["accounts"] == {SHORTCODE: {"charges_paid": -550, "utility": 100_000}}
    assert truth["sum_cents"] == SUM_CENTS
    assert truth["receipts"][1]["kind"] == "charge"
    assert truth["receipts"][1]["receipt"] == truth["receipts"][0]["receipt"]


async def test_a_charge_may_go_off_the_account_that_collected(daraja: Daraja) -> None:
    await daraja.turn(charge_percent=1, charges_off_collections=True)
    await daraja.pushed(amount=1000)
    await daraja.settled()

    assert (await daraja.truth())["accounts"] == {SHORTCODE: {"utility": 99_000}}


async def test_the_portal_reverses_and_tells_no_program(daraja: Daraja, merchant: Merchant) -> None:
    await daraja.pushed(PERSON)
    await daraja.control("POST", f"phone/{PERSON}/pin", {"pin": "1234"})
    await daraja.settled()
    paid = (await daraja.truth())["receipts"][0]["receipt"]

    answer = await daraja.control("POST", "portal/reversals", {"receipt": paid})

    truth = await daraja.truth()
    page = (await daraja.call("GET", f"/phone/{PERSON}")).text
    assert answer.json == {"receipt": truth["receipts"][1]["receipt"], "linked": paid}
    assert answer.json["receipt"] != paid
    assert truth["receipts"][1]["cents"] == -50_000
    assert truth["receipts"][1]["linked"] == paid
    assert truth["wallets"][PERSON] == 10_000_000
    assert truth["accounts"] == {SHORTCODE: {"utility": 0}}
    assert f"Transaction {paid} has been reversed" in page
    assert len(merchant.heard) == 1


async def test_a_payment_is_reversed_once(daraja: Daraja) -> None:
    await daraja.pushed()
    await daraja.pushed(amount=700)
    await daraja.settled()
    paid = (await daraja.truth())["receipts"][0]["receipt"]
    asked = {"receipt": paid}
    await daraja.control("POST", "portal/reversals", asked)

    assert (await daraja.control("POST", "portal/reversals", asked)).status == 409
    assert (
        await daraja.control("POST", "portal/reversals", {"receipt": "UKL0000001"})
    ).status == 404


async def test_money_that_left_cannot_be_reversed(daraja: Daraja) -> None:
    await daraja.pushed()
    await daraja.settled()
    paid = (await daraja.truth())["receipts"][0]["receipt"]
    float_move = {"shortcode": SHORTCODE, "from": "utility", "to": "bank", "amount_cents": 1}
    await daraja.control("POST", "portal/floats", float_move)

    answer = await daraja.control("POST", "portal/reversals", {"receipt": paid})

    assert answer.status == 409


async def test_float_moves_to_working_and_out_to_the_bank(daraja: Daraja) -> None:
    await daraja.pushed()
    await daraja.settled()
    for giver, taker, cents in (("utility", "working", 40_000), ("working", "bank", 30_000)):
        float_move = {
            "shortcode": SHORTCODE, "from": giver, "to": taker, "amount_cents": cents,
        }
        answer = await daraja.control("POST", "portal/floats", float_move)
        assert answer.status == 200

    truth = await daraja.truth()
    assert truth["accounts"] == {SHORTCODE: {"utility": 10_000, "working": 10_000}}
    assert truth["sum_cents"] == SUM_CENTS
    assert [(row["account"], row["cents"]) for row in truth["receipts"][1:]] == [
        ("utility", -40_000),
        ("working", 40_000),
        ("working", -30_000),
    ]
    assert truth["receipts"][1]["receipt"] == truth["receipts"][2]["receipt"]
    assert truth["receipts"][3]["receipt"] == answer.json["receipt"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"amount_cents": 50_001}, 409),
        ({"from": "working"}, 409),
        ({"from": "bank"}, 409),
        ({"to": "utility"}, 409),
        ({"amount_cents": 0}, 422),
        ({"shortcode": "x"}, 422),
    ],
)
async def test_float_that_is_not_there_stays(daraja: Daraja, change, status: int) -> None:
    await daraja.pushed()
    await daraja.settled()
    asked = {"shortcode": SHORTCODE, "from": "utility", "to": "bank", "amount_cents": 50_000}

    answer = await daraja.control("POST", "portal/floats", asked | change)

    assert answer.status == status
    assert (await daraja.truth())["accounts"] == {SHORTCODE: {"utility": 50_000}}
