"""Any story of money: collected, refunded, paid out, settled and taken back, in whatever order.

Hypothesis makes up the stories; a model of forty lines says what must be so after each step. M-Pesa
decides what it executes when an order reaches it, and what of that it tells, when and how often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from hakika.domain import fact as payment_facts
from hakika.domain.errors import Conflict, Invalid, NothingOwed
from hakika.domain.fee import Rate
from hakika.domain.ids import PaymentId, PayoutId
from hakika.domain.money import Money
from hakika.domain.payment import Payment
from hakika.domain.payout import FINAL, RESERVING, Payee, Payout, State, Way
from hakika.domain.payout_fact import Kind, PayoutFact, Source
from hakika.domain.shortcode import paybill
from hakika.services import facts, ledger, payouts, providers, refunds, sellers, settlements
from hakika.services.payout_facts import record
from hakika.services.payouts import Order
from hakika.services.verify import verify
from hakika.store import payments as payment_rows
from hakika.store import payouts as payout_rows
from tests.services.test_settlements import OPERATOR, PHONE, seller_of, sold
from tests.services.world import World

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

Result = TypeVar("Result")
_numbers = count(1)
PAYBILL = "600966"


@dataclass
class Ordered:
    """An order as M-Pesa knows it."""

    amount: int                     # in cents
    payment_id: str = ""            # of a refund
    calls: int = 0                  # that may have reached M-Pesa
    executed: bool = False
    receipt: str = ""
    reached: bool = False


class Story(RuleBasedStateMachine):
    """One merchant, its seller, and M-Pesa. Amounts are cents."""

    world: ClassVar[World]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def __init__(self) -> None:
        super().__init__()
        self.shop: World = self.run_(self.world.anew())
        account = providers.Wanted(paybill(PAYBILL), OPERATOR, is_default=True)
        self.run_(providers.put(self.shop.rt, self.shop.key, account))
        self.run_(sellers.add_plan(
            self.shop.rt, self.shop.key, Rate(150), seller_id=None, since=None,
        ))
        self.seller, self.till = self.run_(seller_of(self.shop, account=PHONE))
        self.came: dict[str, int] = {}              # by payment
        self.back: dict[str, int] = {}              # of each, that M-Pesa has given back
        self.orders: dict[str, Ordered] = {}
        self.float = 0                              # what lies on the Utility account

    def run_(self, story: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine where the world lives."""
        return asyncio.run_coroutine_threadsafe(story, self.loop).result(30)

    def payout(self, payout_id: str) -> Payout:
        """Read a payout as it stands."""
        async def read() -> Payout:
            async with self.shop.rt.store.transaction() as tx:
                found = await payout_rows.lock(tx, PayoutId(payout_id))
            assert found is not None
            return found

        return self.run_(read())

    def hear(self, payout_id: str, kind: Kind, source: Source, **more: Any) -> Payout:
        """Let a payout hear a fact, and return it."""
        change = self.run_(record(
            self.shop.rt, PayoutId(payout_id), lambda _: PayoutFact(kind, source, **more),
        ))
        assert change is not None
        return change.after

    @property
    def has_reached(self) -> bool:
        """Say whether M-Pesa has an order, or may have one."""
        return any(one.reached for one in self.orders.values())

    def states(self) -> dict[str, State]:
        """Return where every order stands, in the order in which they were made."""
        stored = {row["id"]: State(row["state"]) for row in self.shop.rows(
            "select id, state from payouts where merchant_id = %s", self.shop.key.merchant_id,
        )}
        return {each: stored[each] for each in self.orders}

    def some(self, data: st.DataObject, *states: State) -> str | None:
        """Return one of the orders in these states, if there is any."""
        found = [each for each, state in self.states().items() if state in states]
        return data.draw(st.sampled_from(found)) if found else None

    @initialize(both=st.tuples(st.integers(20, 300), st.integers(20, 300)))
    def open_the_shop(self, both: tuple[int, int]) -> None:
        """A story begins with something to give back, and something to settle."""
        for shillings, is_the_sellers in zip(both, (False, True), strict=True):
            self.collect(shillings, is_the_sellers)

    @rule(shillings=st.integers(20, 300), is_the_sellers=st.booleans())
    def collect(self, shillings: int, is_the_sellers: bool) -> None:
        shop = self.till if is_the_sellers else self.shop
        payment = self.run_(sold(shop, Money.shillings(shillings)))
        self.came[payment.id], self.back[payment.id] = shillings * 100, 0
        self.float += shillings * 100

    @precondition(lambda self: len(self.orders) < 4)
    @rule(shillings=st.integers(10, 400))
    def pay_out(self, shillings: int) -> None:
        made = self.run_(payouts.request(self.shop.rt, self.shop.key, Order(
            Money.shillings(shillings), Way.PHONE, Payee(phone=PHONE.phone),
            f"out-{next(_numbers)}", {},
        )))
        self.orders[made.payout.id] = Ordered(shillings * 100)

    @rule(data=st.data(), part=st.one_of(st.none(), st.integers(10, 60), st.integers(10, 320)))
    def refund(self, data: st.DataObject, part: int | None) -> None:
        payment_id = data.draw(st.sampled_from(sorted(self.came)))
        open_ones = [
            each for each, state in self.states().items()
            if self.orders[each].payment_id == payment_id and state not in FINAL
        ]
        left = self.came[payment_id] - self.read(payment_id).amount_returned.cents
        wanted = left if part is None else part * 100
        is_allowed = not open_ones and 0 < wanted <= left
        try:
            made = self.run_(refunds.request(self.shop.rt, self.shop.key, refunds.Order(
                PaymentId(payment_id), f"back-{next(_numbers)}", {},
                amount=None if part is None else Money.shillings(part),
            )))
        except (Conflict, Invalid):
            assert not is_allowed or wanted < 1_000
            return
        assert is_allowed, "more is given back than came, or two ways at once"
        self.orders[made.payout.id] = Ordered(made.payout.amount.cents, payment_id)

    def read(self, payment_id: str) -> Payment:
        """Read a payment as it stands."""
        return self.run_(self.shop.read(payment_id))

    @precondition(lambda self: len(self.orders) % 3 == 0)
    @rule()
    def settle(self) -> None:
        try:
            made = self.run_(settlements.settle(
                self.shop.rt, self.shop.key, self.seller.id, f"settle-{next(_numbers)}",
            ))
        except NothingOwed:
            return
        self.orders[made.payout.id] = Ordered(made.payout.amount.cents)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), end=st.sampled_from(["accepted", "silent", "died", "unreachable"]))
    def send(self, data: st.DataObject, end: str) -> None:
        payout_id = self.some(data, State.READY)
        if payout_id is None:
            return
        one, attempt = self.orders[payout_id], self.payout(payout_id).attempts + 1
        self.hear(payout_id, Kind.ASKED, Source.CLOCK, attempt=attempt)
        if end == "unreachable":
            self.hear(payout_id, Kind.UNREACHABLE, Source.DARAJA, attempt=attempt)
            return
        one.calls += 1
        one.reached = True
        one.executed = data.draw(st.booleans())
        if one.executed:
            one.receipt = f"SGH{next(_numbers):07d}"
            self.float -= one.amount
            if one.payment_id:
                self.back[one.payment_id] += one.amount
        if end == "accepted":
            self.hear(
                payout_id, Kind.ACCEPTED, Source.DARAJA, attempt=attempt,
                conversation_id=f"AG_{payout_id}",
            )
        elif end == "silent":
            self.hear(payout_id, Kind.SILENT, Source.DARAJA, attempt=attempt)

    @precondition(lambda self: self.has_reached)
    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        """M-Pesa tells what it did: late, twice, or before anything else was heard."""
        told = [each for each, one in self.orders.items() if one.reached]
        payout_id = data.draw(st.sampled_from(told))
        one = self.orders[payout_id]
        if one.executed:
            self.hear(
                payout_id, Kind.PAID, Source.RESULT, receipt=one.receipt,
                amount=Money(one.amount),
            )
        else:
            self.hear(payout_id, Kind.DECLINED, Source.RESULT)

    @precondition(lambda self: self.has_reached)
    @rule(data=st.data(), kind=st.sampled_from([Kind.SILENT, Kind.QUEUED_OUT]))
    def wait(self, data: st.DataObject, kind: Kind) -> None:
        """Time passes over an order that nothing was heard of, and then the last deadline."""
        payout_id = self.some(data, State.SENDING, State.PENDING, State.UNKNOWN)
        if payout_id is not None:
            is_unknown = self.states()[payout_id] is State.UNKNOWN
            self.hear(payout_id, Kind.LAPSED if is_unknown else kind, Source.CLOCK)

    @precondition(lambda self: len(self.orders) % 4 == 3)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        payout_id = self.some(data, State.READY, State.HELD)
        if payout_id is not None:
            self.hear(payout_id, Kind.WITHDRAWN, Source.OPERATOR)

    @precondition(lambda self: len(self.came) > 2)
    @rule(data=st.data())
    def reverse_on_the_portal(self, data: st.DataObject) -> None:
        """M-Pesa lets only what is there whole be reversed; it is heard of by a statement."""
        whole = [each for each in self.came if not self.back[each]]
        if not whole:
            return
        payment_id = data.draw(st.sampled_from(sorted(whole)))
        self.back[payment_id] = self.came[payment_id]

        async def heard() -> None:
            async with self.shop.rt.store.transaction() as tx:
                assert await payment_rows.lock(tx, PaymentId(payment_id)) is not None
                await facts.record_in(self.shop.rt, tx, PaymentId(payment_id), payment_facts.Fact(
                    payment_facts.Kind.RETURNED, payment_facts.Source.STATEMENT,
                    receipt=f"SGR{next(_numbers):07d}", amount=Money(self.came[payment_id]),
                ))

        self.run_(heard())

    @invariant()
    def nothing_is_ordered_twice(self) -> None:
        """I6: of an order that may have reached M-Pesa there is no second one."""
        assert [each for each, one in self.orders.items() if one.calls > 1] == []

    @invariant()
    def what_is_called_failed_was_not_paid(self) -> None:
        """And what is completed was."""
        for each, state in self.states().items():
            one = self.orders[each]
            assert state is not State.FAILED or not one.executed
            assert state is not State.COMPLETED or one.executed
            assert state is not State.CANCELED or not one.reached

    @invariant()
    def the_books_say_what_is_there(self) -> None:
        """I2: what left the float is what was told, and what is held is what may still leave."""
        self.run_(ledger.chain_all(self.shop.rt))
        sums = {
            row["account"]: row["debits_cents"] - row["credits_cents"] for row in self.shop.rows(
                "select * from account_sums where merchant_id = %s", self.shop.key.merchant_id,
            )
        }
        states = self.states()
        untold = sum(
            one.amount for each, one in self.orders.items()
            if one.executed and states[each] is not State.COMPLETED
        )
        held = sum(one.amount for each, one in self.orders.items() if states[each] in RESERVING)
        assert sums.get(f"float:{PAYBILL}:utility", 0) == self.float + untold
        assert -sums.get(f"held:{PAYBILL}:utility", 0) == held
        assert sum(sums.values()) == 0

    def teardown(self) -> None:
        """I7, and everything else that `verify` knows, at the end of each story."""
        states = self.states()
        for payment_id, came in self.came.items():
            assert came >= sum(
                one.amount for each, one in self.orders.items()
                if one.payment_id == payment_id
                and states[each] in {*RESERVING, State.COMPLETED}
            )


async def test_whatever_happens_no_money_is_lost_or_paid_twice(file_world: World):
    """I2, I6 and I7 in every story."""
    Story.world, Story.loop = file_world, asyncio.get_running_loop()
    await asyncio.to_thread(run_machine, Story, settings=settings(
        max_examples=15, stateful_step_count=25, deadline=None,
        suppress_health_check=list(HealthCheck),
    ))

    report = await verify(file_world.rt)
    broken = [each for each in report.checks if each.violations and each.code != "I5"]
    assert broken == []
