"""Whether the balances of a statement's lines lead from one to the next, with none missing.

Each line leads from what lay there before it to what lies there after it. Put in the right order
they make one way through all balances, from the first to the last. Which order that is need not be
known: exports come newest first and oldest first, people sort them, and the lines of one second
stand in any. There is such a way exactly when every balance is led to as often as it is left, but
for the two ends, and all lines hang together. Where a line is missing, its two balances are left
over; and where an account ends the day as it began, they become ends that no line of the first or
last minute has. Minutes, because Excel drops the seconds.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from hakika.domain.money import Money
from hakika.domain.statement import StatementLine


class Balances:
    """The balances of one file. Call `add` with every line, then ask."""

    def __init__(self) -> None:
        self._is_told = True
        self._left: Counter[int] = Counter()    # how much oftener a balance is left than led to
        self._joined: dict[int, int] = {}       # to another balance of the same part, or itself
        self._first: tuple[datetime | None, set[int]] = (None, set())   # left in the first minute
        self._last: tuple[datetime | None, set[int]] = (None, set())    # led to in the last

    def add(self, line: StatementLine) -> None:
        """Take the next line. One that moved nothing leads nowhere, whatever balance it has."""
        if not self._is_told or not line.is_completed:
            return
        if line.balance is None:
            self._is_told = False  # a hole cannot be told from a balance that is not there
            self._left.clear()
            self._joined.clear()
            return
        after = line.balance.cents
        before = after - line.amount.cents
        self._move(before, 1)
        self._move(after, -1)
        self._joined[self._part_of(before)] = self._part_of(after)
        minute = line.completed_at.replace(second=0, microsecond=0)
        if self._first[0] is None or minute < self._first[0]:
            self._first = minute, set()
        if self._last[0] is None or minute > self._last[0]:
            self._last = minute, set()
        if minute == self._first[0]:
            self._first[1].add(before)
        if minute == self._last[0]:
            self._last[1].add(after)

    def wrong(self, opening: Money | None, closing: Money | None) -> str:
        """Return in words what does not fit together, or nothing."""
        if not self._joined:
            return ""
        # One that leads back to its start has no ends: then it ends at the balance it began with.
        round_trip = self._first[1] & self._last[1]
        starts, ends = self._ends(1) or round_trip, self._ends(-1) or round_trip
        if self._is_broken() or not (starts & self._first[1] and ends & self._last[1]):
            return "The balances of the lines do not lead from one to the next."
        for name, stated, found in (("opens", opening, starts), ("closes", closing, ends)):
            if stated is not None and stated.cents not in found:
                return f"The head {name} with {stated}; the balances of the lines do not."
        return ""

    def _ends(self, times: int) -> set[int]:
        return {balance for balance, oftener in self._left.items() if oftener == times}

    def _is_broken(self) -> bool:
        parts = {self._part_of(balance) for balance in self._joined}
        return len(parts) > 1 or sorted(self._left.values()) not in ([], [-1, 1])

    def _move(self, balance: int, times: int) -> None:
        self._left[balance] += times
        if not self._left[balance]:
            del self._left[balance]

    def _part_of(self, balance: int) -> int:
        """Return one balance that stands for all that hang together with this one."""
        joined = self._joined
        above = joined.setdefault(balance, balance)
        while above != balance:
            joined[balance] = joined[above]  # shortens the way for who asks next
            balance, above = above, joined[above]
        return balance
