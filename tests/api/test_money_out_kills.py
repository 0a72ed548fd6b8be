"""Death at every point of every path of money out, whatever M-Pesa does: never twice, never lost.

Enumerated, not sampled: each kill point x each path x each thing that Daraja may do. A death is an
exception that nothing catches, raised between two commits: what is durable is what a SIGKILL there
would leave. `tests/journeys/test_payout_kills.py` kills real processes at the same points.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, product
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from hakika.services import ledger, payout_checks, sending
from hakika.services.killpoints import KillPoint
from hakika.services.verify import verify
from tests.api.test_inquiries import credential
from tests.api.test_payouts import funded
from tests.api.test_refunds import plan
from tests.api.world import Shop, World, new_key, open_world
from tests.postgres import fresh_database

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

POINTS = (
    KillPoint.BEFORE_ORDER, KillPoint.AFTER_ORDER_COMMITTED, KillPoint.AFTER_ORDER,
    KillPoint.AFTER_ORDER_RECORDED, KillPoint.BEFORE_RESULT, KillPoint.AFTER_RESULT,
)
SITUATIONS: Mapping[str, Mapping[str, Any]] = {
    "answered": {},
    "refused": {"answer": "refused"},
    "declined": {"result_code": "1"},
    "silent": {"answer": "reset", "accepted": True},
    "lost": {"answer": "reset", "accepted": False},
    "duplicated": {"telling": "thrice"},
    "early": {"telling": "before_answer"},
    "timed_out": {"queue_timeout": "then_result"},
    "untold": {"telling": "never"},
}
PATHS = ("phone", "paybill", "reversal", "refund_by_b2c")
APIS = {"phone": "b2c", "paybill": "b2b", "reversal": "reversal", "refund_by_b2c": "b2c"}

PACE = 200                   # a minute of Hakika's patience is 0.3 s
SETTLE_SECONDS_MAX = 60
_people, _shortcodes = count(254_711_700_000), count(605_000)
_paybills = count(710_000)


class Died(BaseException):
    """The process died here."""


@dataclass
class Reaper:
    """Ends whatever passes one point, so many times."""

    point: KillPoint | None = None
    left: int = 0

    def __call__(self, passed: KillPoint) -> None:
        """Be passed by."""
        if passed is self.point and self.left > 0:
            self.left -= 1
            raise Died


@dataclass
class Order:
    """One order of money, and what became of it."""

    path: str
    situation: str
    receiver: str                 # by which the simulator knows it
    url: str
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def is_for_a_person(self) -> bool:
        """Say whether M-Pesa told no id by which it could be asked, of an order made once."""
        is_repeatable = self.path in {"phone", "refund_by_b2c"}
        return (
            self.seen["status"] == "unknown" and self.seen["provider_ref"] is None
            and not is_repeatable
        )

    @property
    def is_settled(self) -> bool:
        """Say whether nothing more can be found out."""
        return self.seen["status"] in {"completed", "failed"} or self.is_for_a_person


@pytest.fixture(scope="module")
def reaper() -> Reaper:
    return Reaper()


@pytest.fixture(scope="module")
def dying_world(template: str, simulator_url: str, reaper: Reaper) -> Iterator[World]:
    """An API and a worker that die where the reaper stands."""
    with fresh_database(template) as url, open_world(
        url, simulator_url, more={"HAKIKA_PACE": str(PACE)}, passing=reaper,
    ) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.mark.parametrize("point", POINTS)
async def test_no_death_pays_twice_or_forgets_a_payment(
    dying_world: World, client: aiohttp.ClientSession, reaper: Reaper, point: KillPoint,
):
    """I6: the simulator's truth never shows two for one order, and the books equal it."""
    shop = dying_world.open_shop(client)
    shortcode = str(next(_shortcodes))
    await shop.put_paybill(
        shortcode, initiator="testapi", security_credential=await credential(shop, "Simulated#1"),
    )
    await funded(shop, shortcode)
    first = await ordered(shop, shortcode, "phone", "answered")
    await settled(shop, [first])  # M-Pesa takes the operator: so many may be sent at once
    orders = [
        await ordered(shop, shortcode, path, situation)
        for path, situation in product(PATHS, SITUATIONS)
    ]
    reaper.point, reaper.left = point, len(orders)

    await settled(shop, orders)

    reaper.point = None
    moved = await moves(shop, shortcode)
    assert [each for each, done in moved.items() if len(done) > 1] == []
    wrong = [
        (each.path, each.situation, each.seen["status"], moved.get(each.receiver))
        for each in orders if not is_true(each, moved.get(each.receiver, []))
    ]
    assert wrong == []
    await assert_books(shop, shortcode, [first, *orders])


def is_true(order: Order, done: list[Mapping[str, Any]]) -> bool:
    """Say whether an order says what M-Pesa did; one that a person must look at says nothing."""
    if order.is_for_a_person:
        return True
    if not done:
        return bool(order.seen["status"] == "failed")
    return bool(
        order.seen["status"] == "completed" and order.seen["receipt"] == done[0]["receipt"]
    )


async def ordered(shop: Shop, shortcode: str, path: str, situation: str) -> Order:
    """Order money out, and let M-Pesa do what it does in this situation."""
    if path in {"reversal", "refund_by_b2c"}:
        person, payment = await paid(shop, shortcode)
        receiver = payment["receipt"] if path == "reversal" else person
        url, body = "/v1/refunds", {
            "payment_id": payment["id"], "method": "reversal" if path == "reversal" else "b2c",
        }
    else:
        receiver = str(next(_people if path == "phone" else _paybills))
        payee = {"phone": receiver} if path == "phone" else {"paybill": receiver, "account": "A1"}
        url, body = "/v1/payouts", {"amount": 100, "shortcode": shortcode, **payee}
    if SITUATIONS[situation]:
        await plan(shop, api=APIS[path], receiver=receiver, **SITUATIONS[situation])
    answer = await shop.send("POST", url, json=body, idempotency_key=new_key())
    assert answer.status == 202, answer.raw
    return Order(path, situation, receiver, f"{url}/{answer.data['id']}")


async def paid(shop: Shop, shortcode: str) -> tuple[str, dict[str, Any]]:
    """Let a person of their own pay; return their number and the payment."""
    person = str(next(_people))
    payment = (await shop.order(shortcode=shortcode, phone=person, amount=100)).data
    address = f"{shop.world.simulator}/_simulator/phone/{person}/pin"
    while payment["status"] == "pending":
        async with shop.session.post(address, json={"pin": "1234"}) as answer:
            await answer.read()
        payment = (await shop.get(f"/v1/payments/{payment['id']}")).data
    assert payment["status"] == "completed", payment
    return person, payment


async def settled(shop: Shop, orders: list[Order]) -> None:
    """Make a worker's rounds until every order is settled; whoever dies is followed by another."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        for work in (sending.send_due, payout_checks.look_again):
            with suppress(Died):  # another worker goes on
                await asyncio.to_thread(shop.world.in_api, work(shop.world.rt))
        nothing_will_come = await is_quiet(shop)
        for each in orders:
            if not each.seen or each.seen["status"] not in {"completed", "failed"}:
                each.seen = (await shop.get(each.url)).data
        if nothing_will_come and all(each.is_settled for each in orders):
            return
        left = [(each.path, each.situation, each.seen["status"]) for each in orders
                if not each.is_settled]
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)


async def is_quiet(shop: Shop) -> bool:
    """Say whether M-Pesa has carried out everything, and told everything that it will tell."""
    async with shop.session.get(f"{shop.world.simulator}/_simulator/settled") as answer:
        left = await answer.json()
    return not left["open_instructions"] and not left["pending_callbacks"]


async def moves(shop: Shop, shortcode: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return what M-Pesa carried out for a short code, by receiver."""
    async with shop.session.get(f"{shop.world.simulator}/_simulator/truth") as answer:
        truth = await answer.json()
    done: dict[str, list[Mapping[str, Any]]] = {}
    for each in (*truth["payouts"], *truth["reversals"]):
        if each["shortcode"] == shortcode and each["receipt"]:
            done.setdefault(each["receiver"], []).append(each)
    return done


async def assert_books(shop: Shop, shortcode: str, orders: list[Order]) -> None:
    """What left the float is what is completed, what is held is what a person must look at."""
    world = shop.world
    world.in_api(ledger.chain_all(world.rt))
    sums = Counter({
        row["account"]: row["debits_cents"] - row["credits_cents"]
        for row in world.rows("select * from account_sums where merchant_id = %s", shop.merchant_id)
    })
    came = 100_00 * sum(each.path in {"reversal", "refund_by_b2c"} for each in orders)
    for place, paths in (("utility", set(PATHS) - {"paybill"}), ("working", {"paybill"})):
        mine = [each for each in orders if each.path in paths]
        went = 100_00 * sum(each.seen["status"] == "completed" for each in mine)
        held = 100_00 * sum(each.is_for_a_person for each in mine)
        assert sums[f"float:{shortcode}:{place}"] == (came if place == "utility" else 0) - went
        assert -sums[f"held:{shortcode}:{place}"] == held
    report = await asyncio.to_thread(world.in_api, verify(world.rt))
    assert report.green, [check for check in report.checks if check.violations]
