"""The named moments at which a process may die, so that a test can kill it at each of them.

A point lies between two commits, or between a commit and a call to the outside. In production
`passing` does nothing; only a test's launcher sets a watcher.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class KillPoint(StrEnum):
    """Every moment between the commits, in the order of a payment's life."""

    BEFORE_INTENT = "before_intent"                        # nothing is written yet
    AFTER_INTENT = "after_intent"                          # commit 1 is done, Daraja is not asked
    AFTER_PUSH = "after_push"                              # Daraja answered, commit 2 is not done
    AFTER_OUTCOME = "after_outcome"                        # commit 2 is done, nobody is told
    BEFORE_CALLBACK = "before_callback"                    # a callback was read, nothing is written
    AFTER_CALLBACK = "after_callback"                      # commit 3 is done, Safaricom is not told
    AFTER_CHECK_TAKEN = "after_check_taken"                # a check is held, Daraja is not asked
    AFTER_QUERY = "after_query"                            # Daraja answered, nothing is written
    AFTER_CHECK_RECORDED = "after_check_recorded"          # the answer is written
    AFTER_ATTEMPT_BEGUN = "after_attempt_begun"            # a try is counted, nothing is posted
    AFTER_POST = "after_post"                              # the merchant has it, nothing is written
    AFTER_ATTEMPT_FINISHED = "after_attempt_finished"      # the try is written
    BEFORE_ORDER = "before_order"                          # a payout is held, nothing is written
    AFTER_ORDER_COMMITTED = "after_order_committed"        # it is sending, Daraja is not asked
    AFTER_ORDER = "after_order"                            # Daraja answered, nothing is written
    AFTER_ORDER_RECORDED = "after_order_recorded"          # the answer is written
    BEFORE_RESULT = "before_result"                        # a result was read, nothing is written
    AFTER_RESULT = "after_result"                          # it is written, Safaricom is not told


Watcher = Callable[[KillPoint], None]


def nobody_watches(point: KillPoint) -> None:
    """Do nothing: what runs outside tests."""
