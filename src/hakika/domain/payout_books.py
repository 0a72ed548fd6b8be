"""What money that goes out does to the books. Read `postings`.

Before anything is sent the amount is held: counted as spent, and owed to nobody else. When the
money goes, the hold pays the float; when it does not, the hold is released. So what is promised and
what went never add up to more than there is, and the float falls when M-Pesa's does, not before.

A hold has no receipt of M-Pesa's: the id of its payout stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from hakika.domain.ledger import CLOCKS_DIFFER_MAX, HELD, PAYOUTS, REVERSED, Move, Posting
from hakika.domain.money import Money
from hakika.domain.payout import RESERVING, Change, Payout, Purpose, State, Way
from hakika.domain.shortcode import Kind as ShortcodeKind
from hakika.domain.shortcode import Shortcode

_SPENT_ON = {
    Purpose.PAYOUT: PAYOUTS, Purpose.REFUND: REVERSED, Purpose.SETTLEMENT: PAYOUTS,
}

# What the same movement is called when a statement tells of it first.
_MOVE_OF = {Way.REVERSAL: Move.REVERSAL}


def float_of(payout: Payout) -> str:
    """Return the account that the money leaves: where collections lie, or the working account."""
    return account_of(payout.way, payout.shortcode)


def account_of(way: Way, shortcode: Shortcode) -> str:
    """Return the account of `shortcode` that money leaves which goes this way."""
    if way in {Way.PAYBILL, Way.TILL, Way.TOP_UP}:
        return f"float:{shortcode.number}:working"
    place = "merchant" if shortcode.kind is ShortcodeKind.TILL else "utility"
    return f"float:{shortcode.number}:{place}"


def held_of(payout: Payout) -> str:
    """Return the account of what is held on that float."""
    return float_of(payout).replace("float", HELD, 1)


def move_of(payout: Payout) -> Move:
    """Return the move by which the money leaves the float, whoever tells of it first."""
    return _MOVE_OF.get(payout.way, Move.PAYOUT)


def held(payout: Payout) -> Money:
    """Return what is set aside for a payout now."""
    is_held = payout.state in RESERVING and payout.way is not Way.OUTSIDE
    return payout.amount if is_held else Money(0)


def postings(change: Change, *, is_stated: bool = False) -> Iterator[Posting]:
    """Yield what a change moves in the books; `is_stated`: a statement told of the receipt before.

    What a statement told has left the float already: then only what was held is given back.
    """
    before, after = held(change.before), held(change.after)
    spent_on, held_on = _SPENT_ON[change.after.purpose], held_of(change.after)
    if after.cents > before.cents:
        yield _posting(change, Move.HOLD, debit=spent_on, credit=held_on, amount=after)
    elif before.cents > after.cents:
        yield _posting(change, Move.RELEASE, debit=held_on, credit=spent_on, amount=before)
    if _went(change.after) and not _went(change.before) and not is_stated:
        yield _posting(
            change, move_of(change.after), debit=spent_on, credit=float_of(change.after),
            amount=change.after.amount_sent or change.after.amount, receipt=change.after.receipt,
        )


def _went(payout: Payout) -> bool:
    """Say whether the money left the float, under a receipt that is known."""
    went = payout.state in {State.COMPLETED, State.REVERSED}
    return went and payout.way is not Way.OUTSIDE and bool(payout.receipt)


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
