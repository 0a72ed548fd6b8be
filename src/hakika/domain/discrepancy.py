"""Discrepancies: where the books and M-Pesa's records differ, or a person must look.

Each is found again as the same one: by its kind, short code and subject. It is open until it is
found no more, or somebody resolves it with a reason; what is resolved does not come back unless
the amounts change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from hakika.domain.ids import DiscrepancyId, MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.times import written


class Kind(StrEnum):
    """What is wrong."""

    MISSING = "missing"                    # M-Pesa has it, the books do not
    FOREIGN = "foreign"                    # the books have it, M-Pesa does not
    AMOUNT_DIFFERS = "amount_differs"
    DOUBLED = "doubled"                    # a statement has it more than once
    REVERSED_OUTSIDE = "reversed_outside"  # taken back on M-Pesa's portal, and not by us
    AWAITING_RECEIPT = "awaiting_receipt"  # paid, says a query, and no receipt is known
    UNEXPLAINED = "unexplained"            # a line whose words say nothing to us
    POSTING_DELETED = "posting_deleted"
    POSTING_EDITED = "posting_edited"
    CHARGE_DIFFERS = "charge_differs"      # Safaricom charged otherwise than its tariff says
    FLOAT_DIFFERS = "float_differs"        # the balance that M-Pesa reports is another
    UNPROVEN = "unproven"                  # no record of M-Pesa's covers the whole day
    REVIEW = "review"                      # a payment whose facts contradict each other
    LATE_MONEY = "late_money"              # it came late, and the merchant wants to look at it


# What a day cannot be closed with. The others are questions about a payment, not about its money.
OF_A_DAY = frozenset(Kind) - {Kind.REVIEW, Kind.LATE_MONEY}


# By these M-Pesa's balance of what was collected is another than the books', until it is mended.
OFF_THE_FLOAT = (Kind.MISSING, Kind.FOREIGN, Kind.AMOUNT_DIFFERS, Kind.DOUBLED)

# Who resolves what is found no more when its day is closed again. No person goes by this name.
NOBODY = "hakika"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is wrong, as it is found."""

    kind: Kind
    shortcode: str
    subject: str                      # a receipt, a payment, a posting: the same whenever found
    words: str
    receipt: str = ""
    payment_id: PaymentId | None = None
    ours: Money | None = None
    theirs: Money | None = None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A difference that was found on a day, and what people did about it. All times are UTC."""

    id: DiscrepancyId
    merchant_id: MerchantId
    livemode: bool
    day: date                         # in Nairobi
    difference: Difference
    found_at: datetime
    assigned_to: str = ""
    resolution: str = ""
    resolved_by: str = ""
    resolved_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Say whether somebody still has to look."""
        return self.resolved_at is None


def discrepancy_data(each: Discrepancy) -> dict[str, Any]:
    """Return a discrepancy as merchants read it."""
    difference = each.difference
    return {
        "id": each.id, "livemode": each.livemode, "kind": difference.kind.value,
        "state": "open" if each.is_open else "resolved", "day": each.day.isoformat(),
        "shortcode": difference.shortcode, "receipt": difference.receipt or None,
        "payment_id": difference.payment_id, "words": difference.words,
        "ours": None if difference.ours is None else str(difference.ours),
        "theirs": None if difference.theirs is None else str(difference.theirs),
        "assigned_to": each.assigned_to or None, "resolution": each.resolution or None,
        "resolved_by": each.resolved_by or None, "found_at": written(each.found_at),
        "resolved_at": written(each.resolved_at) if each.resolved_at else None,
    }


def proven_words(summary: Mapping[str, Any], by_people: int) -> str:
    """Return what a green day is: whether balances were compared, and how many people settled.

    Without a balance of M-Pesa's, what left an account unseen would not be missed.
    """
    has_balances = any(each["balances"] for each in summary["shortcodes"])
    unseen = "" if has_balances else (
        " No balance of M-Pesa's was compared, so what left the float unseen is not missed."
    )
    if by_people:
        differences = "1 difference" if by_people == 1 else f"{by_people:,} differences"
        return f"The day is proven, with {differences} settled by people.{unseen}"
    what = "shilling" if has_balances else "collection"
    return f"Every {what} of the day is proven.{unseen}"
