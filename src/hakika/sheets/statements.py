"""An organisation's M-Pesa statement, read and checked whole before anybody gets a line of it.

`read_statement` is the door: it takes a file of any of the three kinds, told by its content, and
gives a `Statement`, or one refusal that names the line. A refused file has given nothing, so
nothing can be half imported. Each file is read once; its checked lines are kept packed in memory
(15 MB for 100,000) and never on the disk, for they hold names and phone numbers.

It works the processor for seconds: a service calls it in a thread.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, BinaryIO

from hakika.domain.errors import (
    StatementEmpty,
    StatementEncrypted,
    StatementForeign,
    StatementTooLarge,
)
from hakika.domain.money import Money
from hakika.domain.statement import StatementHead, StatementLine
from hakika.sheets import csv_rows, pdf_rows, xlsx_rows
from hakika.sheets.checks import Checked
from hakika.sheets.rows import LINES_MAX, Row, too_long

# A PDF of 100,000 lines has 8 MB, a CSV 20 MB.
FILE_BYTES_MAX = 64 << 20

# What works on a batch keeps its process from everything else meanwhile.
_BATCH_LINES = 250
_CHUNK = 1 << 20
_PROGRESS_STEP = 0.01

# An XLSX with a password, and the XLS of before 2007, begin alike.
_COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_PART = "EncryptedPackage".encode("utf-16-le")

Progress = Callable[[float], None]

# By itself a dataclass is packed by looking up its fields anew for each object: a third of the time
# that an import takes.
_FIELDS = attrgetter(*(each.name for each in fields(StatementLine)))
_MADE_OF: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    StatementLine: lambda line: (StatementLine, _FIELDS(line)),
    Money: lambda money: (Money, (money.cents,)),
}


class FileKind(StrEnum):
    """What a statement can come as."""

    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole statement whose every line was checked."""

    kind: FileKind
    sha256: str              # of the file's bytes: the same file again is known by it
    head: StatementHead
    lines: int
    first_at: datetime       # when the earliest and the latest line were completed, UTC; of a
    last_at: datetime        # statement without lines its period
    _packed: tuple[bytes, ...] = field(repr=False)

    def batches(self) -> Iterator[tuple[StatementLine, ...]]:
        """Yield all lines in the order of the file, 250 at a time. Can be called again."""
        for packed in self._packed:
            yield _unpacked(packed)

    def ends(self) -> tuple[StatementLine, StatementLine] | None:
        """Return the first and the last line of the file, or None: it has no lines."""
        if not self._packed:
            return None
        return _unpacked(self._packed[0])[0], _unpacked(self._packed[-1])[-1]


def read_statement(
    file: BinaryIO, *, now: datetime, password: str | None = None,
    progress: Progress | None = None,
) -> Statement:
    """Return the statement in `file`, open for reading bytes and able to seek.

    `progress` is called with the share that is read, growing from 0 to 1, a hundred times at most.

    Raises:
        StatementUnreadable: or one of its kinds; tell the person what it says. Nothing was kept.
    """
    size, sha256 = _size_and_digest(file)
    kind = _kind_of(file)
    checked = Checked(now)
    packed: list[bytes] = []
    batch: list[StatementLine] = []
    # Closed at once, refused or not: what reads holds the file, and for a PDF the lock.
    with closing(_rows(kind, file, size, password)) as rows:
        for row in _watched(rows, progress):
            line = checked.line(row)
            if line is not None:
                batch.append(line)
                if len(batch) == _BATCH_LINES:
                    packed.append(_pack(batch))
                    batch = []
    if batch:
        packed.append(_pack(batch))
    head, span = checked.whole()
    return Statement(kind, sha256, head, checked.lines, span[0], span[1], tuple(packed))


def _watched(rows: Iterator[Row], progress: Progress | None) -> Iterator[Row]:
    """Yield `rows`, tell how far they are, and raise at the first one too many."""
    told = 0.0
    for count, row in enumerate(rows, start=1):
        if count > LINES_MAX:
            raise too_long()
        yield row
        if progress is not None and row.share - told >= _PROGRESS_STEP:
            told = row.share
            progress(told)
    if progress is not None and told < 1:
        progress(1.0)


def _pack(batch: list[StatementLine]) -> bytes:
    written = io.BytesIO()
    pickler = pickle.Pickler(written, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _MADE_OF
    pickler.dump(tuple(batch))
    return zlib.compress(written.getvalue(), level=1)


def _unpacked(packed: bytes) -> tuple[StatementLine, ...]:
    # Packed by `_pack` in this process, or in one of its own, so nobody else wrote it.
    found: tuple[StatementLine, ...] = pickle.loads(zlib.decompress(packed))
    return found


def _size_and_digest(file: BinaryIO) -> tuple[int, str]:
    file.seek(0)
    size, digest = 0, hashlib.sha256()
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        digest.update(chunk)
        if size > FILE_BYTES_MAX:
            raise StatementTooLarge(f"The file has more than {FILE_BYTES_MAX >> 20} MiB.")
    if not size:
        raise StatementEmpty("The file is empty.")
    return size, digest.hexdigest()


def _kind_of(file: BinaryIO) -> FileKind:
    """Return what the file is by its first bytes; its name says nothing that must be true."""
    file.seek(0)
    start = file.read(1024)
    if start.startswith(_COMPOUND):
        file.seek(0)
        if _ENCRYPTED_PART in file.read():
            raise StatementEncrypted(
                "The workbook is locked with a password.",
                hint="Open it in Excel, save it without a password and send it; or send the PDF.",
            )
        raise StatementForeign(
            "The file is an XLS of the old kind.", hint="Save it as XLSX, or export it as CSV.",
        )
    if start.startswith(b"PK\x03\x04"):
        return FileKind.XLSX
    if b"%PDF-" in start:
        return FileKind.PDF
    return FileKind.CSV


def _rows(
    kind: FileKind, file: BinaryIO, size: int, password: str | None,
) -> Generator[Row, None, None]:
    match kind:
        case FileKind.CSV:
            return csv_rows.rows(file, size)
        case FileKind.XLSX:
            return xlsx_rows.rows(file)
        case FileKind.PDF:
            return pdf_rows.rows(file, password)
