"""What must hold of a payment's postings, judged from its rows alone: I3 and I13 of `invariant.py`.

I2 is judged posting by posting along the chain: `ledger.Chain`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from hakika.domain.ledger import Move, Posting, postings
from hakika.domain.payment import Change, Payment

_NAMES = tuple(each.name for each in fields(Posting))


@dataclass(frozen=True, slots=True)
class StoredPosting:
    """A posting as it stands in its row."""

    posting: Posting | None         # None: the row says what no posting says
    receipt: str
    merchant_id: str
    livemode: bool
    is_stated: bool                 # a line of a statement made it, such as the portal's reversal


def derivation_breaches(
    payment: Payment, stored: Sequence[StoredPosting], changes: Sequence[Change],
) -> Iterator[str]:
    """I3: the books say of a payment what its facts make, once."""
    unreadable = [each.receipt for each in stored if each.posting is None]
    if unreadable:
        for receipt in unreadable:
            yield f"The posting of receipt {receipt} of payment {payment.id} cannot be read."
        return  # books with a hole in them prove nothing else
    yield from comparison(
        f"payment {payment.id}",
        (each.posting for each in stored if each.posting and not each.is_stated),
        (due for change in changes for due in postings(change)),
    )


def comparison(whose: str, stored: Iterable[Posting], due: Iterable[Posting]) -> Iterator[str]:
    """Yield a sentence for each difference between the postings of the books and the due ones."""
    there: dict[tuple[str, Move], list[Posting]] = defaultdict(list)
    for posting in stored:
        there[posting.receipt, posting.move].append(posting)
    for each in due:
        found = there.pop((each.receipt, each.move), [])
        what = f"the {each.move} of {each.amount} with receipt {each.receipt}"
        if not found:
            yield f"The books lack {what} of {whose}."
        elif len(found) > 1:
            yield f"The books have {what} of {whose} {len(found)} times."
        elif found[0] != each:
            wrong = (name for name in _NAMES if getattr(found[0], name) != getattr(each, name))
            yield f"The books have {what} of {whose} with another {', '.join(wrong)}."
    for (receipt, move), others in there.items():
        yield (
            f"The books have a {move} of {others[0].amount} with receipt {receipt}, which {whose} "
            "knows nothing of."
        )


def owner_breaches(payment: Payment, stored: Sequence[StoredPosting]) -> Iterator[str]:
    """I13: a posting belongs to its payment's merchant and mode."""
    for each in stored:
        if (each.merchant_id, each.livemode) != (payment.merchant_id, payment.livemode):
            yield (
                f"The posting of receipt {each.receipt} belongs to another merchant or "
                f"mode than its payment {payment.id}."
            )
