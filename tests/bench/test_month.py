"""A few days of the month with all its faults: each closes green, and what is amiss is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from bench.month.__main__ import starts_at
from bench.month.life import Lived, live
from bench.month.plan import MIDNIGHT, Plan
from bench.month.verdict import Verdict, judge
from bench.month.world import PAYBILL, World, open_world
from tests.postgres import fresh_database

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

HOURS = (timedelta(hours=9), timedelta(hours=13), MIDNIGHT)


@dataclass(frozen=True)
class Month:
    """A month that was lived to its end."""

    world: World
    plan: Plan
    lived: Lived

    async def verdict(self) -> Verdict:
        """Judge it as it is now."""
        return await judge(self.world, self.plan, self.lived)

    def spoil(self, statement: str) -> None:
        """Do to the books what only the database's owner can."""
        with psycopg.connect(self.world.database_url) as connection:
            connection.execute("set session_replication_role = replica")
            assert connection.execute(statement).rowcount == 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def month(template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Month]:
    """Four days, an outage on the second and no pull on the third."""
    folder: Path = tmp_path_factory.mktemp("month")
    plan = Plan(120, 4, starts_at(), HOURS)
    with fresh_database(template) as url:
        async with open_world(url, folder, starts=plan.starts) as world:
            yield Month(world, plan, await live(world, plan, progress=lambda _: None))


async def test_every_day_closes_green_whatever_went_wrong_in_it(month: Month) -> None:
    """The finance person stops looking for shillings. The counts show that something went wrong."""
    verdict = await month.verdict()

    assert verdict.wrong == ()
    assert verdict.found["days_green"] >= month.plan.days
    assert verdict.found["days_red_at_first"] >= 1  # the night without M-Pesa's list proves nothing
    assert 0 < verdict.found["late"] <= verdict.planted["denied"]  # a confirmation may be faster
    assert verdict.found["confirmed_by"].keys() >= {"pull", "stk_callback"}


async def test_money_that_the_books_lack_makes_it_red(month: Month) -> None:
    """Else it would be green by not looking."""
    await month.world.ask_simulator("PUT", "switches", {"confirmations_off": 100})
    paid = await month.world.ask_simulator("POST", "c2b", {
        "phone": "254722000001", "shortcode": PAYBILL, "amount": 100, "account": "RENT",
    })

    wrong = (await month.verdict()).wrong

    assert f"Receipt {paid['receipt']} is not in the books." in wrong
    assert [each for each in wrong if "cents lie on the paybill, and the books have" in each]


async def test_a_posting_that_was_deleted_makes_it_red(month: Month) -> None:
    """The sums still agree with M-Pesa's, as they are kept apart: the row itself is missed."""
    month.spoil("delete from postings where position = (select min(position) from postings)")

    wrong = (await month.verdict()).wrong

    assert [each for each in wrong if each.startswith("I2:")]
    assert [each for each in wrong if each.startswith("I3: The books lack the collection of")]
    assert len([each for each in wrong if each.endswith("is not in the books.")]) == 2
