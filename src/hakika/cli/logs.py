"""Logs go to stderr: readable on a terminal, JSON lines elsewhere; secrets and numbers masked.

Whatever a library logs through `logging` takes the same way. Each line has `time`, `level` and
`event`; inside of a request also `request_id`, and with traces `trace_id`. Masking is done by the
name of a value, by what each value looks like, and once more on the finished line, tracebacks
included.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

from hakika.domain.masking import HIDDEN, mask_text

_SECRET_NAMES = re.compile(
    r"password|passkey|secret|authorization|api_?key|token|cookie|credential|database_url",
    re.IGNORECASE,
)
_PHONE_NAMES = re.compile(r"phone|msisdn|payer$|party_?a$", re.IGNORECASE)
_PERSON_NAMES = re.compile(r"^(?:first|middle|last|full|customer|payer)_?name$", re.IGNORECASE)


def set_up(level: str) -> None:
    """Send all logs of this process to stderr. `level` is for Hakika; libraries may only warn."""
    to_terminal = sys.stderr.isatty()
    time_format = "%H:%M:%S" if to_terminal else "iso"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt=time_format, utc=True, key="time"),
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
        structlog.dev.ConsoleRenderer(timestamp_key="time") if to_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[ProcessorFormatter.remove_processors_meta, mask, render, _mask_line],
    ))
    root = logging.getLogger()
    root.handlers = [handler]
    ours = logging.getLevelNamesMapping()[level.upper()]
    # Also when we debug: at that level a library may write all that it sends and hears. botocore
    # wrote the master key, as AWS KMS had opened it.
    root.setLevel(max(ours, logging.WARNING))
    logging.getLogger("hakika").setLevel(ours)
    # They set themselves up, wherever they were made. The last is uvicorn's list of every path that
    # was asked for; we do not switch it on, and whoever does gets it masked.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        theirs = logging.getLogger(name)
        theirs.handlers, theirs.propagate = [], True
        theirs.setLevel(logging.NOTSET)


def mask(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide what is secret or a person's, told by its name or by what it looks like."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {mask_text(str(each)): _masked(str(each), inner) for each, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(name, each) for each in value]
    if value is None or value == "":
        return value
    if _SECRET_NAMES.search(name) or _PERSON_NAMES.search(name):
        return HIDDEN
    shown = mask_text(str(value))
    if _PHONE_NAMES.search(name):
        return shown if "••••" in shown else HIDDEN
    # As it was, unless something had to be hidden: so numbers stay numbers.
    return value if shown == str(value) else shown


def _mask_line(_: WrappedLogger, __: str, line: Any) -> Any:
    return mask_text(line) if isinstance(line, str) else line
