"""Traces go to a collector over HTTP: ids and routes, and nothing that is a person's or a secret.

The collector is the merchant's, and often somebody else's service: what is in a span has left.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hakika.cli import running
from hakika.cli.failure import CommandFailed
from hakika.cli.stopping import StopNote
from hakika.services import delivering
from hakika.services.telemetry import Telemetry
from hakika.services.tracing import ENDPOINT, TracesUnavailable, open_traces
from hakika.settings import read_settings
from tests.api.world import PAYS, Shop, new_key, new_person, open_world
from tests.postgres import fresh_database

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"


@dataclass
class Collector:
    """Takes what is sent to it, and reads it when it is asked."""

    url: str = ""
    raw: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Take one batch."""
        body = await request.read()
        is_packed = request.headers.get("Content-Encoding") == "gzip"
        self.raw.append(gzip.decompress(body) if is_packed else body)
        return web.Response(content_type="application/x-protobuf")

    def spans(self) -> list[Any]:
        """Return every span."""
        return [
            span for raw in self.raw
            for resource in ExportTraceServiceRequest.FromString(raw).resource_spans
            for scope in resource.scope_spans for span in scope.spans
        ]

    def named(self, name: str) -> Any:
        """Return the only span of a name."""
        (span,) = [span for span in self.spans() if span.name == name]
        return span


@pytest_asyncio.fixture
async def collector() -> AsyncIterator[Collector]:
    """A collector on a port of its own."""
    opened = Collector()
    app = web.Application()
    app.router.add_post("/{path:.*}", opened.take)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    opened.url = f"http://{host}:{port}"
    yield opened
    await runner.cleanup()


@pytest.fixture
def traced_url(template: str) -> Iterator[str]:
    """A database of its own."""
    with fresh_database(template) as url:
        yield url


def attributes(span: Any) -> dict[str, Any]:
    """Return a span's attributes as they were set."""
    return {
        each.key: each.value.string_value or each.value.int_value for each in span.attributes
    }


async def test_a_payment_is_one_trace_and_holds_no_secret(
    collector, traced_url, simulator_url, session, monkeypatch,
):
    """From the caller's span to Daraja; then the callback and the webhook, each a trace.

    With everything that the environment can say in favour of more. (faults.md C8)
    """
    for name, text in {
        ENDPOINT: collector.url, "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
        "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp",
    }.items():
        monkeypatch.setenv(name, text)
    traces = open_traces({ENDPOINT: collector.url})
    assert traces is not None
    person = new_person()
    with open_world(traced_url, simulator_url, telemetry=Telemetry(traces)) as world:
        shop = world.open_shop(session)
        payment = await _a_day(shop, person)
        token = world.rt.callback_url(payment["id"]).rpartition("/")[2]
    await asyncio.to_thread(traces.close)

    asked = collector.named("POST /v1/payments")
    assert asked.trace_id.hex() == TRACE_ID
    assert asked.parent_span_id.hex() == PARENT_ID
    assert asked.trace_state == ""
    assert attributes(asked) == {
        "hakika.request_id": "order.07••••5678", "http.request.method": "POST",
        "http.route": "/v1/payments", "http.response.status_code": 202,
    }
    push = collector.named("daraja.stk_push")
    assert (push.trace_id, push.parent_span_id) == (asked.trace_id, asked.span_id)
    assert attributes(push) == {
        "hakika.payment": payment["id"], "hakika.outcome": "accepted",
    }
    inside = [span.name for span in collector.spans() if span.trace_id == asked.trace_id]
    assert inside.count("database.autocommit") >= 2
    assert collector.named("POST /c/{token}")
    post = collector.named("webhook.post")
    assert attributes(post)["hakika.outcome"] == "unanswered"
    _hold_nothing(collector, [
        person, person[3:], PAYS, PAYS[3:], token, shop.key, shop.key[-20:], payment["receipt"],
        payment["provider_ref"], payment["reference"], "wp-login", "0712-345", "secret-path",
        "a person's name", "free-text",
    ])


async def _a_day(shop: Shop, person: str) -> dict[str, Any]:
    """Do everything that may leave something in a span; return the payment that was paid."""
    world = shop.world
    endpoint = await shop.send("POST", "/v1/webhook-endpoints", json={
        "url": "http://127.0.0.1:9/secret-path?name=free-text",
    })
    assert endpoint.status == 201
    asked = await shop.send(
        "POST", "/v1/payments", idempotency_key=new_key(),
        json={
            "amount": 500, "currency": "KES", "provider": "mpesa", "phone": PAYS,
            "metadata": {"who": "a person's name"},
        },
        headers={
            "traceparent": TRACEPARENT, "tracestate": "vendor=free-text",
            "X-Request-Id": "order.0712-345-678",
        },
    )
    payment = await shop.settled(asked.data["id"])
    await shop.get(f"/v1/payments?search={person}")
    await shop.get("/wp-login.php", key="")
    await shop.get("/healthz", key="")
    world.in_api(delivering.deliver_due(world.rt))
    return payment


def _hold_nothing(collector: Collector, canaries: list[str]) -> None:
    everything = b"".join(collector.raw)
    for canary in canaries:
        assert canary.encode() not in everything
    names = {span.name for span in collector.spans()}
    assert "GET unmatched" in names
    assert not any("healthz" in name or "metrics" in name for name in names)


async def test_an_error_is_named_by_its_class_alone(collector, monkeypatch):
    """What an exception says may be a row of the database."""
    monkeypatch.setenv(ENDPOINT, collector.url)
    traces = open_traces({ENDPOINT: collector.url})
    assert traces is not None
    with pytest.raises(ValueError, match="0712345678"), traces.span("step", {"id": "x"}):
        raise ValueError("the payer 0712345678 is free-text")
    await asyncio.to_thread(traces.close)

    span = collector.named("step")
    assert attributes(span)["error.type"] == "ValueError"
    assert list(span.events) == []
    _absent = b"".join(collector.raw)
    assert b"free-text" not in _absent
    assert b"0712345678" not in _absent


async def test_rounds_that_find_nothing_are_no_traces(collector, monkeypatch):
    """Two of them a second, for ever."""
    monkeypatch.setenv(ENDPOINT, collector.url)
    traces = open_traces({ENDPOINT: collector.url})
    assert traces is not None
    with traces.inner("database.autocommit"):
        pass
    with traces.span("request"), traces.inner("database.autocommit"):
        pass
    await asyncio.to_thread(traces.close)

    assert sorted(span.name for span in collector.spans()) == ["database.autocommit", "request"]


def test_a_collector_that_is_away_holds_up_no_stop(monkeypatch):
    """It is told nothing more, and that is all."""
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setattr("hakika.services.tracing.STOP_SECONDS_MAX", 0.1)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    traces = open_traces({ENDPOINT: "http://127.0.0.1:9"})
    assert traces is not None
    with traces.span("step"):
        pass

    traces.close()  # the time limit of the test is what would tell


def test_without_a_collector_there_are_no_traces_at_all():
    assert open_traces({}) is None
    assert open_traces({ENDPOINT: ""}) is None
    telemetry = Telemetry()
    assert telemetry.span("step", payment="pay_x") is telemetry.inner_span("database.autocommit")


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation as it is without `hakika[traces]`."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)


class Unsigned(StopNote):
    """A note that nobody signs: this process keeps its own signals."""

    def __init__(self) -> None:
        self.is_written = False


@pytest.mark.usefixtures("without_the_extra")
def test_traces_that_cannot_be_made_stop_the_start(monkeypatch):
    """Somebody wants them; silence would be found out on the day they are needed."""
    with pytest.raises(TracesUnavailable, match=r"Install hakika\[traces\], or unset"):
        open_traces({ENDPOINT: "http://127.0.0.1:4318"})
    assert open_traces({}) is None

    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    with pytest.raises(CommandFailed, match=r"hakika\[traces\]") as refused:
        running.run(read_settings({}), Unsigned(), public_url="http://127.0.0.1:1")
    assert refused.value.exit_code == 2
