"""Write the pages of docs/ that say what the code says: `make docs`.

    lifecycle.md      from hakika.domain.payment and hakika.domain.fact
    errors.md         from hakika.domain.errors and the tables of hakika.daraja
    configuration.md  from hakika.settings
    scopes.md         from the routes of hakika.api
    metrics.md        from hakika.services.metrics

Read `PAGES` first. With --check nothing is written: the exit code says whether a page is stale.
tests/architecture/test_docs.py asks the same.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hakika.api import auth
from hakika.api.app import ROUTERS
from hakika.daraja.answers import ANSWER_ERRORS, AnswerError
from hakika.daraja.envelope_results import ENVELOPE_RESULTS, EnvelopeResult
from hakika.daraja.results import STK_RESULTS, StkResult
from hakika.domain import errors
from hakika.domain.fact import Fact, Kind, Source, Strength
from hakika.domain.payment import COLUMNS, EVENT_OF, FINAL, LIFECYCLE, STATUS, Cell, State
from hakika.services import gauges, metrics
from hakika.settings import PREFIX, Settings, secrets
from hakika.store.transaction import StoreUnavailable

DOCS = Path(__file__).parent

Grid = Mapping[State, tuple[State | Cell, ...]]

NOTICE = "<!-- Written by `make docs` from {source}. Change the code, not this page. -->"


def lifecycle(grid: Grid = LIFECYCLE) -> str:
    """Return the page about a payment's life: what was heard, and what it does in each state."""
    lines = [
        NOTICE.format(source="`src/hakika/domain/payment.py` and `fact.py`"),
        "# The life of a payment",
        "",
        "A payment's state is worked out from everything that was heard about it. What is heard",
        "is called a fact; it is kept for ever, and it may come late, twice, or in any order. The",
        "grid below has one cell for every state and every fact: there is nothing that it does not",
        "answer.",
        "",
        *_states_and_facts(),
        "",
        *_grid(grid),
        "",
        "## Whose word counts more",
        "",
        "A verdict is replaced by a stronger one only. From the weakest to the strongest:",
        "",
        *table(("Strength", "Name", "Which facts carry it"), _strengths()),
        "",
        "## What merchants hear",
        "",
        "One event for each change of the public status, and `payment.needs_review` when a person",
        "has to look.",
        "",
        *table(
            ("New status", "Event"),
            ((code(status), code(event)) for status, event in EVENT_OF.items()),
        ),
    ]
    return page(lines)


def _states_and_facts() -> list[str]:
    meant, heard, who = comments(State), comments(Kind), comments(Source)
    return [
        "## States",
        "",
        *table(
            ("State", "Merchants are told", "Settled", "What it means"),
            (
                (code(state), code(STATUS[state]), "yes" if state in FINAL else "", meant[state])
                for state in State
            ),
        ),
        "",
        "## Facts",
        "",
        *table(("Fact", "What was heard"), ((code(kind), heard[kind]) for kind in COLUMNS)),
        "",
        "They come from:",
        "",
        *table(("Source", "Who"), ((code(source), who[source]) for source in Source)),
    ]


def _grid(grid: Grid) -> list[str]:
    meant = comments(Cell)
    return [
        "## The grid",
        "",
        "A row is the state before, a column the fact, a cell what follows. A cell that names a",
        "state moves the payment there. The others:",
        "",
        *table(
            ("Cell", "Stands for", "Meaning"),
            ((MARK[cell], cell.value, meant[cell]) for cell in Cell),
        ),
        "",
        *table(
            ("", *(kind.value for kind in COLUMNS)),
            ((f"**{state.value}**", *(_cell(cell) for cell in grid[state])) for state in State),
        ),
        "",
        "## The same as a picture",
        "",
        "Only the cells that name another state; where two verdicts are weighed no arrow is drawn.",
        "",
        "```mermaid",
        *_diagram(grid),
        "```",
    ]


MARK: Mapping[Cell, str] = {Cell.IGNORE: "·", Cell.ALARM: "**alarm**", Cell.WEIGH: "_weigh_"}


def _cell(cell: State | Cell) -> str:
    return MARK[cell] if isinstance(cell, Cell) else cell.value


def _diagram(grid: Grid) -> Iterator[str]:
    """Yield a mermaid state diagram: one arrow for each pair of states, with its facts."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {next(iter(State)).value}"
    for state in State:
        arrows: dict[State, list[str]] = {}
        for kind, cell in zip(COLUMNS, grid[state], strict=True):
            if isinstance(cell, State) and cell is not state:
                arrows.setdefault(cell, []).append(kind.value)
        for to, kinds in arrows.items():
            yield f"    {state.value} --> {to.value}: {', '.join(kinds)}"


def _strengths() -> Iterator[tuple[str, ...]]:
    """Yield the ladder of strengths, with the facts found on each rung by asking the facts."""
    for strength in Strength:
        carriers = [
            code(kind) + _among(sources)
            for kind in COLUMNS
            if (sources := [each for each in Source if Fact(kind, each).strength is strength])
        ]
        yield str(strength.value), strength.name.lower().replace("_", " "), ", ".join(carriers)


def _among(sources: list[Source]) -> str:
    """Return which sources a fact is meant to have come from: the shorter way of saying it."""
    others = [each for each in Source if each not in sources]
    if not others:
        return ""
    shorter, word = (sources, "from") if len(sources) <= len(others) else (others, "not from")
    return f" ({word} {', '.join(code(each) for each in shorter)})"


def error_codes() -> str:
    """Return the page of every error code: ours by family, then Daraja's by family."""
    lines = [
        NOTICE.format(source="`src/hakika/domain/errors.py` and `src/hakika/daraja/`"),
        "# Error codes",
        "",
        "An answer that is no success carries a `code`, which never changes its meaning, and a",
        "`hint` with the way out. Test for the code; the sentences may improve.",
    ]
    assert issubclass(StoreUnavailable, errors.HakikaError)  # the one error of another floor
    for family in errors.HakikaError.__subclasses__():
        lines += ["", f"## {_words(family.__name__)}", ""]
        members = [family, *_leaves(family)]
        lines += table(
            ("Code", "Meaning", "What to do"),
            ((code(each.code), first_paragraph(each), each.hint) for each in members),
        )
    lines += [
        "",
        "## Daraja's answers",
        "",
        "What Daraja says at once, in place of taking a request. The same number can have several",
        "meanings, told apart by its text.",
        "",
        *table(
            ("Daraja's code", "Daraja's text", "Code", "It", "What to do", "The payer may read"),
            (_answer(row) for rows in ANSWER_ERRORS.values() for row in rows),
        ),
        "",
        "## Results of an STK push",
        "",
        "What a callback or a status query says once the prompt has ended. A row that is not final",
        "decides nothing: the payment stays open, and Hakika keeps asking.",
        "",
        *table(RESULT_COLUMNS, (_result(row) for row in STK_RESULTS.values())),
        "",
        "## Results of payouts, reversals and queries",
        "",
        "The same number may mean something else here than for an STK push. A row that is not",
        "final says that money may have moved.",
        "",
        *table(RESULT_COLUMNS, (_result(row) for row in ENVELOPE_RESULTS.values())),
    ]
    return page(lines)


RESULT_COLUMNS = (
    "Daraja's code", "Code", "Meaning", "Final", "Retry", "What to do", "The payer may read",
)


def _answer(row: AnswerError) -> tuple[str, ...]:
    return (
        code(row.daraja_code), row.text, code(row.code), row.kind.value.replace("_", " "),
        row.developer_message, row.words.en,
    )


def _result(row: StkResult | EnvelopeResult) -> tuple[str, ...]:
    return (
        code(row.daraja_code), code(row.code), row.meaning, "yes" if row.is_final else "no",
        "yes" if row.retryable else "", row.developer_message, row.words.en,
    )


def _leaves(family: type[errors.HakikaError]) -> Iterator[type[errors.HakikaError]]:
    for child in family.__subclasses__():
        yield child
        yield from _leaves(child)


def configuration() -> str:
    """Return the page of every setting: its variable, default and meaning."""
    lines = [
        NOTICE.format(source="`src/hakika/settings.py`"),
        "# Configuration",
        "",
        "Hakika reads its settings from the environment, once, when it starts. A variable that",
        f"begins with `{PREFIX}` and is not on this page stops the start, so that a slip of the",
        "keyboard cannot become a default. Each secret can also be read from a file: add `_FILE`",
        "to the name and give the path.",
        "",
        *table(
            ("Variable", "Default", "Meaning"),
            (_setting(name, field) for name, field in Settings.model_fields.items()),
        ),
    ]
    return page(lines)


def _setting(name: str, field: FieldInfo) -> tuple[str, str, str]:
    variable = code(PREFIX + name.upper())
    if name in secrets():
        variable += f" or {code(PREFIX + name.upper() + '_FILE')}"
    return variable, _default(field.default), f"{field.description} {_allowed(field)}".strip()


def metric_names() -> str:
    """Return the page of every metric: its name, labels and meaning."""
    lines = [
        NOTICE.format(source="`src/hakika/services/metrics.py`"),
        "# Metrics",
        "",
        "Every metric of `/metrics`; how to scrape it, and what to watch first, is in",
        "[operations.md](operations.md#what-to-watch). A name says its unit. `mode` is `live` or",
        "`test`. No label holds a phone number, a name, a secret, an address or a path with ids.",
        "",
        "## Counted in each process",
        "",
        "Since it started: add the processes up. A histogram has `_bucket`, `_sum` and `_count`.",
        "",
        *_metrics(metrics.COUNTED),
        "",
        "## Looked at when somebody scrapes",
        "",
        "`pool` is the part of the process whose connections they are: `api` or `worker`.",
        "",
        *_metrics(metrics.LOOKED_AT),
        "",
        "`process_…` are the library's own: memory, processor time, open files.",
        "",
        "## Read from the database",
        "",
        "The same in every process, so never add them up: take the largest. They are read once in",
        f"{gauges.EVERY_SECONDS:g} seconds at most, however many scrape, and only so many rows of",
        "them: a million payments cost what ten thousand do.",
        "",
        *_metrics(metrics.READ),
    ]
    return page(lines)


def _metrics(listed: tuple[metrics.Metric, ...]) -> list[str]:
    return table(
        ("Metric", "Kind", "Labels", "What it says"),
        (
            (code(each.name), each.kind, ", ".join(map(code, each.labels)), each.meaning)
            for each in listed
        ),
    )


def _allowed(field: FieldInfo) -> str:
    """Return what a value must be, as a sentence, where the type says more than "text"."""
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"One of {', '.join(code(choice) for choice in choices)}."
    bounds = [text for bound in field.metadata if (text := _bound(bound))]
    return f"A number, {' and '.join(bounds)}." if bounds else ""


def _bound(bound: object) -> str:
    match bound:
        case Ge(ge=value):
            return f"at least {value}"
        case Gt(gt=value):
            return f"above {value}"
        case Le(le=value):
            return f"at most {value}"
        case Lt(lt=value):
            return f"below {value}"
        case _:
            return ""


def _default(value: Any) -> str:
    match value:
        case SecretStr():
            return "built in" if value.get_secret_value() else "none"
        case tuple():
            return ", ".join(code(each) for each in value) or "none"
        case None:
            return "none"
        case str() | Path() if not str(value):
            return "none"
        case float() if value.is_integer():
            return code(str(int(value)))
        case _:
            return code(str(value))


def comments(kind: type[Enum]) -> dict[Enum, str]:
    """Return the comment behind each member, in the source of `kind`; empty where there is none."""
    source = inspect.getsource(kind)
    found = re.findall(r"^ {4}([A-Z_0-9]+) *=.*?(?:  # (.+))?$", source, re.MULTILINE)
    texts = dict(found)
    return {member: texts.get(member.name, "").strip() for member in kind}


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table; a bar or a line break in a cell is made harmless."""
    lines = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(_harmless(cell) for cell in line) + " |" for line in lines]


def _harmless(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return `text` as code; nothing stays nothing."""
    return f"`{text}`" if text else ""


def first_paragraph(thing: type) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def page(lines: list[str]) -> str:
    """Return the lines as a file's text."""
    return "\n".join(lines) + "\n"


def scopes() -> str:
    """Return the page of every route, and the scope that it needs."""
    needed, theirs = auth.scopes(ROUTERS), auth.for_sellers(ROUTERS)
    lines = [
        NOTICE.format(source="the routes of `src/hakika/api/`"),
        "# Scopes",
        "",
        "What a key must have for each route. It is given its scopes when it is made;",
        "`GET /v1/keys` shows them. A route that named none would stop the start. A seller's key",
        "is refused wherever the third column is empty ([platform.md](platform.md)).",
        "",
        *table(
            ("Route", "Scope", "Sellers"),
            (
                (code(f"{method} {path}"), code(scope), "yes" if (method, path) in theirs else "")
                for (method, path), scope in sorted(needed.items(), key=lambda one: one[0][::-1])
            ),
        ),
    ]
    return page(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "lifecycle.md": lifecycle,
    "errors.md": error_codes,
    "configuration.md": configuration,
    "scopes.md": scopes,
    "metrics.md": metric_names,
}


def stale(docs: Path = DOCS) -> list[str]:
    """Return the names of the pages in `docs` that the code no longer says."""
    return [name for name, write in PAGES.items() if _text(docs / name) != write()]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check say which are stale. Return the exit code."""
    names = stale()
    if "--check" in arguments:
        for name in names:
            print(f"docs/{name} is stale: run `make docs`.")
        return 1 if names else 0
    for name in names:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/{name} written.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
