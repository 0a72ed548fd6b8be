"""Exports: what can be asked for, and a job that writes one, from asked to dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from hakika.domain.errors import Invalid
from hakika.domain.ids import ExportId, KeyId, MerchantId
from hakika.domain.times import NAIROBI, written

# A file is for downloading now, not for keeping: it is full of people's payments.
KEPT_FOR = timedelta(days=1)

# Of one merchant and mode. Files can be large: the oldest make room.
KEPT_MAX = 20
UNFINISHED_MAX = 3

# After so many workers died writing it, or gave up, it is the export that is wrong.
TRIES_MAX = 3

_YEARS = range(2007, 2107)   # of M-Pesa
_DONE_PERCENT = 100


class What(StrEnum):
    """What can be exported."""

    PAYMENTS = "payments"
    LEDGER = "ledger"
    DISCREPANCIES = "discrepancies"
    DAYS = "days"


class State(StrEnum):
    """Where an export is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Days:
    """Days of Nairobi, both included; None: no end on that side."""

    first: date | None = None
    last: date | None = None

    @property
    def since(self) -> datetime | None:
        """When the first day begins."""
        return datetime.combine(self.first, time(), NAIROBI) if self.first else None

    @property
    def until(self) -> datetime | None:
        """When the day after the last begins."""
        if self.last is None:
            return None
        return datetime.combine(self.last, time(), NAIROBI) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an export is to hold. Without `reveal`, numbers of people are masked in it."""

    merchant_id: MerchantId
    livemode: bool
    what: What
    form: str                  # csv, xlsx or jsonl
    days: Days
    reveal: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """A job that writes one. Times are UTC."""

    id: ExportId
    wanted: Wanted
    key_id: KeyId
    created_at: datetime
    state: State = State.WAITING
    rows: int = 0              # written so far
    rows_total: int | None = None       # as counted at the beginning; None: not yet
    bytes: int | None = None            # of the whole file
    tries: int = 0
    finished_at: datetime | None = None

    @property
    def percent(self) -> int:
        """How much is written, 0 to 100; 100 only when the file is there."""
        if self.state is State.DONE:
            return _DONE_PERCENT
        if not self.rows_total:
            return 0
        return min(_DONE_PERCENT - 1, self.rows * _DONE_PERCENT // self.rows_total)


def file_name(wanted: Wanted) -> str:
    """Return what the file of an export is called: `hakika-payments-2026-11-01-2026-11-30.csv`."""
    span = [str(each) for each in (wanted.days.first, wanted.days.last) if each]
    mode = [] if wanted.livemode else ["test"]
    return "-".join(["hakika", wanted.what, *span, *mode]) + f".{wanted.form}"


def days(first: date | None, last: date | None) -> Days:
    """Return the days from `first` to `last`. Raises: Invalid, when these are none."""
    for name, day in (("from", first), ("to", last)):
        if day is not None and day.year not in _YEARS:
            raise Invalid(f"{day} is no day of M-Pesa's.", field=name, code="day_invalid")
    if first and last and first > last:
        raise Invalid(f"{first} is after {last}.", field="from", code="days_reversed")
    return Days(first, last)


def export_data(export: Export) -> dict[str, Any]:
    """Return a job as its merchant reads it."""
    wanted, finished_at = export.wanted, export.finished_at
    is_done = export.state is State.DONE
    return {
        "id": export.id, "what": wanted.what.value, "format": wanted.form,
        "from": str(wanted.days.first) if wanted.days.first else None,
        "to": str(wanted.days.last) if wanted.days.last else None,
        "reveal": wanted.reveal, "livemode": wanted.livemode, "state": export.state.value,
        "rows": export.rows, "rows_total": export.rows_total, "percent": export.percent,
        "bytes": export.bytes, "created_at": written(export.created_at),
        "finished_at": written(finished_at) if finished_at else None,
        "expires_at": written(finished_at + KEPT_FOR) if finished_at else None,
        "file": f"/v1/exports/{export.id}/file" if is_done else None,
    }
