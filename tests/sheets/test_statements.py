"""What is read of a statement, however it was saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakika.domain.errors import StatementEmpty, StatementIncomplete
from hakika.domain.money import Money
from hakika.domain.statement import StatementLine
from hakika.sheets.statements import FileKind, Statement, read_statement
from tests.sheets.samples import (
    CHARGE,
    COLUMNS,
    HEAD,
    NOW,
    PAID,
    as_csv,
    as_pdf,
    as_xlsx,
    changed,
    read,
    several,
)

PASSWORD = "kenya-2026"

SAVED = {
    "csv": as_csv(),
    "csv with semicolons": as_csv(separator=";"),
    "csv with tabs": as_csv(separator="\t"),
    "csv with a mark": b"\xef\xbb\xbf" + as_csv(),
    "csv in utf-16": as_csv().decode().encode("utf-16"),
    "csv in utf-16 without a mark": as_csv().decode().encode("utf-16-be"),
    "csv with excel's hint": b"sep=;\r\n" + as_csv((), separator=";") + as_csv(separator=";"),
    "xlsx": as_xlsx(),
    "pdf": as_pdf(),
    "pdf with long names": as_pdf(names_wrap=True),
}


def lines_of(statement: Statement) -> list[StatementLine]:
    """Return all lines."""
    return [line for batch in statement.batches() for line in batch]


@pytest.mark.parametrize("name", SAVED)
def test_a_statement_says_the_same_however_it_was_saved(name):
    """Whoever saved it through whatever: not a cent and not a second may depend on it."""
    statement = read(SAVED[name])

    head, (paid, charge) = statement.head, lines_of(statement)
    assert statement.kind is FileKind(name[:4].strip())
    assert (head.holder, head.shortcode, head.account) == (
        "DUKA MOJA LTD", "600123", "Utility Account",
    )
    assert (head.starts_at, head.ends_at) == (
        datetime(2026, 11, 20, 21, tzinfo=UTC), datetime(2026, 11, 21, 20, 59, 59, tzinfo=UTC),
    )
    assert (head.opening, head.closing) == (Money(100_000), Money(247_760))
    assert (head.paid_in, head.withdrawn) == (Money(150_000), Money(2_240))
    assert paid == StatementLine(
        place=paid.place, receipt="TKL4PAID01", status="Completed", paid_in=Money(150_000),
        completed_at=datetime(2026, 11, 21, 7, 15, tzinfo=UTC),
        initiated_at=datetime(2026, 11, 21, 7, 14, 57, tzinfo=UTC), balance=Money(250_000),
        balance_confirmed=True, reason_type="Pay Bill Online",
        details="Pay Bill from 254712345678 - JANE DOE Acc. INV-1",
        other_party="254712345678 - JANE DOE", account_reference="INV-1",
    )
    assert (charge.paid_in, charge.withdrawn, charge.balance) == (
        None, Money(2_240), Money(247_760),
    )


@pytest.mark.parametrize("content", [as_csv(), as_xlsx()], ids=["csv", "xlsx"])
def test_a_place_is_where_a_person_finds_the_line(content):
    """Ten rows of the head, an empty one, the names: the first line is the 13th."""
    assert [line.place for line in lines_of(read(content))] == [13, 14]


def test_a_place_counts_lines_of_text_when_a_cell_has_several():
    paid = changed(PAID, Details="Pay Bill\nfrom 254712345678\nAcc. INV-1")

    places = [line.place for line in lines_of(read(as_csv((*HEAD, COLUMNS, paid, CHARGE))))]

    assert places == [13, 16]


def test_a_locked_pdf_opens_with_its_password():
    statement = read(as_pdf(password=PASSWORD), password=PASSWORD)

    assert statement.lines == 2


def test_a_pdf_of_many_pages_is_one_statement():
    """The names stand on each page, and feet between: none of them is a line."""
    many = several(200)

    statement = read(as_pdf((("Short Code: 600123",), COLUMNS, *many)))

    assert [line.receipt for line in lines_of(statement)] == [row[0] for row in many]


def test_columns_may_stand_in_any_order_and_spelling():
    names = {"Receipt No.": "receipt no", "A/C No.": "AC NO", "Paid In": "PAID IN (KES)"}
    rows = [
        list(reversed([names.get(cell, cell) for cell in row])) for row in (COLUMNS, PAID, CHARGE)
    ]

    found = lines_of(read(as_csv(rows)))

    assert [line.amount for line in found] == [Money(150_000), Money(-2_240)]
    assert found[0].account_reference == "INV-1"


def test_columns_that_are_not_there_are_not_missed():
    """Older exports have fewer. The five that make a line are enough."""
    at = [COLUMNS.index(name) for name in (
        "Receipt No.", "Completion Time", "Transaction Status", "Paid In", "Withdrawn",
    )]

    found = lines_of(read(as_csv([[row[i] for i in at] for row in (COLUMNS, PAID)])))

    assert (found[0].amount, found[0].balance, found[0].details) == (Money(150_000), None, "")


def test_feet_and_empty_rows_are_no_lines():
    foot = (
        (), ("", "", ""), ("Total", "", "", "", "", "1,500.00", "-22.40"), ("DISCLAIMER",),
        ("This statement is computer generated", ""), COLUMNS,
    )

    assert read(as_csv((*HEAD, COLUMNS, PAID, *foot, CHARGE, *foot))).lines == 2


def test_a_zero_character_does_not_reach_the_database():
    """PostgreSQL takes no text with one, so one odd name would stop the whole import."""
    content = as_csv((COLUMNS, changed(PAID, Details="JANE\0DOE"))).decode().encode("utf-16")

    assert lines_of(read(content))[0].details == "JANE DOE"


def test_the_order_of_the_lines_does_not_matter():
    """The portal writes the newest first; people sort."""
    early = changed(
        PAID, Receipt_No="TKL4EARLY1", Completion_Time="21-11-2026 06:00:00", Balance="1,000.00",
    )

    statement = read(as_csv((COLUMNS, PAID, early, CHARGE)))

    assert statement.first_at == datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert statement.last_at == datetime(2026, 11, 21, 7, 15, tzinfo=UTC)
    assert [line.receipt for line in lines_of(statement)][1] == "TKL4EARLY1"


# A date cell of Excel's has no zone, so neither has what it is written from.
@pytest.mark.parametrize("written", [
    "21-11-2026 10:15:00", "2026-11-21 10:15:00", "21/11/2026 10:15", "2026-11-21T10:15:00",
    "21.11.2026 10:15:00 AM", datetime(2026, 11, 21, 10, 15), 46347.427083333336,  # noqa: DTZ001
])
def test_a_time_is_nairobis_however_it_is_written(written):
    """Read as UTC, a payment of 1 a.m. would be booked on the day before."""
    found = lines_of(read(as_xlsx((COLUMNS, changed(PAID, Completion_Time=written)))))

    assert found[0].completed_at == datetime(2026, 11, 21, 7, 15, tzinfo=UTC)


@pytest.mark.parametrize("written", [
    "1,500.00", "1500", "1500.0", "1 500.00", "1.500,00", "1500,00", "KES 1,500.00", "Ksh.1,500",
    1500, 1500.0, 1499.9999999999998,
])
def test_an_amount_is_the_same_however_it_is_written(written):
    found = lines_of(read(as_xlsx((COLUMNS, changed(PAID, Paid_In=written)))))

    assert found[0].amount == Money(150_000)


@pytest.mark.parametrize("written", ["-500.00", "500.00", "(500.00)", "500.00-", -500])
def test_a_withdrawal_is_positive_with_and_without_its_minus(written):
    row = changed(PAID, Paid_In="0.00", Withdrawn=written)

    assert lines_of(read(as_xlsx((COLUMNS, row))))[0].withdrawn == Money(50_000)


def test_a_line_that_failed_is_read_and_moves_nothing():
    """The portal lists failed ones too; the totals of its head leave them out."""
    failed = changed(PAID, Transaction_Status="Failed", Receipt_No="TKL4FAILED")

    found = lines_of(read(as_csv((*HEAD, COLUMNS, failed, PAID, CHARGE))))

    assert [line.is_completed for line in found] == [False, True, True]


QUIET_HEAD = (
    *HEAD[:5], ("Opening Balance:", "1,000.00"), ("Closing Balance:", "1,000.00"),
    ("Total Paid In:", "0.00"), ("Total Withdrawn:", "0.00"), (),
)


@pytest.mark.parametrize("save", [as_csv, as_xlsx, as_pdf])
@pytest.mark.parametrize("sums", [slice(0, 9), slice(0, 7)], ids=["totals", "balances"])
def test_a_statement_of_a_quiet_day_proves_that_nothing_happened(save, sums):
    """Without it a day on which the shop was closed stays unproven for ever."""
    statement = read(save((*QUIET_HEAD[sums], COLUMNS)))

    assert (statement.lines, statement.ends()) == (0, None)
    assert (statement.first_at, statement.last_at) == (
        statement.head.starts_at, statement.head.ends_at,
    )


@pytest.mark.parametrize("without", [1, 3, 8])
def test_what_does_not_say_whose_and_when_proves_no_quiet_day(without):
    head = [row for at, row in enumerate(QUIET_HEAD[:9]) if at not in {without, 5, 6}]

    with pytest.raises(StatementEmpty):
        read(as_csv((*head, COLUMNS)))


def test_a_day_without_lines_must_add_up_too():
    with pytest.raises(StatementIncomplete):
        read(as_csv((*HEAD, COLUMNS)))


@pytest.mark.parametrize(
    ("written", "covered"),
    [
        (None, "20:59:59"), ("21-11-2026 12:00:00", "09:00:00"),
        ("22-11-2026 08:00:00", "20:59:59"), ("01-12-2026 08:00:00", "20:59:59"), ("", "20:59:59"),
    ],
)
def test_a_report_covers_no_more_than_until_it_was_made(written, covered):
    """Downloaded at noon with the period of a whole day, it knows nothing of the afternoon."""
    made = () if written is None else (("Operator:", "x", "Date of Report:", written),)

    head = read(as_csv((*HEAD[:4], *made, COLUMNS, PAID))).head

    assert f"{head.covers_until(NOW):%H:%M:%S}" == covered
    assert head.covers_until(datetime(2026, 11, 21, 6, tzinfo=UTC)) == datetime(
        2026, 11, 21, 6, tzinfo=UTC,
    )


def test_it_tells_how_far_it_is():
    """A person looks at a bar while 100,000 lines are read."""
    told: list[float] = []
    many = (COLUMNS, *several(3000))

    read_statement(BytesIO(as_csv(many)), now=NOW, progress=told.append)

    assert told == sorted(told)
    assert len(told) in range(3, 102)
    assert told[-1] == 1


def test_the_file_stays_open_and_is_known_by_its_digest():
    """The caller opened it and may want to keep it; the same file again is the same digest."""
    file = BytesIO(as_csv())

    first = read_statement(file, now=NOW)
    second = read_statement(file, now=NOW)

    assert not file.closed
    assert first.sha256 == second.sha256 != read(as_xlsx()).sha256


# Hypothesis takes bounds without a zone alone; these are written into cells, which have none.
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 11, 29)).map(  # noqa: DTZ001
    lambda when: when.replace(microsecond=0),
)
NAMES = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=20,
).map(lambda text: " ".join(text.split()))


@st.composite
def a_line(draw: st.DrawFn) -> tuple[StatementLine, tuple[str, ...]]:
    """A line, and how the portal would write it."""
    when, cents = draw(MOMENTS), draw(st.integers(1, 10**9))
    name, reference, is_in = draw(NAMES), draw(NAMES), draw(st.booleans())
    receipt = "TK" + draw(st.text("0123456789ABCXYZ", min_size=8, max_size=8)).replace("A", "7")
    shillings = f"{Decimal(cents) / 100:,.2f}"
    line = StatementLine(
        place=0, receipt=receipt, status="Completed", balance=Money(cents),
        completed_at=when.replace(tzinfo=UTC) - timedelta(hours=3),
        paid_in=Money(cents) if is_in else None, withdrawn=None if is_in else Money(cents),
        details=name, other_party=name, account_reference=reference,
    )
    written = (
        receipt, when.strftime("%d-%m-%Y %H:%M:%S"), "", name, "Completed",
        shillings if is_in else "", "" if is_in else f"-{shillings}", shillings, "", "", name, "",
        reference,
    )
    return line, written


@pytest.mark.parametrize("save", [as_csv, as_xlsx])
@settings(max_examples=40, deadline=None)
@given(lines=st.lists(a_line(), min_size=1, max_size=5, unique_by=lambda each: each[0].identity))
def test_what_was_written_is_what_is_read(save, lines):
    """Any names, references, amounts and times: nothing is lost or changed on the way."""
    # Made of nothing, their balances do not meet: that is asked only where every line has one.
    rows = (COLUMNS, *(written for _, written in lines), changed(CHARGE, Balance=""))

    *found, _ = lines_of(read(save(rows)))

    assert [(line.identity, line.completed_at, line.details, line.account_reference)
            for line in found] == [
        (line.identity, line.completed_at, line.details, line.account_reference)
        for line, _ in lines
    ]


def test_lines_come_in_batches_and_again():
    """The caller writes batch by batch, and may start over when its transaction fails."""
    many = (COLUMNS, *several(600))

    statement = read(as_csv(many))

    assert [len(batch) for batch in statement.batches()] == [250, 250, 100]
    assert lines_of(statement) == lines_of(statement)
