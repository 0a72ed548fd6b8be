"""The ways in which Daraja fails us, by what the caller may do next.

    DarajaRefused      it did not happen: tell the caller why
    DarajaUnreachable  it was never asked: the same request may be sent again
    DarajaSilent       it may have happened: never send again, find out
    DarajaDuplicate    of an order: it probably happened, the first time; confirm that one

Their texts name codes only, so that they may be logged; `raw` is for the fact that is stored.
"""

from __future__ import annotations

from hakika.domain.fact import Reason

# As much of an answer as anybody will read; more of it is not evidence, it is an attack.
RAW_BYTES_MAX = 64 * 1024


class DarajaRefused(Exception):
    """Daraja said no: nobody was prompted, and no money was sent."""

    def __init__(self, reason: Reason, http_status: int, raw: bytes) -> None:
        self.reason, self.http_status, self.raw = reason, http_status, raw[:RAW_BYTES_MAX]
        super().__init__(f"Daraja refused: {reason.code} (HTTP {http_status})")


class DarajaUnreachable(Exception):
    """Daraja was never asked: no connection, no token, or turned away at the gateway.

    `rest_seconds` is None unless it was called too fast: then how long it wants to be left alone,
    0 when it does not say.
    """

    def __init__(
        self, reason: Reason, retry_after_seconds: int, raw: bytes = b"", *,
        rest_seconds: int | None = None,
    ) -> None:
        self.reason, self.retry_after_seconds = reason, retry_after_seconds
        self.rest_seconds = rest_seconds
        self.raw = raw[:RAW_BYTES_MAX]
        super().__init__(f"Daraja was not asked: {reason.code}")


class DarajaSilent(Exception):
    """The request may have been taken, and no answer that we can read says so.

    `note` is ours and safe to show. The ids are there when the answer held them although it was no
    acceptance; with `checkout_request_id`, or an order's `conversation_id`, the truth can still be
    found. `retry_after_seconds` is 0 unless M-Pesa is busy: then leave it alone for so long.
    `rest_seconds` is as of `DarajaUnreachable`.
    """

    def __init__(
        self, raw: bytes, *, note: str,
        merchant_request_id: str = "", checkout_request_id: str = "",
        conversation_id: str = "", originator_conversation_id: str = "",
        retry_after_seconds: int = 0, rest_seconds: int | None = None,
    ) -> None:
        self.raw, self.note = raw[:RAW_BYTES_MAX], note
        self.merchant_request_id = merchant_request_id
        self.checkout_request_id = checkout_request_id
        self.conversation_id = conversation_id
        self.originator_conversation_id = originator_conversation_id
        self.retry_after_seconds = retry_after_seconds
        self.rest_seconds = rest_seconds
        super().__init__(f"No answer that tells whether it happened: {note}")


class DarajaDuplicate(Exception):
    """Daraja has had an order with this OriginatorConversationID: the first one stands.

    Never a failure, and never a reason for another id, which would be another payment (T3, T4).
    """

    def __init__(self, reason: Reason, http_status: int, raw: bytes) -> None:
        self.reason, self.http_status, self.raw = reason, http_status, raw[:RAW_BYTES_MAX]
        super().__init__(f"Daraja has had this order before: {reason.code} (HTTP {http_status})")
