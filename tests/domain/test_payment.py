"""The grid, cell by cell where money hangs on it, and every order in which facts can be heard."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache, reduce
from itertools import product
from operator import attrgetter

import pytest

from hakika.domain.event import EventName
from hakika.domain.fact import Fact, Kind, LateAction, Reason, Source
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import (
    COLUMNS,
    FINAL,
    LIFECYCLE,
    NOT_SENT,
    SETTLED,
    STATUS,
    Change,
    Payment,
    State,
    Status,
    advance,
)
from hakika.domain.shortcode import paybill

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
ORDERED, LESS = Money.shillings(500), Money.shillings(499)
RECEIPT, OTHER_RECEIPT = "UKL7RT61SV", "UKL7RT61SW"

NEW_PAYMENT = Payment(
    id=PaymentId("pay_01kaxb2m8fe2tv5k0c3y7h9q4d"),
    merchant_id=MerchantId("mer_01kaxb2m8fe2tv5k0c3y7h9q4d"),
    livemode=False, amount=ORDERED, payer=Msisdn("254712345678"), shortcode=paybill("174379"),
    reference="ORDER-1", description="", idempotency_key="order-1",
    created_at=NOON, updated_at=NOON,
)


def because(code: str) -> Reason:
    return Reason(code, "1", "For the developer.", "For the payer.", "Kwa mlipaji.")


def from_callback(kind: Kind, **more: object) -> Fact:
    told = Fact(kind, Source.STK_CALLBACK, merchant_request_id="29115", checkout_request_id="ws_1")
    return replace(told, **more)  # type: ignore[arg-type]


ASKED = Fact(Kind.ASKED, Source.CALLER, attempt=1)
ASKED_AGAIN = Fact(Kind.ASKED, Source.CALLER, attempt=2)
ACCEPTED = Fact(
    Kind.ACCEPTED, Source.DARAJA, attempt=1, merchant_request_id="29115",
    checkout_request_id="ws_1",
)
REFUSED = Fact(Kind.REFUSED, Source.DARAJA, attempt=1, reason=because("daraja_refused"))
UNREACHABLE = Fact(Kind.UNREACHABLE, Source.DARAJA, attempt=1)
SILENT = Fact(Kind.SILENT, Source.DARAJA, attempt=1)
SWEPT = Fact(Kind.SILENT, Source.CLOCK, attempt=1)
DOUBTED = from_callback(Kind.DOUBTED, reason=because("outcome_unclear"))
INQUIRED = Fact(Kind.INQUIRED, Source.STK_QUERY, reason=because("being_processed"))
LAPSED = Fact(Kind.LAPSED, Source.CLOCK, reason=NOT_SENT)
DECLINED = from_callback(Kind.DECLINED, reason=because("insufficient_funds"))
CANCELED = from_callback(Kind.CANCELED, reason=because("payer_canceled"))
DECLINED_BY_QUERY = Fact(Kind.DECLINED, Source.STK_QUERY, reason=because("no_answer"))
CANCELED_BY_QUERY = Fact(Kind.CANCELED, Source.STK_QUERY, reason=because("payer_canceled"))
CONFIRMED = Fact(Kind.CONFIRMED, Source.STK_QUERY)
PAID = from_callback(Kind.PAID, receipt=RECEIPT, amount=ORDERED)
PAID_AGAIN = from_callback(Kind.PAID, receipt=OTHER_RECEIPT, amount=ORDERED)
MISPAID = from_callback(Kind.MISPAID, receipt=RECEIPT, amount=LESS)
CONTRADICTED = from_callback(Kind.CONTRADICTED)
ASSIGNED = Fact(Kind.ASSIGNED, Source.CALLER, assigned_to="ORDER-7")
RETURNED = Fact(Kind.RETURNED, Source.REFUND, receipt="UKL8BACK01", amount=ORDERED)

ONE_OF_EACH = (
    ASKED, UNREACHABLE, ACCEPTED, SILENT, DOUBTED, INQUIRED, LAPSED, REFUSED, DECLINED, CANCELED,
    CONFIRMED, MISPAID, PAID, CONTRADICTED, ASSIGNED, RETURNED,
)
NOTHING_PAID = (REFUSED, DECLINED, CANCELED, DECLINED_BY_QUERY, CANCELED_BY_QUERY)


def heard(payment: Payment, fact: Fact) -> Payment:
    return advance(payment, fact, now=NOON).after


def told(*heard_in_order: Fact) -> Payment:
    return reduce(heard, heard_in_order, NEW_PAYMENT)


def changes(*heard_in_order: Fact) -> list[Change]:
    made: list[Change] = []
    for fact in heard_in_order:
        made.append(advance(made[-1].after if made else NEW_PAYMENT, fact, now=NOON))
    return made


def events(*heard_in_order: Fact) -> list[EventName]:
    return [name for change in changes(*heard_in_order) for name in change.events]


PAYMENT_IN = {
    State.UNSENT: told(ASKED, UNREACHABLE),
    State.SENDING: told(ASKED),
    State.PENDING: told(ASKED, ACCEPTED),
    State.UNKNOWN: told(ASKED, SILENT),
    State.FAILED: told(ASKED, ACCEPTED, DECLINED),
    State.CANCELED: told(ASKED, ACCEPTED, CANCELED),
    State.RECEIPT_AWAITED: told(ASKED, ACCEPTED, CONFIRMED),
    State.REVIEW: told(ASKED, ACCEPTED, MISPAID),
    State.COMPLETED: told(ASKED, ACCEPTED, PAID),
    State.REVERSED: told(ASKED, ACCEPTED, PAID, RETURNED),
}
EVERY_PAIR = list(product(State, ONE_OF_EACH))


def test_the_examples_below_stand_where_they_say():
    """Everything after this line argues from these payments."""
    assert {state: payment.state for state, payment in PAYMENT_IN.items()} == {
        state: state for state in State
    }
    assert [fact.kind for fact in ONE_OF_EACH] == list(COLUMNS)


def test_the_grid_has_a_word_for_every_fact_in_every_state():
    """A pair that nobody thought of would be decided by an exception, at night."""
    assert set(LIFECYCLE) == set(State)
    assert set(COLUMNS) == set(Kind)
    assert {len(row) for row in LIFECYCLE.values()} == {len(Kind)}


@pytest.mark.parametrize("state", State)
def test_money_that_arrived_completes_from_every_state(state):
    """A payer who paid must be served, whatever we believed until then."""
    after = heard(PAYMENT_IN[state], PAID)

    assert (after.state, after.receipt, after.amount_received) == (
        state if state is State.REVERSED else State.COMPLETED, RECEIPT, ORDERED,
    )


def test_only_a_payment_that_is_not_out_may_be_asked_for():
    """Whoever moves it to sending pushes; anyone else would push twice."""
    moved = {state for state in State if advance(PAYMENT_IN[state], ASKED_AGAIN, now=NOON).moved}

    assert moved == {State.UNSENT}
    assert heard(PAYMENT_IN[State.UNSENT], ASKED_AGAIN).state is State.SENDING


@pytest.mark.parametrize("fact", [*ONE_OF_EACH, PAID_AGAIN], ids=lambda fact: fact.kind)
def test_nothing_leaves_completed_but_money_that_went_back(fact):
    """A receipt in hand is the strongest thing there is; a merchant has shipped on it."""
    before = PAYMENT_IN[State.COMPLETED]

    after = heard(before, fact)

    assert (after.state, after.receipt, after.amount_received) == (
        State.REVERSED if fact is RETURNED else State.COMPLETED, RECEIPT, ORDERED,
    )
    assert after.completed_at == before.completed_at


def test_only_stronger_evidence_moves_an_outcome():
    """Each final state may be left only for one that is proved better. (I4)"""
    left = {
        (state, heard(PAYMENT_IN[state], fact).state)
        for state, fact in product(FINAL, ONE_OF_EACH)
    }

    assert {(before, after) for before, after in left if before is not after} == {
        (State.FAILED, State.CANCELED), (State.FAILED, State.RECEIPT_AWAITED),
        (State.FAILED, State.REVIEW), (State.FAILED, State.COMPLETED),
        (State.CANCELED, State.RECEIPT_AWAITED), (State.CANCELED, State.REVIEW),
        (State.CANCELED, State.COMPLETED),
        (State.RECEIPT_AWAITED, State.REVIEW), (State.RECEIPT_AWAITED, State.COMPLETED),
        (State.COMPLETED, State.REVERSED),
    }


@pytest.mark.parametrize("state", State)
def test_a_contradiction_moves_nothing_and_asks_for_a_person(state):
    """What cannot be true is not for a program to settle."""
    after = heard(PAYMENT_IN[state], CONTRADICTED)

    assert (after.state, after.needs_review) == (state, True)


@pytest.mark.parametrize("state", [each for each in State if each not in SETTLED])
def test_another_amount_is_for_a_person_to_decide(state):
    """Neither completed on too little, nor failed with the payer's money in the till."""
    after = heard(PAYMENT_IN[state], MISPAID)

    assert (after.state, after.status, after.needs_review) == (State.REVIEW, Status.UNKNOWN, True)
    if state is not State.REVIEW:
        assert (after.receipt, after.amount_received) == (RECEIPT, LESS)


def test_another_amount_after_the_right_one_changes_nothing_but_is_shown():
    """One of the two callbacks is forged or M-Pesa erred; the receipt stands."""
    after = heard(PAYMENT_IN[State.COMPLETED], MISPAID)

    assert (after.state, after.amount_received, after.needs_review) == (
        State.COMPLETED, ORDERED, True,
    )


def test_two_receipts_for_one_push_are_shown_to_a_person():
    """The payer may have paid twice; the first receipt stays."""
    after = heard(PAYMENT_IN[State.COMPLETED], PAID_AGAIN)

    assert (after.receipt, after.needs_review) == (RECEIPT, True)


@pytest.mark.parametrize("state", [State.UNSENT, State.PENDING])
def test_daraja_cannot_refuse_what_it_took_or_never_saw(state):
    """Such an answer is about something else; believing it would fail a prompt that is ringing."""
    after = heard(PAYMENT_IN[state], REFUSED)

    assert (after.state, after.needs_review) == (state, True)


def test_proof_that_nothing_was_sent_undoes_a_presumed_silence():
    """A slow process may be swept before it learns that it never reached Daraja."""
    assert told(ASKED, SWEPT, UNREACHABLE).state is State.UNSENT


def test_a_payment_paid_by_query_gets_its_receipt_from_the_callback():
    """A query cannot say the receipt, and its merchant has been told already."""
    paid = changes(ASKED, ACCEPTED, CONFIRMED, PAID)

    assert [change.after.status for change in paid[2:]] == [Status.COMPLETED, Status.COMPLETED]
    assert [change.after.receipt for change in paid[2:]] == ["", RECEIPT]
    assert [change.after.confirmed_by for change in paid[2:]] == [
        Source.STK_QUERY, Source.STK_CALLBACK,
    ]
    assert paid[3].events == ()


def test_a_payment_that_was_never_sent_fails_with_a_reason_that_says_so():
    """A merchant must be able to tell the payer that no prompt came."""
    assert told(ASKED, UNREACHABLE, LAPSED).failure == NOT_SENT


@pytest.mark.parametrize(
    ("before", "is_late"),
    [
        ((), False), ((SILENT,), False), ((CONFIRMED,), False),
        ((DECLINED,), True), ((CANCELED,), True), ((DECLINED_BY_QUERY, CONFIRMED), True),
        ((DECLINED, MISPAID), True), ((MISPAID,), False),
    ],
)
def test_money_after_a_failure_is_marked_late(before, is_late):
    """The merchant had told the payer that it failed, and may have sold the goods again."""
    assert told(ASKED, ACCEPTED, *before, PAID).late is is_late


@pytest.mark.parametrize(
    ("before", "action"),
    [
        ((), None), ((MISPAID,), None),
        ((DECLINED,), LateAction.HOLD), ((DECLINED, MISPAID), LateAction.HOLD),
        ((CANCELED, replace(CONFIRMED, late_action=LateAction.REFUND)), LateAction.REFUND),
        ((CANCELED, CONFIRMED), LateAction.FULFIL),
    ],
)
def test_the_policy_of_the_moment_stays_with_late_money(before, action):
    """The receipt that a query could not tell comes later, and so may another policy."""
    late = told(ASKED, ACCEPTED, *before, replace(PAID, late_action=LateAction.HOLD))

    assert (late.state, late.late_action) == (State.COMPLETED, action)


def strongest(first: Fact, second: Fact) -> State:
    """The rule in other words: the stronger verdict; at equal strength, the cancel."""
    chosen = max((first, second), key=lambda each: (each.strength, each.kind is Kind.CANCELED))
    return State.CANCELED if chosen.kind is Kind.CANCELED else State.FAILED


def test_of_two_verdicts_of_no_money_the_stronger_stands():
    """A query that says 1037 while the callback says canceled must not decide by arriving last."""
    pairs = list(product(NOTHING_PAID, NOTHING_PAID))

    assert [told(ASKED, *pair).state for pair in pairs] == [strongest(*pair) for pair in pairs]


def test_the_reason_goes_with_the_verdict_that_stands():
    """The payer is told why it failed, not why it might have failed."""
    assert told(ASKED, ACCEPTED, DECLINED_BY_QUERY, CANCELED).failure == CANCELED.reason
    assert told(ASKED, ACCEPTED, CANCELED, DECLINED_BY_QUERY).failure == CANCELED.reason


# Daraja answers one push in one way, or a crash keeps the answer from us. After "never sent" no
# prompt lives: a deadline of it, or a doubt about it, is not heard.
AFTER_SENDING = (
    SWEPT, DOUBTED, LAPSED, DECLINED, DECLINED_BY_QUERY, CANCELED, CANCELED_BY_QUERY, CONFIRMED,
    MISPAID, PAID, PAID_AGAIN, RETURNED,
)
WORLDS = [
    (ACCEPTED, *AFTER_SENDING),
    (REFUSED, *AFTER_SENDING),
    (SILENT, *AFTER_SENDING),
    (UNREACHABLE, *(each for each in AFTER_SENDING if each not in {DOUBTED, LAPSED})),
]

# All of a payment that can bear on its next step; the rest only counts, chains and notes the time.
_COUNTED = {"metadata", "facts_count", "facts_link", "updated_at", "checks"}
_decides = attrgetter(*(each.name for each in fields(Payment) if each.name not in _COUNTED))


class Lattice:
    """Every payment that `facts` can make of one that is sending, in every order and repetition.

    Orders that lead to equal payments are followed as one from there on: so the 12! orders of a
    world, and all repetitions in them, come down to some thousand steps.
    """

    def __init__(self, *heard_in_any_order: Fact) -> None:
        self.facts = heard_in_any_order
        self.payments: list[Payment] = []
        self._numbers: dict[object, int] = {}
        self._steps: list[list[int | None]] = []
        self._reached = self._explored(PAYMENT_IN[State.SENDING])

    def ends(self) -> list[tuple[list[Fact], set[tuple[State, bool]]]]:
        """Each set of facts, with every state and need of review that hearing it can end in."""
        return [
            (
                [fact for place, fact in enumerate(self.facts) if chosen >> place & 1],
                {(self.payments[n].state, self.payments[n].needs_review) for n in numbers},
            )
            for chosen, numbers in enumerate(self._reached)
        ]

    def _explored(self, start: Payment) -> list[set[int]]:
        every = range(len(self.facts))
        reached: list[set[int]] = [set() for _ in range(1 << len(self.facts))]
        reached[0].add(self._number(start))
        for chosen, numbers in enumerate(reached):
            waiting = list(numbers)
            while waiting:
                number = waiting.pop()
                for place in every:
                    after = self._after(number, place)
                    if not chosen >> place & 1:
                        reached[chosen | 1 << place].add(after)
                    elif after not in numbers:  # heard again, and it made a difference
                        numbers.add(after)
                        waiting.append(after)
        return reached

    def _after(self, number: int, place: int) -> int:
        known = self._steps[number][place]
        if known is None:
            known = self._number(heard(self.payments[number], self.facts[place]))
            self._steps[number][place] = known
        return known

    def _number(self, payment: Payment) -> int:
        decides = _decides(payment)
        if decides not in self._numbers:
            self._numbers[decides] = len(self.payments)
            self.payments.append(payment)
            self._steps.append([None] * len(self.facts))
        return self._numbers[decides]


@cache
def ends_of(world: tuple[Fact, ...]) -> list[tuple[list[Fact], set[tuple[State, bool]]]]:
    return Lattice(*world).ends()


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world[0].kind)
def test_no_order_and_no_repetition_of_facts_changes_the_end(world):
    """Callbacks come twice, late, first or never; the books must not depend on the weather."""
    ends = ends_of(world)

    assert len(ends) == 2 ** len(world)
    assert [(heard_of, end) for heard_of, end in ends if len(end) > 1] == []


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world[0].kind)
def test_money_that_arrived_is_never_lost(world):
    """Whatever order facts come in, a payer who paid must end as completed."""
    paid = [(heard_of, end) for heard_of, end in ends_of(world) if PAID in heard_of]

    assert [heard_of for heard_of, end in paid if {state for state, _ in end} != {
        State.REVERSED if RETURNED in heard_of else State.COMPLETED
    }] == []


OUTCOME_TOLD = {
    Status.COMPLETED: EventName.PAYMENT_COMPLETED, Status.FAILED: EventName.PAYMENT_FAILED,
    Status.CANCELED: EventName.PAYMENT_CANCELED, Status.UNKNOWN: EventName.PAYMENT_UNKNOWN,
    Status.REVERSED: EventName.PAYMENT_REVERSED,
}


def due(before: Payment, after: Payment) -> tuple[EventName, ...]:
    """What a merchant must be told, in other words: a new outcome, and that a person looks."""
    is_new = after.status is not before.status and after.state is not State.REVIEW
    outcome = [OUTCOME_TOLD[after.status]] if is_new and after.status in OUTCOME_TOLD else []
    begins = after.needs_review and not before.needs_review
    return (*outcome, *([EventName.PAYMENT_NEEDS_REVIEW] if begins else []))


def test_a_merchant_is_told_once_of_each_change_of_status():
    """Two events for one change ship goods twice; none leaves the payer waiting. All pairs."""
    heard_of = [advance(PAYMENT_IN[state], fact, now=NOON) for state, fact in EVERY_PAIR]

    assert [each for each in heard_of if each.events != due(each.before, each.after)] == []


def test_a_fact_heard_twice_tells_nothing_the_second_time():
    """Safaricom repeats callbacks, and so do impatient workers. All pairs."""
    once = [(heard(PAYMENT_IN[state], fact), fact) for state, fact in EVERY_PAIR]
    twice = [advance(payment, fact, now=NOON) for payment, fact in once]

    assert [each for each in twice if each.moved or each.events] == []


def test_a_person_is_asked_once_however_often_facts_contradict():
    """An alarm that rings for each repeated callback is soon switched off."""
    assert events(ASKED, ACCEPTED, PAID, PAID_AGAIN, PAID_AGAIN, CONTRADICTED, MISPAID) == [
        EventName.PAYMENT_COMPLETED, EventName.PAYMENT_NEEDS_REVIEW,
    ]


def test_silence_that_outlasts_every_deadline_is_put_before_a_person():
    """Two days without a word: only the short code's statement can tell."""
    assert events(ASKED, SILENT, LAPSED, LAPSED) == [
        EventName.PAYMENT_UNKNOWN, EventName.PAYMENT_NEEDS_REVIEW,
    ]
    assert not told(ASKED, SILENT, LAPSED, PAID).needs_review


def test_every_state_has_its_status_and_every_status_a_state():
    """A state without a public word could not be shown to its merchant."""
    assert set(STATUS) == set(State)
    assert set(STATUS.values()) == set(Status)


@pytest.mark.parametrize("stale", [ASKED, UNREACHABLE, SILENT, SWEPT], ids=lambda each: each.kind)
def test_nothing_said_of_an_earlier_push_disturbs_the_running_one(stale):
    """The first try's late answer must not free the payment for a third push while one rings."""
    asked_again = told(ASKED, UNREACHABLE, ASKED_AGAIN)
    after = heard(asked_again, stale)

    assert (asked_again.state, asked_again.attempts) == (State.SENDING, 2)
    assert (after.state, after.attempts) == (State.SENDING, 2)


def test_the_same_claim_to_the_next_push_wins_once():
    """Two requests with one key race to push again; both hold the same attempt number."""
    first = told(ASKED, UNREACHABLE, ASKED_AGAIN)
    second = advance(heard(first, replace(UNREACHABLE, attempt=2)), ASKED_AGAIN, now=NOON)

    assert not second.moved


def test_a_new_push_has_its_own_deadline():
    """A lapse of the push before must not leave the new one with neither check nor person."""
    asked_again = told(ASKED, SILENT, LAPSED, UNREACHABLE, ASKED_AGAIN)

    assert (asked_again.state, asked_again.lapsed) == (State.SENDING, False)


def test_ids_once_learnt_stay():
    """A callback may come before the push is answered, and the answer must not be needed."""
    early = told(ASKED, PAID)
    forged = replace(DECLINED, checkout_request_id="ws_2", merchant_request_id="other")

    assert (early.checkout_request_id, early.merchant_request_id) == ("ws_1", "29115")
    assert heard(early, forged).checkout_request_id == "ws_1"


def test_each_fact_is_chained_to_the_one_before():
    """So that a deletion shows in every link after it."""
    first, second, third = changes(ASKED, ACCEPTED, PAID)
    without_second = advance(first.after, PAID, now=NOON).after

    assert [each.after.facts_count for each in (first, second, third)] == [1, 2, 3]
    assert third.after.facts_link != without_second.facts_link


def test_a_fact_that_moves_nothing_is_chained_all_the_same():
    """What was heard and ignored is evidence too."""
    before = PAYMENT_IN[State.COMPLETED]
    after = advance(before, DECLINED, now=LATER).after

    assert after.facts_count == before.facts_count + 1
    assert after.facts_link != before.facts_link
    assert after.updated_at == LATER
