"""What money that goes out does to the books. Read `postings`.

Before anything is sent the amount is held: counted as spent, and owed to nobody else. When the
money goes, the hold pays the float; when it does not, the hold is released. So what is promised and
what went never add up to more than there is, and the float falls when M-Pesa's does, not before.

A settlement is spent on what is owed to its seller, and is held as soon as it is made: what waits
for a person is promised, too. What a person sends outside M-Pesa leaves no float: it is the
business's own money from elsewhere.

A hold has no receipt of M-Pesa's: the id of its payout stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from hakika.domain.ledger import (
    CLOCKS_DIFFER_MAX,
    FEES,
    HELD,
    PAYOUTS,
    REVERSED,
    SELLERS,
    TRANSFERS,
    Move,
    Posting,
    owed_account,
)
from hakika.domain.money import Money
from hakika.domain.payout import RESERVING, Change, Payout, Purpose, State, Way
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode

# What the same movement is called when a statement tells of it first.
_MOVE_OF = {Way.REVERSAL: Move.REVERSAL}

_PROMISED = RESERVING | {State.HELD, State.MANUAL}


def spent_on(payout: Payout) -> str:
    """Return the account of what the money is spent on."""
    match payout.purpose:
        case Purpose.SETTLEMENT:
            assert payout.seller_id is not None, "a settlement is somebody's"
            return owed_account(payout.seller_id)
        case Purpose.REFUND:
            return REVERSED
        case Purpose.PAYOUT:
            return PAYOUTS


def float_of(payout: Payout) -> str:
    """Return the account that the money leaves: where collections lie, or the working account."""
    return account_of(payout.way, payout.shortcode)


def account_of(way: Way, shortcode: Shortcode) -> str:
    """Return the account that money leaves which goes this way, of `shortcode` where it has one."""
    if way is Way.OUTSIDE:
        return TRANSFERS
    if way in {Way.PAYBILL, Way.TILL, Way.TOP_UP}:
        return f"float:{shortcode.number}:working"
    place = "merchant" if shortcode.kind is ShortcodeKind.TILL else "utility"
    return f"float:{shortcode.number}:{place}"


def held_of(payout: Payout) -> str:
    """Return the account of what is held on that float; of nobody's float: `outside`."""
    if payout.way is Way.OUTSIDE:
        return f"{HELD}:{payout.shortcode.number}:outside"
    return float_of(payout).replace("float", HELD, 1)


def move_of(payout: Payout) -> Move:
    """Return the move by which the money leaves the float, whoever tells of it first."""
    return _MOVE_OF.get(payout.way, Move.PAYOUT)


def held(payout: Payout) -> Money:
    """Return what is set aside for a payout now."""
    if payout.purpose is Purpose.SETTLEMENT:
        is_held = payout.state in _PROMISED
    else:
        is_held = payout.state in RESERVING and payout.way is not Way.OUTSIDE
    return payout.amount if is_held else Money(0)


def first_postings(payout: Payout) -> Iterator[Posting]:
    """Yield what a payout moves by being made, before anything is heard of it."""
    if held(payout).cents:
        yield Posting(
            Move.HOLD, debit=spent_on(payout), credit=held_of(payout), amount=payout.amount,
            shortcode=payout.shortcode.number, receipt=payout.id, payment_id=None,
            happened_at=payout.created_at,
        )


def postings(change: Change, *, is_stated: bool = False) -> Iterator[Posting]:
    """Yield what a change moves in the books; `is_stated`: a statement told of the receipt before.

    What a statement told has left the float already: then what was held is given back, and it is
    only said what it was spent on.
    """
    after = change.after
    was_held, is_held = held(change.before), held(after)
    spent, held_on = spent_on(after), held_of(after)
    if is_held.cents > was_held.cents:
        yield _posting(change, Move.HOLD, debit=spent, credit=held_on, amount=is_held)
    elif was_held.cents > is_held.cents:
        yield _posting(change, Move.RELEASE, debit=held_on, credit=spent, amount=was_held)
    yield from _undivided(change)
    if _went(after) and not _went(change.before):
        stated_on = REVERSED if after.way is Way.REVERSAL else PAYOUTS
        left, move = (stated_on, Move.CLEARING) if is_stated else (float_of(after), move_of(after))
        if left != spent:
            yield _posting(
                change, move, debit=spent, credit=left, amount=after.amount_sent or after.amount,
                receipt=after.receipt,
            )


def _undivided(change: Change) -> Iterator[Posting]:
    """Yield what a refund of a seller's payment takes back of its fee and of what is owed."""
    after, was, is_ = change.after, _takes_back(change.before), _takes_back(change.after)
    fee = after.fee_returned
    if after.seller_id is None or fee is None or was == is_:
        return
    receipt = after.receipt if is_ and not held(after).cents else ""
    owing = Money(after.amount.cents - fee.cents)
    for account, amount, back, again in (
        (FEES, fee, Move.FEE_BACK, Move.FEE),
        (owed_account(after.seller_id), owing, Move.OWING_BACK, Move.OWING),
    ):
        if amount.cents:
            debit, credit = (account, SELLERS) if is_ else (SELLERS, account)
            yield _posting(
                change, back if is_ else again, debit=debit, credit=credit, amount=amount,
                receipt=receipt,
            )


def _takes_back(payout: Payout) -> bool:
    """Say whether a refund counts: from when it is promised, unless it ended without money."""
    return payout.purpose is Purpose.REFUND and bool(held(payout).cents or _went(payout))


def _went(payout: Payout) -> bool:
    """Say whether the money left, under a receipt that is known."""
    went = payout.state in {State.COMPLETED, State.REVERSED}
    is_ours = payout.way is not Way.OUTSIDE or payout.purpose is Purpose.SETTLEMENT
    return went and is_ours and bool(payout.receipt)


def _posting(
    change: Change, move: Move, *, debit: str, credit: str, amount: Money, receipt: str = "",
) -> Posting:
    told, heard_at = change.fact.happened_at, change.heard_at
    is_true = receipt and told is not None and told <= heard_at + CLOCKS_DIFFER_MAX
    return Posting(
        move, debit=debit, credit=credit, amount=amount, shortcode=change.after.shortcode.number,
        receipt=receipt or change.after.id, payment_id=None,
        happened_at=told if is_true and told is not None else heard_at,
    )
