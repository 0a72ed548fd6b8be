"""The books: what each change moves, and that no order of facts moves money twice or loses it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from hakika.domain.fact import Fact, Kind, Reason, Source
from hakika.domain.ids import MerchantId, PaymentId, SellerId
from hakika.domain.ledger import (
    COLLECTED,
    FEES,
    FIRST_LINK,
    SELLERS,
    SUSPENSE,
    Chain,
    Move,
    Posted,
    Posting,
    balance,
    link,
    postings,
)
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Origin, Payment, State, advance, born
from hakika.domain.shortcode import paybill, till

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRICE = Money.shillings(500)
REASON = Reason("insufficient_funds", "1", "Too little.", "Top up.", "Ongeza.")

ASKED = Fact(Kind.ASKED, Source.CALLER, attempt=1)
ACCEPTED = Fact(Kind.ACCEPTED, Source.DARAJA, attempt=1, checkout_request_id="ws_1")
PAID = Fact(Kind.PAID, Source.STK_CALLBACK, receipt="UKL0000001", amount=PRICE)
PAID_AGAIN = replace(PAID, receipt="UKL0000002")
MISPAID = Fact(
    Kind.MISPAID, Source.STK_CALLBACK, receipt="UKL0000003", amount=Money.shillings(400),
)
DECLINED = Fact(Kind.DECLINED, Source.STK_CALLBACK, reason=REASON)
CONFIRMED = Fact(Kind.CONFIRMED, Source.STK_QUERY)
FLOAT = "float:174379:utility"


def new() -> Payment:
    return born(Payment(
        id=PaymentId("pay_1"), merchant_id=MerchantId("mer_1"), livemode=False, amount=PRICE,
        payer=Msisdn("254712345678"), shortcode=paybill("174379"), reference="ORDER-1",
        description="", idempotency_key="k", created_at=NOON, updated_at=NOON,
    ))


def told(*facts: Fact, payment: Payment | None = None) -> list[Posting]:
    """Return what is posted when a payment hears `facts`; the database takes each move once."""
    made: list[Posting] = []
    payment = payment or new()
    for fact in facts:
        change = advance(payment, fact, now=NOON)
        made += postings(change)
        payment = change.after
    assert len({(each.receipt, each.move) for each in made}) == len(made)
    return made


def balances(made: list[Posting]) -> dict[str, int]:
    """Return cents by account, debits less credits."""
    found: Counter[str] = Counter()
    for each in made:
        found[each.debit] += each.amount.cents
        found[each.credit] -= each.amount.cents
    return dict(found)


def test_a_paid_payment_moves_its_amount_from_collected_to_the_float():
    assert told(ASKED, ACCEPTED, PAID) == [Posting(
        Move.COLLECTION, debit=FLOAT, credit=COLLECTED, amount=PRICE, shortcode="174379",
        receipt="UKL0000001", payment_id=PaymentId("pay_1"), happened_at=NOON,
    )]


@pytest.mark.parametrize(
    "facts", [(), (ACCEPTED,), (ACCEPTED, DECLINED), (ACCEPTED, CONFIRMED)], ids=str,
)
def test_nothing_is_posted_without_a_receipt(facts):
    """A query says paid, and not which money: there is no receipt to find in a statement."""
    assert told(ASKED, *facts) == []


def test_money_of_another_amount_is_in_suspense_as_it_came():
    """Never the amount that was asked: a shilling that did not come is in nobody's books. (T31)"""
    assert balances(told(ASKED, ACCEPTED, MISPAID)) == {FLOAT: 40_000, SUSPENSE: -40_000}


def test_a_second_receipt_for_one_push_is_money_too():
    """Both arrived. The second is in suspense until somebody gives it back or explains it."""
    made = told(ASKED, ACCEPTED, PAID, PAID_AGAIN)

    assert balances(made) == {FLOAT: 100_000, COLLECTED: -50_000, SUSPENSE: -50_000}


def test_suspense_is_cleared_when_the_same_receipt_turns_out_to_be_the_price():
    """A forged or broken callback told another amount first. What is booked is corrected."""
    wrong = replace(MISPAID, receipt=PAID.receipt)

    made = told(ASKED, ACCEPTED, wrong, PAID)

    assert [each.move for each in made] == [Move.COLLECTION, Move.CLEARING, Move.CORRECTION]
    assert balances(made) == {FLOAT: 50_000, COLLECTED: -50_000, SUSPENSE: 0}


def test_what_was_told_too_high_is_corrected_downwards():
    too_much = replace(MISPAID, receipt=PAID.receipt, amount=Money.shillings(700))

    assert balances(told(ASKED, ACCEPTED, too_much, PAID)) == {
        FLOAT: 50_000, COLLECTED: -50_000, SUSPENSE: 0,
    }


def test_every_order_of_what_is_heard_ends_in_the_same_books():
    """All arrived money is there once, whatever came first and however often. (I1)"""
    heard = [PAID, PAID, MISPAID, MISPAID, DECLINED, CONFIRMED]

    ends = {
        tuple(sorted(balances(told(ASKED, *order)).items())) for order in permutations(heard)
    }

    assert ends == {((COLLECTED, -50_000), (FLOAT, 90_000), (SUSPENSE, -40_000))}


def test_money_that_settles_wins_whatever_was_told_of_its_receipt_before():
    """A broken callback of another amount for the right receipt, and one for another receipt."""
    wrong = replace(MISPAID, receipt=PAID.receipt, amount=Money.shillings(600))

    for order in permutations([MISPAID, wrong, PAID]):
        payment = new()
        for fact in (ASKED, *order):
            payment = advance(payment, fact, now=NOON).after
        assert (payment.state, payment.receipt) == (State.COMPLETED, PAID.receipt)
        assert balances(told(ASKED, *order)) == {
            FLOAT: 90_000, COLLECTED: -50_000, SUSPENSE: -40_000,
        }


def test_a_second_receipt_told_twice_is_posted_once():
    assert len(told(ASKED, PAID, PAID_AGAIN, PAID_AGAIN)) == 2


def test_a_till_collects_on_its_merchant_account():
    payment = replace(new(), shortcode=till("5551234", store_number="600100"))

    [made] = told(ASKED, ACCEPTED, PAID, payment=payment)

    assert made.debit == "float:5551234:merchant"


@pytest.mark.parametrize(
    ("paid_at", "is_believed"),
    [
        (NOON - timedelta(hours=5), True), (NOON - timedelta(hours=6), True),
        (NOON + timedelta(minutes=5), True), (NOON - timedelta(hours=7), False),
        (NOON + timedelta(hours=1), False), (None, False),
    ],
)
def test_the_day_of_money_is_m_pesas_own_unless_that_cannot_be(paid_at, is_believed):
    """A callback that comes after midnight is of the day on which the payer paid. (T32)"""
    asked = replace(new(), created_at=NOON - timedelta(hours=6))
    [made] = told(ASKED, ACCEPTED, replace(PAID, paid_at=paid_at), payment=asked)

    assert made.happened_at == (paid_at if is_believed else NOON)


@pytest.mark.parametrize(
    ("source", "days", "is_believed"),
    [
        (Source.C2B, 6, True), (Source.C2B, 8, False), (Source.STATEMENT, 400, True),
        (Source.PULL, 2, True),
    ],
)
def test_unasked_money_is_of_the_day_that_m_pesa_says(source, days, is_believed):
    """A statement of last year tells of last year."""
    unasked = replace(new(), payer=None, origin=Origin.C2B)
    paid_at = NOON - timedelta(days=days)
    [made] = told(replace(PAID, source=source, paid_at=paid_at), payment=unasked)

    assert made.happened_at == (paid_at if is_believed else NOON)


def test_unasked_money_is_in_suspense_until_it_is_assigned():
    unasked = replace(new(), payer=None, origin=Origin.C2B)
    assigned = Fact(Kind.ASSIGNED, Source.CALLER, assigned_to="ORDER-7")

    assert balances(told(PAID, payment=unasked)) == {FLOAT: 50_000, SUSPENSE: -50_000}
    assert balances(told(PAID, assigned, assigned, payment=unasked)) == {
        FLOAT: 50_000, SUSPENSE: 0, COLLECTED: -50_000,
    }


def sold() -> Payment:
    """Return a payment that a seller of a platform asked for."""
    return replace(new(), seller_id=SellerId("sel_1"), platform_fee=Money(750))


def test_what_a_seller_collected_is_divided_between_its_platform_and_itself():
    """The turnover is whole; the fee is income; the rest is owed, and to nobody else."""
    assert balances(told(ASKED, ACCEPTED, PAID, payment=sold())) == {
        FLOAT: 50_000, COLLECTED: -50_000, SELLERS: 50_000, FEES: -750, "owed:sel_1": -49_250,
    }


def test_nothing_is_owed_for_money_that_nobody_has_explained():
    """Another amount, or a second receipt: who gets it is decided when it is known what it is."""
    assert balances(told(ASKED, MISPAID, payment=sold())) == {FLOAT: 40_000, SUSPENSE: -40_000}
    assert balances(told(ASKED, PAID, PAID_AGAIN, payment=sold()))["owed:sel_1"] == -49_250


def test_every_order_of_what_is_heard_owes_a_seller_the_same():
    wrong = replace(MISPAID, receipt=PAID.receipt)
    heard = [PAID, PAID, MISPAID, wrong, DECLINED, CONFIRMED]

    ends = {
        tuple(sorted(balances(told(ASKED, *order, payment=sold())).items()))
        for order in permutations(heard)
    }

    assert len(ends) == 1
    assert dict(ends.pop())["owed:sel_1"] == -49_250


@pytest.mark.parametrize("fee", [Money(0), PRICE], ids=str)
def test_a_part_that_is_nothing_is_not_posted(fee):
    made = told(ASKED, PAID, payment=replace(sold(), platform_fee=fee))

    assert len(made) == 2


@pytest.mark.parametrize(
    ("account", "cents"),
    [(FLOAT, 300), (COLLECTED, -300), (SUSPENSE, -300)],
)
def test_a_balance_is_counted_the_way_of_its_account(account, cents):
    assert balance(account, debits=Money(500), credits_=Money(200)) == Money(cents)


def chained(*made: Posting) -> list[Posted]:
    found: list[Posted] = []
    before = FIRST_LINK
    for sequence, each in enumerate(made, start=1):
        before = link(
            each, merchant_id="mer_1", livemode=False, posted_at=NOON, sequence=sequence,
            before=before,
        )
        found.append(Posted(sequence, each, NOON, before))
    return found


def broken(found: list[Posted]) -> list[str]:
    chain = Chain("mer_1", livemode=False)
    return [sentence for each in found for sentence in chain.breaches(each)]


def test_a_chain_that_nobody_touched_is_whole():
    assert broken(chained(*told(ASKED, PAID, PAID_AGAIN, MISPAID))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Money(1)}, {"debit": "float:1:utility"}, {"credit": COLLECTED},
        {"receipt": "X"}, {"shortcode": "1"}, {"payment_id": PaymentId("pay_2")},
        {"move": Move.CLEARING}, {"happened_at": NOON + timedelta(days=1)},
    ],
    ids=str,
)
def test_each_change_of_a_posting_breaks_the_chain_there_and_nowhere_else(change):
    found = chained(*told(ASKED, PAID, PAID_AGAIN, MISPAID))
    second = found[1].posting
    assert second is not None
    found[1] = replace(found[1], posting=replace(second, **change))

    [sentence] = broken(found)

    assert sentence.startswith("Posting 2 of mer_1 (test)")


def test_what_is_missing_in_a_chain_is_named():
    found = chained(*told(ASKED, PAID, PAID_AGAIN, MISPAID))

    assert broken([found[0], found[2]]) == ["The books of mer_1 (test) have lost posting 2."]
    assert broken(found[2:]) == ["The books of mer_1 (test) have lost postings 1 to 2."]
    assert broken([found[0], replace(found[1], posting=None), found[2]]) == [
        "Posting 2 of mer_1 (test) was deleted.",
    ]
