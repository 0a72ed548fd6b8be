"""Validation: M-Pesa asks, before any money moves, whether a payer's own payment is let in.

`Terms` is what a merchant has set for a short code. Who answers late is answered for: M-Pesa takes
8 seconds for silence (daraja.md 5.3), and then does what was registered. That money was let in does
not mean that it was paid: only the confirmation does, and it may never come (T42).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hakika.domain.errors import Invalid
from hakika.domain.money import Money
from hakika.domain.shortcode import Kind, Shortcode


class Rule(StrEnum):
    """What is let in."""

    ACCEPT_ALL = "accept_all"
    KNOWN_REFERENCE = "known_reference"    # of a payment that was asked for, or of a customer
    OPEN_PAYMENT = "open_payment"          # reference and amount of a payment that is not paid yet
    CALLBACK = "callback"                  # what the merchant's own program says, each time


class Refused(StrEnum):
    """Why a payment is not let in. Each has its own words on the payer's phone."""

    PHONE = "phone"
    REFERENCE = "reference"
    AMOUNT = "amount"
    KYC = "kyc"
    SHORTCODE = "shortcode"
    OTHER = "other"


class WhenUndecided(StrEnum):
    """What is said of a payment when the rule could not be applied in time."""

    ACCEPT = "accept"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a merchant has set for one short code."""

    rule: Rule = Rule.ACCEPT_ALL
    callback_url: str = ""                 # of the rule *callback*, and of no other
    when_undecided: WhenUndecided = WhenUndecided.ACCEPT

    @property
    def fallback(self) -> Refused | None:
        """What is said when the rule could not be applied."""
        return None if self.when_undecided is WhenUndecided.ACCEPT else Refused.OTHER


# Until a merchant sets something else: money that nobody asked for is money too.
EVERYTHING = Terms()


class Undecided(Exception):
    """The rule could not be applied; the message says why, without a word of the payer's."""


def check(terms: Terms, shortcode: Shortcode) -> Terms:
    """Return `terms` when they make sense for a short code. Raises: Invalid."""
    if terms.rule in {Rule.KNOWN_REFERENCE, Rule.OPEN_PAYMENT} and shortcode.kind is Kind.TILL:
        raise Invalid(
            "Who pays a till types no reference, so none can be known.", field="rule",
            code="rule_needs_paybill", hint="For a till, set accept_all or callback.",
        )
    if (terms.rule is Rule.CALLBACK) != bool(terms.callback_url):
        raise Invalid(
            "The rule callback needs a callback_url, and no other rule has one.",
            field="callback_url", code="callback_url_invalid",
        )
    return terms


def by_reference(*, is_known: bool) -> Refused | None:
    """Return what *known_reference* says."""
    return None if is_known else Refused.REFERENCE


def by_open_payment(amount: Money, open_: Collection[Money]) -> Refused | None:
    """Return what *open_payment* says: `open_` are the amounts asked for with this reference."""
    if not open_:
        return Refused.REFERENCE
    return None if amount in open_ else Refused.AMOUNT


def by_answer(body: Any) -> Refused | None:
    """Return what the merchant's program said: `{"accept": true}`, or false and a `reason`.

    Raises:
        Undecided: it said something else.
    """
    if not isinstance(body, dict) or not isinstance(body.get("accept"), bool):
        raise Undecided("its answer is not an object with accept true or false")
    if body["accept"]:
        return None
    reason = body.get("reason")
    return Refused(reason) if reason in list(Refused) else Refused.OTHER
