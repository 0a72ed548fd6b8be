"""What Daraja's own answer means when it is no acceptance: errorCode, text and HTTP status.

Read `answer_error` first, then the table. A code alone is not enough: 500.001.1001 has at least
five meanings, and only its text tells a refusal from a payment under way.

Source: daraja.md section 4, which names Safaricom's page or the observer of each row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus

from hakika.daraja import words
from hakika.daraja.words import Words
from hakika.domain.fact import Reason


class AnswerClass(StrEnum):
    """What the answer tells about the request (daraja.md 4.2)."""

    REFUSED = "refused"                  # it did not happen
    AUTH = "auth"                        # the gateway did not take the token; it did not happen
    THROTTLED = "throttled"              # the gateway turned it away; M-Pesa never saw it
    BUSY = "busy"                        # back off; a money call may have happened
    BUSY_SUBSCRIBER = "busy_subscriber"  # no new prompt: another one is open on the phone
    PENDING = "pending"                  # under way
    DUPLICATE = "duplicate"              # the first request with this id probably got in
    UNKNOWN = "unknown"                  # nobody knows


# Gateways name no time; the sandbox allows five queries a minute (daraja.md 4.3, section 8).
THROTTLED_SECONDS = 15
QUOTA_SECONDS = 60
PROMPT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class AnswerError:
    """One synchronous error. `retryable`: the same request may work later with nothing mended."""

    daraja_code: str
    code: str
    kind: AnswerClass
    text: str                      # Safaricom's words
    words: Words
    developer_message: str
    matching: tuple[str, ...] = ()  # holds only when one of these is in the lower-cased text
    retryable: bool = False
    retry_after_seconds: int = 0

    def reason(self) -> Reason:
        """Return the row as a reason."""
        return Reason(
            code=self.code,
            daraja_code=self.daraja_code,
            developer_message=self.developer_message,
            payer_message=self.words.en,
            payer_message_sw=self.words.sw,
            daraja_message=self.text,
            retryable=self.retryable,
        )


def answer_error(code: str, text: str, http_status: int) -> AnswerError:
    """Return what an answer with this error code, error text and HTTP status means.

    Certain only where Safaricom documents it; everything else is UNKNOWN. Of a 2xx answer only
    REFUSED is believed: whatever else an error inside a "200" means, nobody has written down. And
    a token is refused with a 4xx only: that is sent again, and a 5xx may come from behind the gate.
    """
    row = _row(code, text.lower(), http_status)
    if HTTPStatus.OK <= http_status < HTTPStatus.MULTIPLE_CHOICES and (
        row.kind is not AnswerClass.REFUSED or not code.startswith(GATEWAY_FAMILIES)
    ):
        return replace(UNREADABLE_ANSWER, daraja_code=code)
    if row.kind is AnswerClass.AUTH and not _is_client_error(http_status):
        return replace(UNREADABLE_ANSWER, daraja_code=code)
    return _naming_the_field(row, text)


def _row(code: str, text: str, http_status: int) -> AnswerError:
    if http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return replace(_THROTTLED, daraja_code=code or _THROTTLED.daraja_code)
    is_auth = http_status == HTTPStatus.UNAUTHORIZED
    for row in ANSWER_ERRORS.get(code, ()):
        if is_auth and row.kind is not AnswerClass.AUTH:
            break  # 401 is the gateway's word on the token, whatever the body says
        if not row.matching or any(fragment in text for fragment in row.matching):
            return row
    if is_auth or code == "401" or code.startswith("401."):
        refused = NO_PRODUCT if NO_PRODUCT.matching[0] in text else TOKEN_REFUSED
        return replace(refused, daraja_code=code or refused.daraja_code)
    if _is_client_error(http_status) and code.startswith(GATEWAY_FAMILIES):
        return replace(_REFUSED_UNLISTED, daraja_code=code)
    return replace(UNREADABLE_ANSWER, daraja_code=code)


def _is_client_error(http_status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= http_status < HTTPStatus.INTERNAL_SERVER_ERROR


# What the gateway answers before M-Pesa sees anything, when the code is known to be Safaricom's.
GATEWAY_FAMILIES = ("400.", "403.", "404.", "405.")

_FIELD = re.compile(r"\binvalid\s+([A-Za-z]{2,40})", re.IGNORECASE)


def _naming_the_field(row: AnswerError, text: str) -> AnswerError:
    """Return the row with the field that Daraja found wrong, and nothing else of its text."""
    field = _FIELD.search(text)
    if row.code != "request_invalid" or not field:
        return row
    return replace(
        row, developer_message=f"Daraja says: Invalid {field.group(1)}. {row.developer_message}",
    )


def _refused(daraja_code: str, code: str, text: str, to_do: str, *matching: str) -> AnswerError:
    return AnswerError(
        daraja_code, code, AnswerClass.REFUSED, text, words.NOT_STARTED, to_do, matching,
    )


def _auth(daraja_code: str, text: str) -> AnswerError:
    return AnswerError(
        daraja_code, "token_refused", AnswerClass.AUTH, text, words.NOT_STARTED,
        "Daraja refused a fresh token. Check that consumer key, secret and host are of the same "
        "app, and that the app has the product of this API.",
    )


def _unsure(
    daraja_code: str, code: str, text: str, to_do: str, *matching: str,
    said: Words = words.CHECKING,
) -> AnswerError:
    return AnswerError(daraja_code, code, AnswerClass.UNKNOWN, text, said, to_do, matching)


_FIND_OUT = "Nobody knows whether it happened. Do not send it again; Hakika finds out."
_WRONG_PATH = "Check the base URL of these credentials."

TOKEN_REFUSED = _auth("", "Invalid Access Token")

NO_PRODUCT = AnswerError(
    "", "product_not_enabled", AnswerClass.AUTH,
    "Invalid API call as no apiproduct match found", words.NOT_STARTED,
    "Tick the product of this API (M-Pesa Express for a push) on the app in the Daraja portal. A "
    "token keeps the products that the app had when it was issued, so it can take until the next "
    "token to work.",
    ("no apiproduct match",),
)

UNREADABLE_ANSWER = _unsure("", "answer_unreadable", "", _FIND_OUT)

_REFUSED_UNLISTED = _refused(
    "", "request_refused", "", "Daraja refused the request with a code that is in no list.",
)

_THROTTLED = AnswerError(
    "policies.ratelimit.SpikeArrestViolation", "daraja_throttled", AnswerClass.THROTTLED,
    "Spike arrest violation", words.BUSY_RETRY,
    "Daraja's gateway turned the request away: too many at once. Nothing was sent.",
    retryable=True, retry_after_seconds=THROTTLED_SECONDS,
)

# Chosen by what was asked, not by the text, which is that of every API (`failures.order_failure`).
B2C_V3_NOT_ALLOWED = AnswerError(
    "403.002.1001", "b2c_v3_not_allowed", AnswerClass.REFUSED,
    "You are not authorized to initiate this transaction", words.NOT_SENT,
    "Of an order by B2C v3: ask Safaricom to enable v3 for the short code and the app. The older "
    "v1 may work, but knows no duplicates: after a silence a person must look.",
)

_ROWS = (
    _refused("400.001", "shortcode_not_registered", "Invalid ShortCode",
             "Register the short code for Pull."),
    AnswerError(
        "400.002.02", "checkout_id_unknown", AnswerClass.PENDING,
        "Bad Request - Invalid CheckoutRequestID", words.CHECKING,
        "Daraja does not know the push, or does not know it yet. No proof that there was none.",
        ("invalid checkoutrequestid",), retryable=True,
    ),
    _refused("400.002.02", "request_invalid", "Bad Request - Invalid <Field>",
             "The field is wrong, missing or misspelt, or the content type is not JSON."),
    _refused("400.002.05", "request_unreadable", "Invalid Request Payload",
             "The JSON is malformed or has wrong keys."),
    _auth("400.003.01", "Invalid Access Token"),
    _refused("400.003.02", "request_incomplete", "Bad Request", "A required field is missing."),
    _refused("400.008.01", "oauth_type_wrong", "Invalid Authentication type", "Use Basic."),
    _refused("400.008.02", "oauth_grant_wrong", "Invalid grant type", "Use client_credentials."),
    _auth("401.001", "Invalid Access Token"),
    _auth("401.002.01", "Error Occurred - Invalid Access Token"),
    _refused("403.002.1001", "not_authorized",
             "You are not authorized to initiate this transaction",
             "Ask Safaricom to enable this API for the short code and the app."),
    B2C_V3_NOT_ALLOWED,
    _refused("404.001.01", "path_unknown", "Resource not found", _WRONG_PATH),
    _auth("404.001.03", "Invalid Access Token"),
    _refused("404.001.04", "header_invalid", "Invalid Authentication Header",
             "The verb or a header is wrong: is there a proxy between us and Daraja?"),
    _refused("404.002.01", "path_unknown", "Resource not found", _WRONG_PATH),
    _refused("404.003.01", "path_unknown", "Resource not found", _WRONG_PATH),
    _refused("405.001", "method_not_allowed", "Method not allowed", _WRONG_PATH),
    _refused("500.001.1001", "wrong_shortcode", "Merchant does not exist",
             "Use the short code of the go-live letter; for a till, its store number.",
             "merchant does not exist"),
    _refused("500.001.1001", "wrong_credentials", "Wrong credentials",
             "The passkey does not belong to the short code. Check both.", "wrong credentials"),
    AnswerError(
        "500.001.1001", "payer_busy", AnswerClass.BUSY_SUBSCRIBER,
        "Unable to lock subscriber, a transaction is already in process for the current subscriber",
        words.OTHER_PROMPT_OPEN,
        "Another prompt is open on this phone. Wait at least a minute, and until any earlier "
        "payment of this payer is settled.",
        ("unable to lock subscriber",), retryable=True, retry_after_seconds=PROMPT_SECONDS,
    ),
    AnswerError(
        "500.001.1001", "still_processing", AnswerClass.PENDING,
        "The transaction is being processed", words.WAITING,
        "Not a failure: the payer has not answered yet.",
        ("being processed", "under processing"), retryable=True,
    ),
    _unsure("500.001.1001", "mpesa_internal_error", "Internal Server Error", _FIND_OUT,
            "internal server error"),
    AnswerError(
        "500.002.1001", "duplicate", AnswerClass.DUPLICATE,
        "Duplicate OriginatorConversationID.", words.SENDING_CHECKED,
        "The first order with this id probably got in. Never send another; confirm the first.",
        ("duplicate",),
    ),
    _unsure("500.002.1001", "mpesa_maintenance", "Service is currently under maintenance",
            _FIND_OUT, "maintenance", said=words.MAINTENANCE),
    _unsure("00.002.1001", "mpesa_maintenance", "Service is currently under maintenance",
            _FIND_OUT, "maintenance", said=words.MAINTENANCE),
    replace(_THROTTLED, daraja_code="500.003.02", matching=("spike arrest",)),
    AnswerError(
        "500.003.02", "mpesa_busy", AnswerClass.BUSY,
        "System is busy. Please try again in few minutes.", words.BUSY_CHECKING, _FIND_OUT,
        retryable=True, retry_after_seconds=THROTTLED_SECONDS,
    ),
    replace(
        _THROTTLED, daraja_code="500.003.03", text="Quota Violation",
        matching=("quota violation",), retry_after_seconds=QUOTA_SECONDS,
    ),
    AnswerError(
        "500.003.03", "mpesa_busy", AnswerClass.BUSY, "", words.BUSY_CHECKING, _FIND_OUT,
        retryable=True, retry_after_seconds=QUOTA_SECONDS,
    ),
    _refused("500.003.1001", "urls_already_registered", "Urls are already registered",
             "Delete the old URLs on the portal (Self Services, URL Management).",
             "already registered"),
    _refused("500.003.1001", "urls_registered_elsewhere", "Duplicate notification info",
             "The URLs live on the older aggregator platform; ask Safaricom to delete them.",
             "duplicate notification info"),
    _unsure("500.003.1001", "mpesa_internal_error", "Internal Server Error", _FIND_OUT),
    _THROTTLED,
    replace(
        _THROTTLED, daraja_code="policies.ratelimit.QuotaViolation", text="Quota violation",
        retry_after_seconds=QUOTA_SECONDS,
    ),
    _unsure("steps.servicecallout.ExecutionFailed", "gateway_failed",
            "Execution of ServiceCallout failed", _FIND_OUT),
)


def _by_code(rows: Iterable[AnswerError]) -> Mapping[str, tuple[AnswerError, ...]]:
    """Return the rows of each code, in the table's order: the first that matches holds."""
    table: dict[str, tuple[AnswerError, ...]] = {}
    for row in rows:
        table[row.daraja_code] = (*table.get(row.daraja_code, ()), row)
    return table


ANSWER_ERRORS = _by_code(_ROWS)
