"""What M-Pesa is given of an order's own words: never a part of a reference. (T13)"""

from __future__ import annotations

import re

import pytest

from hakika.domain.account_reference import kept_whole, sent_as, shown_as

TAKEN = re.compile(r"[A-Za-z0-9 .-]{1,12}", re.ASCII)


@pytest.mark.parametrize("reference", ["A", "ORDER-1234", "Flat 7. Dec", "123456789012"])
def test_what_mpesa_takes_is_sent_as_it_is(reference: str):
    assert sent_as(reference) == reference
    assert kept_whole(reference=reference, description="") == {}


@pytest.mark.parametrize("reference", [
    "1234567890123", "INVOICE-2026-11-000451", "ORDER#12", "Nyumba ya Wanjirũ", "\u00a0", "x" * 40,
])
def test_what_mpesa_does_not_take_is_kept_whole_and_has_a_stand_in(reference: str):
    assert TAKEN.fullmatch(sent_as(reference))
    assert kept_whole(reference=reference, description="") == {"order.reference": reference}


def test_two_orders_that_begin_alike_never_share_a_reference():
    """Cut to 12 characters, all of these would be one order."""
    orders = [f"INVOICE-2026-11-{number:06d}" for number in range(5_000)]

    assert len({sent_as(order) for order in orders}) == len(orders)


def test_the_same_reference_is_always_sent_as_the_same():
    """It is found by either, in whatever case it is typed."""
    assert sent_as("Invoice/2026/7") == sent_as("invoice/2026/7 ") != sent_as("Invoice/2026/8")


@pytest.mark.parametrize(("description", "shown"), [
    ("T-shirt", "T-shirt"), ("", ""), ("Monthly subscription", "Monthly"),
    ("T-shirt, large & blue", "T-shirt large"), ("Internationalization", "International"),
    ("日本", ""),
])
def test_a_description_is_shown_as_far_as_it_fits(description: str, shown: str):
    assert shown_as(description) == shown
    assert kept_whole(description=description).get("order.description", shown) == description
