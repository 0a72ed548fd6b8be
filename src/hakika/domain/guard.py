"""What stands between a request and money that leaves: rules, and one verdict. Read `verdict`.

Each rule is there because of a theft (docs/guards.md names it). A rule can only refuse, or hold for
a second person or for time; none of them can make anything leave. Amounts of the last hour and day
count what was asked and what was let go, whichever came later, unless it ended without money.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hakika.domain import money
from hakika.domain.errors import (
    Conflict,
    FloatInsufficient,
    Invalid,
    MoneyOutFrozen,
    PayeeCoolsOff,
    PayeeLimitReached,
    PayeeNotListed,
    PayoutLimitReached,
    PayoutTooLarge,
)
from hakika.domain.funds import Funds
from hakika.domain.money import Money
from hakika.domain.times import written

# Why a payout waits: for a second person, or until a new payee has cooled off.
APPROVAL, NEW_BENEFICIARY = "approval", "new_beneficiary"

NOTHING = Money(0)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

COOL_OFF_HOURS_MAX = 30 * 24
BURST_MINUTES_MAX = 24 * 60
BURST_MAX = 100_000
LIMIT_CENTS_MAX = 10**14


@dataclass(frozen=True, slots=True)
class Rules:
    """What a merchant lets out in one mode. An amount that is None is no limit."""

    each_max: Money | None                # of one payout
    payee_day_max: Money | None           # to one payee in 24 hours
    hour_max: Money | None                # altogether
    day_max: Money | None
    approval_above: Money | None          # to one payee in 24 hours, or of one file; None: nobody's
    only_listed: bool                     # pay beneficiaries alone
    cool_off_hours: int                   # until a new beneficiary may be paid
    burst_max: int | None                 # acts in `burst_minutes`; more freeze
    burst_minutes: int
    freezes_on_change: bool               # new keys, new credentials, looser rules: freeze
    float_low: Mapping[str, Money] = field(default_factory=dict)   # by short code: tell below it

    @property
    def counts_lately(self) -> bool:
        """Say whether anything depends on what was asked of all payees together."""
        return any(each is not None for each in (self.hour_max, self.day_max, self.burst_max))


# Nobody has set anything: so every payout waits for a second person, and two who err together lose
# 200,000 a day. In 2025 38 payouts in minutes took KES 11.4 million, 300,000 each: not one of them
# would have been let out, and the eleventh freezes.
LIVE = Rules(
    each_max=Money.shillings(50_000), payee_day_max=Money.shillings(50_000),
    hour_max=Money.shillings(100_000), day_max=Money.shillings(200_000),
    approval_above=NOTHING, only_listed=False, cool_off_hours=24, burst_max=10, burst_minutes=10,
    freezes_on_change=True,
)

# The same rules with no edge: a developer is in nobody's way, and takes the same path.
TEST = Rules(
    each_max=None, payee_day_max=None, hour_max=None, day_max=None, approval_above=None,
    only_listed=False, cool_off_hours=0, burst_max=None, burst_minutes=10, freezes_on_change=False,
)


def defaults(*, livemode: bool) -> Rules:
    """Return what holds until somebody sets something."""
    return LIVE if livemode else TEST


@dataclass(frozen=True, slots=True)
class ToPayee:
    """What one act asks for one payee, and how the payee stands."""

    amount: Money                         # all of it
    largest: Money                        # the largest single payout of it
    lately: Money = NOTHING              # asked for the same payee in 24 hours, without this
    is_listed: bool = False
    usable_from: datetime | None = None   # of a listed one


@dataclass(frozen=True, slots=True)
class Lately:
    """What was asked of a merchant's money, without the act that is judged."""

    hour: Money = NOTHING
    day: Money = NOTHING
    burst: int = 0                        # payouts asked for one by one, and files started
    is_frozen: bool = False
    drawn: tuple[tuple[Funds, Money], ...] = ()   # what the act takes of each float that is known


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an act: refused, held, or free. `freezes`: everything stops, besides."""

    refusal: Conflict | None = None
    held_for: tuple[str, ...] = ()
    freezes: bool = False


def verdict(
    rules: Rules, asked: Sequence[ToPayee], lately: Lately, *, now: datetime, is_act: bool = True,
) -> Verdict:
    """Return what becomes of one payout, or of one whole file of them, asked for at `now`.

    A file is one act, however many its rows. What is no act of its own is no burst: a plan, a row
    of a file that was started before, a payout that waited.
    """
    refusal = next((each for each in refusals(rules, asked, lately) if each), None)
    if refusal is not None:
        return Verdict(refusal)
    bursts = is_act and rules.burst_max is not None and lately.burst >= rules.burst_max
    held_for = []
    if bursts or lately.is_frozen or _needs_approval(rules, asked):
        held_for.append(APPROVAL)
    if any(_cools(rules, each, now=now) for each in asked):
        held_for.append(NEW_BENEFICIARY)
    return Verdict(held_for=tuple(held_for), freezes=bursts)


def refusals(
    rules: Rules, asked: Sequence[ToPayee], lately: Lately,
) -> Iterator[Conflict | None]:
    """Yield why each payee cannot be paid, or None, in order; and last, why all of it cannot."""
    for each in asked:
        yield _of_payee(rules, each)
    yield _of_total(rules, Money(sum(each.amount.cents for each in asked)), lately)


def too_large(rules: Rules, amount: Money) -> PayoutTooLarge | None:
    """Return that one payout of this amount is never let out, or None."""
    if not _is_above(amount, rules.each_max):
        return None
    return PayoutTooLarge(f"One payout is {rules.each_max} at most; {amount} was asked.")


def may_go(rules: Rules, asked: ToPayee, lately: Lately, *, now: datetime) -> Conflict | None:
    """Return why a payout that was held may not be let go at `now`, or None.

    Whoever approves says yes to this payout, not to a limit: those hold when it goes, too; and a
    freeze holds what was asked before it as well. `lately` is without what still waits.
    """
    if lately.is_frozen:
        return frozen()
    refusal = verdict(rules, [asked], lately, now=now, is_act=False).refusal
    if refusal is not None:
        return refusal
    if _cools(rules, asked, now=now):
        assert asked.usable_from is not None, "who cools off is listed, and since when"
        return PayeeCoolsOff(
            f"This payee is new and can be paid from {written(asked.usable_from)}.",
        )
    return None


def frozen() -> Conflict:
    """Return why nothing is let go while a freeze stands."""
    return MoneyOutFrozen("Money out is frozen: nothing is approved or started meanwhile.")


def _of_payee(rules: Rules, asked: ToPayee) -> Conflict | None:
    refusal = too_large(rules, asked.largest)
    if refusal is not None:
        return refusal
    if rules.only_listed and not asked.is_listed:
        return PayeeNotListed("Only listed beneficiaries are paid, and this payee is none of them.")
    if _is_above(_sum(asked.lately, asked.amount), rules.payee_day_max):
        return PayeeLimitReached(
            f"One payee gets {rules.payee_day_max} in 24 hours at most: {asked.lately} were asked "
            f"for already, and {asked.amount} now.",
        )
    return None


def _of_total(rules: Rules, total: Money, lately: Lately) -> Conflict | None:
    for most, before, time in (
        (rules.hour_max, lately.hour, "an hour"), (rules.day_max, lately.day, "24 hours"),
    ):
        if _is_above(_sum(before, total), most):
            return PayoutLimitReached(
                f"{most} may leave in {time}: {before} were asked for already, and {total} now.",
            )
    return short(lately.drawn)


def short(draws: Iterable[tuple[Funds, Money]]) -> Conflict | None:
    """Return that a float cannot bear what is taken of it, or None."""
    for funds, drawn in draws:
        if drawn > funds.available:
            return FloatInsufficient(
                f"{funds.known} lie on {funds.account} and {funds.reserved} of it is promised; "
                f"{drawn} was asked.",
            )
    return None


def _needs_approval(rules: Rules, asked: Sequence[ToPayee]) -> bool:
    """Say whether a second person must look. What is split among payouts is added up."""
    total = Money(sum(each.amount.cents for each in asked))
    return _is_above(total, rules.approval_above) or any(
        _is_above(_sum(each.lately, each.amount), rules.approval_above) for each in asked
    )


def _cools(rules: Rules, asked: ToPayee, *, now: datetime) -> bool:
    return rules.only_listed and asked.usable_from is not None and now < asked.usable_from


def _is_above(amount: Money, most: Money | None) -> bool:
    return most is not None and amount > most


def _sum(*amounts: Money) -> Money:
    return Money(sum(each.cents for each in amounts))


_AMOUNTS = ("each_max", "payee_day_max", "hour_max", "day_max", "approval_above")


def loosened(before: Rules, after: Rules) -> tuple[str, ...]:
    """Return the names of the rules that let out more than before."""
    looser = [
        name for name in (*_AMOUNTS, "burst_max")
        if _is_looser(getattr(before, name), getattr(after, name))
    ]
    looser += [
        name for name in ("cool_off_hours", "burst_minutes", "only_listed", "freezes_on_change")
        if getattr(after, name) < getattr(before, name)
    ]
    return tuple(looser)


def _is_looser(before: Money | int | None, after: Money | int | None) -> bool:
    if before is None or after is None:
        return after is None and before is not None
    return after > before  # type: ignore[operator]


def rules_data(rules: Rules) -> dict[str, Any]:
    """Return rules as merchants read and write them, and as they are kept."""
    amounts: dict[str, Any] = {name: _written(getattr(rules, name)) for name in _AMOUNTS}
    return amounts | {
        "only_listed": rules.only_listed, "cool_off_hours": rules.cool_off_hours,
        "burst_max": rules.burst_max, "burst_minutes": rules.burst_minutes,
        "freezes_on_change": rules.freezes_on_change,
        "float_low": {number: str(least) for number, least in sorted(rules.float_low.items())},
    }


def rules_of(data: Mapping[str, Any], standing: Rules) -> Rules:
    """Return `standing` with what `data` says. Raises: Invalid, for an amount that is none."""
    merged = rules_data(standing) | dict(data)
    amounts = {name: _read(merged[name], name) for name in _AMOUNTS}
    return Rules(
        **amounts, only_listed=merged["only_listed"], cool_off_hours=merged["cool_off_hours"],
        burst_max=merged["burst_max"], burst_minutes=merged["burst_minutes"],
        freezes_on_change=merged["freezes_on_change"],
        float_low={
            number: least if isinstance(least, Money) else read_least(least, field="float_low")
            for number, least in merged["float_low"].items()
        },
    )


def _written(amount: Money | None) -> str | None:
    return None if amount is None else str(amount)


def _read(value: object, name: str) -> Money | None:
    return value if isinstance(value, Money) else read_limit(value, field=name)


def read_limit(value: object, *, field: str = "amount") -> Money | None:
    """Return a limit; None is none. Raises: Invalid."""
    return None if value is None else read_least(value, field=field)


def read_least(value: object, *, field: str = "amount") -> Money:
    """Return an amount that is not below nothing. Raises: Invalid."""
    amount = money.parse(value, field=field)
    if not 0 <= amount.cents <= LIMIT_CENTS_MAX:
        raise Invalid(
            "A limit is 0 to 1,000,000,000,000 shillings.", field=field, code="limit_invalid",
        )
    return amount
