"""The page that /metrics answers with: what was counted, and what the database says just now.

However many scrape, the database is read once in `EVERY_SECONDS`. When it does not answer, the page
comes all the same, without its part: a stale number is worse than none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

import hakika
from hakika.services import metrics
from hakika.services.metrics import Kind, Metric
from hakika.services.telemetry import Telemetry, known_daraja_code, mode_of
from hakika.store import gauges
from hakika.store.gauges import Gauges
from hakika.store.transaction import Store, StoreUnavailable

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# A reading costs the database some 40 ms at a million payments: under 1% of a core.
EVERY_SECONDS = 5.0

# Prometheus gives up after 10 s by default, and then has nothing of us at all.
WAIT_SECONDS_MAX = 3.0

Values = Iterable[tuple[tuple[str, ...], float]]


class Page:
    """The page of one process. Any number may ask for it at once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._reading: asyncio.Task[Gauges | None] | None = None
        self._read_at = 0.0

    async def render(self) -> bytes:
        """Return the page in Prometheus's text format."""
        found = await self._database()
        looked_at = [_build(), *_pools(self._telemetry.stores)]
        if self._telemetry.stores:
            looked_at.append(_family(metrics.DATABASE_UP, [((), float(found is not None))]))
        read = [] if found is None else list(_families(found))
        return generate_latest(self._telemetry.registry) + generate_latest(_All(looked_at + read))

    async def _database(self) -> Gauges | None:
        """Return what the database says, at most `EVERY_SECONDS` old; None: it does not answer.

        A reading that takes too long is left running, and the next scrape waits for that same one.
        """
        store = next(iter(self._telemetry.stores.values()), None)
        if store is None:
            return None
        is_old = monotonic() - self._read_at >= EVERY_SECONDS
        if self._reading is None or (self._reading.done() and is_old):
            self._reading = asyncio.create_task(self._read(store))
        done, _ = await asyncio.wait({self._reading}, timeout=WAIT_SECONDS_MAX)
        return self._reading.result() if done else None

    async def _read(self, store: Store) -> Gauges | None:
        try:
            async with store.autocommit() as tx:
                return await gauges.read(tx)
        except StoreUnavailable:
            return None
        finally:
            self._read_at = monotonic()


@dataclass(frozen=True, slots=True)
class _All(Collector):
    families: list[Family]

    def collect(self) -> Iterable[Family]:
        """Return them: what the library wants of a collector."""
        return self.families


def _build() -> Family:
    return _family(metrics.BUILD, [((hakika.__version__,), 1)])


def _pools(stores: dict[str, Store]) -> Iterator[Family]:
    loads = {part: store.load() for part, store in stores.items()}
    yield _family(metrics.POOL_CONNECTIONS, (
        each for part, load in loads.items()
        for each in (((part, "in_use"), load.in_use), ((part, "idle"), load.idle))
    ))
    yield _family(metrics.POOL_MAX, (((part,), load.most) for part, load in loads.items()))
    yield _family(metrics.POOL_WAITING, (((part,), load.waiting) for part, load in loads.items()))
    yield _family(
        metrics.POOL_WAIT_SECONDS, (((part,), load.wait_seconds) for part, load in loads.items()),
    )


def _families(found: Gauges) -> Iterator[Family]:
    yield from _payments(found)
    yield from _endpoints(found)
    queue = found.queue
    yield _family(metrics.QUEUE_DELIVERIES, (
        ((state,), getattr(queue, state)) for state in ("due", "parked", "waiting", "running")
    ))
    yield _family(metrics.QUEUE_OLDEST_SECONDS, [((), queue.oldest_due_seconds)])
    yield _family(metrics.QUARANTINE, (
        ((each.reason, "retrying" if each.will_retry else "kept"), each.callbacks)
        for each in found.quarantine
    ))
    yield _family(metrics.UNNUMBERED, [((), found.events_unnumbered)])
    yield _family(metrics.PULL_AGE_SECONDS, (
        ((mode_of(livemode=each.livemode), each.shortcode), each.age_seconds)
        for each in found.pulls
    ))
    yield _family(metrics.DISCREPANCIES, (
        ((mode_of(livemode=each.livemode), each.kind), each.discrepancies)
        for each in found.discrepancies
    ))
    yield _family(metrics.STOPS, (
        ((mode_of(livemode=each.livemode), each.why), each.stops) for each in found.stops
    ))
    yield _family(metrics.LOW_FLOATS, (
        ((mode_of(livemode=each.livemode), each.shortcode), 1) for each in found.low_floats
    ))


def _payments(found: Gauges) -> Iterator[Family]:
    newest: dict[tuple[str, ...], float] = {}
    for each in found.newest:
        mode, daraja_code = mode_of(livemode=each.livemode), known_daraja_code(each.daraja_code)
        labels = (mode, each.state, each.code, daraja_code)
        newest[labels] = newest.get(labels, 0) + each.payments  # several may be "other"
    yield _family(metrics.NEWEST, newest.items())
    oldest = max((each.oldest_seconds for each in found.newest), default=0.0)
    yield _family(metrics.NEWEST_SECONDS, [((), oldest)])
    open_ = [((mode_of(livemode=each.livemode), each.state), each) for each in found.open]
    yield _family(metrics.OPEN, ((labels, each.payments) for labels, each in open_))
    yield _family(
        metrics.OPEN_OLDEST_SECONDS, ((labels, each.oldest_seconds) for labels, each in open_),
    )
    due = [((mode_of(livemode=each.livemode), each.shortcode), each) for each in found.checks_due]
    yield _family(metrics.CHECKS_DUE, ((labels, each.payments) for labels, each in due))
    yield _family(
        metrics.CHECKS_OLDEST_SECONDS, ((labels, each.oldest_seconds) for labels, each in due),
    )
    yield _family(metrics.BUDGET_WAIT_SECONDS, (
        ((mode_of(livemode=each.livemode), each.shortcode), each.wait_seconds)
        for each in found.budgets
    ))


def _endpoints(found: Gauges) -> Iterator[Family]:
    health = [((each.endpoint,), each) for each in found.endpoints]
    yield _family(metrics.ENDPOINT_PENDING, ((labels, each.pending) for labels, each in health))
    yield _family(metrics.ENDPOINT_DUE_SECONDS, (
        (labels, each.oldest_due_seconds) for labels, each in health
    ))
    yield _family(metrics.ENDPOINT_FAILING_SECONDS, (
        (labels, each.failing_seconds) for labels, each in health
    ))
    yield _family(metrics.ENDPOINT_SUCCESS_SECONDS, (
        (labels, each.success_seconds) for labels, each in health
        if each.success_seconds is not None
    ))


def _family(metric: Metric, values: Values) -> Family:
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family
