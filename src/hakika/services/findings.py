"""What a check finds while it is being made, for `verify.py` and `payout_invariants.py`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

# Enough to see what kind of thing went wrong, and to mend it if it is no more than this.
SENTENCES_MAX = 100


@dataclass(slots=True)
class Finding:
    """A check while it is being made: it keeps the first sentences, and counts the rest."""

    looked_at: int = 0
    violations: list[str] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)
    more_notes: int = 0

    def add(self, sentences: Iterable[str]) -> None:
        """Add what breaks the rule, a sentence each."""
        for sentence in sentences:
            if len(self.violations) < SENTENCES_MAX:
                self.violations.append(sentence)
            else:
                self.more += 1

    def note(self, sentences: Iterable[str]) -> None:
        """Add what is no breach and worth knowing, a sentence each."""
        for sentence in sentences:
            if len(self.notes) < SENTENCES_MAX:
                self.notes.append(sentence)
            else:
                self.more_notes += 1
