"""A short code's statement as the organisation portal exports it: header block, then the lines.

Laid out as public readers of real exports expect it (Frappe's M-Pesa app among them, looked up in
November 2026): six rows of header whose values stand at fixed columns, a row of names, lines
newest first, money out below zero, and a charge under its payment's receipt just above it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from hakika_simulator.clock import EAT, in_nairobi
from hakika_simulator.ledger import ACCOUNT_NAMES, Movement
from hakika_simulator.simulation import Simulation
from hakika_simulator.wording import details_and_reason, other_party

COLUMNS = (
    "Receipt No.",
    "Completion Time",
    "Initiation Time",
    "Details",
    "Transaction Status",
    "Paid In",
    "Withdrawn",
    "Balance",
    "Balance Confirmed",
    "Reason Type",
    "Other Party Info",
    "Linked Transaction ID",
    "A/C No.",
)
ONE_DAY = timedelta(days=1)
OPERATOR = "simulator"

Cell = str | int  # a whole number is an amount in cents


@dataclass(frozen=True, slots=True)
class Statement:
    """One account's lines of some days. All amounts are cents."""

    holder: str
    shortcode: str
    account: str
    since: datetime
    until: datetime  # not included
    made_at: datetime
    opening_cents: int
    available_cents: int
    movements: list[Movement]  # newest first

    @property
    def closing_cents(self) -> int:
        """What was on the account when the last day was over."""
        return self.opening_cents + sum(movement.cents for movement in self.movements)

    def header(self) -> list[list[Cell]]:
        """Return the block above the lines, row by row."""
        paid_in = sum(movement.cents for movement in self.movements if movement.cents > 0)
        withdrawn = sum(movement.cents for movement in self.movements if movement.cents < 0)
        last = self.until - timedelta(seconds=1)
        return [
            ["Account Holder:", self.holder],
            ["Short Code:", self.shortcode],
            ["Account:", ACCOUNT_NAMES[self.account]],
            ["Time Period:", "From", _written(self.since), "To", _written(last)],
            [
                "Operator:", OPERATOR, "Organization:", self.holder,
                "Date of Report:", _written(self.made_at),
            ],
            [
                "Opening Balance:", self.opening_cents, "Closing Balance:", self.closing_cents,
                "Available Balance:", self.available_cents, "Total Paid In:", paid_in,
                "Total Withdrawn:", withdrawn,
            ],
        ]  # fmt: skip

    def lines(self) -> Iterator[list[Cell]]:
        """Yield one row for each movement, newest first."""
        balance = self.closing_cents
        for movement in self.movements:
            details, reason = details_and_reason(movement)
            came_in = movement.cents > 0
            account = "" if movement.kind in ("charge", "float") else movement.reference
            yield [
                movement.receipt,
                _written_at(movement.at),
                _written_at(movement.started_at),
                details,
                "Completed",
                movement.cents if came_in else "",
                "" if came_in else movement.cents,
                balance,
                "true",
                reason,
                other_party(movement),
                movement.linked or "",
                "" if movement.is_to_till else account,
            ]
            balance -= movement.cents


def statement_of(
    simulation: Simulation, shortcode: str, account: str, *, first: date, last: date
) -> Statement:
    """Return the statement of the days from `first` to `last` in Nairobi, both included.

    A store's is that of its tills together.
    """
    ledger = simulation.ledger
    since = datetime(first.year, first.month, first.day, tzinfo=EAT)
    until = datetime(last.year, last.month, last.day, tzinfo=EAT) + ONE_DAY
    codes = ledger.codes_of(shortcode)
    return Statement(
        holder=simulation.settings.organisation(shortcode),
        shortcode=shortcode,
        account=account,
        since=since,
        until=until,
        made_at=in_nairobi(simulation.clock.now()),
        opening_cents=ledger.balance_before(codes, account, since.timestamp()),
        available_cents=sum(ledger.balance_cents(code, account) for code in codes),
        movements=ledger.lines(codes, account, since.timestamp(), until.timestamp()),
    )


def _written(moment: datetime) -> str:
    return f"{moment:%d-%m-%Y %H:%M:%S}"


@lru_cache(maxsize=4)
def _written_at(at: float) -> str:
    return _written(in_nairobi(at))
