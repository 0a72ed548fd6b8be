"""What happens when in a simulated month: who is asked, who pays, and what goes wrong. Pure.

A day is one of Nairobi's. Orders come in batches at certain hours; the last straddles midnight,
on every other day: M-Pesa tells the balance then, of some days while money moves.
Shares are of all orders; they follow from an order's number, so every run plants the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MIDNIGHT = timedelta(hours=23, minutes=59, seconds=59)
HOURS = (
    timedelta(hours=6, minutes=30), timedelta(hours=9), timedelta(hours=13), timedelta(hours=18),
    MIDNIGHT,
)

# On the other days nothing moves at midnight.
LATE_EVENING = timedelta(hours=22)

# M-Pesa is asked for its balance; its list of a day is whole, and the day is closed.
AFTER_MIDNIGHT = timedelta(hours=24, seconds=5)
NIGHT = timedelta(hours=27, minutes=21)

# It begins in the middle of the batch of this hour.
OUTAGE_AT, OUTAGE = timedelta(hours=9), timedelta(hours=7)

# How long payers take with a prompt; and those who are to answer it in the outage.
PAYERS_SECONDS, SLOW_PAYERS_SECONDS = 1.0, 20.0

LATE_BY = (timedelta(hours=3), timedelta(hours=8), timedelta(hours=26), timedelta(hours=50))

# After the last day: who is still unknown is given up after two days, and told of late.
NIGHTS_AFTER = 4

UNASKED_ONE_IN = 100
UNASKED_IN_OUTAGE = 3                 # more, in each batch of it: people go on paying by hand

# What a prompt ends with that nobody pays, in each batch: one in so many orders.
UNPAID_CODES = ("1032", "0001", "1037", "2001")
UNPAID_ONE_IN = 25

AMOUNTS = range(50, 950)              # shillings
REGULARS = 2_000                      # people who come again and again

# Not in order, as faults do not come in order; prime to 100 and to any number of people.
_SHUFFLE, _SHUFFLE_PEOPLE = 37, 7_654_321


class Fate(StrEnum):
    """What becomes of an order's callback."""

    TOLD = "told"
    LOST = "lost"              # never told
    THRICE = "thrice"
    LATE = "late"              # told hours or days after
    UNPAID = "unpaid"          # told, and nobody paid
    DENIED = "denied"          # told to have failed, and a moment later that it was paid


# Of a hundred orders, so many.
LOST, THRICE, LATE = 5, 3, 2

# The last order of the batch of this hour. It takes a moment in which nothing else happens.
DENIED_AT = MIDNIGHT

# Payers of whom a simulator knows what becomes of their callbacks: see its numbers.py.
_NEVER_TOLD, _TOLD_THRICE, _DENIED, _ENDS_WITH = (
    "254711301", "254711302", "254711309", "25470000",
)


@dataclass(frozen=True, slots=True)
class Order:
    """One payer asked for money."""

    number: int
    fate: Fate
    phone: str
    amount: int                        # shillings

    @property
    def late_by(self) -> timedelta:
        """How long after the payment its callback comes, when it is late."""
        return LATE_BY[self.number // 100 % len(LATE_BY)]


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders of one hour, and how many people pay unasked meanwhile."""

    day: int
    hour: timedelta                    # of its day
    orders: tuple[Order, ...]
    unasked: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A month, or as many days. Days are numbered from 0."""

    payments: int
    days: int
    starts: datetime                   # midnight in Nairobi
    hours: tuple[timedelta, ...] = HOURS

    @property
    def outage_day(self) -> int:
        """The day on which Daraja is away for seven hours."""
        return self.days * 2 // 5

    @property
    def day_without_pull(self) -> int:
        """The day on which M-Pesa's list is not read."""
        return self.days * 2 // 3

    def at(self, day: int, hour: timedelta) -> datetime:
        """Return when an hour of a day is."""
        return self.starts + timedelta(days=day) + hour

    def batches(self, day: int) -> Iterator[Batch]:
        """Yield the batches of a day."""
        for place, hour in enumerate(self.hours):
            nth = day * len(self.hours) + place
            numbers = range(self._before(nth, self.payments), self._before(nth + 1, self.payments))
            unasked = self.payments // UNASKED_ONE_IN
            orders = [_order(each, each - numbers.start, len(numbers)) for each in numbers]
            if hour == DENIED_AT and orders:
                orders[-1] = _denied(orders[-1])
            is_quiet = hour == MIDNIGHT and not day % 2
            yield Batch(
                day, LATE_EVENING if is_quiet else hour, tuple(orders),
                self._before(nth + 1, unasked) - self._before(nth, unasked),
            )

    def _before(self, nth: int, whole: int) -> int:
        """Return how many of a `whole` come before a batch."""
        return whole * nth // (self.days * len(self.hours))


def _order(number: int, place: int, count: int) -> Order:
    amount = AMOUNTS[number * _SHUFFLE % len(AMOUNTS)]
    if place < min(len(UNPAID_CODES), max(1, count // UNPAID_ONE_IN)):
        return Order(number, Fate.UNPAID, _ENDS_WITH + UNPAID_CODES[place], amount)
    return Order(number, *_payer(number), amount)


def _denied(order: Order) -> Order:
    return Order(order.number, Fate.DENIED, f"{_DENIED}{order.number % 1000:03d}", order.amount)


def _payer(number: int) -> tuple[Fate, str]:
    share = number * _SHUFFLE % 100
    tail = f"{number % 1000:03d}"
    if share < LOST:
        return Fate.LOST, _NEVER_TOLD + tail
    if share < LOST + LATE:
        return Fate.LATE, _NEVER_TOLD + tail
    if share < LOST + LATE + THRICE:
        return Fate.THRICE, _TOLD_THRICE + tail
    return Fate.TOLD, person(number)


def person(number: int) -> str:
    """Return the phone of one of the regulars."""
    return f"25472{number % REGULARS * _SHUFFLE_PEOPLE % 10_000_000:07d}"
