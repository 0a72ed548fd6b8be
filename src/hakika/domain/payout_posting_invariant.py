"""What must hold of a payout's postings, judged from its rows alone: I3 and I13.

A statement's own lines of the same receipt stand beside them, and are not judged here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hakika.domain import payout_books
from hakika.domain.ledger import Move, Posting
from hakika.domain.ledger_invariant import StoredPosting, comparison
from hakika.domain.money import Money
from hakika.domain.payout import Change, Payout


class StoredPayoutPosting(StoredPosting):
    """A posting under a payout's id, or under its receipt."""

    __slots__ = ()

    def is_of(self, payout: Payout) -> bool:
        """Say whether it can only be this payout's: it has no receipt of M-Pesa's."""
        return self.receipt == payout.id


def derivation_breaches(
    payout: Payout, stored: Sequence[StoredPayoutPosting], first: Payout,
    changes: Sequence[Change],
) -> Iterator[str]:
    """I3: the books say of a payout what its birth as `first` and its changes make, once."""
    unreadable = [each.receipt for each in stored if each.posting is None and not each.is_stated]
    if unreadable:
        for receipt in unreadable:
            yield f"The posting of receipt {receipt} of payout {payout.id} cannot be read."
        return  # books with a hole in them prove nothing else
    own = [
        each.posting for each in stored
        if each.posting is not None and not each.is_stated and each.posting.payment_id is None
        and each.posting.shortcode == payout.shortcode.number
    ]
    there = {(posting.receipt, posting.move) for posting in own}
    stated = {
        (each.receipt, each.posting.move) for each in stored
        if each.posting is not None and each.is_stated
    } - there
    yield from comparison(f"payout {payout.id}", own, _due(first, changes, stated))


def _due(
    first: Payout, changes: Sequence[Change], stated: Collection[tuple[str, Move]],
) -> Iterator[Posting]:
    """Yield what birth and changes make; of `stated` receipts a statement has told before."""
    yield from payout_books.first_postings(first)
    for change in changes:
        after = change.after
        is_stated = (after.receipt, payout_books.move_of(after)) in stated
        yield from payout_books.postings(change, is_stated=is_stated)


def held_breaches(payout: Payout, stored: Sequence[StoredPayoutPosting]) -> Iterator[str]:
    """I2: what is over holds nothing."""
    cents = sum(
        each.posting.amount.cents * {Move.HOLD: 1, Move.RELEASE: -1}.get(each.posting.move, 0)
        for each in stored if each.posting is not None and each.is_of(payout)
    )
    if payout.is_final and cents > 0:
        yield f"Payout {payout.id} is {payout.state}, and {Money(cents)} is held for it still."


def owner_breaches(payout: Payout, stored: Sequence[StoredPayoutPosting]) -> Iterator[str]:
    """I13: a posting belongs to its payout's merchant and mode."""
    for each in stored:
        if each.is_of(payout) and (each.merchant_id, each.livemode) != (
            payout.merchant_id, payout.livemode,
        ):
            yield (
                f"The posting of receipt {each.receipt} belongs to another merchant or mode than "
                "its payout."
            )
