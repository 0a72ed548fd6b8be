"""The rules about one payment, without a database: whatever happens, an honest story is silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hakika.domain import fact as facts
from hakika.domain import invariant
from hakika.domain.fact import Fact, Kind, Reason, Source
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.invariant import GRACE, StoredEvent, StoredFact
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import NOT_SENT, Change, Payment, State, advance, born
from hakika.domain.payment_data import payment_data
from hakika.domain.shortcode import paybill

NOON = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PRICE = Money.shillings(1_500)
NO_FUNDS = Reason("insufficient_funds", "1", "Too little.", "Top up.", "Ongeza.")

BORN = born(Payment(
    id=PaymentId("pay_1"), merchant_id=MerchantId("mer_1"), livemode=False, amount=PRICE,
    payer=Msisdn("254708374149"), shortcode=paybill("174379"), reference="INV-7",
    description="Shoes", idempotency_key="k", created_at=NOON, updated_at=NOON,
))

ASKED = Fact(Kind.ASKED, Source.CALLER, attempt=1)
ACCEPTED = Fact(Kind.ACCEPTED, Source.DARAJA, attempt=1, checkout_request_id="ws_CO_1")
PAID = Fact(Kind.PAID, Source.STK_CALLBACK, receipt="UKL1234567", amount=PRICE, raw=b"{}")

# One of each kind, as the services record them.
HEARD = (
    Fact(Kind.ASKED, Source.CALLER, attempt=2),
    Fact(Kind.UNREACHABLE, Source.DARAJA, attempt=1),
    ACCEPTED,
    Fact(Kind.SILENT, Source.CLOCK),
    Fact(Kind.DOUBTED, Source.STK_CALLBACK, raw=b"{}"),
    Fact(Kind.INQUIRED, Source.STK_QUERY, raw=b"{}"),
    Fact(Kind.LAPSED, Source.CLOCK, reason=NOT_SENT),
    Fact(Kind.REFUSED, Source.DARAJA, attempt=1, reason=NO_FUNDS),
    Fact(Kind.DECLINED, Source.STK_CALLBACK, reason=NO_FUNDS, raw=b"{}"),
    Fact(Kind.DECLINED, Source.STK_QUERY, reason=NO_FUNDS, raw=b"{}"),
    Fact(Kind.CANCELED, Source.STK_CALLBACK, reason=NO_FUNDS, raw=b"{}"),
    Fact(Kind.CONFIRMED, Source.STK_QUERY, raw=b"{}"),
    Fact(
        Kind.MISPAID, Source.STK_CALLBACK, receipt="UKL7654321", amount=Money(100), raw=b"{}",
    ),
    PAID,
    Fact(Kind.CONTRADICTED, Source.STK_CALLBACK, amount=PRICE, raw=b"{}"),
)


def lived(*heard: Fact) -> list[Change]:
    """Return what each fact did to a payment that was born and asked for."""
    changes = [advance(BORN, ASKED, now=NOON)]
    for fact in heard:
        changes = and_then(changes, fact)
    return changes


def and_then(changes: Sequence[Change], fact: Fact) -> list[Change]:
    """Return the same life with one more fact, a second later."""
    before = changes[-1]
    return [*changes, advance(before.after, fact, now=before.heard_at + timedelta(seconds=1))]


def stored(changes: Sequence[Change]) -> tuple[StoredFact, ...]:
    """Return the rows that the store would hold."""
    return tuple(
        StoredFact(
            change.fact, change.after.facts_count, change.heard_at, change.after.state,
            facts.details(change.fact), change.after.facts_link,
        )
        for change in changes
    )


def told(changes: Sequence[Change]) -> tuple[StoredEvent, ...]:
    """Return the events that the store would hold, numbered from 1."""
    names = [(name, change.after) for change in changes for name in change.events]
    return tuple(
        StoredEvent(f"evt_{number}", "mer_1", False, name.value, number, payment_data(after))
        for number, (name, after) in enumerate(names, start=1)
    )


def complaints(
    payment: Payment, rows: Sequence[StoredFact], events: Sequence[StoredEvent],
) -> list[str]:
    """Return everything that the rules about stored rows have to say."""
    changes = invariant.replay(payment, rows)
    intact = invariant.is_intact(payment, rows, changes)
    return [
        *([] if intact else ["It does not look intact."]),
        *invariant.chain_breaches(payment, rows),
        *invariant.evidence_breaches(payment, rows),
        *invariant.state_breaches(payment, rows, changes),
        *invariant.event_breaches(payment, events, changes),
        *invariant.owner_breaches(payment, events),
        *invariant.receipt_breaches(payment),
    ]


@pytest.mark.parametrize("first", HEARD, ids=lambda fact: f"{fact.kind} {fact.source}")
def test_every_honest_story_is_silent(first: Fact) -> None:
    """All stories of two facts after the asking: no rule may cry wolf over any of them."""
    for second in HEARD:
        changes = lived(first, second)

        assert complaints(changes[-1].after, stored(changes), told(changes)) == []


@pytest.mark.parametrize("place", range(3))
def test_a_change_to_any_part_of_a_fact_breaks_its_link(place: int) -> None:
    changes = lived(ACCEPTED, PAID)
    payment, rows = changes[-1].after, list(stored(changes))
    fact = rows[place].fact
    for forged in (
        replace(fact, kind=Kind.INQUIRED), replace(fact, source=Source.STK_QUERY),
        replace(fact, attempt=7), replace(fact, receipt="UKL0000001"), replace(fact, note="n"),
        replace(fact, amount=Money(1)), replace(fact, reason=NO_FUNDS), replace(fact, raw=b"[]"),
        replace(fact, merchant_request_id="m"), replace(fact, checkout_request_id="c"),
    ):
        spoilt = [*rows]
        spoilt[place] = replace(rows[place], fact=forged, details=facts.details(forged))

        assert not invariant.is_intact(payment, spoilt, invariant.replay(payment, spoilt))
        assert [*invariant.chain_breaches(payment, spoilt)] == [
            f"Fact {place + 1} of payment pay_1 does not agree with its hash: "
            "it, or its place in the chain, was changed.",
        ]


def test_a_word_in_a_fact_that_no_reader_reads_is_seen() -> None:
    changes = lived(ACCEPTED)
    rows = [replace(each, details={**each.details, "odd": 1}) for each in stored(changes)]

    assert len([*invariant.chain_breaches(changes[-1].after, rows)]) == 2


OPEN = lived(ACCEPTED)[-1].after


@pytest.mark.parametrize(
    ("payment", "sentences"),
    [
        (replace(OPEN, next_check_at=NOON - GRACE), []),
        (replace(OPEN, next_check_at=NOON - GRACE - timedelta(minutes=1)),
         ["Payment pay_1 is pending, and its check is 16 minutes late."]),
        (OPEN, ["Payment pay_1 is pending, and neither a check nor a person will look."]),
        (replace(OPEN, disputed=True), []),
        (replace(OPEN, state=State.UNKNOWN, lapsed=True), []),
        (replace(OPEN, state=State.REVIEW),
         ["Payment pay_1 is review, and neither a check nor a person will look."]),
        (replace(OPEN, state=State.FAILED), []),
    ],
)
def test_limbo_is_where_nobody_looks(payment: Payment, sentences: list[str]) -> None:
    assert [*invariant.limbo_breaches(payment, now=NOON)] == sentences
