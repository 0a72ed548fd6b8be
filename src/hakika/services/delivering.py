"""Delivering: what is due is taken, posted, and ended, many at once and each in its lane.

Read `Desk.turn`, then `deliver_due` (everything that is due, once) and `deliver_until` (a worker's
whole life). One exchange with the database ends the tries that came to an end since the last one
and begins the next; while nothing happens there is one every half second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import Any

import structlog

from hakika.domain import retry
from hakika.domain.delivery import Answer, DeliveryState, Verdict, judge
from hakika.domain.dialect import CONTENT_TYPE, write
from hakika.domain.ids import EndpointId
from hakika.domain.lane import POSTED_MAX, SLOW_SECONDS, Lanes, Waiting
from hakika.services import endpoint_health
from hakika.services.killpoints import KillPoint
from hakika.services.runtime import Runtime
from hakika.services.telemetry import outcome_of_post
from hakika.store import deliveries
from hakika.store import lanes as store_lanes
from hakika.store.deliveries import Ended, Letter, Place, Taken
from hakika.store.transaction import StatementRefused, StoreUnavailable
from hakika.store.wakes import WakeLost, hear

log = structlog.get_logger(__name__)

# Longer than a POST may take, so that a try is not made twice; a crashed one is due again then.
LEASE_SECONDS = 30

# How often a worker looks for itself: it bounds how late a retry is, and what a lost hint costs.
LOOK_SECONDS = 0.5

# How often it looks for lanes in which others left deliveries waiting.
LANES_SECONDS = 1.0

# After an exchange with the database, rest so many times as long as it took: the busier the machine
# is, the more deliveries share one exchange. The first after a silence is not delayed.
REST = 1.0
REST_SECONDS_MAX = 0.01

# A database that is away for longer than this is not just being restarted.
AWAY_SECONDS_MAX = 30.0
AGAIN_SECONDS = 1.0

# What is written of a delivery that ended its worker, or our code, at each of its tries.
NEVER_FINISHED = Answer(status=None, error="No try of it ever came to an end.")

# A try that was begun and not made: it is not counted.
UNPOSTED = Answer(status=None)


class Desk:
    """The deliveries of one worker: what is under way, what has ended, and which lanes wait."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._loop = asyncio.get_running_loop()
        self._lanes = Lanes(rt.settings.worker_deliveries_max)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended: list[Ended] = []
        self._waiting = Waiting()
        self._lanes_seen_at = -LANES_SECONDS
        self._lanes_seen_to = ""                            # the endpoint after which to look on
        self._gates: dict[str, asyncio.Semaphore] = {}      # lanes: what may be posted at once
        self._full: Set[str] = frozenset()                  # lanes in which more is due
        self._is_cut = False                                # more may be due, in whatever lane
        self.changed = asyncio.Event()                      # a turn would find something to do
        self.broke: list[BaseException] = []                # what our own code did to tries

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is under way, and all that ended is written."""
        return not self._tasks and not self._ended

    @property
    def has_more(self) -> bool:
        """Say whether more may begin as soon as there is room."""
        now = self._loop.time()
        return self._is_cut or any(
            self._lanes.room(lane, now=now) for lane in (*self._full, *self._waiting.lanes)
        )

    async def turn(self, *, taking: bool) -> int:
        """End what ended and, with `taking`, begin what may begin; return how many began.

        Raises:
            StoreUnavailable: nothing was written; what ended is kept for the next turn.
        """
        if taking:
            await self._find_lanes()
        place = self._place() if taking else None
        ended, self._ended = self._ended, []
        if not ended and place is None:
            return 0
        now = self._rt.now()
        try:
            async with self._rt.store.autocommit() as tx:
                done = await deliveries.turn(
                    tx, ended, place, now=now, lease=now + self._rt.patience.seconds(LEASE_SECONDS),
                )
        except StoreUnavailable:
            self._ended = ended + self._ended
            raise
        except StatementRefused:
            await self._end_each(ended)
            raise
        if ended:
            self._rt.passing(KillPoint.AFTER_ATTEMPT_FINISHED)
        self._note(ended, done.recovered)
        if place is not None:
            self._full, self._is_cut = done.full, len(done.begun) == place.free
            self._waiting.forget(place.draw.keys() - done.waiting.keys())
            self._waiting.note(done.waiting)
        for taken in done.begun:
            self._begin(taken)
        return len(done.begun)

    async def break_off(self) -> None:
        """Stop what is under way; it is due again when its lease is over."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _find_lanes(self) -> None:
        """Look now and then where deliveries wait: others, or an earlier life, left some."""
        now = self._loop.time()
        if now - self._lanes_seen_at < LANES_SECONDS:
            return
        async with self._rt.store.autocommit() as tx:
            found, self._lanes_seen_to = await store_lanes.waiting(
                tx, after=self._lanes_seen_to, now=self._rt.now(),
            )
        self._lanes_seen_at = now
        self._waiting.note(found)

    def _place(self) -> Place | None:
        now = self._loop.time()
        free = self._lanes.free(now=now)
        if free == 0:
            return None
        return Place(
            free=free, rooms=self._lanes.rooms(now=now),
            draw=self._waiting.draw(lambda lane: self._lanes.room(lane, now=now)),
            rate_per_second=self._rt.settings.webhook_rate_per_second,
        )

    def _begin(self, taken: Taken) -> None:
        self._lanes.begin(taken.lane, taken.id, now=self._loop.time())
        task = asyncio.create_task(self._try(taken))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._over(done, taken))

    async def _try(self, taken: Taken) -> Ended:
        """Post what was begun; give it back unposted when those before it in its lane are slow."""
        gate = self._gates.setdefault(taken.lane, asyncio.Semaphore(POSTED_MAX))
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                await gate.acquire()
        except TimeoutError:
            return Ended(taken, UNPOSTED, Verdict(DeliveryState.WAITING))
        try:
            return await self._post(taken)
        finally:
            gate.release()

    async def _post(self, taken: Taken) -> Ended:
        rt = self._rt
        rt.passing(KillPoint.AFTER_ATTEMPT_BEGUN)
        if taken.tries > retry.ATTEMPTS_MAX:
            answer = NEVER_FINISHED
        else:
            with rt.telemetry.webhook(taken, now=rt.now()) as step:
                answer = await post(rt, deliveries.opened(taken))
                step.outcome = outcome_of_post(answer)
        rt.passing(KillPoint.AFTER_POST)
        verdict = judge(answer, tries=taken.tries, now=rt.now(), chance=rt.chance())
        return Ended(taken, answer, verdict)

    def _over(self, task: asyncio.Task[Ended], taken: Taken) -> None:
        """Make room. A try that our own code broke stays counted, and is due after its lease."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        ended = None if task.cancelled() or error else task.result()
        answer = ended.answer if ended else UNPOSTED
        self._lanes.end(
            taken.lane, taken.id, accepted=answer.accepted, duration_ms=answer.duration_ms,
        )
        if self._lanes.is_idle(taken.lane):
            self._gates.pop(taken.lane, None)
        if ended is not None:
            self._ended.append(ended)
        if error is not None:
            self.broke.append(error)
            log.error("delivery_broke", delivery=taken.id, attempt=taken.attempt, exc_info=error)
        self.changed.set()

    async def _end_each(self, ended: Sequence[Ended]) -> None:
        """Write what can be written, when something among it is not for the database."""
        for each in ended:
            now = self._rt.now()
            try:
                async with self._rt.store.autocommit() as tx:
                    await deliveries.turn(tx, [each], None, now=now, lease=now)
            except StatementRefused:
                log.exception("attempt_not_written", delivery=each.taken.id)

    def _note(self, ended: Sequence[Ended], recovered: Set[EndpointId]) -> None:
        """See to the endpoints that failed, and to those that did and do no more; wait for none."""
        answers: dict[EndpointId, list[Answer]] = {}
        for each in ended:
            if each.answer is not UNPOSTED:
                answers.setdefault(each.taken.endpoint_id, []).append(each.answer)
        for endpoint_id, heard in answers.items():
            if endpoint_id in recovered or not all(answer.accepted for answer in heard):
                task = asyncio.create_task(endpoint_health.note(self._rt, endpoint_id, heard))
                self._tasks.add(task)
                task.add_done_callback(self._noted)

    def _noted(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("health_not_noted", exc_info=error)
        self.changed.set()


async def post(rt: Runtime, letter: Letter) -> Answer:
    """Post one event as its endpoint wants it; never raises for what the receiver does."""
    now = rt.now()
    message = write(letter.dialect, letter.event, secrets=letter.secrets(now=now), now=now)
    return await rt.outbound.post(
        letter.url, headers={**letter.own_headers, **message.headers, **CONTENT_TYPE},
        body=message.body, livemode=letter.event.livemode,
    )


async def deliver_due(rt: Runtime) -> int:
    """Make one try at everything that is due and may go; return how many. Safe beside workers.

    Raises:
        StoreUnavailable: the database went away; what was under way is due again after its lease.
        BaseException: what broke a try of ours, such as SealBroken, once the others have ended.
    """
    desk = Desk(rt)
    begun = 0
    try:
        while True:
            desk.changed.clear()
            now_begun = await desk.turn(taking=True)
            begun += now_begun
            if not now_begun and desk.is_idle:
                if desk.broke:
                    raise desk.broke[0]
                return begun
            if not desk.is_idle:
                await desk.changed.wait()
    finally:
        await desk.break_off()


async def deliver_until(rt: Runtime, stop: asyncio.Event) -> None:
    """Deliver whatever is due until `stop` is set; then let what is under way end.

    Raises:
        StoreUnavailable: the database stays away. End the process, and let its supervisor start
            another: nothing that was committed is lost.
    """
    desk = Desk(rt)
    hints = asyncio.Event()
    beside = [
        asyncio.create_task(_hear(rt, desk, hints)), asyncio.create_task(_tell(stop, desk)),
    ]
    try:
        await _work(rt, desk, hints, stop)
        with suppress(TimeoutError):
            async with asyncio.timeout(rt.settings.stop_seconds_max):
                while not desk.is_idle:
                    desk.changed.clear()
                    await desk.turn(taking=False)
                    if not desk.is_idle:
                        await desk.changed.wait()
    finally:
        for task in beside:
            task.cancel()
        await desk.break_off()


async def _work(rt: Runtime, desk: Desk, hints: asyncio.Event, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    looked_at = -LOOK_SECONDS
    answered_at = loop.time()
    while not stop.is_set():
        started_at = loop.time()
        desk.changed.clear()
        taking = hints.is_set() or desk.has_more or started_at - looked_at >= LOOK_SECONDS
        hints.clear()
        try:
            await desk.turn(taking=taking)
            answered_at = loop.time()
        except (StoreUnavailable, StatementRefused) as error:
            if loop.time() - answered_at > AWAY_SECONDS_MAX:
                raise
            log.warning("deliveries_wait", error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)
        if taking:
            looked_at = started_at
        ended_at = loop.time()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await desk.changed.wait()
        rested_at = ended_at + min(REST * (ended_at - started_at), REST_SECONDS_MAX)
        await asyncio.sleep(max(0.0, rested_at - loop.time()))


async def _hear(rt: Runtime, desk: Desk, hints: asyncio.Event) -> None:
    """Set `hints` whenever something new may be due."""

    def heard() -> None:
        hints.set()
        desk.changed.set()

    while True:
        with suppress(WakeLost):
            await hear(rt.store.conninfo, heard)
        await asyncio.sleep(AGAIN_SECONDS)


async def _tell(stop: asyncio.Event, desk: Desk) -> None:
    await stop.wait()
    desk.changed.set()
