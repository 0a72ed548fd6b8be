"""Logs go to stderr: readable on a terminal, JSON lines elsewhere; secrets and numbers masked.

Whatever a library logs through `logging` takes the same way. Masking is done twice: by the name of
a value, and on the finished line by what a secret looks like, tracebacks included.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

HIDDEN = "•••"

_SECRET_NAMES = re.compile(
    r"password|passkey|secret|authorization|api_?key|token|cookie|credential|database_url",
    re.IGNORECASE,
)
_PHONE_NAMES = re.compile(r"phone|msisdn|payer$|party_?a$", re.IGNORECASE)

_PHONE = re.compile(r"(?<!\d)(254[17])\d{4}(\d{4})(?!\d)")
_LOCAL_PHONE = re.compile(r"(?<![\d.:])(0[17])\d{4}(\d{4})(?![\d.])")
_SECRETS = (
    (re.compile(r"\b(Bearer|Basic) +[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(hk_(?:test|live)_[0-9a-z]{8})[0-9a-z]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=_-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://[^:/\s@]*:)[^@/\s]+@"), rf"\1{HIDDEN}@"),
)


def set_up(level: str) -> None:
    """Send all logs of this process to stderr. `level` is for Hakika; libraries may only warn."""
    to_terminal = sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if to_terminal else "iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render: Processor = (
        structlog.dev.ConsoleRenderer() if to_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            ProcessorFormatter.remove_processors_meta, mask_by_name, render, _mask_line,
        ],
    ))
    root = logging.getLogger()
    root.handlers = [handler]
    ours = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(ours if ours == logging.DEBUG else max(ours, logging.WARNING))
    logging.getLogger("hakika").setLevel(ours)
    for name in ("uvicorn", "uvicorn.error"):  # which set up themselves, wherever they were made
        theirs = logging.getLogger(name)
        theirs.handlers, theirs.propagate = [], True
        theirs.setLevel(logging.NOTSET)


def mask_by_name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide the values whose names say that they are secret or a person's number."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {str(each): _masked(str(each), inner) for each, inner in value.items()}
    if value is None or value == "":
        return value
    if _SECRET_NAMES.search(name):
        return HIDDEN
    if _PHONE_NAMES.search(name):
        shown = mask_text(str(value))
        return shown if shown != str(value) or "••••" in shown else HIDDEN
    return value


def mask_text(text: str) -> str:
    """Return `text` with everything masked that looks like a Kenyan number or a secret."""
    text = _LOCAL_PHONE.sub(r"\1••••\2", _PHONE.sub(r"\1••••\2", text))
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def _mask_line(_: WrappedLogger, __: str, line: Any) -> Any:
    return mask_text(line) if isinstance(line, str) else line
