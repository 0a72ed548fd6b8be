"""What came of a month: the simulator's truth beside Hakika's books, and which faults there were.

Read `judge`. Nothing here asks Hakika's own services what they think but for `verify` and the days;
receipts and sums are compared row by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row

from bench.month import plan as plans
from bench.month.life import Lived
from bench.month.plan import Plan
from bench.month.world import PAYBILL, World
from hakika.services.verify import Report, verify

# Orders in the outage never reach their payers, and some that carry a fault go unpaid.
PLANTED_SHARE_MIN = 0.8

LATE_SECONDS_MIN = 2 * 3600
# Balances and days: without them the books' float would never have been held against M-Pesa's.
LOOKED_AT = frozenset({"I14", "I15"})

NAMED_MAX = 20                         # of each kind of thing that is wrong

_POSTED: LiteralString = """
    select receipt, sum(amount_cents)::bigint as cents, count(*)::int as postings from postings
     where move = 'collection' and shortcode = %(shortcode)s group by receipt
"""
_PAID: LiteralString = """
    select receipt, amount_received_cents as cents, count(*)::int as payments from payments
     where receipt is not null and receipt <> '' group by receipt, amount_received_cents
"""
_STATES: LiteralString = """
    select state, confirmed_by, late, count(*)::int as payments from payments group by 1, 2, 3
"""
_RED_FIRST: LiteralString = """
    select count(*)::int as days from (
        select distinct on (day) result from day_closings order by day, number) as first
     where result = 'red'
"""
_RUNS: LiteralString = """
    select count(*)::int as runs from reconciliation_runs
     where started_at >= %(starts)s and started_at < %(ends)s
"""

Receipts = Mapping[str, int]           # cents by receipt


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, in words, and what happened, in numbers."""

    wrong: tuple[str, ...]
    planted: Mapping[str, int]
    found: Mapping[str, Any]

    @property
    def green(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.wrong


async def judge(world: World, plan: Plan, lived: Lived) -> Verdict:
    """Return what came of a month that was lived to its end. Changes nothing."""
    truth = await world.ask_simulator("GET", "truth")
    report = await verify(world.rt, truth=truth)
    days = {
        each["day"]: each
        for each in await world.ask("GET", "/v1/reconciliation/days?limit=100")
    }
    planted = _planted(truth, lived)
    connect = psycopg.AsyncConnection[DictRow].connect
    async with await connect(world.database_url, row_factory=dict_row) as connection:
        asked = _Asked(connection)
        states = await asked.rows(_STATES)
        red_first = (await asked.rows(_RED_FIRST))[0]["days"]
        without_pull = await asked.rows(_RUNS, {
            "starts": plan.at(plan.day_without_pull, timedelta()),
            "ends": plan.at(plan.day_without_pull + 1, timedelta()),
        })
        wrong = [
            *_wrong_days(plan, days), *_wrong_report(report),
            *_wrong_receipts("the books", _collected(truth), await asked.rows(_POSTED)),
            *_wrong_receipts("payments", _collected(truth), await asked.rows(_PAID)),
            *_wrong_float(truth, await world.ask("GET", "/v1/balance")),
            *_too_few(plan, planted),
        ]
    if without_pull[0]["runs"]:
        wrong.append("M-Pesa's list was read on the day that was to be without.")
    awaited = sum(row["payments"] for row in states if row["state"] == "receipt_awaited")
    if awaited:
        wrong.append(f"{awaited} payments still wait for their receipt.")
    return Verdict(tuple(wrong), planted, {
        "days_green": sum(each["result"] == "green" for each in days.values()),
        "days_red_at_first": red_first, "receipts": len(_collected(truth)),
        "states": _counted(states, "state"), "confirmed_by": _counted(states, "confirmed_by"),
        "late": sum(row["payments"] for row in states if row["late"]),
    })


class _Asked:
    """Reads rows on one connection."""

    def __init__(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        self._connection = connection

    async def rows(
        self, query: LiteralString, values: Mapping[str, Any] | None = None,
    ) -> list[DictRow]:
        """Return the rows of a query; each may name the paybill."""
        cursor = await self._connection.execute(query, {"shortcode": PAYBILL, **(values or {})})
        return await cursor.fetchall()


def _counted(rows: list[DictRow], name: str) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row[name] or "nobody"] += row["payments"]
    return dict(sorted(counted.items()))


def _planted(truth: Mapping[str, Any], lived: Lived) -> dict[str, int]:
    """Return how often each fault really happened, by the truth where it can tell."""
    counted: Counter[str] = Counter(
        lost=0, duplicates=0, late_by_hours=0, denied=0, dropped_in_outage=0, unpaid=0, unasked=0,
    )
    for push in truth["payments"]:
        sent = [each for each in push["callbacks_sent"] if each["status"] is not None]
        counted["unpaid"] += push["state"] == "failed"
        counted["dropped_in_outage"] += len(sent) < len(push["callbacks_sent"])
        counted["lost"] += not sent
        denied = any(each["kind"] == "failure" for each in sent)
        counted["denied"] += denied and push["state"] == "paid"
        counted["duplicates"] += len(sent) > 1 and not denied
        counted["late_by_hours"] += any(
            each["at"] - push["finished_at"] >= LATE_SECONDS_MIN for each in sent
        )
    counted["unasked"] = sum(each["state"] == "completed" for each in truth["c2b"])
    in_outage = lived.answers_in_outage
    return {
        **counted, "orders_in_outage": in_outage.total(),
        "unasked_in_outage": lived.unasked_in_outage,
    }


def _too_few(plan: Plan, planted: Mapping[str, int]) -> Iterator[str]:
    """Yield a sentence for each fault that was hardly planted: green would then mean little."""
    shares = {
        "lost": plans.LOST / 100, "duplicates": plans.THRICE / 100,
        "late_by_hours": plans.LATE / 100, "unasked": 1 / plans.UNASKED_ONE_IN,
    }
    for name, share in shares.items():
        least = int(PLANTED_SHARE_MIN * share * plan.payments)
        if planted[name] < max(least, 1):
            yield f"Only {planted[name]} payments were {name}, and {least} had to be."
    for name in ("denied", "dropped_in_outage", "orders_in_outage", "unasked_in_outage", "unpaid"):
        if not planted[name]:
            yield f"Nothing was {name}."


def _wrong_days(plan: Plan, days: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    first: date = plan.starts.date()
    for number in range(plan.days):
        day = (first + timedelta(days=number)).isoformat()
        if day not in days:
            yield f"{day} was never closed."
    for day, closed in sorted(days.items()):
        if closed["result"] != "green":
            yield f"{day} closed {closed['result']}: {closed['open']} differences are open."


def _wrong_report(report: Report) -> Iterator[str]:
    for check in report.checks:
        yield from (f"{check.code}: {each}" for each in check.violations[:NAMED_MAX])
        if not check.looked_at and check.code in LOOKED_AT:
            yield f"{check.code} looked at nothing."


def _collected(truth: Mapping[str, Any]) -> Receipts:
    """Return what payers paid to the paybill."""
    return {
        each["receipt"]: each["cents"] for each in truth["receipts"]
        if each["shortcode"] == PAYBILL and each["kind"] in {"stk", "c2b"}
    }


def _wrong_receipts(where: str, true: Receipts, rows: list[DictRow]) -> Iterator[str]:
    """Yield a sentence for each receipt that is not in `where` once, with its amount."""
    ours = {row["receipt"]: row["cents"] for row in rows}
    wrong = [
        *(f"Receipt {row['receipt']} is in {where} several times." for row in rows
          if next(value for name, value in row.items() if name in {"postings", "payments"}) > 1),
        *(f"Receipt {each} is not in {where}." for each in true.keys() - ours.keys()),
        *(f"Receipt {each} is in {where}, and M-Pesa never gave it."
          for each in ours.keys() - true.keys()),
        *(f"Receipt {each} is in {where} with {ours[each]} cents, and was of {true[each]}."
          for each in true.keys() & ours.keys() if true[each] != ours[each]),
    ]
    yield from sorted(wrong)[:NAMED_MAX]


def _wrong_float(truth: Mapping[str, Any], balance: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence when what lies on the paybill is not what the books have."""
    theirs = sum(truth["accounts"][PAYBILL].values())
    ours = sum(
        round(100 * float(amount)) for each in balance["float"] if each["shortcode"] == PAYBILL
        for amount in each["places"].values()
    )
    if ours != theirs:
        yield f"{theirs} cents lie on the paybill, and the books have {ours}."
