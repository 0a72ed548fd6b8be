"""What a process tells about itself: it counts here, in one place, and opens its spans here.

One `Telemetry` for a process, made by whoever starts it and handed to each runtime in it. The
services call it in one line, after the commit that it is about. Read `Telemetry`; what the metrics
mean is in `metrics.py`, what is read of the database in `gauges.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from time import perf_counter
from types import TracebackType

from opentelemetry.trace import SpanKind
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from hakika.daraja.answers import ANSWER_ERRORS
from hakika.daraja.client import StkQueryAnswer
from hakika.daraja.results import STK_RESULTS
from hakika.domain.delivery import Answer
from hakika.domain.payment import Change
from hakika.domain.provider import Provider
from hakika.domain.validation import Refused
from hakika.services import metrics
from hakika.services.metrics import Metric
from hakika.services.tracing import Span, Traces
from hakika.store.deliveries import Taken
from hakika.store.transaction import Store

BROKEN_OFF = "broken_off"
KEPT, NOT_KEPT = "kept", "failed"

_NO_SPAN: AbstractContextManager[Span | None] = nullcontext()

# A second series beside each of ours, to say since when it is: nobody reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Telemetry:
    """The metrics of one process, and its traces if it has any. Safe to use from many tasks."""

    def __init__(self, traces: Traces | None = None) -> None:
        self.registry = CollectorRegistry()
        self.stores: dict[str, Store] = {}  # by the part of the process that uses it
        self.traces = traces
        ProcessCollector(registry=self.registry)
        self._final = _Timings(metrics.FINAL_SECONDS, self.registry)
        self._settled = _Counts(metrics.SETTLED, self.registry)
        self._callback_delay = _Timings(metrics.CALLBACK_DELAY_SECONDS, self.registry)
        self._callback = _Timings(metrics.CALLBACK_SECONDS, self.registry)
        self._callback.begin(KEPT)
        self._callback.begin(NOT_KEPT)
        self._quarantined = _Counts(metrics.QUARANTINED, self.registry)
        self._validated = _Counts(metrics.C2B_VALIDATIONS, self.registry)
        self._http = _Timings(metrics.HTTP_SECONDS, self.registry)
        self._daraja = _Timings(metrics.DARAJA_SECONDS, self.registry)
        self._webhook = _Timings(metrics.WEBHOOK_SECONDS, self.registry)
        self._webhook_lag = _Timings(metrics.WEBHOOK_LAG_SECONDS, self.registry)
        self._rounds = _Counts(metrics.ROUNDS, self.registry)

    @contextmanager
    def watching(self, part: str, store: Store) -> Iterator[None]:
        """Show the connections of a store as those of `part`, until the end of the block."""
        self.stores[part] = store
        try:
            yield
        finally:
            del self.stores[part]

    def recorded(self, change: Change) -> None:
        """Note a committed change: when a payment's outcome becomes known, and by which code."""
        payment = change.after
        if change.before.is_final or not payment.is_final:
            return
        mode, outcome, failure = mode_of(livemode=payment.livemode), payment.status, payment.failure
        seconds = (change.heard_at - payment.created_at).total_seconds()
        self._final.observe(seconds, mode, outcome)
        code, daraja_code = (failure.code, failure.daraja_code) if failure else ("", "")
        self._settled.count(mode, outcome, code, known_daraja_code(daraja_code))

    def called_back(self, change: Change) -> None:
        """Note a callback that was believed: how long after the push it came."""
        pushed_at = change.before.asked_at or change.before.created_at
        seconds = (change.heard_at - pushed_at).total_seconds()
        self._callback_delay.observe(seconds, mode_of(livemode=change.after.livemode))

    def quarantined(self, reason: str) -> None:
        """Count a callback that was put in quarantine."""
        self._quarantined.count(reason)

    def validated(
        self, provider: Provider, refused: Refused | None, *, is_decided: bool,
    ) -> None:
        """Count an answer to M-Pesa's question whether a payment is let in."""
        self._validated.count(
            mode_of(livemode=provider.livemode), provider.terms.rule.value,
            refused.value if refused else "accepted", "rule" if is_decided else "default",
        )

    def round_made(self, name: str, outcome: str) -> None:
        """Count a worker's round."""
        self._rounds.count(name, outcome)

    def callback(self) -> Step:
        """Time the handling of a callback."""
        return Step(self._callback, (), outcome=NOT_KEPT)

    def daraja(self, endpoint: str, *, livemode: bool, payment: str) -> Step:
        """Time a call to Daraja; set `outcome` when it has one."""
        return Step(
            self._daraja, (mode_of(livemode=livemode), endpoint),
            span=self.span(f"daraja.{endpoint}", SpanKind.CLIENT, payment=payment),
        )

    def webhook(self, taken: Taken, *, now: datetime) -> Step:
        """Time one try at a delivery, begun at `now`; set `outcome` when it has one."""
        if taken.attempt == 1:
            self._webhook_lag.observe((now - taken.row["created_at"]).total_seconds())
        return Step(self._webhook, (), span=self.span(
            "webhook.post", SpanKind.CLIENT, delivery=str(taken.id),
            endpoint=taken.endpoint_id, event=taken.row["event_id"],
            subject=taken.row["subject_id"],
        ))

    def http(self, seconds: float, *, method: str, route: str, status: str) -> None:
        """Note a request to us, by the template of its route."""
        self._http.observe(seconds, method, route, status)

    def span(
        self, name: str, kind: SpanKind = SpanKind.INTERNAL, **ids: str,
    ) -> AbstractContextManager[Span | None]:
        """Open a span, if there are traces. `ids` are ours: never a number, a name or a secret."""
        return self.traces.span(name, ids, kind=kind) if self.traces else _NO_SPAN

    def inner_span(self, name: str) -> AbstractContextManager[object]:
        """Open a span inside of another one, if there are traces and there is another one."""
        return self.traces.inner(name) if self.traces else _NO_SPAN


class Step:
    """Something that takes time, from the beginning of the block to its end.

    What it came to is its `outcome`, the last label of its metric. A span, if there is one, has it
    too.
    """

    __slots__ = ("_labels", "_open", "_span", "_started", "_timings", "outcome")

    def __init__(
        self, timings: _Timings, labels: tuple[str, ...], *, outcome: str = BROKEN_OFF,
        span: AbstractContextManager[Span | None] = _NO_SPAN,
    ) -> None:
        self._timings, self._labels, self._span = timings, labels, span
        self.outcome = outcome

    def __enter__(self) -> Step:
        """Begin."""
        self._open = self._span.__enter__()
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, whatever ended it."""
        self._timings.observe(perf_counter() - self._started, *self._labels, self.outcome)
        if self._open is not None:
            self._open.set_attribute("hakika.outcome", self.outcome)
        self._span.__exit__(kind, error, trace)


class _Timings:
    """A histogram that remembers its children: the library's own look-up costs 2 us."""

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._histogram = Histogram(
            metric.name, metric.meaning, metric.labels, buckets=metric.buckets, registry=registry,
        )
        self._children: dict[tuple[str, ...], Histogram] = {}

    def begin(self, *labels: str) -> Histogram:
        """Show the series at zero, so that an alarm sees the very first one."""
        child = self._histogram.labels(*labels) if labels else self._histogram
        self._children[labels] = child
        return child

    def observe(self, seconds: float, *labels: str) -> None:
        (self._children.get(labels) or self.begin(*labels)).observe(seconds)


class _Counts:
    """A counter that remembers its children."""

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._counter = Counter(metric.name, metric.meaning, metric.labels, registry=registry)
        self._children: dict[tuple[str, ...], Counter] = {}

    def count(self, *labels: str) -> None:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._counter.labels(*labels)
        child.inc()


def mode_of(*, livemode: bool) -> str:
    """Return the mode as the metrics call it."""
    return "live" if livemode else "test"


def known_daraja_code(code: str) -> str:
    """Return a code of Safaricom's that is in our tables; what anybody may write is "other"."""
    return code if not code or code in STK_RESULTS or code in ANSWER_ERRORS else "other"


def outcome_of_query(answer: StkQueryAnswer) -> str:
    """Return what a status query came to, in a word."""
    if answer.throttled:
        return "throttled"
    return answer.outcome.value if answer.raw else "silent"


def outcome_of_post(answer: Answer) -> str:
    """Return what a try at a delivery came to, in a word."""
    if answer.accepted:
        return "delivered"
    if answer.gone:
        return "gone"
    return "unanswered" if answer.status is None else "refused"
