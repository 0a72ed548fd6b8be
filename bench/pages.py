"""The figures as people read them: on the screen, and as docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.finding import SEARCH_MS_MAX
from bench.growth import PAGE_MS_MAX
from bench.processes import ROOT
from bench.results import PACKAGES, Results

PATH = ROOT / "docs" / "performance.md"

_SURROUNDINGS = ("simulator", "receiver", "load")


def show(found: Results, console: Console) -> None:
    """Show the figures that people ask for first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "Hakika", "floor"):
        table.add_column(name, justify="left" if not name else "right")
    for row in _rows(found) if "hakika" in found else ():
        table.add_row(*row)
    console.print(table)
    for line in _growth(found.get("growth", {})):
        console.print(line, markup=False, soft_wrap=True)


def show_reads(growth: Mapping[str, Any], console: Console) -> int:
    """Show pages and searches alone; return 1 when one of the largest size is too slow, else 0."""
    for line in _reads(growth):
        console.print(line, markup=False, soft_wrap=True)
    largest = list(growth.values())[-1]
    slow = [
        f"page: {name}" for name, took in largest["pages_ms"].items() if took > PAGE_MS_MAX
    ] + [
        f"search: {name}" for name, took in largest["search_ms"].items()
        if took["p50"] > SEARCH_MS_MAX
    ]
    console.print(
        f"Slower than {PAGE_MS_MAX} ms for a page, {SEARCH_MS_MAX} ms for a search: "
        f"{', '.join(slow) or 'none'}.", markup=False, soft_wrap=True,
    )
    return 1 if slow else 0


def _rows(found: Results) -> Iterable[tuple[str, str, str]]:
    """Yield what is measured of both: its name, Hakika's figure and the floor's."""
    ours, floor = found["hakika"], found["floor"]
    for name, key, form in (
        ("lifecycles a second", "lifecycles_per_second", "{:.0f}"),
        ("CPU ms a lifecycle", "cpu_ms", "{:.2f}"),
        ("… of Python", "cpu_ms_python", "{:.2f}"),
        ("… of PostgreSQL", "cpu_ms_postgresql", "{:.2f}"),
        ("bytes of PostgreSQL's log a lifecycle", "wal_bytes_per_lifecycle", "{:,.0f}"),
    ):
        yield name, form.format(ours[key]), form.format(floor[key])
    for name, key in (
        ("create at half load, Daraja's time excluded", "create_added_ms"),
        ("callback to 200", "callback_to_200_ms"),
        ("callback to webhook received", "callback_to_webhook_ms"),
        ("create, one at a time", "create_added_alone_ms"),
    ):
        yield f"{name}: p50 / p95 / p99 ms", _three(found[key]), _three(floor[key])


def _three(waited: Mapping[str, float]) -> str:
    return " / ".join(f"{waited.get(name, 0):.1f}" for name in ("p50", "p95", "p99"))


def write_page(found: Results, path: Path) -> None:
    """Write the page for people, once the bench itself was run."""
    if "hakika" not in found:
        return
    path.write_text("\n".join(_page(found)) + "\n", encoding="utf-8")


def _page(found: Results) -> Iterable[str]:
    conditions = found["conditions"]
    parts = found["hakika"]["cpu_ms_of_parts"]
    yield from (
        "<!-- Written by `make bench` from what it measured. Run it again, do not edit. -->",
        "# Performance",
        "",
        "One *lifecycle* is a payment from nothing to told: the create request, the push to",
        "Daraja, the callback, and the signed webhook received and recorded. The *floor* is a bare",
        "program that makes the same commits and the same HTTP exchanges with no product around",
        "them (`bench/floor.py`): what this machine can do at all with Python and PostgreSQL. Both",
        "take turns in the same run. Load, Daraja, receiver and PostgreSQL share the machine.",
        "",
        f"**{found['lifecycles_per_second']:.0f} lifecycles a second**, "
        f"{found['ratio_to_floor']:.2f} of the floor's rate; "
        f"{found['cpu_ms_per_lifecycle']:.2f} ms of CPU each.",
        "",
        "| | Hakika | floor |",
        "|---|--:|--:|",
        *(f"| {name} | {ours} | {floor} |" for name, ours, floor in _rows(found)),
        "",
        f"Half load is {found['half_load_per_second']:.0f} lifecycles a second, begun at random",
        "moments. Rates and CPU times are medians over the rounds, with 32 lifecycles under way."
        .replace("32", str(conditions["concurrency"])),
        "A webhook's time is taken where it is received. Daraja's own time is told by a double of",
        "it that times itself; waiting until the double gets the CPU counts against Hakika.",
        "",
        "## Where the rest of the machine went",
        "",
        "| process | CPU ms a lifecycle beside Hakika |",
        "|---|--:|",
        *(f"| {name} | {parts[name]:.2f} |" for name in _SURROUNDINGS),
        "",
        f"The machine was idle for {found['hakika']['machine_idle']:.0%} of the time; "
        f"{found['hakika']['machine_others']:.0%} went to programs that have nothing to do with "
        f"the bench, and {found['hakika']['machine_stolen']:.0%} was taken by its host.",
        "",
        "## Memory",
        "",
        "| process | MB |",
        "|---|--:|",
        *(f"| {name} | {size:.0f} |" for name, size in found["memory_mb"].items()),
        "",
        "PostgreSQL's shared pages are counted once.",
        "",
        *_growth(found.get("growth", {})),
        *_million(found.get("reads", {})),
        *_imports(found.get("imports", {})),
        *_month(found.get("month", {})),
        "## Conditions",
        "",
        *_conditions(conditions),
        f"- {found['lifecycles']} lifecycles of Hakika in all, each recorded as delivered;",
        "  `hakika verify` was green after them, and agreed with the simulator's truth.",
    )


def _conditions(conditions: Mapping[str, Any]) -> Iterable[str]:
    yield (
        f"- {conditions['cores']} cores of {conditions['cpu']}, {conditions['memory_gb']} GB, "
        f"{conditions['system']} {conditions['kernel']}"
    )
    yield (
        f"- Python {conditions['python']}, PostgreSQL {conditions['postgresql']} (embedded, "
        "durable), " + ", ".join(f"{name} {conditions[name]}" for name in PACKAGES)
    )
    yield (
        f"- {conditions['deployment']}; {conditions['seconds']:g} s under load in all, "
        f"{conditions['pairs']} closed rounds each"
    )
    yield (
        f"- the yardstick, a fixed loop of Python, took {conditions['yardstick_ms']:.0f} ms of CPU "
        "(see `bench/meters.py`)"
    )
    if conditions["date"]:
        yield f"- {conditions['date']}"


def _growth(growth: Mapping[str, Any]) -> Iterable[str]:
    """Yield the section about growing: nothing, when that was never measured."""
    if not growth:
        return
    found = list(growth.values())
    rows = {
        "create, one at a time, p50 ms": [
            f"{each['create_added_alone_ms'].get('p50', 0):.1f}" for each in found
        ],
        "lifecycles a second": [f"{each['lifecycles_per_second']:.0f}" for each in found],
        "CPU ms a lifecycle, PostgreSQL": [f"{each['cpu_ms_postgresql']:.2f}" for each in found],
        "the yardstick then, ms": [f"{each['yardstick_ms']:.0f}" for each in found],
    }
    yield "## While the store grows"
    yield ""
    yield from _reads(growth)
    for name, figures in rows.items():
        yield f"| {name} | {' | '.join(figures)} |"
    yield ""


def _reads(growth: Mapping[str, Any]) -> Iterable[str]:
    """Yield the head of a table with a column for each size, and what was read at each."""
    found = list(growth.values())
    searches = [each.get("search_ms", {}) for each in found]
    rows = {
        f"page: {name}, ms": [f"{each['pages_ms'][name]:.1f}" for each in found]
        for name in found[0]["pages_ms"]
    } | {
        f"search: {name}, p50 / longest ms": [
            f"{each[name]['p50']:.1f} / {each[name]['max']:.1f}" for each in searches
        ]
        for name in searches[0]
    }
    yield "Pages of 50 of `GET /v1/payments`, medians; `GET /v1/search`, each time for another"
    yield "payment. All payments are of one merchant, and half of them of the same amount."
    yield ""
    yield f"| payments | {' | '.join(f'{int(size):,}' for size in growth)} |"
    yield f"|---|{'--:|' * len(growth)}"
    for name, figures in rows.items():
        yield f"| {name} | {' | '.join(figures)} |"


def _million(reads: Mapping[str, Any]) -> Iterable[str]:
    """Yield what `make search-million` found: nothing, when that was never measured."""
    if not reads:
        return
    yield "## The answer to somebody on the phone"
    yield ""
    yield from _reads(reads)
    yield ""


def _imports(found: Mapping[str, Any]) -> Iterable[str]:
    """Yield what `make bench-imports` found."""
    if not found:
        return
    yield "## Statements"
    yield ""
    yield f"A statement of {found['lines']:,} lines, imported by the command and by the API. It is"
    yield "*kept* when every line is durable and its fate certain. Payments that nobody had told of"
    yield "are made after that, by the command itself or by a worker."
    yield ""
    yield "| file | by | kept after | all payments made after | memory, all processes |"
    yield "|---|---|--:|--:|--:|"
    for name, case in found["cases"].items():
        for door, took in case.items():
            made = f"{took['settled_after_seconds']} s" if took["payments_per_second"] else "–"
            yield (
                f"| {name} | {door} | {took['kept_after_seconds']} s | {made} | "
                f"{took['peak_mb_together']} MB |"
            )
    yield ""
    yield f"The yardstick took {found['yardstick_ms']:.0f} ms then."
    yield ""


def _month(found: Mapping[str, Any]) -> Iterable[str]:
    """Yield what `make month` found."""
    if not found:
        return
    cpu = ", ".join(f"{name} {seconds:.0f}" for name, seconds in found["cpu_seconds"].items())
    yield "## A month"
    yield ""
    yield (
        f"{found['payments']:,} orders in {found['days']} simulated days, with lost, doubled and "
        "late callbacks, an outage"
    )
    yield (
        f"and a day without M-Pesa's list, took {found['seconds']:.0f} s; then every day was green "
        "and the books were the truth."
    )
    yield f"Seconds of CPU: {cpu}. The yardstick took {found['yardstick_ms']:.0f} ms."
    yield ""
