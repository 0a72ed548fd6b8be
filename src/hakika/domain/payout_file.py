"""A file of payouts: what its rows say, what is wrong with them, and where it is. Read `check`.

A row is read in one way or not at all. What a spreadsheet does to numbers is known by its traces
and refused with what to do; a row that is wrong keeps the whole file from being started.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from hakika.domain import money, msisdn, payout_order
from hakika.domain.errors import FieldError, Invalid
from hakika.domain.ids import BatchId, MerchantId
from hakika.domain.money import Money
from hakika.domain.payout import Payee, Payout, Status, Way
from hakika.domain.shortcode import Shortcode
from hakika.domain.times import written

T = TypeVar("T")

# At 5 a second they take an hour; 20,000 rows of XLSX have 1 MB.
ROWS_MAX = 20_000
FILE_BYTES_MAX = 16 << 20

# The columns, and how else people call them: letters and digits alone, in small letters.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "phone": ("phone", "phonenumber", "msisdn", "mobile", "mobilenumber"),
    "paybill": ("paybill", "number", "paybillnumber"),
    "account": ("account", "accountnumber", "acno", "accountno"),
    "till": ("till", "tillnumber"),
    "amount": ("amount", "amountkes", "amountksh"),
    "name": ("name", "payee", "fullname"),
    "reference": ("reference", "ref"),
    "remarks": ("remarks", "remark"),
}
PAYEES = ("phone", "paybill", "till")

# What a cell may hold as it was read. FORMULA stands for one that a workbook would work out.
Cell = str | int | float | None
FORMULA = "="

# What stands to the right of all names: a comma in a name has moved the rest of its row.
BEYOND = "row"

# As in sheets/exports.py: a spreadsheet runs a cell that begins with one of these.
_RUNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_INTERNATIONAL = re.compile(r"\+254[ -]?[0-9][0-9 -]{8,12}", re.ASCII)
_MANGLED = re.compile(r"[0-9]+([.,][0-9]+)?E\+?[0-9]+", re.ASCII | re.IGNORECASE)
_EXACT_MAX = 2**53


class State(StrEnum):
    """Where a file is."""

    WRONG = "wrong"            # some rows are wrong: nothing of it can be sent
    PLANNED = "planned"        # every row is right; nothing is sent until somebody starts it
    STARTED = "started"        # its rows become payouts, which are sent in their turns
    CANCELING = "canceling"    # what was not sent is taken back
    CANCELED = "canceled"      # that is done, and what was sent has ended
    COMPLETED = "completed"    # every row has ended


# What merchants are told of a started file before which a stop of its own stands.
PAUSED = "paused"

# What they are told of a row that a rule forbade when its turn came.
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Objection:
    """What a rule for money that goes out says against a row, or against the rest of a file."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row that can be paid."""

    number: int              # of the row in the file, as a person counts; the names are in one, too
    way: Way
    payee: Payee
    amount: Money
    reference: str = ""
    remarks: str = ""
    refused: Objection | None = None    # it never becomes a payout


@dataclass(frozen=True, slots=True)
class WrongRow:
    """One row that cannot, and why. No error repeats what stands there: it may be a number."""

    number: int
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True)
class PayoutFile:
    """A file of payouts of one merchant and mode. All times are UTC."""

    id: BatchId
    merchant_id: MerchantId
    livemode: bool
    sha256: str                       # of its bytes: the same file again is the same file
    shortcode: Shortcode              # whose money
    rows: int
    rows_wrong: int
    total: Money                      # of the rows that are right
    charges: Money                    # Safaricom's, as far as they are known
    charges_unknown: int              # rows of which it is not known what Safaricom takes
    created_by: str                   # the key that sent it
    created_at: datetime
    state: State
    needs_approval: bool = False      # by the merchant's rules, when it was sent
    rows_made: int = 0                # that are payouts by now
    rows_refused: int = 0             # that never will be: a rule forbade them
    waiting_for: Objection | None = None    # why the rest cannot become payouts now
    started_by: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def rows_left(self) -> int:
        """How many rows may still become payouts."""
        return self.rows - self.rows_wrong - self.rows_made - self.rows_refused


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is: its payouts by status, and how many orders went in the last minute."""

    counts: Mapping[Status, int]
    unsent: int = 0                   # payouts that wait for their turn
    sent_lately: int = 0
    seconds: float = 60.0             # over which those were counted
    is_paused: bool = False

    @property
    def a_second(self) -> float:
        """How many orders go in a second."""
        return self.sent_lately / self.seconds if self.seconds else 0.0


def file_data(file: PayoutFile, progress: Progress) -> dict[str, Any]:
    """Return a file as merchants read it. Amounts are decimal texts in shillings."""
    counts = {status.value: count for status, count in progress.counts.items() if count}
    if file.rows_refused:
        counts[REFUSED] = file.rows_refused
    is_over = file.state in {State.CANCELED, State.COMPLETED}
    unsent = 0 if is_over or file.state is State.CANCELING else progress.unsent + file.rows_left
    rate = progress.a_second
    paused = file.state is State.STARTED and progress.is_paused
    waits = file.waiting_for if file.state is State.STARTED else None
    return {
        "id": file.id, "merchant_id": file.merchant_id, "livemode": file.livemode,
        "status": PAUSED if paused else file.state.value,
        "sha256": file.sha256, "shortcode": file.shortcode.number,
        "rows": file.rows, "rows_wrong": file.rows_wrong, "total": str(file.total),
        "charges": str(file.charges), "charges_unknown_rows": file.charges_unknown,
        "needs_approval": file.needs_approval and not file.started_by,
        "rows_made": file.rows_made, "rows_unsent": unsent, "counts": counts,
        "waiting_for": {"code": waits.code, "message": waits.message} if waits else None,
        "rate": round(rate, 2),
        "seconds_left": round(unsent / rate) if unsent and rate else None,
        "created_by": file.created_by, "created_at": written(file.created_at),
        "started_by": file.started_by or None,
        "started_at": written(file.started_at) if file.started_at else None,
        "ended_at": written(file.ended_at) if file.ended_at else None,
    }


def outcome_of(file: PayoutFile, row: Row | WrongRow, payout: Payout | None) -> str:
    """Return in a word what became of a row."""
    if isinstance(row, WrongRow):
        return State.WRONG.value
    if payout is not None:
        return payout.status.value
    if row.refused is not None:
        return REFUSED
    is_canceled = file.state in {State.CANCELING, State.CANCELED}
    return Status.CANCELED.value if is_canceled else State.PLANNED.value


def key_of(file_id: BatchId, number: int) -> str:
    """Return the idempotency key of a row's payout: one that no caller can send."""
    return f"{file_id}·{number}"


def check(rows: Iterable[tuple[int, Mapping[str, Cell]]]) -> list[Row | WrongRow]:
    """Return every row, right or wrong, in order; what stands there twice is wrong the second time.

    Twice is the same payee, amount and reference. Two payments to one person in one file need
    references that tell them apart.
    """
    checked: list[Row | WrongRow] = []
    first: dict[tuple[Payee, int, str], int] = {}
    for number, cells in rows:
        row = check_row(number, cells)
        if isinstance(row, Row):
            payee = Payee(row.payee.phone, row.payee.number, row.payee.account)
            seen = first.setdefault((payee, row.amount.cents, row.reference), number)
            if seen != number:
                row = WrongRow(number, (FieldError(
                    "reference", "row_twice",
                    f"Row {seen} pays the same to the same payee. If both are meant, give each a "
                    "reference of its own.",
                ),))
        checked.append(row)
    return checked


def check_row(number: int, cells: Mapping[str, Cell]) -> Row | WrongRow:
    """Return one row as a payout, or everything that is wrong with it."""
    errors: list[FieldError] = []
    texts = {name: _text(name, cell, errors) for name, cell in cells.items()}
    if errors:
        return WrongRow(number, tuple(errors))
    read = _Reading(texts, errors)
    phone = read.of("phone", msisdn.parse)
    paybill = read.of("paybill", payout_order.read_number)
    till = read.of("till", payout_order.read_number)
    account = read.of("account", payout_order.read_account)
    name = read.of("name", payout_order.read_name)
    reference = read.of("reference", payout_order.read_reference)
    remarks = read.of("remarks", payout_order.read_remarks)
    amount = read.of("amount", _amount)
    if not texts.get("amount"):
        errors.append(FieldError("amount", "amount_missing", "There is no amount."))
    if errors:
        return WrongRow(number, tuple(errors))
    assert amount is not None, "it would have been an error"
    try:
        way, payee = payout_order.read_payee(
            phone=phone, paybill=paybill or "", account=account or "", till=till or "",
            name=name or "",
        )
        payout_order.check_amount(amount, way)
    except Invalid as error:
        return WrongRow(number, error.errors)
    return Row(number, way, payee, amount, reference or "", remarks or "")


def _text(name: str, cell: Cell, errors: list[FieldError]) -> str:
    """Return what stands in a cell, trimmed; what a spreadsheet has changed is an error."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT_MAX:
        cell = int(cell)
    if name == "account" and cell is not None and not isinstance(cell, str):
        errors.append(FieldError(
            name, "account_is_number",
            "The account is a number here, and zeros at its beginning may be lost. Format the "
            "column as text and type it again.",
        ))
        return ""
    text = "" if cell is None else str(cell).strip()
    if name == BEYOND:
        errors.append(FieldError(
            name, "row_too_wide", "The row has more cells than there are names of columns.",
        ))
    elif text.startswith(_RUNS) and not (name == "phone" and _INTERNATIONAL.fullmatch(text)):
        errors.append(FieldError(
            name, "cell_is_formula",
            "The cell is a formula, or would be one in a spreadsheet. Put its value there.",
        ))
    elif _MANGLED.fullmatch(text):
        errors.append(FieldError(
            name, "number_mangled",
            "A spreadsheet wrote this number as 2.547E+11, and its last digits are lost. Format "
            "the column as text and type it again.",
        ))
    return text


def _amount(value: object) -> Money:
    try:
        return money.parse(value)
    except Invalid as error:
        raise Invalid(
            "Write the amount in whole shillings, in digits alone, such as 1200.",
            field="amount", code=error.errors[0].code,
        ) from None


@dataclass(frozen=True, slots=True)
class _Reading:
    """The cells of a row, read by the rules of an order; what breaks one is an error."""

    texts: Mapping[str, str]
    errors: list[FieldError]

    def of(self, name: str, rule: Callable[[object], T]) -> T | None:
        """Return what a cell says, or None: it is empty, or wrong."""
        if not self.texts.get(name):
            return None
        try:
            return rule(self.texts[name])
        except Invalid as error:
            self.errors.append(replace(error.errors[0], field=name))
            return None
