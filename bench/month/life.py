"""Live through a month: orders, payers, faults, Hakika's rounds, and the nights. Read `live`."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from bench.month import plan as plans
from bench.month.plan import Batch, Fate, Order, Plan, person
from bench.month.world import PAYBILL, World
from bench.processes import BenchFailed
from hakika.domain.times import NAIROBI
from hakika.worker.periodic import ROUNDS

CONCURRENCY = 32

# When rounds are made besides those beside a batch, and which: a worker makes some each second.
LOOKS = (timedelta(seconds=90), timedelta(minutes=4))
AT_A_LOOK = frozenset({"look_again", "hear_again"})
AT_A_BATCH = AT_A_LOOK | {"chain_postings", "pull", "ask_balances", "ask_people", "quarantine"}
AT_NIGHT = frozenset(each.name for each in ROUNDS)
PULL = "pull"

Progress = Callable[[int], None]


@dataclass(slots=True)
class Lived:
    """What the month's own people noticed. Everything else is in the books and in the truth."""

    answers: Counter[int] = field(default_factory=Counter)             # HTTP statuses of orders
    answers_in_outage: Counter[int] = field(default_factory=Counter)
    told_late: int = 0
    unasked_in_outage: int = 0


async def live(world: World, plan: Plan, *, progress: Progress) -> Lived:
    """Live through every day of the plan, and as many nights after as everything takes.

    `progress` is told how many orders more were made. Raises: BenchFailed.
    """
    life = _Life(world, plan, progress)
    for day in range(plan.days):
        for batch in plan.batches(day):
            await life.batch(batch)
        await life.night(day)
    for day in range(plan.days, plan.days + plans.NIGHTS_AFTER):
        await life.night(day)
    return life.lived


class _Life:
    """The month while it is lived."""

    def __init__(self, world: World, plan: Plan, progress: Progress) -> None:
        self.lived = Lived()
        self._world, self._plan, self._progress = world, plan, progress
        self._is_outage = False
        self._outage_ends = plan.at(plan.outage_day, plans.OUTAGE_AT + plans.OUTAGE)
        self._late: list[tuple[datetime, str]] = []     # a heap: when to tell, of which push
        self._unasked = 0

    async def batch(self, batch: Batch) -> None:
        """Have the orders of one hour made and paid, and look after them."""
        starts = self._plan.at(batch.day, batch.hour)
        if self._is_outage and starts >= self._outage_ends:
            await self._end_outage()
        await self._world.move(starts)
        begins_outage = starts + plans.OUTAGE == self._outage_ends
        await asyncio.gather(
            self._ask(batch.orders, cut=begins_outage),
            self._pay_unasked(batch.unasked),
            self._rounds(AT_A_BATCH),
        )
        if self._is_outage:
            await self._pay_unasked(plans.UNASKED_IN_OUTAGE)
        await self._world.settled()
        await self._tell_late()
        for wait in LOOKS:
            await self._world.move(starts + wait)
            await self._rounds(AT_A_LOOK)

    async def night(self, day: int) -> None:
        """Let it be night: the balance is told, the list of the day read, and the day closed."""
        midnight = self._plan.at(day, plans.AFTER_MIDNIGHT)
        if self._world.rt.now() < midnight:
            await self._world.move(midnight)
            await self._rounds(AT_A_BATCH)
        await self._world.move(self._plan.at(day, plans.NIGHT))
        await self._rounds(AT_NIGHT)
        await self._world.settled()     # M-Pesa has answered what it was asked
        await self._tell_late()

    async def _ask(self, orders: Collection[Order], *, cut: bool) -> None:
        """Make orders, many at once; `cut` lets Daraja go away in their middle."""
        waiting = iter(orders)
        done = 0

        async def shop() -> None:
            nonlocal done
            for order in waiting:
                await self._order(order)
                done += 1
                if cut and not self._is_outage and 2 * done >= len(orders):
                    await self._begin_outage()

        if cut:     # who was asked just before it answers in it
            await self._let_payers_answer(plans.SLOW_PAYERS_SECONDS)
        await asyncio.gather(*(shop() for _ in range(min(CONCURRENCY, len(orders)))))
        if cut:
            await self._let_payers_answer(plans.PAYERS_SECONDS)

    async def _let_payers_answer(self, seconds: float) -> None:
        await self._world.ask_simulator("PUT", "switches", {"payers_answer_seconds": seconds})

    async def _order(self, order: Order) -> None:
        answer = await self._world.order(
            {
                "amount": order.amount, "currency": "KES", "provider": "mpesa",
                "phone": order.phone, "reference": f"M{order.number}",
            },
            idempotency_key=f"month-{order.number}",
        )
        counted = self.lived.answers_in_outage if self._is_outage else self.lived.answers
        counted[answer.status] += 1
        if answer.status != HTTPStatus.ACCEPTED and not self._is_outage:
            raise BenchFailed(f"Order {order.number} was answered {answer.body.decode()}")
        self._progress(1)
        if order.fate is Fate.LATE and answer.status == HTTPStatus.ACCEPTED:
            push = json.loads(answer.body)["data"]["provider_ref"]
            if push:
                heapq.heappush(self._late, (self._world.rt.now() + order.late_by, push))

    async def _pay_unasked(self, count: int) -> None:
        """Let people pay by hand, with a reference of their own."""
        for _ in range(count):
            self._unasked += 1
            self.lived.unasked_in_outage += self._is_outage
            said = await self._world.ask_simulator("POST", "c2b", {
                "phone": person(7 * self._unasked), "shortcode": PAYBILL,
                "amount": plans.AMOUNTS[self._unasked % len(plans.AMOUNTS)],
                "account": f"RENT {self._unasked}",
            })
            if said["state"] != "completed":
                raise BenchFailed(f"A payer could not pay unasked: {said}")

    async def _tell_late(self) -> None:
        """Have the simulator tell now what is hours late."""
        for push in self._due():
            self.lived.told_late += 1
            await self._world.ask_simulator("POST", f"callbacks/{push}/repeat", {})

    def _due(self) -> Iterator[str]:
        while self._late and self._late[0][0] <= self._world.rt.now() and not self._is_outage:
            yield heapq.heappop(self._late)[1]

    async def _begin_outage(self) -> None:
        self._is_outage = True     # at once, so that it begins once
        await self._world.ask_simulator("POST", "outage", {"mode": "refuse", "callbacks": "drop"})

    async def _end_outage(self) -> None:
        await self._world.move(self._outage_ends)
        await self._world.ask_simulator("DELETE", "outage")
        self._is_outage = False
        await self._rounds(AT_A_BATCH)

    async def _rounds(self, names: Collection[str]) -> None:
        """Make Hakika's own rounds, in their order; without pulls on the day that has none."""
        rt = self._world.rt
        without = self._plan.at(self._plan.day_without_pull, timedelta())
        is_without = rt.now().astimezone(NAIROBI).date() == without.date()
        for each in ROUNDS:
            if each.name in names and not (is_without and each.name == PULL):
                made: Any = each.make(rt)
                await made
