"""What money that goes out moves in the books: a settlement's debt, and a refund's two shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations

import pytest

from hakika.domain.ids import SellerId
from hakika.domain.ledger import FEES, PAYOUTS, REVERSED, SELLERS, TRANSFERS, Posting
from hakika.domain.money import Money
from hakika.domain.payout import Payout, Purpose, State, Way, advance
from hakika.domain.payout_books import first_postings, postings
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from tests.domain.test_payout import ASKED, DECLINED, NEW, NOON, PAID

OWED = "owed:sel_1"
FLOAT = f"float:{NEW.shortcode.number}:utility"
HELD = FLOAT.replace("float", "held")
AMOUNT = NEW.amount.cents
RELEASED = PayoutFact(Kind.RELEASED, Source.CLOCK)
WITHDRAWN = PayoutFact(Kind.WITHDRAWN, Source.OPERATOR)
RECORDED = PayoutFact(Kind.RECORDED, Source.OPERATOR, receipt="EFT-1")

SETTLEMENT = replace(
    NEW, purpose=Purpose.SETTLEMENT, seller_id=SellerId("sel_1"), state=State.HELD,
)
BY_HAND = replace(SETTLEMENT, way=Way.OUTSIDE, state=State.MANUAL)
REFUND = replace(
    NEW, purpose=Purpose.REFUND, seller_id=SellerId("sel_1"), fee_returned=Money(75),
    state=State.HELD,
)


def moved(start: Payout, *facts: PayoutFact, is_stated: bool = False) -> dict[str, int]:
    """Return debits less credits of each account that is not even; each move is made once."""
    made, payout = list(first_postings(start)), start
    for fact in facts:
        change = advance(payout, fact, now=NOON)
        made += postings(change, is_stated=is_stated)
        payout = change.after
    assert len({(each.receipt, each.move) for each in made}) == len(made)
    return balances(made)


def balances(made: Iterable[Posting]) -> dict[str, int]:
    cents: Counter[str] = Counter()
    for each in made:
        cents[each.debit] += each.amount.cents
        cents[each.credit] -= each.amount.cents
    return {account: cents[account] for account in sorted(cents) if cents[account]}


@pytest.mark.parametrize(
    ("start", "facts", "ends"),
    [
        (SETTLEMENT, (), {HELD: -AMOUNT, OWED: AMOUNT}),
        (SETTLEMENT, (RELEASED, ASKED), {HELD: -AMOUNT, OWED: AMOUNT}),
        (SETTLEMENT, (RELEASED, ASKED, PAID), {FLOAT: -AMOUNT, OWED: AMOUNT}),
        (SETTLEMENT, (RELEASED, ASKED, DECLINED), {}),
        (SETTLEMENT, (RELEASED, ASKED, DECLINED, PAID), {FLOAT: -AMOUNT, OWED: AMOUNT}),
        (SETTLEMENT, (WITHDRAWN,), {}),
        (BY_HAND, (RECORDED,), {OWED: AMOUNT, TRANSFERS: -AMOUNT}),
        (BY_HAND, (WITHDRAWN,), {}),
    ],
    ids=str,
)
def test_a_settlement_is_spent_on_what_is_owed_from_when_it_is_made(start, facts, ends):
    """Also while it waits for a person: what is promised twice would be paid twice."""
    assert moved(start, *facts) == ends


def test_every_order_of_what_is_heard_of_a_settlement_ends_in_the_same_books():
    for order in permutations([ASKED, DECLINED, PAID, PAID]):
        assert moved(SETTLEMENT, RELEASED, *order) == {FLOAT: -AMOUNT, OWED: AMOUNT}


def test_what_a_statement_told_first_is_still_spent_on_what_is_owed():
    """The statement took it from the float as a payout: else it would stay owed, and go again."""
    told = moved(SETTLEMENT, RELEASED, ASKED, PAID, is_stated=True)

    assert told == {OWED: AMOUNT, PAYOUTS: -AMOUNT}


@pytest.mark.parametrize(
    ("facts", "is_back"),
    [
        ((), False), ((RELEASED,), True), ((RELEASED, ASKED, PAID), True),
        ((RELEASED, ASKED, DECLINED), False), ((RELEASED, ASKED, DECLINED, PAID), True),
    ],
    ids=str,
)
def test_a_refund_takes_back_both_shares_while_it_counts(facts, is_back):
    """T52: held before it is sent, so that it is not settled meanwhile; given back if it fails."""
    found = moved(REFUND, *facts)

    shares = {FEES: 75, OWED: AMOUNT - 75, SELLERS: -AMOUNT} if is_back else {}
    assert {name: found.get(name) for name in (FEES, OWED, SELLERS) if name in found} == shares
    assert found.get(REVERSED, 0) == (AMOUNT if is_back else 0)


def test_a_refund_of_what_was_never_divided_takes_nothing_back():
    """Money in review was owed to nobody."""
    assert SELLERS not in moved(replace(REFUND, fee_returned=None), RELEASED, ASKED, PAID)
