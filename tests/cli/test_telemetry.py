"""What real processes tell of themselves: one page for a process, and a log without secrets."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import PATIENCE_SECONDS, hakika, running, told

pytestmark = pytest.mark.xdist_group("cli")

Place = dict[str, Any]

PAYS = "254708374149"
OF_THE_WORKER = 'hakika_database_connections_max{pool="worker"}'
GUESS = "0123456789abcdfghijklnoprtuvwxyz0123456789abcdfghijk"


def curl(*words: str) -> str:
    """Return what curl reads."""
    return subprocess.run(
        ["curl", "-sS", "--noproxy", "*", *words],
        capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    ).stdout


def test_api_and_worker_of_one_process_share_a_page(place: Place) -> None:
    payment = told(hakika("pay", PAYS, "100", "--data", place["data"], "--json"))

    page = curl(place["api"] + "/metrics")

    assert 'hakika_database_connections_max{pool="api"}' in page
    assert OF_THE_WORKER in page
    assert re.search(r'hakika_worker_rounds_total\{.*round="look_again".*\} [1-9]', page)
    assert re.search(r'hakika_payments_settled_total\{.*outcome="completed"\} [1-9]', page)
    assert "hakika_database_up 1.0" in page
    for canary in (PAYS, place["api_key"], place["merchant_id"], payment["id"], payment["receipt"]):
        assert canary not in page


def test_a_worker_alone_serves_its_metrics_and_nothing_else(place: Place, tmp_path: Path) -> None:
    """Without it nobody could tell a worker that lives from one that does not."""
    with running(
        "worker", "--json", "--data", place["data"], log=tmp_path / "log", HAKIKA_METRICS_PORT="0",
    ) as worker:
        url = worker.place()["metrics"]
        page, deadline = "", time.monotonic() + PATIENCE_SECONDS
        while OF_THE_WORKER not in page and time.monotonic() < deadline:
            page = curl(url)  # it serves before its own parts are open
        others = [
            json.loads(curl(url.replace("/metrics", path)))["status"]
            for path in ("/", "/v1/payments", "/healthz", "/docs", "/openapi.json")
        ]
        denied = json.loads(curl("-H", "X-Forwarded-For: 41.90.1.2", url))
        assert worker.end(signal.SIGTERM) == 0, worker.errors

    assert OF_THE_WORKER in page
    assert "hakika_build_info" in page
    assert others == [404] * 5
    assert (denied["status"], denied["code"]) == (404, "not_found")
    assert "Traceback" not in worker.errors


def test_the_log_says_which_request_it_was_and_never_where_a_callback_goes(place: Place) -> None:
    """Whoever reads the path of a callback may call back. (faults.md C8)"""
    log = Path(place["data"]).parent / "log"
    curl("-X", "POST", "-H", "X-Request-Id: find-me", "-d", f'{{"to": "{PAYS}"}}',
         f"{place['api']}/c/{GUESS}")
    curl(f"{place['api']}/c/{GUESS}?phone={PAYS}")
    curl("-d", f'{{"phone": "{PAYS}"}}', "-H", f"Authorization: Bearer {place['api_key']}",
         f"{place['api']}/v1/payments")

    text = log.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]

    (found,) = [line for line in lines if line.get("request_id") == "find-me"]
    assert (found["event"], found["level"]) == ("callback_quarantined", "warning")
    assert all({"time", "level", "event", "logger"} <= set(line) for line in lines)
    for canary in (GUESS, PAYS, place["api_key"]):
        assert canary not in text
