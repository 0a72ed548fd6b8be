"""What must hold of closed days: I14 and I15 of `invariant.py`, judged from their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from hakika.domain.checkpoint import FIRST, Checkpoint, Signed, is_genuine, read, summary_digest
from hakika.domain.reported import Reported, agrees


@dataclass(frozen=True, slots=True)
class StoredClosing:
    """A closing as it stands in its row, and the chain's own hash where it says it stood."""

    merchant_id: str
    livemode: bool
    number: int
    day: date
    result: str
    sequence: int
    checkpoint: bytes
    signature: bytes
    public_key: bytes
    summary: Mapping[str, Any]
    link: bytes | None          # of the posting with that number; None: there is none


@dataclass(slots=True)
class Closings:
    """The closings of one merchant and mode, looked at in their order."""

    merchant_id: str
    livemode: bool
    number: int = 0
    sha256: str = FIRST

    def breaches(self, stored: StoredClosing) -> Iterator[str]:
        """I14: days were closed in this order, and say of the books what the books still say."""
        expected, before = self.number + 1, self.sha256
        self.number = stored.number
        name = f"Closing {stored.number} of {self.merchant_id} ({self._mode}), day {stored.day},"
        try:
            checkpoint = read(stored.checkpoint)
        except ValueError:
            yield f"{name} has no checkpoint that can be read."
            return
        self.sha256 = checkpoint.sha256
        if stored.number != expected:
            yield f"{name} comes after closing {expected - 1}: those between are gone."
        elif checkpoint.previous != before:
            yield f"{name} does not follow from the one before it."
        if not is_genuine(Signed(checkpoint, stored.signature, stored.public_key)):
            yield f"{name} has a signature that is not of its checkpoint."
        if not _is_the_same(stored, checkpoint):
            yield f"{name} says something else than its checkpoint, which was signed."
        if stored.link is None or stored.link.hex() != checkpoint.link:
            yield (
                f"{name} was closed over posting {checkpoint.sequence}, which is another one now: "
                "the books were written anew."
            )

    @property
    def _mode(self) -> str:
        return "live" if self.livemode else "test"


def _is_the_same(stored: StoredClosing, checkpoint: Checkpoint) -> bool:
    return (
        (stored.merchant_id, stored.livemode, stored.number, stored.day.isoformat(), stored.result,
         stored.sequence)
        == (checkpoint.merchant_id, checkpoint.livemode, checkpoint.number, checkpoint.day,
            checkpoint.result, checkpoint.sequence)
        and summary_digest(stored.summary) == checkpoint.summary_sha256
    )


def conservation_breaches(merchant_id: str, reported: Reported) -> Iterator[str]:
    """I15: what M-Pesa says lies on an account is what the books say, or said a moment before."""
    if agrees(reported):
        return
    yield (
        f"M-Pesa reported {reported.theirs} on {reported.account} of {merchant_id} at "
        f"{reported.at:%Y-%m-%d %H:%M:%S} UTC; the books have {reported.ours}."
    )
