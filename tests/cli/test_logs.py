"""Logs are read by many eyes: no number and no secret may be whole in them."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from hakika.cli import logs

KEY = "hk_test_tkhfjh0vqhgn9xxpgc28xf11c0496rce85ea1t7xl2f1tf"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("paid by 254708374149.", "paid by 2547••••4149."),
        ("paid by +254108374149", "paid by +2541••••4149"),
        ("call 0712345678 now", "call 07••••5678 now"),
        (f"the key {KEY}", "the key hk_test_tkhfjh0v•••"),
        (f"Bearer {KEY}", "Bearer •••"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_•••"),
        ("postgresql://hakika:s3cret@db/hakika", "postgresql://hakika:•••@db/hakika"),
        ("Authorization: Basic aGFraWthOnNlY3JldA==", "Authorization: Basic •••"),
        ("ws_CO_191220191020363925", "ws_CO_191220191020363925"),
        ("1254708374149", "1254708374149"),
    ],
)
def test_what_looks_secret_is_masked(text: str, shown: str) -> None:
    assert logs.mask_text(text) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("phone", "254708374149", "2547••••4149"),
        ("payer_msisdn", "+1 202 555 0100", "•••"),
        ("password", "hunter2", "•••"),
        ("sandbox_passkey", "bfb2", "•••"),
        ("Authorization", "anything", "•••"),
        ("request", {"PhoneNumber": "12", "Amount": 5}, {"PhoneNumber": "•••", "Amount": 5}),
        ("amount", 500, 500),
        ("phone", "", ""),
    ],
)
def test_what_is_named_secret_is_masked(name: str, value: object, shown: object) -> None:
    assert logs.mask_by_name(None, "info", {name: value}) == {name: shown}


def test_every_log_is_a_masked_json_line_on_stderr(
    own_logs: None, capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("info")

    structlog.get_logger("hakika.api").info("asked", phone="254708374149")
    logging.getLogger("uvicorn.error").warning("odd request from %s", "254708374149")
    logging.getLogger("uvicorn.error").info("not worth a line")
    try:
        raise ValueError("no such payer: 254708374149")
    except ValueError:
        logging.getLogger("hakika.worker").exception("failed")

    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert [line["event"] for line in lines] == [
        "asked", "odd request from 2547••••4149", "failed",
    ]
    assert lines[0]["phone"] == "2547••••4149"
    assert "no such payer: 2547••••4149" in lines[2]["exception"]
    assert said.out == ""
