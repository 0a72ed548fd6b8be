"""The rules about one payout, without a database: whatever happens, an honest story is silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hakika.domain import payout_books, payout_invariant, payout_posting_invariant
from hakika.domain import payout_fact as facts
from hakika.domain.fact import Fact, Reason
from hakika.domain.fact import Kind as PaymentKind
from hakika.domain.fact import Source as PaymentSource
from hakika.domain.guard import APPROVAL, NEW_BENEFICIARY
from hakika.domain.ids import MerchantId, PaymentId, PayoutId, SellerId
from hakika.domain.invariant import GRACE, StoredEvent
from hakika.domain.ledger import Move, Posting
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Payment
from hakika.domain.payout import Change, Payee, Payout, Purpose, State, Way, advance, first_events
from hakika.domain.payout_data import told_of
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.payout_invariant import StoredPayoutFact, newborn
from hakika.domain.payout_posting_invariant import StoredPayoutPosting
from hakika.domain.payout_truth import PayoutTruth, in_flight, lost_orders, order_breaches
from hakika.domain.refund_invariant import StoredRefund, refund_breaches
from hakika.domain.shortcode import paybill

NOON = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WAGES = Money.shillings(1_200)
NO_FUNDS = Reason("float_insufficient", "1", "Too little.", "", "", retryable=True)

WANTED = Payout(
    id=PayoutId("pyo_1"), merchant_id=MerchantId("mer_1"), livemode=False, amount=WAGES,
    way=Way.PHONE, payee=Payee(phone=Msisdn("254712345678")), shortcode=paybill("600966"),
    idempotency_key="k", created_at=NOON, updated_at=NOON, salt="5a17",
)
# One of each purpose, and of each way that the books tell apart.
KINDS = {
    "payout": WANTED,
    "approved": replace(WANTED, held_for=(APPROVAL,)),
    "refund": replace(
        WANTED, purpose=Purpose.REFUND, way=Way.REVERSAL, payment_id=PaymentId("pay_1"),
        original_receipt="UKL1234567",
    ),
    "refund of a seller's": replace(
        WANTED, purpose=Purpose.REFUND, payment_id=PaymentId("pay_1"),
        seller_id=SellerId("sel_1"), fee_returned=Money.shillings(20),
    ),
    "settlement": replace(WANTED, purpose=Purpose.SETTLEMENT, seller_id=SellerId("sel_1")),
    "settlement by hand": replace(
        WANTED, purpose=Purpose.SETTLEMENT, seller_id=SellerId("sel_1"), way=Way.OUTSIDE,
        payee=Payee(number="0100", account="KCB"),
    ),
}

RELEASED = PayoutFact(Kind.RELEASED, Source.CALLER, who="key_1")
ASKED = PayoutFact(Kind.ASKED, Source.CLOCK, attempt=1)
ACCEPTED = PayoutFact(Kind.ACCEPTED, Source.DARAJA, attempt=1, conversation_id="AG_1")
UNREACHABLE = PayoutFact(Kind.UNREACHABLE, Source.DARAJA, attempt=1)
SILENT = PayoutFact(Kind.SILENT, Source.DARAJA, attempt=1)
PAID = PayoutFact(
    Kind.PAID, Source.RESULT, receipt="SG632NMUAB", amount=WAGES, happened_at=NOON, raw=b"{}",
)
DECLINED = PayoutFact(Kind.DECLINED, Source.RESULT, reason=NO_FUNDS, raw=b"{}")

HEARD = (
    RELEASED, ASKED, ACCEPTED, UNREACHABLE, SILENT, PAID, DECLINED,
    PayoutFact(Kind.WITHDRAWN, Source.OPERATOR, who="key_2"),
    PayoutFact(Kind.DUPLICATED, Source.DARAJA, attempt=1, reason=NO_FUNDS),
    PayoutFact(Kind.QUEUED_OUT, Source.RESULT, raw=b"{}"),
    PayoutFact(Kind.DOUBTED, Source.RESULT, raw=b"{}"),
    PayoutFact(Kind.INQUIRED, Source.STATUS, note="Nothing."),
    PayoutFact(Kind.LAPSED, Source.CLOCK),
    PayoutFact(Kind.REFUSED, Source.DARAJA, attempt=1, reason=NO_FUNDS),
    PayoutFact(Kind.DENIED, Source.OPERATOR, who="key_2"),
    PayoutFact(Kind.RECORDED, Source.OPERATOR, receipt="FT1", who="key_2"),
    replace(PAID, receipt="SG632NMUAC", amount=Money(100)),
    PayoutFact(Kind.RETURNED, Source.STATEMENT, receipt="SG7", amount=WAGES),
    PayoutFact(Kind.CONTRADICTED, Source.RESULT, note="Another's."),
)


def lived(payout: Payout, *heard: PayoutFact) -> list[Change]:
    """Return what each fact did to a payout, a second after the other."""
    changes: list[Change] = []
    before = newborn(payout)
    for second, fact in enumerate(heard, start=1):
        changes.append(advance(before, fact, now=NOON + timedelta(seconds=second)))
        before = changes[-1].after
    return changes


def stored(changes: Sequence[Change]) -> list[StoredPayoutFact]:
    """Return the rows that the store would hold."""
    return [
        StoredPayoutFact(
            each.fact, each.after.facts_count, each.heard_at, each.after.state,
            facts.details(each.fact), each.after.facts_link,
        )
        for each in changes
    ]


def told(payout: Payout, changes: Sequence[Change]) -> list[StoredEvent]:
    """Return the events that the services would have told, numbered from 1."""
    new = newborn(payout)
    is_told = new.held_for or new.state is State.MANUAL
    names = [(name, new) for name in (first_events(new) if is_told else ())]
    names += [(name, each.after) for each in changes for name in each.events]
    return [
        StoredEvent(f"evt_{number}", "mer_1", False, name.value, number, told_of(then)[1])
        for number, (name, then) in enumerate(names, start=1)
    ]


def posted(
    payout: Payout, changes: Sequence[Change], *, is_stated: bool = False,
) -> list[StoredPayoutPosting]:
    """Return the postings that the services would have made."""
    made = [*payout_books.first_postings(newborn(payout))]
    for each in changes:
        made += payout_books.postings(each, is_stated=is_stated)
    return [row(each) for each in made]


def row(posting: Posting, *, is_stated: bool = False) -> StoredPayoutPosting:
    return StoredPayoutPosting(posting, posting.receipt, "mer_1", False, is_stated)


def complaints(
    payout: Payout, rows: Sequence[StoredPayoutFact], events: Sequence[StoredEvent],
    postings: Sequence[StoredPayoutPosting],
) -> list[str]:
    """Return everything that the rules about stored rows have to say."""
    changes = payout_invariant.replay(payout, rows)
    intact = payout_invariant.is_intact(payout, rows, changes)
    return [
        *([] if intact else ["It does not look intact."]),
        *payout_invariant.chain_breaches(payout, rows),
        *payout_invariant.evidence_breaches(payout, rows),
        *payout_invariant.state_breaches(payout, rows, changes),
        *payout_invariant.event_breaches(payout, events, changes),
        *payout_posting_invariant.derivation_breaches(payout, postings, newborn(payout), changes),
        *payout_posting_invariant.held_breaches(payout, postings),
        *payout_posting_invariant.owner_breaches(payout, postings),
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begun", [(), (RELEASED, ASKED)], ids=["as made", "as ordered"])
def test_every_honest_story_is_silent(kind: str, begun: tuple[PayoutFact, ...]) -> None:
    """All stories of two facts, from birth and after the order: no rule may cry wolf over them."""
    for first in HEARD:
        for second in HEARD:
            changes = lived(KINDS[kind], *begun, first, second)

            assert complaints(
                changes[-1].after, stored(changes), told(KINDS[kind], changes),
                posted(KINDS[kind], changes),
            ) == [], (first.kind, second.kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_statement_told_first_is_not_asked_of_our_own_postings(kind: str) -> None:
    """The float fell with the statement's line; ours says only what it was spent on."""
    changes = lived(KINDS[kind], RELEASED, ASKED, PAID)
    payout = changes[-1].after
    line = row(Posting(
        payout_books.move_of(payout), debit="payouts", credit="float:600966:utility",
        amount=WAGES, shortcode="600966", receipt=PAID.receipt, payment_id=None,
        happened_at=NOON,
    ), is_stated=True)

    postings = [*posted(KINDS[kind], changes, is_stated=True), line]

    assert complaints(payout, stored(changes), told(KINDS[kind], changes), postings) == []


WENT = lived(WANTED, RELEASED, ASKED, PAID)


def test_a_change_to_any_part_of_a_fact_breaks_its_link() -> None:
    payout, rows = WENT[-1].after, stored(WENT)
    forged = (
        replace(PAID, kind=Kind.DOUBTED), replace(PAID, source=Source.STATUS),
        replace(PAID, receipt="SG632NMUAZ"), replace(PAID, amount=Money(1)),
        replace(PAID, note="n"), replace(PAID, who="w"), replace(PAID, raw=b"[]"),
        replace(PAID, happened_at=None), replace(PAID, conversation_id="AG_2"),
        replace(PAID, originator_conversation_id="x"), replace(PAID, is_unprotected=True),
        replace(PAID, attempt=7), replace(PAID, reason=NO_FUNDS),
    )
    for fact in forged:
        spoilt = [*rows[:2], replace(rows[2], fact=fact, details=facts.details(fact))]

        assert not payout_invariant.is_intact(
            payout, spoilt, payout_invariant.replay(payout, spoilt),
        )
        assert [*payout_invariant.chain_breaches(payout, spoilt)] == [
            "Fact 3 of payout pyo_1 does not agree with its hash: it, or its place in the chain, "
            "was changed.",
        ]


@pytest.mark.parametrize("change", [
    {"payee": Payee(phone=Msisdn("254799999999"))}, {"amount": Money(1)}, {"salt": ""},
    {"fee_returned": Money(1)}, {"original_receipt": "UKL7777777"}, {"held_for": (APPROVAL,)},
    {"seller_id": SellerId("sel_9")}, {"created_by": "key_9"}, {"remarks": "x"},
], ids=repr)
def test_a_change_to_what_was_asked_breaks_the_chain(change: dict[str, Any]) -> None:
    """Another payee, behind everybody's back: the thief's favourite."""
    spoilt = replace(WENT[-1].after, **change)

    assert any("Fact 1" in each for each in payout_invariant.chain_breaches(spoilt, stored(WENT)))


def test_postings_that_changes_do_not_make_are_named() -> None:
    payout, rows = WENT[-1].after, posted(WANTED, WENT)
    hold, release, went = rows

    def said(*there: StoredPayoutPosting) -> list[str]:
        return [
            *payout_posting_invariant.derivation_breaches(payout, there, newborn(payout), WENT),
            *payout_posting_invariant.held_breaches(payout, there),
            *payout_posting_invariant.owner_breaches(payout, there),
        ]

    assert said(hold, went) == [
        "The books lack the release of 1200.00 with receipt pyo_1 of payout pyo_1.",
        "Payout pyo_1 is completed, and 1200.00 is held for it still.",
    ]
    assert said(hold, release) == [
        "The books lack the payout of 1200.00 with receipt SG632NMUAB of payout pyo_1.",
    ]
    assert went.posting is not None
    less = replace(went, posting=replace(went.posting, amount=Money(100)))
    assert said(hold, release, less) == [
        "The books have the payout of 1200.00 with receipt SG632NMUAB of payout pyo_1 with "
        "another amount.",
    ]
    strange = replace(went, posting=replace(went.posting, move=Move.TRANSFER_OUT))
    assert said(*rows, strange) == [
        "The books have a transfer_out of 1200.00 with receipt SG632NMUAB, which payout pyo_1 "
        "knows nothing of.",
    ]
    assert said(*rows, replace(went, posting=None)) == [
        "The posting of receipt SG632NMUAB of payout pyo_1 cannot be read.",
    ]
    assert said(replace(hold, livemode=True), release, went) == [
        "The posting of receipt pyo_1 belongs to another merchant or mode than its payout.",
    ]


AGAIN = replace(ASKED, attempt=2)
V1 = replace(ASKED, is_unprotected=True)
V1_AGAIN = replace(AGAIN, is_unprotected=True)


@pytest.mark.parametrize(("way", "heard", "wrong"), [
    (Way.PHONE, (ASKED, SILENT, AGAIN), False),
    (Way.PHONE, (ASKED, SILENT, V1_AGAIN), True),
    (Way.PHONE, (ASKED, UNREACHABLE, V1_AGAIN), False),
    (Way.PHONE, (V1, SILENT, AGAIN), True),
    (Way.PHONE, (V1, SILENT, V1_AGAIN), True),
    (Way.PAYBILL, (V1, SILENT, V1_AGAIN), True),
    (Way.PAYBILL, (V1, UNREACHABLE, V1_AGAIN), False),
    (Way.REVERSAL, (V1, ACCEPTED, V1_AGAIN), True),
    # Only the second try is known not to have got in: the first is open still.
    (Way.PHONE, (ASKED, SILENT, AGAIN, replace(UNREACHABLE, attempt=2),
                 replace(V1, attempt=3)), True),
])
def test_money_is_ordered_again_only_where_that_is_safe(
    way: Way, heard: tuple[PayoutFact, ...], wrong: bool,
) -> None:
    changes = lived(replace(WANTED, way=way), RELEASED, *heard)

    said = [*payout_invariant.order_breaches(changes[-1].after, stored(changes))]

    assert bool(said) is wrong
    assert all("was ordered again" in each for each in said)


PENDING = lived(WANTED, RELEASED, ASKED, ACCEPTED)[-1].after
LATE = NOON - GRACE - timedelta(minutes=1)


@pytest.mark.parametrize(("payout", "sentence"), [
    (replace(PENDING, next_check_at=NOON - GRACE), ""),
    (replace(PENDING, next_check_at=LATE), "is pending, and its check is 16 minutes late"),
    (PENDING, "is pending, and neither a check nor a person will look"),
    (replace(PENDING, disputed=True), ""),
    (replace(PENDING, state=State.SENDING), "is sending, and neither"),
    (replace(PENDING, state=State.UNKNOWN), "is unknown, and neither"),
    (replace(PENDING, state=State.UNKNOWN, lapsed=True), ""),
    (replace(PENDING, state=State.READY), "is ready, and neither"),
    (replace(PENDING, state=State.READY, next_check_at=LATE), ""),
    (replace(PENDING, state=State.HELD), "is held, and does not say for what"),
    (replace(PENDING, state=State.HELD, held_for=(APPROVAL,)), ""),
    (replace(PENDING, state=State.HELD, held_for=(NEW_BENEFICIARY,)), "is held, and neither"),
    (replace(PENDING, state=State.HELD, held_for=(NEW_BENEFICIARY,), next_check_at=LATE),
     "is held, and its check is 16"),
    (replace(PENDING, state=State.HELD, held_for=(APPROVAL, NEW_BENEFICIARY)), ""),
    (replace(PENDING, state=State.MANUAL), ""),
    (replace(PENDING, state=State.FAILED), ""),
])
def test_limbo_is_where_nobody_looks(payout: Payout, sentence: str) -> None:
    said = [*payout_invariant.limbo_breaches(payout, now=NOON)]

    assert [sentence in each for each in said] == [True] * bool(sentence)


def test_an_outcome_without_its_fact_is_named() -> None:
    for last in (PAID, DECLINED):
        changes = lived(WANTED, RELEASED, ASKED, last)
        payout = changes[-1].after

        assert [*payout_invariant.evidence_breaches(payout, stored(changes[:-1]))] == [
            f"Payout pyo_1 is {payout.state}, and no fact of it proves that.",
        ]


def ordered(**odd: Any) -> dict[str, Any]:
    """Return an order in the simulator's words."""
    return {
        "conversation_id": "AG_1", "receipt": PAID.receipt, "amount_cents": WAGES.cents,
        "result_url": "https://pay.example/cb/pyo_1",
    } | odd


def truth(*orders: dict[str, Any]) -> PayoutTruth:
    return PayoutTruth.read({"payouts": orders, "reversals": []}, PayoutId)


@pytest.mark.parametrize(("payout", "orders", "sentence"), [
    (WENT[-1].after, [ordered()], ""),
    (WENT[-1].after, [ordered(), ordered(receipt=None)], ""),
    (WENT[-1].after, [ordered(), ordered(receipt="SG7")], "was paid 2 times: SG632NMUAB, SG7."),
    (WENT[-1].after, [], "and M-Pesa moved nothing for it"),
    (WENT[-1].after, [ordered(receipt="SG7")], "and M-Pesa moved 1200.00 with SG7 for it"),
    (WENT[-1].after, [ordered(amount_cents=5)], "1200.00 went with SG632NMUAB, and M-Pesa moved"),
    (newborn(WANTED), [ordered(receipt=None)], "never ordered, and M-Pesa took an order"),
    (lived(WANTED, RELEASED, ASKED, DECLINED)[-1].after, [ordered()],
     "is failed, M-Pesa moved money (SG632NMUAB), and neither"),
    (lived(WANTED, RELEASED, ASKED, UNREACHABLE)[-1].after, [ordered()], "is ready, M-Pesa moved"),
    (PENDING, [ordered()], "is pending, M-Pesa moved money (SG632NMUAB), and neither"),
    (replace(PENDING, next_check_at=NOON), [ordered()], ""),
])
def test_our_word_is_held_against_what_m_pesa_did(
    payout: Payout, orders: list[dict[str, Any]], sentence: str,
) -> None:
    said = [*order_breaches(payout, truth(*orders))]

    assert [sentence in each for each in said] == [True] * bool(sentence)


def test_money_on_its_way_to_our_knowledge_is_told_of_and_lost_orders_are_named() -> None:
    pending = replace(PENDING, next_check_at=NOON)

    assert [*in_flight(pending, truth(ordered()))] == [
        "Payout pyo_1 is pending, and will learn of SG632NMUAB.",
    ]
    assert [*in_flight(PENDING, truth(ordered()))] == []
    assert [*lost_orders(truth(ordered()), {PayoutId("pyo_1")})] == [
        "M-Pesa moved money with SG632NMUAB for payout pyo_1, which is not here.",
    ]


PAYMENT = Payment(
    id=PaymentId("pay_1"), merchant_id=MerchantId("mer_1"), livemode=False, amount=WAGES,
    amount_received=WAGES, payer=None, shortcode=paybill("600966"), reference="A", description="",
    idempotency_key="", created_at=NOON, updated_at=NOON,
)
HALF = Money(WAGES.cents // 2)


def refund(number: int, state: State = State.COMPLETED, amount: Money = HALF) -> StoredRefund:
    sent = amount if state is State.COMPLETED else None
    receipt = f"SG{number}" if sent else ""
    return StoredRefund(PayoutId(f"pyo_{number}"), state, amount, sent, receipt)


def returned(number: int, amount: Money = HALF) -> Fact:
    return Fact(PaymentKind.RETURNED, PaymentSource.REFUND, receipt=f"SG{number}", amount=amount)


@pytest.mark.parametrize(("refunds", "heard", "sentence"), [
    ([refund(1), refund(2)], [returned(1), returned(2)], ""),
    ([refund(1), refund(2, State.FAILED), refund(3, State.SENDING)], [returned(1)], ""),
    ([refund(1), refund(2, State.READY, WAGES)], [returned(1)],
     "Refunds of payment pay_1 come to 1800.00, and 1200.00 came."),
    ([refund(1, State.SENDING), refund(2, State.HELD)], [],
     "has several refunds under way: pyo_1, pyo_2."),
    ([refund(1)], [], "Refund pyo_1 gave back 600.00, and payment pay_1 says nothing of it."),
    ([refund(1)], [returned(1, WAGES)], "gave back 600.00, and payment pay_1 says 1200.00 of it."),
    ([], [returned(1)], "says that 600.00 went back with SG1, and no refund did that."),
])
def test_refunds_give_back_no_more_than_came(
    refunds: list[StoredRefund], heard: list[Fact], sentence: str,
) -> None:
    said = [*refund_breaches(PAYMENT, refunds, heard)]

    assert [sentence in each for each in said] == [True] * bool(sentence)


def test_what_went_after_all_is_no_breach_once_a_person_was_asked() -> None:
    refunds = [refund(1, amount=WAGES), refund(2)]
    heard = [returned(1, WAGES), returned(2)]

    assert [*refund_breaches(replace(PAYMENT, disputed=True), refunds, heard)] == []
    assert [*refund_breaches(PAYMENT, refunds, heard)] == [
        "Refunds of payment pay_1 come to 1800.00, and 1200.00 came.",
    ]
