"""Ids and receipts in M-Pesa's own shapes, the same ones again for the same seed.

Every id comes from a hash of the seed and a stored counter, so that ids differ after a restart
too. Shapes: daraja.md 1.1, decoded there from Safaricom's samples.
"""

import hashlib
import string
from collections.abc import Callable
from math import gcd

from hakika_simulator.clock import in_nairobi
from hakika_simulator.storage import Storage

RECEIPT_SIGNS = string.digits + string.ascii_uppercase
RECEIPT_TAIL_LENGTH = 7
RECEIPT_TAILS: int = len(RECEIPT_SIGNS) ** RECEIPT_TAIL_LENGTH
RECEIPT_FIRST_YEAR = 2006  # the year of the letter A
TOKEN_LENGTH = 28
TOKEN_SIGNS = string.ascii_letters + string.digits
MILLISECOND = 0.001


class Identifiers:
    """Mints every id of one simulator."""

    def __init__(self, storage: Storage, seed: int) -> None:
        self._storage = storage
        self._seed = seed
        self._receipt_step = self._step_through_all_tails()

    def token(self) -> str:
        """Return a new access token of 28 letters and digits."""
        number = self._number("token")
        return "".join(
            TOKEN_SIGNS[(number >> (8 * place)) % len(TOKEN_SIGNS)] for place in range(TOKEN_LENGTH)
        )

    def gateway_request_id(self) -> str:
        """Return a new id as in MerchantRequestID and requestId: `2654-4b64-97ff-b827…3130`."""
        count = self._storage.next_number("gateway")
        digits = f"{self._hash('gateway', count):064x}"
        return f"{digits[:4]}-4{digits[4:7]}-9{digits[7:10]}-{digits[10:22]}{count % 10_000:04d}"

    def checkout_request_id(self, phone: str, at: float, *, taken: Callable[[str], bool]) -> str:
        """Return a new `ws_CO_…` id: time of the push to the millisecond, and the payer's tail.

        Two pushes to one number in one millisecond would share an id: the later one takes the
        next free millisecond.
        """
        while True:
            moment = in_nairobi(at)
            milliseconds = moment.microsecond // 1000
            found = f"ws_CO_{moment:%d%m%Y%H%M%S}{milliseconds:03d}{phone[-9:]}"
            if not taken(found):
                return found
            at += MILLISECOND

    def receipt(self, at: float) -> str:
        """Return a new receipt: year, month and day in one sign each, then seven signs."""
        count = self._storage.next_number("receipts")
        # A step without a common factor visits each tail once before any comes again. Count
        # starts at 1, so the tail of seven zeros, M-Pesa's mark for "no receipt", stays out.
        tail = count * self._receipt_step % RECEIPT_TAILS
        return _day_signs(at) + _in_receipt_signs(tail)

    def conversation_id(self, at: float) -> str:
        """Return a new `AG_…` id: the day, and twenty hex digits."""
        return f"AG_{in_nairobi(at):%Y%m%d}_{self._number('conversation'):064x}"[:32]

    def placeholder_receipt(self, at: float) -> str:
        """Return what stands for a receipt where no money moved: the day and seven zeros."""
        return _day_signs(at) + RECEIPT_TAIL_LENGTH * "0"

    def chance(self, what: str) -> float:
        """Return a number from 0 up to 1 that depends on the seed and `what` alone."""
        digest = hashlib.blake2b(f"{self._seed}:{what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / float(2**64)

    def _number(self, kind: str) -> int:
        return self._hash(kind, self._storage.next_number(kind))

    def _hash(self, kind: str, count: int) -> int:
        text = f"{self._seed}:{kind}:{count}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=32).digest())

    def _step_through_all_tails(self) -> int:
        step = self._hash("receipt step", 0) % RECEIPT_TAILS
        while gcd(step, RECEIPT_TAILS) != 1:
            step += 1
        return step


def _day_signs(at: float) -> str:
    day = in_nairobi(at)
    return (
        string.ascii_uppercase[(day.year - RECEIPT_FIRST_YEAR) % len(string.ascii_uppercase)]
        + string.ascii_uppercase[day.month - 1]
        + "123456789ABCDEFGHIJKLMNOPQRSTUV"[day.day - 1]
    )


def _in_receipt_signs(tail: int) -> str:
    signs = ""
    for _ in range(RECEIPT_TAIL_LENGTH):
        tail, place = divmod(tail, len(RECEIPT_SIGNS))
        signs = RECEIPT_SIGNS[place] + signs
    return signs
