"""The nights: which days are closed, once, by one of many workers, whatever happened meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from hakika.domain.closing import Result, day_of
from hakika.domain.discrepancy import Kind
from hakika.domain.errors import Invalid, NotFound
from hakika.domain.merchant import Owner
from hakika.domain.times import NAIROBI
from hakika.services import closing, ledger, runtime
from hakika.services.closing import close_nightly
from tests.services.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def closings(world: World) -> list[tuple[date, str]]:
    return [
        (row["day"], row["result"]) for row in world.rows(
            "select day, result from day_closings where merchant_id = %s order by number",
            world.key.merchant_id,
        )
    ]


class Clock:
    """The one clock of the running parts, which a test may put forward."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._ahead = timedelta()
        patch.setattr(runtime, "clock", lambda: datetime.now(UTC) + self._ahead)

    def to_night(self, *, minute: int = 30) -> None:
        """Let it be half past three: the day before is to be closed."""
        now = runtime.clock().astimezone(NAIROBI)
        self._ahead += now.replace(hour=3, minute=minute) + timedelta(days=1) - now

    def on(self, days: int) -> None:
        self._ahead += timedelta(days=days)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_each_night_closes_the_day_before_once(world, clock):
    await world.completed()
    clock.to_night()
    yesterday = day_of(world.rt.now()) - timedelta(days=1)

    done = [await close_nightly(world.rt) for _ in range(3)]

    assert done[0] >= 1 and done[1:] == [0, 0]
    assert closings(world) == [(yesterday, "red")]  # nobody told us M-Pesa's side


async def test_before_the_list_can_be_whole_nothing_is_closed(world, clock):
    await world.completed()
    clock.to_night(minute=10)
    today = day_of(world.rt.now())

    await close_nightly(world.rt)

    assert today - timedelta(days=1) not in dict(closings(world))


async def test_a_red_day_is_closed_again_the_next_night_and_nights_that_were_missed_are_made_up_for(
    world, clock,
):
    await world.completed()
    clock.to_night()
    first = day_of(world.rt.now()) - timedelta(days=1)
    await close_nightly(world.rt)
    clock.on(3)

    await close_nightly(world.rt)

    days = [first + timedelta(days=each) for each in range(4)]
    assert [day for day, _ in closings(world)] == [first, *days]
    assert {result for _, result in closings(world)[2:]} == {"red"}  # nobody proved them


async def test_a_day_that_was_passed_over_is_closed_all_the_same(world, clock):
    """The worker was away for days, and somebody closed only the last of them by hand."""
    await world.completed()
    clock.to_night()
    clock.on(4)
    last = day_of(world.rt.now()) - timedelta(days=1)
    await closing.close(world.rt, world.key.owner, last)

    await close_nightly(world.rt)

    days = [day for day, _ in closings(world)]
    assert sorted(days) == [last - timedelta(days=each) for each in (4, 3, 2, 1, 0)]


async def test_a_day_with_no_record_of_m_pesas_at_all_is_not_green(world, clock):
    """An outage day without a callback looks just like a quiet one: covered comes before equal."""
    for livemode in (False, True):
        owner = Owner(world.key.merchant_id, livemode)
        closed = await closing.close(world.rt, owner, day_of(world.rt.now()) - timedelta(days=2))

        assert closed.closing.result is Result.RED
        assert [each.difference.kind for each in closed.discrepancies] == [Kind.UNPROVEN]


async def test_two_workers_at_once_close_a_day_once(world, clock):
    await world.completed()
    clock.to_night()

    await asyncio.gather(close_nightly(world.rt), close_nightly(world.rt))

    assert len(closings(world)) == 1


async def test_one_merchants_damage_keeps_nobody_elses_day_open(world, clock, capfd):
    await world.completed()
    await ledger.chain_all(world.rt)
    other = await world.besides()
    await other.completed()
    world.change(
        "update posting_heads set sequence = 0"
        f" where merchant_id = '{world.key.merchant_id}'",
    )
    await world.completed()
    clock.to_night()

    await close_nightly(world.rt)

    assert len(closings(other)) == 1 and closings(world) == []
    assert "day_not_closed" in "".join(capfd.readouterr())


async def test_a_day_that_is_not_over_is_not_closed(world):
    today = day_of(world.rt.now())
    for day in (today, today + timedelta(days=1)):
        with pytest.raises(Invalid, match="is not over in Nairobi"):
            await closing.close(world.rt, world.key.owner, day)
    with pytest.raises(NotFound):
        await closing.report(world.rt, world.key.owner, today)


async def test_a_report_stays_as_it_was_whatever_comes_later(world, clock):
    """Reproducible: the same bytes are signed, and the same are shown for ever."""
    await world.completed()
    day = day_of(world.rt.now())
    clock.to_night()
    first = (await closing.close(world.rt, world.key.owner, day)).closing
    before = await closing.report(world.rt, world.key.owner, day)
    later = await world.completed()
    world.change(
        "set session_replication_role = replica",
        f"update postings set happened_at = '{day} 12:00+03' where payment_id = '{later.id}'",
    )
    await ledger.chain_all(world.rt)

    after = await closing.report(world.rt, world.key.owner, day)

    assert after == before and len(before.movements or ()) == 1
    assert first.result is Result.RED
    again = (await closing.close(world.rt, world.key.owner, day)).closing
    assert again.number == first.number + 1
    assert again.signed.checkpoint.previous == first.signed.checkpoint.sha256
