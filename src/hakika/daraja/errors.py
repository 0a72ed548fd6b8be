"""The three ways in which Daraja fails us, by what the caller may do next.

    DarajaRefused      it did not happen: tell the caller why
    DarajaUnreachable  it was never asked: the same request may be sent again
    DarajaSilent       it may have happened: never send again, find out

Their texts name codes only, so that they may be logged; `raw` is for the fact that is stored.
"""

from __future__ import annotations

from hakika.domain.fact import Reason

# As much of an answer as anybody will read; more of it is not evidence, it is an attack.
RAW_BYTES_MAX = 64 * 1024


class DarajaRefused(Exception):
    """Daraja said no, and nobody was prompted."""

    def __init__(self, reason: Reason, http_status: int, raw: bytes) -> None:
        self.reason, self.http_status, self.raw = reason, http_status, raw[:RAW_BYTES_MAX]
        super().__init__(f"Daraja refused: {reason.code} (HTTP {http_status})")


class DarajaUnreachable(Exception):
    """Daraja was never asked: no connection, no token, or turned away at the gateway."""

    def __init__(self, reason: Reason, retry_after_seconds: int, raw: bytes = b"") -> None:
        self.reason, self.retry_after_seconds = reason, retry_after_seconds
        self.raw = raw[:RAW_BYTES_MAX]
        super().__init__(f"Daraja was not asked: {reason.code}")


class DarajaSilent(Exception):
    """The request may have been taken, and no answer that we can read says so.

    `note` is ours and safe to show. The ids are there when the answer held them although it was no
    acceptance; with `checkout_request_id` a status query can still find the truth.
    """

    def __init__(
        self, raw: bytes, *, note: str,
        merchant_request_id: str = "", checkout_request_id: str = "",
    ) -> None:
        self.raw, self.note = raw[:RAW_BYTES_MAX], note
        self.merchant_request_id = merchant_request_id
        self.checkout_request_id = checkout_request_id
        super().__init__(f"No answer that tells whether it happened: {note}")
