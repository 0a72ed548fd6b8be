"""What stands before money that goes out: nothing is sent while one of these stops is there.

A stop holds what is ready and not what was sent: results are heard and looked for all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hakika.domain.ids import BatchId, MerchantId, SellerId
from hakika.domain.times import written

# Stops everything of everybody.
EVERYTHING = "all"


class Why(StrEnum):
    """Why there is a stop."""

    SWITCH = "switch"        # a person threw it
    BURST = "burst"          # too many payouts in too short a time
    CHANGE = "change"        # who may order, or with what, was changed just now
    OPERATOR = "operator"    # M-Pesa refused the API operator
    PAUSE = "pause"          # a person paused a file


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop, by the key of what it stops."""

    key: str
    why: Why
    note: str                # for people: what happened, and what to do
    stopped_by: str          # the key or person; empty: Hakika itself
    stopped_at: datetime     # UTC


def of_merchant(merchant_id: MerchantId, *, livemode: bool) -> str:
    """Return the key that stops all money of a merchant's mode."""
    return f"{merchant_id}:{'live' if livemode else 'test'}"


def of_operator(merchant_id: MerchantId, shortcode: str, *, livemode: bool) -> str:
    """Return the key that stops the API operator of a short code."""
    return f"{of_merchant(merchant_id, livemode=livemode)}:{shortcode}"


def of_file(batch_id: BatchId) -> str:
    """Return the key that stops a file of payouts."""
    return batch_id


def of_seller(seller_id: SellerId) -> str:
    """Return the key that stops a platform's settlements with one seller."""
    return seller_id


def stop_data(stop: Stop) -> dict[str, Any]:
    """Return `stop` as merchants read it."""
    return {
        "key": stop.key, "why": stop.why.value, "note": stop.note or None,
        "stopped_by": stop.stopped_by or None, "stopped_at": written(stop.stopped_at),
    }
