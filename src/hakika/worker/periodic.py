"""The rounds that a worker makes besides its deliveries: what, and how often.

Each is safe to be made by every worker at once: what is due is held by moving its time ahead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hakika.services import (
    callbacks,
    checks,
    closing,
    discrepancies,
    endpoint_health,
    exports,
    floats,
    guards,
    inquiries,
    ledger,
    limits,
    payout_checks,
    payout_filing,
    pulls,
    request_log,
    sending,
    settlements,
    witnesses,
)
from hakika.services.runtime import Runtime, make_months_ahead

# M-Pesa takes a second or two to answer, and each of them has ten orders at once.
SENDERS = 4


@dataclass(frozen=True, slots=True)
class Round:
    """One kind of round. `seconds` is the pause between two of them."""

    name: str
    make: Callable[[Runtime], Awaitable[Any]]
    seconds: float
    goes_on: bool = False    # while it finds something to do, there is no pause


ROUNDS = (
    # Half a second: a check is due to the second, and an idle round is one indexed read.
    Round("look_again", checks.look_again, 0.5),
    # Beside each other, for each waits for the answers to what it sent.
    *(Round("send_payouts", sending.send_due, 0.5, goes_on=True) for _ in range(SENDERS)),
    Round("payout_files", payout_filing.work_off, 0.5, goes_on=True),
    Round("let_cooled_go", guards.let_cooled_go, 30),
    Round("watch_floats", floats.watch, 60),
    Round("look_at_payouts", payout_checks.look_again, 1),
    Round("exports", exports.work_off, 1),
    Round("drop_unwanted", endpoint_health.drop_unwanted, 5),
    Round("hear_again", witnesses.hear_again, 5, goes_on=True),
    Round("settle_paid", settlements.settle_paid, 2, goes_on=True),
    Round("settle_daily", settlements.settle_daily, 60, goes_on=True),
    Round("chain_postings", ledger.chain_all, 5),
    Round("pull", pulls.run_due, 10),
    Round("ask_people", discrepancies.ask, 30),
    Round("close_days", closing.close_nightly, 60),
    Round("ask_balances", inquiries.ask_due, 30),
    Round("quarantine", callbacks.try_again, 30),
    Round("months_ahead", make_months_ahead, 6 * 3600),
    Round("drop_old_exports", exports.drop_old, 600),
    Round("drop_old_requests", request_log.drop_old, 6 * 3600),
    Round("forget_full_quotas", limits.forget_full, 3600),
)
