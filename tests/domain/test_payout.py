"""The grid of money that goes out, and every order in which its facts can be heard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, reduce

import pytest

from hakika.domain.event import EventName
from hakika.domain.fact import Reason
from hakika.domain.ids import MerchantId, PayoutId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payout import (
    COLUMNS,
    FINAL,
    LIFECYCLE,
    NEVER_SENT,
    RESERVING,
    STATUS,
    Payee,
    Payout,
    State,
    Status,
    Way,
    advance,
    born,
)
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.shortcode import paybill

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDERED, LESS = Money.shillings(500), Money.shillings(499)
RECEIPT, OTHER_RECEIPT = "SG632NMUAB", "SG632NMUAC"

NEW = Payout(
    id=PayoutId("pyo_01kaxb2m8fe2tv5k0c3y7h9q4d"),
    merchant_id=MerchantId("mer_01kaxb2m8fe2tv5k0c3y7h9q4d"), livemode=False, amount=ORDERED,
    way=Way.PHONE, payee=Payee(phone=Msisdn("254712345678")), shortcode=paybill("600966"),
    idempotency_key="wages-1", created_at=NOON, updated_at=NOON,
)
BUSY = Reason("busy", "26", "System busy.", "Wait.", "Subiri.")


def said(kind: Kind, source: Source = Source.RESULT, **more: object) -> PayoutFact:
    return replace(PayoutFact(kind, source), **more)  # type: ignore[arg-type]


ASKED = said(Kind.ASKED, Source.CALLER, attempt=1)
UNREACHABLE = said(Kind.UNREACHABLE, Source.DARAJA, attempt=1)
ACCEPTED = said(Kind.ACCEPTED, Source.DARAJA, attempt=1, conversation_id="AG_1")
SILENT = said(Kind.SILENT, Source.DARAJA, attempt=1)
REFUSED = said(Kind.REFUSED, Source.DARAJA, attempt=1, reason=BUSY)
DUPLICATED = said(Kind.DUPLICATED, Source.DARAJA, attempt=1)
ASKED_AGAIN = replace(ASKED, attempt=2)
QUEUED_OUT = said(Kind.QUEUED_OUT, conversation_id="AG_1")
DOUBTED = said(Kind.DOUBTED, reason=BUSY, conversation_id="AG_1")
INQUIRED = said(Kind.INQUIRED, Source.STATUS)
LAPSED = said(Kind.LAPSED, Source.CLOCK)
DECLINED = said(Kind.DECLINED, reason=BUSY, conversation_id="AG_1")
PAID = said(Kind.PAID, receipt=RECEIPT, amount=ORDERED, conversation_id="AG_1")
PAID_AGAIN = replace(PAID, receipt=OTHER_RECEIPT)
MISPAID = replace(PAID, amount=LESS)
RETURNED = said(Kind.RETURNED, Source.STATEMENT, receipt="SG632NMUAD", amount=ORDERED)
DENIED = said(Kind.DENIED, Source.OPERATOR, who="Wanjiku")
RECORDED = said(Kind.RECORDED, Source.OPERATOR, receipt="EQUITY 77", who="Wanjiku")
RELEASED = said(Kind.RELEASED, Source.OPERATOR, who="Otieno")
WITHDRAWN = said(Kind.WITHDRAWN, Source.OPERATOR, who="Otieno")
CONTRADICTED = said(Kind.CONTRADICTED)

EVERY_FACT = (
    ASKED, UNREACHABLE, ACCEPTED, SILENT, REFUSED, DUPLICATED, QUEUED_OUT, DOUBTED, INQUIRED,
    LAPSED, DECLINED, PAID, RETURNED, DENIED, RECORDED, RELEASED, WITHDRAWN, CONTRADICTED,
)


def told(*facts: PayoutFact, start: Payout = NEW) -> Payout:
    """Return a payout after these facts, a second apart."""
    return reduce(
        lambda payout, fact: advance(
            payout, fact, now=payout.updated_at + timedelta(seconds=1),
        ).after, facts, start,
    )


PAYOUT_IN = {
    State.HELD: replace(NEW, state=State.HELD), State.MANUAL: replace(NEW, state=State.MANUAL),
    State.READY: NEW, State.SENDING: told(ASKED), State.PENDING: told(ASKED, ACCEPTED),
    State.UNKNOWN: told(ASKED, SILENT), State.FAILED: told(ASKED, ACCEPTED, DECLINED),
    State.CANCELED: told(WITHDRAWN), State.COMPLETED: told(ASKED, ACCEPTED, PAID),
    State.REVERSED: told(ASKED, ACCEPTED, PAID, RETURNED),
}


def test_the_examples_stand_where_they_say():
    assert [each.state for each in PAYOUT_IN.values()] == list(PAYOUT_IN) == list(State)


def test_the_grid_has_a_word_for_every_fact_in_every_state():
    """What nobody thought of must not be what happens to money."""
    assert set(LIFECYCLE) == set(State) == set(STATUS)
    assert set(COLUMNS) == set(Kind) == {each.kind for each in EVERY_FACT}
    assert {len(row) for row in LIFECYCLE.values()} == {len(COLUMNS)}


@pytest.mark.parametrize(
    "fact", [SILENT, DUPLICATED, QUEUED_OUT, DOUBTED, INQUIRED, LAPSED], ids=lambda fact: fact.kind,
)
@pytest.mark.parametrize("state", [State.SENDING, State.PENDING, State.UNKNOWN])
def test_what_nobody_knows_is_never_failed_and_never_sent_again_by_itself(fact, state):
    """T6, T45: busy, a queue's notice and silence were each taken for failed, and paid twice."""
    after = told(fact, start=PAYOUT_IN[state])

    assert after.state in {State.SENDING, State.PENDING, State.UNKNOWN}
    assert after.state in RESERVING


def test_only_a_ready_payout_may_be_sent():
    """The worker that moves ready to sending sends, and no other."""
    may = [
        state for state, each in PAYOUT_IN.items()
        if advance(each, replace(ASKED, attempt=each.attempts + 1), now=NOON).moved
    ]

    assert may == [State.READY]


def test_what_may_have_been_sent_cannot_be_taken_back():
    canceled = [state for state, each in PAYOUT_IN.items()
                if told(WITHDRAWN, start=each).state is State.CANCELED]

    assert canceled == [State.HELD, State.MANUAL, State.READY, State.CANCELED]
    assert set(canceled) == NEVER_SENT


@pytest.mark.parametrize("state", State)
def test_money_that_went_is_completed_whatever_we_thought(state):
    """And where by all we knew it had not gone, a person is asked at once."""
    after = told(PAID, start=PAYOUT_IN[state])

    assert after.state in {State.COMPLETED, State.REVERSED}
    assert after.receipt == RECEIPT
    assert after.disputed is (state in {*NEVER_SENT, State.FAILED})


def test_proof_that_nothing_was_sent_lets_it_be_sent_again():
    """No connection: M-Pesa never heard of it. A sweep may have presumed silence meanwhile."""
    assert told(ASKED, UNREACHABLE).state is State.READY
    assert told(ASKED, SILENT, UNREACHABLE).state is State.READY
    assert told(ASKED, UNREACHABLE, ASKED_AGAIN).attempts == 2


def test_a_second_order_of_the_same_id_proves_nothing_about_the_first():
    """T3: the first may have got in, so the second's refusal or absence frees nothing."""
    again = told(ASKED, SILENT, ASKED_AGAIN)
    assert (again.state, again.attempts, again.doubtful) == (State.UNKNOWN, 2, 1)

    for stale in (UNREACHABLE, REFUSED, DUPLICATED):
        assert told(replace(stale, attempt=2), start=again).state is State.UNKNOWN
    assert told(replace(ACCEPTED, attempt=2), PAID, start=again).state is State.COMPLETED


def test_an_order_that_daraja_spoke_of_was_sent():
    """A result came, so an answer that never came proves nothing."""
    assert told(ASKED, QUEUED_OUT, UNREACHABLE).state is State.UNKNOWN
    assert told(ASKED, QUEUED_OUT, UNREACHABLE).disputed


def test_two_receipts_for_one_order_are_shown_to_a_person():
    after = told(ASKED, ACCEPTED, PAID, PAID_AGAIN)

    assert (after.state, after.receipt, after.disputed) == (State.COMPLETED, RECEIPT, True)


def test_another_amount_is_what_went_and_is_shown_to_a_person():
    after = told(ASKED, ACCEPTED, MISPAID)

    assert (after.state, after.amount_sent, after.disputed) == (State.COMPLETED, LESS, True)


def test_a_person_settles_only_what_nobody_else_knows():
    """And a person's word never outweighs M-Pesa's."""
    assert told(DENIED, start=PAYOUT_IN[State.UNKNOWN]).state is State.FAILED
    assert told(DENIED, start=PAYOUT_IN[State.PENDING]).state is State.PENDING
    assert told(RECORDED, start=PAYOUT_IN[State.MANUAL]).receipt == "EQUITY 77"


def test_what_a_person_records_of_an_order_of_daraja_s_does_not_take_its_receipts_place():
    """The grid lets it be, so the books must, too: money that went has its own receipt."""
    after = told(ASKED, RECORDED, PAID)

    assert (after.state, after.receipt, after.amount_sent) == (State.COMPLETED, RECEIPT, ORDERED)
    assert told(ASKED, RECORDED).receipt == ""
    paid = told(DENIED, PAID, start=PAYOUT_IN[State.UNKNOWN])
    assert (paid.state, paid.disputed, paid.failure) == (State.COMPLETED, True, None)


# Verdicts and doubts of one order that was taken, all of which may come in any order.
HEARABLE = (ACCEPTED, SILENT, QUEUED_OUT, DOUBTED, INQUIRED, DECLINED, PAID, RETURNED)


@cache
def ends_of(heard: frozenset[PayoutFact]) -> frozenset[tuple[State, bool, str]]:
    """Return how a sent payout can end after these facts in every order, each also twice."""
    if not heard:
        return frozenset({_end(told(ASKED))})
    return frozenset(_end(each) for each in _all_orders(heard))


@cache
def _all_orders(heard: frozenset[PayoutFact]) -> tuple[Payout, ...]:
    if not heard:
        return (told(ASKED),)
    found = {}
    for last in heard:
        for before in _all_orders(heard - {last}):
            once = told(last, start=before)
            for each in (once, told(last, start=once)):
                found[_all_of(each)] = each
    return tuple(found.values())


def _end(payout: Payout) -> tuple[State, bool, str]:
    return payout.state, payout.disputed, payout.receipt


def _all_of(payout: Payout) -> tuple[object, ...]:
    return (*_end(payout), payout.strength, payout.conversation_id, payout.attempts)


def test_no_order_and_no_repetition_of_facts_changes_the_end():
    """Results are late, doubled and unordered. 40,320 orders of eight facts, and every part."""
    for size in range(1, 2 ** len(HEARABLE)):
        heard = frozenset(each for at, each in enumerate(HEARABLE) if size >> at & 1)
        verdicts = {end for end in ends_of(heard)}
        if heard & {DECLINED, PAID, RETURNED}:
            assert len(verdicts) == 1, (sorted(each.kind for each in heard), verdicts)


def test_a_merchant_is_told_once_of_each_change_of_status():
    names = {
        Status.NEEDS_APPROVAL: EventName.PAYOUT_NEEDS_APPROVAL,
        Status.PENDING_MANUAL: EventName.PAYOUT_PENDING_MANUAL,
        Status.COMPLETED: EventName.PAYOUT_COMPLETED, Status.FAILED: EventName.PAYOUT_FAILED,
        Status.REVERSED: EventName.PAYOUT_REVERSED,
    }
    for start in PAYOUT_IN.values():
        for fact in EVERY_FACT:
            change = advance(start, fact, now=NOON)
            after = change.after
            is_new = after.status is not start.status and after.status in names
            review = after.needs_review and not start.needs_review
            assert change.events == (
                *([names[after.status]] if is_new else []),
                *([EventName.PAYOUT_NEEDS_REVIEW] if review else []),
            )
            again = advance(after, fact, now=NOON)
            assert not again.events, (start.state, fact.kind)


def test_nothing_is_set_aside_for_what_has_ended():
    """I6: what is reserved and what went is all that may be promised."""
    assert RESERVING.isdisjoint(FINAL)
    assert set(State) - RESERVING - FINAL == {State.HELD, State.MANUAL}


@pytest.mark.parametrize("other", [
    {"amount": LESS}, {"payee": Payee(phone=Msisdn("254712345679"))}, {"created_by": "key_x"},
    {"way": Way.TILL}, {"salt": "1"}, {"held_for": ("limit",)},
])
def test_whatever_was_asked_is_in_the_chain(other):
    """An edit of an amount or a payee breaks it, as an edit of a fact does."""
    assert born(replace(NEW, **other)).facts_link != born(NEW).facts_link


def test_a_payout_shown_in_a_log_does_not_show_whom_it_goes_to():
    named = replace(NEW, payee=Payee(phone=Msisdn("254712345678"), name="Jane Doe"))
    assert "345678" not in repr(named) and "Doe" not in repr(named)
