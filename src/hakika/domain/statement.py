"""What an organisation's M-Pesa statement says: its head, its lines, and what each line is about.

Read `kind_of` and `RULES` first. Times are UTC; the statement itself is written in Nairobi's time.
How a file becomes lines is the business of `hakika.sheets`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from hakika.domain.money import Money


@dataclass(frozen=True, slots=True)
class StatementHead:
    """What stands above the lines. Whatever a file leaves out is empty or None."""

    holder: str = field(default="", repr=False)     # of a sole trader this is a person's name
    shortcode: str = ""
    account: str = ""                               # "Utility Account", "Merchant Account", …
    operator: str = field(default="", repr=False)   # who downloaded it
    starts_at: datetime | None = None
    ends_at: datetime | None = None                 # still inside the period
    reported_at: datetime | None = None             # when M-Pesa made it
    opening: Money | None = None
    closing: Money | None = None
    available: Money | None = None
    paid_in: Money | None = None                    # totals, as the file states them
    withdrawn: Money | None = None                  # positive

    def covers_until(self, now: datetime) -> datetime | None:
        """Return up to when the file can know of everything, still inside; None: it does not say.

        Of a period that is not over it knows what happened before it was made, and no more.
        """
        if self.starts_at is None or self.ends_at is None:
            return None
        known = min(now, self.ends_at, self.reported_at or now)
        return max(known, self.starts_at)


# What M-Pesa says of a transaction that moved money, and of one that did not, or not yet. Nothing
# is guessed of any other word: taken for a failure, it would leave real money out of the books.
COMPLETED = frozenset({"completed"})
NOT_COMPLETED = frozenset({
    "failed", "cancelled", "canceled", "declined", "rejected", "expired", "initiated", "authorized",
    "authorised", "pending", "pending authorized", "pending authorised",
})


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement on an account. Exactly one of `paid_in` and `withdrawn` is there, and positive.

    A payment and Safaricom's charge for it are two lines with one receipt.
    """

    place: int                        # the line of the file, as a person counts; of a PDF, the
    #                                   line of its table over all pages
    receipt: str
    completed_at: datetime
    status: str                       # one of COMPLETED or NOT_COMPLETED
    paid_in: Money | None = None
    withdrawn: Money | None = None
    initiated_at: datetime | None = None
    balance: Money | None = None      # after the line
    balance_confirmed: bool | None = None
    reason_type: str = ""
    linked_receipt: str = ""          # of a reversal: what it reverses
    details: str = field(default="", repr=False)            # names and numbers of people
    other_party: str = field(default="", repr=False)        # "2547…123 - JANE DOE"
    account_reference: str = field(default="", repr=False)  # what the payer typed
    nth: int = 1                      # of the lines of its file that are otherwise the same

    @property
    def is_completed(self) -> bool:
        """Whether money moved."""
        return _words(self.status) in COMPLETED

    @property
    def amount(self) -> Money:
        """What the line adds to the account; negative when it was withdrawn."""
        if self.paid_in is not None:
            return self.paid_in
        assert self.withdrawn is not None, "a line has one amount"
        return Money(-self.withdrawn.cents)

    @property
    def identity(self) -> tuple[str, str, int, int | None, bool, int]:
        """The same for one movement in whichever file and format it is met; no personal data.

        Without the time, of which Excel drops the seconds, and without what a PDF wraps or cuts.
        Once it is completed it is another than while it was not: only then money moved.
        """
        after = None if self.balance is None else self.balance.cents
        return (
            self.receipt, _words(self.reason_type), self.amount.cents, after, self.is_completed,
            self.nth,
        )


class LineKind(StrEnum):
    """What a line of a statement is about."""

    COLLECTION = "collection"    # somebody paid the business
    CHARGE = "charge"            # Safaricom's price for another line
    REVERSAL = "reversal"        # an earlier line was taken back
    PAYOUT = "payout"            # the business paid somebody
    PAYEE_CHARGE = "payee_charge"    # what a payee's withdrawal costs, paid along by the business
    FLOAT_MOVE = "float_move"    # between the business's own accounts, or its bank
    OTHER = "other"              # words that no rule knows: a person looks


class _Way(StrEnum):
    IN = "in"
    OUT = "out"


_IN, _OUT, _BOTH = {_Way.IN}, {_Way.OUT}, {_Way.IN, _Way.OUT}

# What the words of a line make of it: the first row that fits. To teach Hakika a new reason of
# Safaricom's, add its words here. Words are of "Reason Type" or of the head of "Details".
RULES: tuple[tuple[LineKind, set[_Way], str], ...] = (
    (LineKind.REVERSAL, _BOTH, r"\b(reversals?|reversed|reverse)\b"),
    # "Business Payment to Customer Withdrawal Charge Paid": a payout whose payee withdraws free.
    (LineKind.PAYEE_CHARGE, _OUT, r"\bwithdrawal charge paid\b"),
    (LineKind.CHARGE, _OUT, r"\b(charges?|fees?|tariff|excise duty|levy)\b"),
    (LineKind.FLOAT_MOVE, _BOTH, r"\bsettlement\b|\bsettle to\b"),
    (LineKind.FLOAT_MOVE, _BOTH, r"\b(to|from) (your )?bank\b|\bbank (account )?(to|deposit)\b"),
    (LineKind.FLOAT_MOVE, _BOTH, r"\b(working|utility|merchant|mmf|charges paid)\b.*\baccount\b"),
    (LineKind.FLOAT_MOVE, _BOTH, r"\b(working|utility|mmf)\b.*\bto\b.*\b(working|utility|mmf)\b"),
    (LineKind.FLOAT_MOVE, _BOTH, r"\b(account transfer|transfer of funds|funds transfer|float)\b"),
    (LineKind.FLOAT_MOVE, _BOTH, r"^(organi[sz]ation )?(deposit|withdrawal)\b|^withdraw funds\b"),
    (LineKind.FLOAT_MOVE, {_Way.IN}, r"^funds received\b|^initiate deposit\b"),
    (LineKind.PAYOUT, _OUT, r"\b(business|salary|promotion) payment\b|\bb2[cb]\b|\bpayout\b"),
    (LineKind.PAYOUT, _OUT, r"\bbusiness (pay ?bill|buy goods|to business|to customer)\b"),
    (LineKind.PAYOUT, _OUT, r"\bpay ?bill\b|\bpay utility\b|\bbuy goods\b|\bmerchant to\b"),
    (LineKind.PAYOUT, _OUT, r"\bpay tax\b|\btax remittance\b"),
    (LineKind.COLLECTION, _IN, r"\bpay ?bill\b|\bpay utility\b|\bbuy goods\b|\bc2b\b"),
    (LineKind.COLLECTION, _IN, r"\bpay merchant\b|\bmerchant payment\b|\bmerchant to merchant\b"),
    (LineKind.COLLECTION, _IN, r"\b(customer|business|standing order) payment\b|\bratiba\b"),
)

_COMPILED = tuple((kind, ways, re.compile(words)) for kind, ways, words in RULES)

# After these, Details holds a stranger's name, number or the reference that a payer typed: words
# that nobody may be allowed to turn a payment into a reversal with.
_STRANGERS_WORDS = re.compile(
    r"\b\d|\*|\bfrom\b(?! (your )?bank)|\bby\b|\bacc\b| - ", re.IGNORECASE,
)

# Every receipt has a digit; "COLLECTION" is none.
_RECEIPT = re.compile(r"\b(?=[A-Z]*[0-9])[A-Z]{2}[A-Z0-9]{8}\b", re.ASCII)


def kind_of(line: StatementLine) -> LineKind:
    """Return what `line` is about, by its Reason Type; by the head of its Details if that is mute.

    A charge may carry the reason of the payment it is for, so its Details are asked as well.
    """
    way = _Way.OUT if line.paid_in is None else _Way.IN
    return _kind(line.reason_type, _head(line.details), way)


def name_of(reason_type: str, details: str) -> str:
    """Return what a line calls itself, without what a stranger wrote: "pay bill charge"."""
    return " ".join(f"{reason_type} {_head(details)}".casefold().split())


def is_status(text: str) -> bool:
    """Say whether it is known what a line with this status moved."""
    return _words(text) in COMPLETED | NOT_COMPLETED


def taken_back(line: StatementLine) -> str:
    """Return the receipt that a reversal takes back, or nothing.

    By its own column; older exports have it in the head of Details alone: "Reversal of TKL4PAID01".
    """
    linked = line.linked_receipt
    if _RECEIPT.fullmatch(linked) or "revers" not in f"{line.reason_type}{line.details}".casefold():
        return linked  # as of nearly every line, without a closer look
    if kind_of(line) is not LineKind.REVERSAL:
        return linked
    found = (each for each in _RECEIPT.findall(_head(line.details).upper()) if each != line.receipt)
    return next(found, linked)


def _head(details: str) -> str:
    cut = _STRANGERS_WORDS.search(details)
    return details if cut is None else details[:cut.start()]


@lru_cache(maxsize=1024)
def _words(text: str) -> str:
    return " ".join(text.casefold().split())


@lru_cache(maxsize=1024)
def _kind(reason: str, head: str, way: _Way) -> LineKind:
    by_reason, by_head = _said(reason, way), _said(head, way)
    if by_reason is LineKind.OTHER or by_head is LineKind.CHARGE:
        return by_head
    return by_reason


def _said(text: str, way: _Way) -> LineKind:
    words = " ".join(text.casefold().split())
    for kind, ways, pattern in _COMPILED:
        if way in ways and pattern.search(words):
            return kind
    return LineKind.OTHER
