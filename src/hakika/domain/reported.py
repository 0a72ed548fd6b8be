"""What M-Pesa says lies on an account, beside what the books say at about that time.

M-Pesa's clock tells whole seconds, is not ours, and goes on while M-Pesa counts. So a balance is of
some moment nearby, and of a busy second nobody knows which part is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from hakika.domain.money import Money

# M-Pesa's clock when it told a balance, and its clock when it moved money.
IN_FLIGHT = timedelta(minutes=2)

# Of more movements than these in one second, nearly every sum is the sum of some.
SOME_MAX = 16


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that came to an account, or left it; by M-Pesa's clock (UTC)."""

    at: datetime
    cents: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What M-Pesa says lies on an account, and what the books have by all that was before `at`."""

    account: str
    at: datetime
    theirs: Money
    ours: Money
    nearby: tuple[Movement, ...] = ()      # within IN_FLIGHT of it, in their order
    settled: int = 0                       # cents that they differ by for reasons people settled


def agrees(reported: Reported) -> bool:
    """Say whether the books came past M-Pesa's balance at about that time."""
    before = sum(each.cents for each in reported.nearby if each.at < reported.at)
    so_far = reported.ours.cents - before
    for _, moved in groupby(reported.nearby, key=lambda each: each.at.replace(microsecond=0)):
        amounts = [each.cents for each in moved]
        if _is_sum_of_some(reported.theirs.cents - so_far, amounts):
            return True
        so_far += sum(amounts)
    return so_far == reported.theirs.cents


def _is_sum_of_some(sought: int, amounts: Sequence[int]) -> bool:
    """Say whether some of `amounts`, or none of them, add up to `sought`."""
    least, most = sum(min(each, 0) for each in amounts), sum(max(each, 0) for each in amounts)
    if not least <= sought <= most:
        return False
    if len(amounts) > SOME_MAX:
        return True
    sums = {0}
    for each in amounts:
        sums |= {each + other for other in sums}
    return sought in sums
