"""What our own mistakes raise, so that one thing that cannot be worked on does not stop the others.

It is caught around one thing of many, logged with the thing's name, and tried again later. The
database's absence is none of these: that stops everything, and everything is safe to begin again.
"""

from __future__ import annotations

from hakika.domain.sealing import SealBroken
from hakika.store.keyring import MasterKeyMissing
from hakika.store.transaction import StatementRefused

# Mistakes of ours, and a row that does not open here: damaged, or its owner's key was wrapped by a
# master key of another process.
OUR_MISTAKES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MasterKeyMissing, SealBroken,
    StatementRefused, TypeError, ValueError,
)
