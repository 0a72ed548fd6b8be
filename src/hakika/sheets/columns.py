"""Which column is which, and which label: by their names, in any order and most spellings.

To teach Hakika another spelling of Safaricom's, add it to `COLUMNS` or `LABELS`: letters and
digits alone, in small letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hakika.domain.errors import StatementForeign
from hakika.sheets.cells import text
from hakika.sheets.rows import Cell

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "receipt": ("receiptno", "receipt", "receiptnumber", "mpesareceipt", "mpesareceiptno"),
    "completed_at": ("completiontime", "completiondate", "completedtime", "completed"),
    "initiated_at": ("initiationtime", "initiationdate", "initiatedtime", "initiated"),
    "details": ("details", "detail", "description"),
    "status": ("transactionstatus", "status"),
    "paid_in": ("paidin", "paidinkes", "paidinksh"),
    "withdrawn": ("withdrawn", "withdrawal", "withdrawnkes", "withdrawnksh", "paidout"),
    "balance": ("balance", "balancekes", "balanceksh", "runningbalance"),
    "balance_confirmed": ("balanceconfirmed", "confirmedbalance"),
    "reason_type": ("reasontype", "reason", "transactiontype"),
    "other_party": ("otherpartyinfo", "otherparty", "otherpartyinformation"),
    "linked_receipt": (
        "linkedtransactionid", "linkedtransaction", "linkedreceipt", "linkedreceiptno",
    ),
    "account_reference": ("acno", "accno", "accountno", "accountnumber", "accountreference"),
    "shortcode": ("shortcode", "organizationshortcode", "organisationshortcode"),
}

# Without these a line says nothing that could be booked.
REQUIRED = ("receipt", "completed_at", "status", "paid_in", "withdrawn")

LABELS: Mapping[str, tuple[str, ...]] = {
    "holder": (
        "accountholder", "organizationname", "organisationname", "organization", "organisation",
        "businessname",
    ),
    "shortcode": ("shortcode", "paybill", "paybillnumber", "till", "tillnumber"),
    "account": ("account", "accounttype", "accountname"),
    "period": ("timeperiod", "statementperiod", "period", "daterange"),
    "starts_at": ("from", "fromdate", "startdate"),
    "ends_at": ("to", "todate", "enddate"),
    "reported_at": (
        "dateofreport", "reportdate", "dategenerated", "generatedon", "reportgeneratedon",
    ),
    "operator": ("operator", "generatedby", "downloadedby"),
    "opening": ("openingbalance",),
    "closing": ("closingbalance",),
    "available": ("availablebalance",),
    "paid_in": ("totalpaidin",),
    "withdrawn": ("totalwithdrawn",),
}

# What stands above the statement that a person gets for their own wallet.
_OF_A_PERSON = frozenset({"customername", "mobilenumber", "msisdn"})

_FIELD_OF = {name: field for field, names in COLUMNS.items() for name in names}
_LABEL_OF = {name: label for label, names in LABELS.items() for name in names}
_LETTERS = re.compile(r"[^a-z0-9]")


def plain(cell: Cell) -> str:
    """Return the letters and digits of a name, small: "A/C No." and "AC No" are one name."""
    return _LETTERS.sub("", text(cell).casefold())


def field_of(name: str) -> str | None:
    """Return which field a column of that name holds."""
    return _FIELD_OF.get(plain(name))


def found_in(cells: Sequence[Cell]) -> dict[str, int] | None:
    """Return at which index each field stands, when `cells` are the names of the columns.

    Raises:
        StatementForeign: some of the names are there; others are missing, or there twice.
    """
    named = [(index, _FIELD_OF.get(plain(cell))) for index, cell in enumerate(cells)]
    where: dict[str, int] = {}
    for index, field in named:
        if field in where:
            raise StatementForeign(f"The column {text(cells[index])} is there twice.")
        if field is not None:
            where[field] = index
    # A label such as "Account Number" is no column; three of the five are no accident.
    if sum(field in where for field in REQUIRED) < len(REQUIRED) // 2 + 1:
        return None
    missing = [COLUMN_NAMES[field] for field in REQUIRED if field not in where]
    if missing:
        raise StatementForeign(f"The statement lacks the columns: {', '.join(missing)}.")
    return where


COLUMN_NAMES: Mapping[str, str] = {
    "receipt": "Receipt No.", "completed_at": "Completion Time", "initiated_at": "Initiation Time",
    "details": "Details", "status": "Transaction Status", "paid_in": "Paid In",
    "withdrawn": "Withdrawn", "balance": "Balance", "balance_confirmed": "Balance Confirmed",
    "reason_type": "Reason Type", "other_party": "Other Party Info",
    "linked_receipt": "Linked Transaction ID", "account_reference": "A/C No.",
    "shortcode": "Short Code",
}


def labels_in(cells: Sequence[Cell]) -> list[tuple[str, Cell]]:
    """Return the labels in a row with the value beside each, in the same cell or in the next."""
    said = [cell for cell in cells if text(cell)]
    found: list[tuple[str, Cell]] = []
    for index, cell in enumerate(said):
        before, colon, after = text(cell).partition(":")
        label = _LABEL_OF.get(plain(before))
        if colon and after.strip():
            if label is not None:
                found.append((label, after.strip()))
        elif label is not None and index + 1 < len(said):
            found.append((label, said[index + 1]))
    return found


def is_of_a_person(cells: Sequence[Cell]) -> bool:
    """Whether a row above the columns says that this is a person's own statement."""
    return any(plain(text(cell).partition(":")[0]) in _OF_A_PERSON for cell in cells)
