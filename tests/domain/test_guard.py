"""What may leave: each rule at its edge, and that none of them can make anything leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from hakika.domain import guard
from hakika.domain.errors import (
    FloatInsufficient,
    Invalid,
    MoneyOutFrozen,
    PayeeCoolsOff,
    PayeeLimitReached,
    PayeeNotListed,
    PayoutLimitReached,
    PayoutTooLarge,
)
from hakika.domain.funds import STALE, Funds, Queue, funds_data, is_low, runs_out_at, short_by
from hakika.domain.guard import APPROVAL, LIVE, NEW_BENEFICIARY, TEST, Lately, Rules, ToPayee
from hakika.domain.money import Money

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CENT = Money(1)


def kes(shillings: int) -> Money:
    return Money.shillings(shillings)


def to(amount: Money, **more: object) -> ToPayee:
    return ToPayee(amount, amount, **more)  # type: ignore[arg-type]


def judged(
    rules: Rules, *asked: ToPayee, lately: Lately | None = None, is_act: bool = True,
) -> guard.Verdict:
    return guard.verdict(rules, asked, lately or Lately(), now=NOON, is_act=is_act)


def test_with_no_rules_set_every_live_payout_waits_for_a_second_person():
    """Deny by default: who set nothing up has not said that anything may leave by itself."""
    assert judged(LIVE, to(kes(10))).held_for == (APPROVAL,)
    assert judged(TEST, to(kes(250_000))).held_for == ()


@pytest.mark.parametrize(("rules", "asked", "lately", "refused"), [
    (replace(TEST, each_max=kes(500)), to(kes(500)), Lately(), PayoutTooLarge),
    (replace(TEST, payee_day_max=kes(500)), to(kes(200), lately=kes(300)), Lately(),
     PayeeLimitReached),
    (replace(TEST, hour_max=kes(500)), to(kes(200)), Lately(hour=kes(300)), PayoutLimitReached),
    (replace(TEST, day_max=kes(500)), to(kes(200)), Lately(day=kes(300)), PayoutLimitReached),
    (TEST, to(kes(500)), Lately(drawn=((Funds("float:600966:utility", kes(900), NOON, kes(100),
                                              kes(500)), kes(500)),)), FloatInsufficient),
], ids=["each", "payee", "hour", "day", "float"])
def test_a_limit_is_reached_and_never_passed(rules, asked, lately, refused):
    """To the cent: what is allowed is paid, and one cent more is not."""
    assert judged(rules, asked, lately=lately).refusal is None

    more = replace(asked, amount=Money(asked.amount.cents + 1), largest=asked.amount)
    if refused is PayoutTooLarge:
        more = replace(more, largest=more.amount)
    drawn = tuple((funds, Money(each.cents + 1)) for funds, each in lately.drawn)

    assert type(judged(rules, more, lately=replace(lately, drawn=drawn)).refusal) is refused


def test_what_is_split_among_payouts_to_one_payee_needs_approval_all_the_same():
    """Nine of 9,999 under a limit of 10,000 are 90,000 that nobody looked at."""
    rules = replace(TEST, approval_above=kes(10_000))

    assert judged(rules, to(kes(10_000))).held_for == ()
    assert judged(rules, to(kes(10_000), lately=CENT)).held_for == (APPROVAL,)
    assert judged(rules, to(kes(6_000)), to(kes(6_000))).held_for == (APPROVAL,)


def test_only_listed_payees_are_paid_and_new_ones_cool_off():
    rules = replace(TEST, only_listed=True, cool_off_hours=24)
    cooling = to(kes(10), is_listed=True, usable_from=NOON + timedelta(seconds=1))
    cooled = replace(cooling, usable_from=NOON)

    assert isinstance(judged(rules, to(kes(10))).refusal, PayeeNotListed)
    assert judged(rules, cooling).held_for == (NEW_BENEFICIARY,)
    assert judged(rules, cooled).held_for == ()
    assert isinstance(guard.may_go(rules, cooling, Lately(), now=NOON), PayeeCoolsOff)
    assert guard.may_go(rules, cooled, Lately(), now=NOON) is None


def test_one_payout_more_than_a_burst_freezes_and_waits_for_a_person():
    rules = replace(TEST, burst_max=10)

    assert judged(rules, to(kes(10)), lately=Lately(burst=9)) == guard.Verdict()
    assert judged(rules, to(kes(10)), lately=Lately(burst=10)) == guard.Verdict(
        held_for=(APPROVAL,), freezes=True,
    )


def test_a_file_is_one_act_and_its_rows_are_none():
    """Five hundred rows are no burst; the eleventh file is."""
    rules, rows = replace(TEST, burst_max=10), [to(kes(10))] * 500

    assert not judged(rules, *rows, lately=Lately(burst=9)).freezes
    assert judged(rules, *rows, lately=Lately(burst=10)).freezes
    assert not judged(rules, *rows, lately=Lately(burst=10), is_act=False).freezes


def test_what_is_asked_while_money_is_frozen_waits_for_a_person():
    """When the freeze is lifted, nothing that came in meanwhile leaves by itself."""
    assert judged(TEST, to(kes(10)), lately=Lately(is_frozen=True)).held_for == (APPROVAL,)


def test_nothing_is_let_go_while_money_is_frozen():
    """A thief's accomplice who may approve would empty the float behind a freeze that stands."""
    refusal = guard.may_go(TEST, to(kes(10)), Lately(is_frozen=True), now=NOON)

    assert isinstance(refusal, MoneyOutFrozen)


def test_a_limit_holds_when_a_payout_is_let_go_too():
    """Whoever approves says yes to one payout, and not to a hundred of them in one day."""
    rules = replace(LIVE, day_max=kes(500))

    assert guard.may_go(rules, to(kes(200)), Lately(day=kes(300)), now=NOON) is None
    assert isinstance(
        guard.may_go(rules, to(kes(200)), Lately(day=kes(301)), now=NOON), PayoutLimitReached,
    )


def test_stricter_rules_never_let_more_out():
    """Every pair of rules x act: where the stricter lets go at once, the looser does, too."""
    limits = (None, kes(300), kes(100))
    acts = [
        (to(kes(amount), lately=kes(before), is_listed=listed,
            usable_from=NOON + timedelta(hours=hours) if listed else None),
         Lately(hour=kes(before), day=kes(before), burst=before // 100))
        for amount, before, listed, hours in product(
            (50, 100, 101, 300), (0, 100, 250), (True, False), (0, 1),
        )
    ]
    every = [
        Rules(each, payee, day, day, above, only_listed=listed, cool_off_hours=1,
              burst_max=burst, burst_minutes=10, freezes_on_change=True)
        for each, payee, day, above, listed, burst in product(
            limits, limits, limits, (None, kes(100), kes(0)), (False, True), (None, 2),
        )
    ]
    for rules in every[::7]:
        for stricter in every[::5]:
            if guard.loosened(rules, stricter):
                continue
            for asked, lately in acts[::3]:
                if judged(stricter, asked, lately=lately) == guard.Verdict():
                    assert judged(rules, asked, lately=lately) == guard.Verdict()


@pytest.mark.parametrize(("name", "looser"), [
    ("each_max", kes(50_001)), ("payee_day_max", None), ("hour_max", kes(100_001)),
    ("day_max", None), ("approval_above", kes(1)), ("approval_above", None), ("burst_max", 11),
    ("burst_max", None), ("burst_minutes", 9), ("cool_off_hours", 23),
    ("freezes_on_change", False),
])
def test_a_rule_that_lets_more_out_is_looser_and_the_other_way_is_not(name, looser):
    changed = replace(LIVE, **{name: looser})

    assert guard.loosened(LIVE, changed) == (name,)
    assert guard.loosened(changed, LIVE) == ()


def test_rules_are_read_as_they_are_written():
    rules = replace(LIVE, float_low={"600966": kes(5_000)})

    assert guard.rules_of(guard.rules_data(rules), TEST) == rules
    assert guard.rules_of({"day_max": "1.50"}, LIVE) == replace(LIVE, day_max=Money(150))
    with pytest.raises(Invalid):
        guard.rules_of({"day_max": "many"}, LIVE)


FUNDS = Funds("float:600966:utility", told=kes(1_000), told_at=NOON, moved=kes(-200),
              reserved=kes(300))


def test_what_is_promised_lies_there_and_may_not_be_promised_twice():
    assert (FUNDS.known, FUNDS.available) == (kes(800), kes(500))
    assert (is_low(FUNDS, kes(500)), is_low(FUNDS, kes(501)), is_low(FUNDS, None)) == (
        False, True, False,
    )


def test_a_balance_of_the_day_before_yesterday_says_nothing():
    assert FUNDS.is_fresh(now=NOON + STALE)
    assert not FUNDS.is_fresh(now=NOON + STALE + timedelta(seconds=1))


def test_the_forecast_says_what_is_missing_and_when_it_ends():
    queue = Queue(ready=kes(300), held=kes(700), left_in_a_day=kes(250))

    assert short_by(FUNDS, queue) == kes(200)
    assert runs_out_at(FUNDS, queue, now=NOON) == NOON + timedelta(days=2)
    assert runs_out_at(FUNDS, replace(queue, left_in_a_day=kes(0)), now=NOON) is None
    assert runs_out_at(replace(FUNDS, reserved=kes(800)), queue, now=NOON) == NOON
    data = funds_data(
        FUNDS.account, FUNDS, queue, reserved=FUNDS.reserved, low=None, now=NOON + 2 * STALE,
    )
    assert (data["state"], data["runs_out_at"]) == ("stale", None)
