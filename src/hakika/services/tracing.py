"""Traces by OpenTelemetry, when its standard variables name a collector. Read `open_traces` first.

A span has a name out of a short list, ids, and numbers: never a path, a query, a text of anybody's
or an exception's message. The callback's path alone would give away the right to call back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Protocol

import structlog
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import hakika
from hakika.domain.masking import mask_text

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SERVICE_NAME = "OTEL_SERVICE_NAME"

# What is still unsent when we stop gets so long; a collector that is away must not hold us up.
STOP_SECONDS_MAX = 3.0

_NOTHING: AbstractContextManager[None] = nullcontext()


class TracesUnavailable(Exception):
    """Traces are asked for, and this installation cannot send them. The message says what to do."""


class Span(Protocol):
    """What is done with a span that is open."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Add an id or a number."""

    def update_name(self, name: str) -> None:
        """Rename it: the route of a request is known only when it was found."""


class Provider(Protocol):
    """What is wanted of OpenTelemetry's SDK, which is not installed everywhere."""

    def get_tracer(self, instrumenting_module_name: str) -> Tracer:
        """Return what makes spans."""

    def shutdown(self) -> None:
        """Send what is left."""


class Traces:
    """Makes spans. There is one, or none, for a process."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("hakika")
        self._caller = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self, name: str, ids: Mapping[str, str] = MappingProxyType({}), *,
        kind: SpanKind = SpanKind.INTERNAL, caller: Context | None = None,
    ) -> Iterator[Span]:
        """Open a span inside of the present one, and put its trace's id on every line of the log.

        An error that leaves the block is named by its class alone: its message may hold anything.
        """
        with (
            self._tracer.start_as_current_span(
                name, context=caller, kind=kind, record_exception=False,
                set_status_on_exception=False,
                attributes={f"hakika.{key}": mask_text(value) for key, value in ids.items()},
            ) as span,
            structlog.contextvars.bound_contextvars(
                trace_id=f"{span.get_span_context().trace_id:032x}",
            ),
        ):
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def inner(self, name: str) -> AbstractContextManager[object]:
        """Open a span only inside of another: what the rounds do twice a second is no trace."""
        return self.span(name) if get_current_span().is_recording() else _NOTHING

    def caller(self, headers: Mapping[str, str]) -> Context:
        """Return the trace that a caller's `traceparent` names, or none.

        Of `tracestate`, which is free text, nothing is kept.
        """
        said = get_current_span(self._caller.extract(headers, Context())).get_span_context()
        if not said.is_valid:
            return Context()
        bare = SpanContext(said.trace_id, said.span_id, True, said.trace_flags)
        return set_span_in_context(NonRecordingSpan(bare), Context())

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(STOP_SECONDS_MAX)


def open_traces(environment: Mapping[str, str]) -> Traces | None:
    """Return what makes spans, or None: no collector is named in `OTEL_EXPORTER_OTLP_ENDPOINT`.

    The other variables of OpenTelemetry hold as its pages say: headers, sampler, attributes.

    Raises:
        TracesUnavailable: a collector is named, and the extra `hakika[traces]` is not installed.
    """
    if not environment.get(ENDPOINT):
        return None
    try:
        # Not above: they are an extra, and slow to import.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise TracesUnavailable(
            f"{ENDPOINT} is set, and this Hakika is installed without traces. "
            "Install hakika[traces], or unset the variable.",
        ) from error
    name = environment.get(SERVICE_NAME) or "hakika"
    provider = TracerProvider(
        resource=Resource.create({"service.name": name, "service.version": hakika.__version__}),
        shutdown_on_exit=False,  # `close` does it, and does not wait for ever
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
