"""Prompts on people's phones: one at a time, and not too many in an hour.

Safaricom refuses a second prompt while one is open ("Unable to lock subscriber", docs/daraja.md),
and blocks who prompts strangers. Two prompts for one order can both be paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Payment, State

# Safaricom's published sandbox number: nobody holds that phone, and every developer asks it.
TEST_PAYER = Msisdn("254708374149")

# In these no prompt of the payment can be on a phone any more, or is not yet.
NO_PROMPT = frozenset(State) - {State.SENDING, State.PENDING, State.UNKNOWN}


@dataclass(frozen=True, slots=True)
class PromptGuard:
    """How often a phone may be asked: `prompts_max` since `hour_ago`, and one at a time."""

    hour_ago: datetime
    prompts_max: int
    forgotten: datetime     # a prompt that was opened before this is off the phone by itself


def rings_a_person(payment: Payment) -> bool:
    """Say whether somebody's phone rings for `payment`, and is to be guarded."""
    return payment.livemode or payment.payer != TEST_PAYER
