"""What M-Pesa really did with our orders, as a simulator knows it, held against our payouts.

As of payments (`truth.py`). Read `PayoutTruth.read`, then `order_breaches`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hakika.domain.ids import PayoutId
from hakika.domain.money import Money
from hakika.domain.payout import Payout, State, Way
from hakika.domain.payout_invariant import WATCHED

FindPayout = Callable[[str], PayoutId | None]

_WENT = frozenset({State.COMPLETED, State.REVERSED})


@dataclass(frozen=True, slots=True)
class Ordered:
    """One order that M-Pesa took, whatever it and we made of it."""

    conversation_id: str
    receipt: str                    # empty unless carried out
    amount: Money

    @property
    def is_executed(self) -> bool:
        """Say whether its money moved."""
        return bool(self.receipt)


@dataclass(frozen=True, slots=True)
class PayoutTruth:
    """Every order that was made with an address of ours, by payout."""

    _of_payout: Mapping[PayoutId, list[Ordered]]

    @classmethod
    def read(cls, told: Mapping[str, Any], called_about: FindPayout) -> PayoutTruth:
        """Return the truth in the simulator's words; `called_about` reads the token of an address.

        Raises:
            KeyError: not the answer of the simulator's `/_simulator/truth`.
        """
        of_payout: dict[PayoutId, list[Ordered]] = defaultdict(list)
        for row in (*told["payouts"], *told["reversals"]):
            payout_id = called_about(urlsplit(row["result_url"]).path.rpartition("/")[2])
            if payout_id is not None:
                of_payout[payout_id].append(Ordered(
                    row["conversation_id"], row["receipt"] or "", Money(row["amount_cents"]),
                ))
        return cls(dict(of_payout))

    def payout_ids(self) -> set[PayoutId]:
        """Return every payout of ours that M-Pesa took an order for."""
        return set(self._of_payout)

    def of(self, payout_id: PayoutId) -> list[Ordered]:
        """Return the orders that M-Pesa took for a payout."""
        return self._of_payout.get(payout_id, [])


def order_breaches(payout: Payout, truth: PayoutTruth) -> Iterator[str]:
    """I6: M-Pesa moved this payout's money once at most, and we say of it what is true."""
    orders = truth.of(payout.id)
    executed = [each for each in orders if each.is_executed]
    receipts = ", ".join(each.receipt for each in executed)
    if len(executed) > 1:
        yield f"Payout {payout.id} was paid {len(executed)} times: {receipts}."
    if orders and not payout.attempts:
        yield f"Payout {payout.id} says that it was never ordered, and M-Pesa took an order."
    if payout.state in _WENT and payout.receipt and payout.way is not Way.OUTSIDE:
        told = (payout.receipt, payout.amount_sent)
        if told not in {(each.receipt, each.amount) for each in executed}:
            moved = ", ".join(f"{each.amount} with {each.receipt}" for each in executed)
            yield (
                f"Payout {payout.id} says that {payout.amount_sent} went with {payout.receipt}, "
                f"and M-Pesa moved {moved or 'nothing'} for it."
            )
    elif executed and not is_watched(payout):
        yield (
            f"Payout {payout.id} is {payout.state}, M-Pesa moved money ({receipts}), and neither a "
            "check nor a person will look."
        )


def is_watched(payout: Payout) -> bool:
    """Say whether a check or a person will still find out what became of an order."""
    return payout.needs_review or (
        payout.state in WATCHED and payout.next_check_at is not None
    )


def in_flight(payout: Payout, truth: PayoutTruth) -> Iterator[str]:
    """Yield a sentence when M-Pesa moved money that we still have to learn of, and will."""
    if payout.state not in _WENT and is_watched(payout):
        for each in truth.of(payout.id):
            if each.is_executed:
                yield f"Payout {payout.id} is {payout.state}, and will learn of {each.receipt}."


def lost_orders(truth: PayoutTruth, absent: Collection[PayoutId]) -> Iterator[str]:
    """I6: each order with an address of ours has a payout; yield a sentence for the `absent`."""
    for payout_id in sorted(absent):
        for each in truth.of(payout_id):
            did = f"moved money with {each.receipt}" if each.is_executed else "took an order"
            yield f"M-Pesa {did} for payout {payout_id}, which is not here."
