"""Receipts and ids: M-Pesa's shapes, never twice, and the same for the same seed."""

import re
from datetime import datetime

import pytest

from hakika_simulator.clock import EAT
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.storage import Storage

NOON = datetime(2026, 11, 21, 12, tzinfo=EAT).timestamp()


def identifiers(seed: int = 7) -> Identifiers:
    return Identifiers(Storage(None), seed)


@pytest.mark.parametrize(
    ("day", "prefix"),
    [
        (datetime(2024, 7, 5, 12, tzinfo=EAT), "SG5"),
        (datetime(2025, 12, 31, 23, 59, tzinfo=EAT), "TLV"),
        (datetime(2026, 1, 9, tzinfo=EAT), "UA9"),
        (datetime(2026, 1, 10, tzinfo=EAT), "UAA"),
        (datetime(2026, 11, 21, tzinfo=EAT), "UKL"),
    ],
)
def test_a_receipt_begins_with_its_day(day: datetime, prefix: str) -> None:
    assert identifiers().receipt(day.timestamp())[:3] == prefix


def test_receipts_have_ten_signs_and_never_come_twice() -> None:
    minted = identifiers()
    receipts = [minted.receipt(NOON) for _ in range(5_000)]

    assert all(re.fullmatch(r"[A-Z0-9]{10}", receipt) for receipt in receipts)
    assert len(set(receipts)) == 5_000


def test_no_receipt_looks_like_the_mark_for_none() -> None:
    """Seven zeros stand for "no receipt" in results that moved no money."""
    minted = identifiers()

    assert not any(minted.receipt(NOON).endswith("0" * 7) for _ in range(5_000))


def test_a_seed_decides_the_receipts() -> None:
    first, same, other = identifiers(7), identifiers(7), identifiers(8)

    assert first.receipt(NOON) == same.receipt(NOON) != other.receipt(NOON)


def test_a_push_in_a_taken_millisecond_takes_the_next() -> None:
    taken = {"ws_CO_21112026120000000712345678", "ws_CO_21112026120000001712345678"}
    found = identifiers().checkout_request_id("254712345678", NOON, taken=taken.__contains__)

    assert found == "ws_CO_21112026120000002712345678"
