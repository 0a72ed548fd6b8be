"""Which callbacks an ended push brings, to where and when. Pure: nothing is sent here.

The faults of `numbers.Telling` live here; `callbacks.py` sends what this module plans.
"""

import secrets
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hakika_simulator import results
from hakika_simulator.callback_bodies import (
    body_of,
    failure_body,
    forged_body,
    same_in_other_clothes,
)
from hakika_simulator.clock import Clock
from hakika_simulator.numbers import Telling, behaviour_of
from hakika_simulator.payments import Payment
from hakika_simulator.switches import Switches

LATENESS_SECONDS = {Telling.LATE: 90.0, Telling.AFTER_HALF_A_MINUTE: 30.0}
# Where order is the point, speed must not squeeze two callbacks into one: a real second at speed
# 1, and never less than this.
GAP_SECONDS = 1.0
GAP_REAL_SECONDS_MIN = 0.3
GUESSED_TOKEN_BYTES = 39  # 52 signs of base64: as long as a real token in base32
WRONG_RECEIPT_TAIL = "F0RGED0"


@dataclass(frozen=True, slots=True)
class PlannedCallback:
    """One POST to make at `due_at` (seconds since 1970)."""

    checkout_request_id: str
    url: str
    body: str
    kind: str  # genuine, duplicate, forged, failure or retry
    due_at: float
    retries_left: int = 0


def plan(
    payment: Payment, switches: Switches, clock: Clock, *, luck: float
) -> list[PlannedCallback]:
    """Return the callbacks that `payment`, which has just ended, brings.

    `luck` from 0 to 1 decides whether it falls under the share that is never told.
    """
    assert payment.finished_at is not None
    telling = behaviour_of(payment.phone).telling
    if telling is Telling.NEVER or luck * 100 < switches.callbacks_off:
        return []
    at = payment.finished_at + clock.seconds(
        switches.callback_delay_seconds + LATENESS_SECONDS.get(telling, 0.0)
    )
    genuine = replace(
        genuine_callback(payment, switches, at=at), retries_left=switches.callback_retries
    )
    gap = max(clock.seconds(GAP_SECONDS), GAP_REAL_SECONDS_MIN)
    match telling:
        case Telling.THRICE:
            twin = replace(genuine, kind="duplicate", retries_left=0)
            return [genuine, twin, replace(twin, body=same_in_other_clothes(twin.body))]
        case Telling.AFTER_FORGERIES:
            forged = [forged_callback(payment, url, at=at) for url in _guesses(genuine.url)]
            return [*forged, replace(genuine, due_at=at + gap)]
        case Telling.AFTER_A_FAILURE:
            body = failure_body(payment, results.NO_ANSWER)
            return [replace(genuine, kind="failure", body=body), replace(genuine, due_at=at + gap)]
        case _:
            return [genuine]


def genuine_callback(payment: Payment, switches: Switches, *, at: float) -> PlannedCallback:
    """Return the true callback of an ended push, due at `at`."""
    return PlannedCallback(
        checkout_request_id=payment.checkout_request_id,
        url=payment.callback_url,
        body=body_of(payment, masked_phone=switches.masked_phone),
        kind="genuine",
        due_at=at,
    )


def forged_callback(payment: Payment, url: str, *, at: float) -> PlannedCallback:
    """Return a success that M-Pesa never sent: the push's own ids with a wrong receipt."""
    receipt = (payment.receipt or "UAA0000000")[:3] + WRONG_RECEIPT_TAIL
    return PlannedCallback(
        checkout_request_id=payment.checkout_request_id,
        url=url,
        body=forged_body(payment, receipt=receipt, at=at),
        kind="forged",
        due_at=at,
    )


def _guesses(callback_url: str) -> list[str]:
    """Return where a forger would try who knows the host and the habits of merchants."""
    host = urlsplit(callback_url)
    token = secrets.token_urlsafe(GUESSED_TOKEN_BYTES)
    return [
        host._replace(path=path, query="", fragment="").geturl()
        for path in (f"/c/{token}", "/v1/webhooks/mpesa")
    ]
