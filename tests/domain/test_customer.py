"""Customers: what may be kept of a person, how it changes, and by which words it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hakika.domain import customer as rules
from hakika.domain.customer import Customer, Details, customer_data, erased_data
from hakika.domain.customer_invariant import CustomerStory, owner_breaches, telling_breaches
from hakika.domain.errors import Invalid
from hakika.domain.ids import CustomerId, MerchantId
from hakika.domain.invariant import StoredEvent
from hakika.domain.msisdn import Msisdn

NOON = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
PHONE = Msisdn("254712345678")
WANJIKU = Customer(
    id=CustomerId("cus_1"), merchant_id=MerchantId("mer_1"), livemode=False,
    details=Details(
        name="Wanjiku Kamau", phone=PHONE, email="Wanjiku@Example.com", reference="MEMBER-77",
        metadata={"tier": "gold", "since": "2024"},
    ),
    created_at=NOON, updated_at=NOON,
)


def test_nothing_personal_is_in_a_repr():
    """A repr ends in logs and tracebacks."""
    shown = repr(WANJIKU)

    for personal in ("Wanjiku", "Kamau", "712345678", "Example", "MEMBER", "gold"):
        assert personal not in shown


@pytest.mark.parametrize("details", [
    Details(name="Otieno"), Details(phone=PHONE), Details(email="a@b.ke"), Details(reference="7"),
])
def test_one_thing_that_says_who_is_meant_is_enough(details):
    assert rules.check(details) is details


def test_a_customer_of_whom_nothing_is_known_is_none():
    """Metadata alone would never be found again."""
    with pytest.raises(Invalid) as refused:
        rules.check(Details(metadata={"tier": "gold"}))

    assert refused.value.errors[0].code == "customer_empty"


@pytest.mark.parametrize(("written", "kept"), [
    ("Wanjiku Kamau", "Wanjiku Kamau"), ("  Wanjiku \t\n Kamau ", "Wanjiku Kamau"),
    ("x" * 100, "x" * 100), ("  ", ""), ("Ng'ang'a", "Ng'ang'a"), ("Zoë 王", "Zoë 王"),
])
def test_a_name_is_kept_as_people_write_it(written, kept):
    assert rules.read_name(written) == kept


@pytest.mark.parametrize(("name", "code"), [
    ("x" * 101, "name_too_long"), ("a\x00b", "name_invalid"), ("a\x1bb", "name_invalid"),
    (5, "name_invalid"), (None, "name_invalid"), (["Otieno"], "name_invalid"),
])
def test_what_is_no_name_is_refused_without_being_repeated(name, code):
    with pytest.raises(Invalid) as refused:
        rules.read_name(name)

    assert refused.value.errors[0].code == code
    assert str(name) not in refused.value.message


@pytest.mark.parametrize("email", ["a@b.ke", "first.last+tag@mail.example.co.ke", "ö@ü.example"])
def test_an_email_is_kept_as_it_was_written(email):
    assert rules.read_email(f" {email} ") == email


@pytest.mark.parametrize("email", [
    "a", "a@", "@b.ke", "a@b", "a b@c.ke", "a@b@c.ke", "a@.ke", "a@b..ke", "a@b.",
    "x" * 250 + "@b.ke",
])
def test_what_is_no_email_is_refused(email):
    with pytest.raises(Invalid):
        rules.read_email(email)


def test_what_is_left_out_of_a_change_stays():
    after = rules.changed(WANJIKU, {"name": "Wanjiku Otieno"}, now=LATER)

    assert after == replace(
        WANJIKU, details=replace(WANJIKU.details, name="Wanjiku Otieno"), updated_at=LATER,
    )


def test_null_removes():
    after = rules.changed(
        WANJIKU, {"name": None, "phone": None, "email": None, "metadata": None}, now=LATER,
    )

    assert after.details == Details(reference="MEMBER-77")


def test_metadata_is_merged_text_by_text():
    after = rules.changed(WANJIKU, {"metadata": {"tier": None, "shop": "Kisumu"}}, now=LATER)

    assert after.details.metadata == {"since": "2024", "shop": "Kisumu"}


@pytest.mark.parametrize("changes", [
    {}, {"name": "Wanjiku Kamau"}, {"metadata": {"tier": "gold", "absent": None}}, {"phone": PHONE},
])
def test_a_change_that_changes_nothing_is_none(changes):
    """So that nobody is told of it."""
    assert rules.changed(WANJIKU, changes, now=LATER) is WANJIKU


def test_a_change_may_not_leave_a_customer_of_whom_nothing_is_known():
    with pytest.raises(Invalid):
        rules.changed(
            WANJIKU, {"name": None, "phone": None, "email": None, "reference": None}, now=LATER,
        )


def test_metadata_has_no_more_texts_after_a_merge_than_at_birth():
    """Twenty at a time, anybody could fill the table."""
    more = {f"name {number}": "text" for number in range(19)}

    with pytest.raises(Invalid):
        rules.changed(WANJIKU, {"metadata": more}, now=LATER)


@pytest.mark.parametrize(("details", "search"), [
    (Details(name="Wanjiku Kamau"), "wanjiku"), (Details(name="Wanjiku Kamau"), "KAMAU Wanjiku"),
    (Details(name="Ng'ang'a"), "nganga"), (Details(name="Nganga"), "ng\u2019ang\u2019a"),
    (Details(name="Zoë Müller"), "zoe muller"), (Details(name="Zoe"), "Zoë"),
    (Details(name="Mary-Anne (Nairobi)"), "mary-anne nairobi"),
    (Details(name="Mary-Anne"), "anne"), (Details(name="STRASSE"), "straße"),
    (Details(email="Wanjiku@Example.com"), "wanjiku@example.COM"),
    (Details(reference="MEMBER-77"), "member-77"), (Details(reference="MEMBER-77"), "77"),
    (Details(name="Otieno", reference="A/1"), "a/1 otieno"),
])
def test_a_customer_is_found_by_whole_words_however_they_are_written(details, search):
    assert rules.words_sought(search) <= rules.words_of(details)


@pytest.mark.parametrize(("details", "search"), [
    (Details(name="Wanjiku Kamau"), "wanj"), (Details(name="Wanjiku"), "wanjiku kamau"),
    (Details(email="wanjiku@example.com"), "wanjiku"),
    (Details(email="wanjiku@example.com"), "example.com"),
    (Details(name="Mary Anne"), "mary-anne"),
])
def test_a_part_of_a_word_finds_nobody(details, search):
    """A hash knows nothing of parts: docs/customers.md says so to whoever wonders."""
    assert not rules.words_sought(search) <= rules.words_of(details)


@pytest.mark.parametrize("text", ["", "   ", "!!! - '", "___"])
def test_signs_alone_are_no_words(text):
    assert rules.words_sought(text) == frozenset()
    assert rules.words_of(Details(name=text)) == frozenset()


def event(number: int, name: str, data: Mapping[str, Any]) -> StoredEvent:
    return StoredEvent(f"evt_{number}", "mer_1", False, f"customer.{name}", number, data)


BORN = event(1, "created", customer_data(WANJIKU))
LIVING = CustomerStory(
    id=WANJIKU.id, merchant_id=WANJIKU.merchant_id, livemode=False, is_erased=False,
    customer=WANJIKU, events=(BORN,),
)
GONE = erased_data(WANJIKU.id)
ERASED = replace(LIVING, is_erased=True, customer=None, events=(
    event(1, "created", GONE), event(2, "updated", GONE), event(3, "deleted", GONE),
))


@pytest.mark.parametrize("story", [
    LIVING, ERASED,
    replace(LIVING, events=(event(1, "created", {}), event(2, "updated", customer_data(WANJIKU)))),
])
def test_an_honest_story_is_silent(story):
    assert [*telling_breaches(story), *owner_breaches(story)] == []


@pytest.mark.parametrize(("story", "said"), [
    (replace(LIVING, customer=None), "a row that cannot be read"),
    (replace(LIVING, events=()), "has the events none"),
    (replace(LIVING, events=ERASED.events), "customer.created, customer.updated, customer.deleted"),
    (replace(LIVING, events=(BORN, BORN)), "customer.created, customer.created"),
    (replace(ERASED, events=ERASED.events[:2]), "customer.created, customer.updated."),
    (replace(ERASED, events=(BORN, *ERASED.events[1:])), "says who the erased customer cus_1 was"),
    (replace(LIVING, events=(replace(BORN, data=None),)), "evt_1 of customer cus_1 cannot be read"),
    (replace(LIVING, events=(replace(BORN, data=GONE),)), "does not say what customer cus_1 has"),
    (replace(ERASED, events=(ERASED.events[0], replace(ERASED.events[1], sequence=9),
                             ERASED.events[2])), "has the lower number"),
])
def test_what_was_not_told_as_it_happened_is_named(story, said):
    (sentence,) = telling_breaches(story)

    assert said in sentence
    assert "Wanjiku" not in sentence


def test_an_event_of_another_merchant_is_named():
    (sentence,) = owner_breaches(replace(LIVING, events=(replace(BORN, merchant_id="mer_2"),)))

    assert sentence == "Event evt_1 belongs to another merchant or mode than its customer cus_1."
