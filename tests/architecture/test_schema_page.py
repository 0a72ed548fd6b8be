"""docs/schema.md has a row for every column of every table, and for nothing else. No database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hakika.store.migrate import FOLDER

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"

Schema = dict[str, list[str]]

# What may begin a line of a table and is no column.
CONSTRAINTS = {"check", "constraint", "exclude", "foreign", "like", "primary", "unique"}

# What a migration may do to a table without this test knowing: nothing that makes a column.
_ADD_COLUMN = re.compile(r"alter table (?:only )?(\w+)\s+add column (?:if not exists )?(\w+)")
_DROP_COLUMN = re.compile(r"alter table (?:only )?(\w+)\s+drop column (?:if exists )?(\w+)")
_RENAMES = re.compile(r"alter table [^;]*\brename\b")


def migrations() -> str:
    """Return the text of every migration, oldest first."""
    paths = sorted((FOLDER / "versions").glob("20*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def tables_of(sql: str) -> Schema:
    """Return the columns of each table that `sql` makes, in its order."""
    sql = re.sub(r"--[^\n]*", "", sql)
    assert not _RENAMES.search(sql), "teach this test to read a rename"
    tables = {
        made[1]: [word for word in _first_words(sql, made.end()) if word not in CONSTRAINTS]
        for made in re.finditer(r"create (?:unlogged )?table (?:if not exists )?(\w+)\s*\(", sql)
    }
    for table, column in _ADD_COLUMN.findall(sql):
        tables[table].append(column)
    for table, column in _DROP_COLUMN.findall(sql):
        tables[table].remove(column)
    return tables


def _first_words(sql: str, start: int) -> Iterator[str]:
    """Yield the first word of each part between the commas of a bracket that opened at `start`."""
    depth, part = 1, ""
    for sign in sql[start:]:
        depth += (sign == "(") - (sign == ")")
        if depth == 0 or (depth == 1 and sign == ","):
            yield part.split(maxsplit=1)[0]
            part = ""
        else:
            part += sign
        if depth == 0:
            return


def tables_on(page: str) -> Schema:
    """Return the columns that each section of the page has a row for."""
    sections = re.split(r"^## `(\w+)`$", page.partition("\n## Tables of others")[0], flags=re.M)
    return {
        name: re.findall(r"^\| `(\w+)` \|", text, flags=re.M)
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
    }


def differences(sql: str, page: str) -> list[str]:
    """Return what is in the migrations and not on the page, and the reverse."""
    made = {f"{table}.{each}" for table, columns in tables_of(sql).items() for each in columns}
    told = [f"{table}.{each}" for table, columns in tables_on(page).items() for each in columns]
    twice = {each for each in told if told.count(each) > 1}
    return sorted(
        [f"{each} is not on the page" for each in made.difference(told)]
        + [f"{each} is in no migration" for each in set(told) - made]
        + [f"{each} is on the page twice" for each in twice]
    )


def test_the_page_tells_of_every_column_and_of_nothing_else():
    """An operator reads this page with the database open: what is missing there is a riddle."""
    assert differences(migrations(), PAGE.read_text(encoding="utf-8")) == []


def test_every_table_has_a_section_and_every_section_says_something():
    """A table without columns on the page would otherwise pass unseen."""
    page = tables_on(PAGE.read_text(encoding="utf-8"))

    assert list(page) == list(tables_of(migrations()))
    assert [name for name, columns in page.items() if not columns] == []


def test_no_meaning_is_left_out():
    """Three cells, each with words in it."""
    rows = re.findall(r"^\| `.*$", PAGE.read_text(encoding="utf-8"), flags=re.M)

    assert [row for row in rows if len(re.findall(r"\| [^|]*\w[^|]*(?= \|)", row)) != 3] == []


SQL = """\
create table payments (
    id    text primary key,  -- not, this, one
    state text not null constraint payments_state_check check (state in (
        'unsent', 'sent')),
    constraint payments_key unique (id, state),
    primary key (id)
) partition by range (id);
"""
SECTION = "## `payments`\n\n| Column | Meaning | Set by |\n| --- | --- | --- |\n"
ROWS = "| `id` | `pay_…` | the request |\n| `state` | where it is | facts |\n"


def test_the_columns_of_a_table_are_read():
    """Constraints, comments and brackets are no columns."""
    assert tables_of(SQL) == {"payments": ["id", "state"]}
    assert differences(SQL, SECTION + ROWS) == []


@pytest.mark.parametrize(
    ("sql", "page", "complaint"),
    [
        (SQL, SECTION + ROWS.splitlines(keepends=True)[0], "payments.state is not on the page"),
        (SQL, SECTION + ROWS + "| `phone` | who | it |\n", "payments.phone is in no migration"),
        (SQL, SECTION + ROWS + "| `id` | again | it |\n", "payments.id is on the page twice"),
        (
            SQL + "alter table payments add column late boolean;", SECTION + ROWS,
            "payments.late is not on the page",
        ),
        (
            SQL + "alter table payments drop column state;", SECTION + ROWS,
            "payments.state is in no migration",
        ),
    ],
)
def test_a_difference_is_seen(sql: str, page: str, complaint: str):
    """A guard that was never seen to fail may be one that cannot."""
    assert differences(sql, page) == [complaint]


@pytest.mark.parametrize("column", ["payments.facts_link", "attempts.answer", "merchants.id"])
def test_a_column_taken_from_the_real_page_is_missed(column: str):
    """The same on the real page: one row less, one complaint."""
    table, name = column.split(".")
    head, section, rest = PAGE.read_text(encoding="utf-8").partition(f"## `{table}`\n")
    less = re.sub(rf"^\| `{name}` \|.*\n", "", rest, count=1, flags=re.M)

    assert differences(migrations(), head + section + less) == [f"{column} is not on the page"]
