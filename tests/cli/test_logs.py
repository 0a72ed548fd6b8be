"""Logs are read by many eyes: no number and no secret may be whole in them. (faults.md C8)"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from hakika.cli import logs

PHONE = "254708374149"
TOKEN = "0123456789abcdfghijklnoprtuvwxyz0123456789abcdfghijk"
CANARIES = {
    "number": PHONE,
    "local_number": "0708374149",
    "api_key": "hk_test_tkhfjh0vqhgn9xxpgc28xf11c0496rce85ea1t7xl2f1tf",
    "webhook_secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "bearer": "Bearer vNcBgHkLqWeRtYuIoPaSdFgHjKlZ",
    "callback_path": f"/c/{TOKEN}",
    "callback_token": TOKEN,
    "passkey": "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919",
    "address": "postgresql://hakika:s3cret-pass@db/hakika",
}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("phone", PHONE, "2547••••4149"),
        ("payer_msisdn", "+1 202 555 0100", "•••"),
        ("password", "hunter2", "•••"),
        ("sandbox_passkey", "bfb2", "•••"),
        ("Authorization", "anything", "•••"),
        ("customer_name", "Asha Mwangi", "•••"),
        ("request", {"PhoneNumber": "12", "Amount": 5}, {"PhoneNumber": "•••", "Amount": 5}),
        ("said", ["to", PHONE, {"by": int(PHONE)}], ["to", "2547••••4149", {"by": "2547••••4149"}]),
        ("counts", {PHONE: 1}, {"2547••••4149": 1}),
        ("amount", 500, 500),
        ("share", 0.5, 0.5),
        ("phone", "", ""),
    ],
)
def test_a_value_is_masked_by_its_name_and_by_its_look(name: str, value: Any, shown: Any) -> None:
    assert logs.mask(None, "info", {name: value}) == {name: shown}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was logged."""
    said = capsys.readouterr()
    assert said.out == ""
    return [json.loads(line) for line in said.err.splitlines()]


def test_every_log_is_a_masked_json_line_on_stderr(
    own_logs: None, capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("info")

    structlog.get_logger("hakika.api").info("asked", phone=PHONE, number=int(PHONE))
    logging.getLogger("uvicorn.error").warning("odd request from %s", PHONE)
    logging.getLogger("uvicorn.error").info("not worth a line")
    try:
        raise ValueError(f"no such payer: {PHONE}")
    except ValueError:
        logging.getLogger("hakika.worker").exception("failed")

    asked, odd, failed = lines(capsys)
    assert (asked["event"], asked["phone"], asked["number"]) == (
        "asked", "2547••••4149", "2547••••4149",
    )
    assert odd["event"] == "odd request from 2547••••4149"
    assert "no such payer: 2547••••4149" in failed["exception"]
    for line in (asked, odd, failed):
        assert {"time", "level", "event", "logger"} <= set(line)


def test_what_belongs_to_a_request_says_which(
    own_logs: None, capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever calls with an id from an error finds its lines, those of libraries too."""
    logs.set_up("info")

    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("hakika.api").info("inside")
        logging.getLogger("asyncio").warning("inside")
    structlog.get_logger("hakika.api").info("outside")

    assert [line.get("request_id") for line in lines(capsys)] == ["r-1", "r-1", None]


class Row:
    """Something that is discreet as text and shows itself whole in a log, as some objects do."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return "a row"

    def __repr__(self) -> str:
        return f"Row({self.text})"


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES)
def test_a_secret_is_masked_wherever_it_hides(
    own_logs: None, capsys: pytest.CaptureFixture[str], canary: str,
) -> None:
    """The last line of defence: in a word, a value, an object, an error, a cause, an access log."""
    logs.set_up("debug")
    ours, theirs = structlog.get_logger("hakika.api"), logging.getLogger("somebody.elses")

    ours.info(f"it was {canary}", value=canary, inside=[{"deep": canary}], thing=Row(canary))
    theirs.warning("said %s and %r", canary, Row(canary))
    logging.getLogger("uvicorn.access").warning('%s - "POST %s HTTP/1.1" 200', "1.2.3.4", canary)
    try:
        try:
            raise KeyError(canary)
        except KeyError as error:
            raise ValueError(f"Key (phone)=({canary}) already exists.") from error
    except ValueError:
        ours.exception("unexpected_error")
        theirs.exception("it broke")

    said = capsys.readouterr().err
    assert len([json.loads(line) for line in said.splitlines()]) == 5
    assert canary not in said
