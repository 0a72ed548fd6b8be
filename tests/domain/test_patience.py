"""When to look at a payment again: nobody is forgotten, and Daraja is not asked too often."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hakika.domain.fact import Fact, Kind, Source
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.patience import (
    CHECK_SECONDS,
    LAPSE_SECONDS,
    OVERDUE_SECONDS,
    PROMPT_LIFE_SECONDS,
    SENDING_SECONDS_MAX,
    UNSENT_SECONDS_MAX,
    Patience,
    Waiting,
    urgency,
)
from hakika.domain.payment import Payment, State, advance
from hakika.domain.shortcode import paybill

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
REAL, FAST = Patience(), Patience(pace=10)

NEW_PAYMENT = Payment(
    id=PaymentId("pay_1"), merchant_id=MerchantId("mer_1"), livemode=False,
    amount=Money.shillings(500), payer=Msisdn("254712345678"), shortcode=paybill("174379"),
    reference="ORDER-1", description="", idempotency_key="order-1", created_at=NOON,
    updated_at=NOON,
)
SENDING = replace(NEW_PAYMENT, state=State.SENDING, attempts=1, asked_at=NOON)
PENDING = replace(SENDING, state=State.PENDING, checkout_request_id="ws_1")
UNKNOWN = replace(PENDING, state=State.UNKNOWN)
UNKNOWN_WITHOUT_ID = replace(UNKNOWN, checkout_request_id="")

ABOUT_A_PUSH = (Kind.ASKED, Kind.UNREACHABLE, Kind.SILENT)
EVERY_FACT = [
    *(Fact(kind, Source.CLOCK, attempt=attempt) for kind in ABOUT_A_PUSH for attempt in (1, 2)),
    *(
        Fact(kind, Source.CLOCK, amount=NEW_PAYMENT.amount)
        for kind in Kind if kind not in ABOUT_A_PUSH
    ),
]
BIRTH = Fact(Kind.ASKED, Source.CALLER, attempt=1)


def seconds_until(checked: datetime | None) -> float:
    assert checked is not None
    return (checked - NOON).total_seconds()


def all_that_facts_can_make() -> set[tuple[State, bool, bool, bool]]:
    """State, a check is due, a person looks, outcome known: of every payment one can get to."""
    made, born = {}, advance(NEW_PAYMENT, BIRTH, now=NOON).after
    waiting = [born]
    while waiting:
        payment = waiting.pop()
        what = (payment.state, payment.lapsed, payment.disputed, min(payment.attempts, 2))
        if what in made:
            continue
        made[what] = payment
        waiting += [advance(payment, fact, now=NOON).after for fact in EVERY_FACT]
    return {
        (each.state, REAL.next_check_at(each) is not None, each.needs_review, each.is_final)
        for each in made.values()
    }


def test_no_payment_is_ever_forgotten():
    """Whatever was heard, an open payment has a next check or is with a person. (I5)"""
    made = all_that_facts_can_make()

    assert {state for state, *_ in made} == set(State)
    assert [each for each in made if not any(each[1:])] == []


def test_a_settled_payment_is_left_alone():
    """Each check costs some of the few queries that a short code has."""
    assert {
        state: REAL.next_check_at(replace(PENDING, state=state))
        for state in (State.FAILED, State.CANCELED, State.RECEIPT_AWAITED, State.COMPLETED)
    } == dict.fromkeys(
        (State.FAILED, State.CANCELED, State.RECEIPT_AWAITED, State.COMPLETED),
    )


@pytest.mark.parametrize("payment", [PENDING, UNKNOWN])
def test_checks_come_quickly_at_first_and_then_rarely(payment):
    """A payer waits at the counter for the first ones; the last are for the books."""
    at = [
        seconds_until(REAL.next_check_at(replace(payment, checks=done)))
        for done in range(len(CHECK_SECONDS) + 3)
    ]
    waits = [later - earlier for earlier, later in pairwise(at)]

    assert at == sorted(at)
    assert at[0] < 30 and at[-1] == LAPSE_SECONDS
    assert waits[0] <= min(each for each in waits if each)


@pytest.mark.parametrize(
    ("payment", "seconds"),
    [
        (SENDING, SENDING_SECONDS_MAX),
        (replace(NEW_PAYMENT, attempts=1), UNSENT_SECONDS_MAX),
        (UNKNOWN_WITHOUT_ID, LAPSE_SECONDS),  # Daraja cannot be asked by an id that we never got
    ],
)
def test_what_cannot_be_asked_about_is_left_to_the_clock(payment, seconds):
    """A crash while sending, a caller who never came back, and a push whose answer was lost."""
    assert seconds_until(REAL.next_check_at(payment)) == seconds


def test_pace_shrinks_every_wait_alike():
    """Tests live a day in seconds beside a simulator that runs as much faster."""
    for payment in (SENDING, PENDING, UNKNOWN, UNKNOWN_WITHOUT_ID, NEW_PAYMENT):
        real, fast = REAL.next_check_at(payment), FAST.next_check_at(payment)

        assert seconds_until(real) == pytest.approx(10 * seconds_until(fast))


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        (REAL.prompt_is_dead, PROMPT_LIFE_SECONDS), (REAL.is_overdue, OVERDUE_SECONDS),
        (REAL.has_lapsed, LAPSE_SECONDS),
    ],
)
def test_each_deadline_counts_from_the_last_push(says, seconds):
    """A payment may have been born long before the push that counts."""
    asked_late = replace(PENDING, created_at=NOON - timedelta(days=3))
    deadline = NOON + timedelta(seconds=seconds)

    assert not says(asked_late, now=deadline - timedelta(milliseconds=1))
    assert says(asked_late, now=deadline)


def test_a_payment_never_sent_ends_when_its_caller_does_not_come_back():
    """Its key must not stay open for ever."""
    unsent = replace(NEW_PAYMENT, attempts=1, asked_at=NOON - timedelta(hours=1))
    deadline = NOON + timedelta(seconds=UNSENT_SECONDS_MAX)

    assert not REAL.has_lapsed(unsent, now=deadline - timedelta(milliseconds=1))
    assert REAL.has_lapsed(unsent, now=deadline)


WAITING = Waiting(PENDING.id, PENDING.amount, pushed_at=NOON, is_unknown=False)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (replace(WAITING, pushed_at=NOON - timedelta(minutes=5)), WAITING),
        (replace(WAITING, amount=Money.shillings(5000)), WAITING),
        (replace(WAITING, is_unknown=True), WAITING),
    ],
    ids=["older", "larger", "told to be unknown"],
)
def test_the_payment_with_most_to_lose_is_asked_about_first(more, less):
    """Five queries a minute must go where somebody waits, or where the money is."""
    now = NOON + timedelta(minutes=1)

    assert urgency(more, now=now) > urgency(less, now=now)


def test_a_payment_from_the_future_is_not_unurgent():
    """Clocks of two machines differ; a negative age must not put money last."""
    assert urgency(WAITING, now=NOON - timedelta(minutes=1)) > 0
