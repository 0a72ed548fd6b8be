"""Every error on purpose, drawn as a tree by what the caller should do next.

    HakikaError
    ├── Invalid            mend the request and send it again
    ├── Unauthenticated    send a key that is known and alive
    ├── Forbidden          the key is known and may not do this
    ├── NotFound           no such thing for this key
    ├── Conflict           true, but not now: the state or another request stands in the way
    ├── TooMany            more than is allowed: wait for Retry-After seconds
    └── Unavailable        not now and not your fault: ask again

Each leaf carries a stable `code` (documented in docs/errors.md), a sentence that a merchant could
read, and a `hint` with the way out. Only `api/errors.py` knows HTTP status codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that cannot be taken, and why."""

    field: str
    code: str
    message: str


class HakikaError(Exception):
    """The root. Raise a leaf, never this."""

    code: ClassVar[str] = "error"
    hint: str = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        if hint:
            self.hint = hint
        super().__init__(message)


class Invalid(HakikaError):
    """The request cannot be taken as it is."""

    code = "invalid_request"
    hint = "Mend the named fields and send the request again."

    def __init__(
        self, message: str, *, field: str = "", code: str = "", hint: str = "",
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.errors = errors or ((FieldError(field, code or "invalid", message),) if field else ())


class BodyUnreadable(Invalid):
    """The body is not the JSON object that was promised."""

    code = "body_unreadable"
    hint = "Send one JSON object, UTF-8, with Content-Type: application/json."


class EncodingUnsupported(Invalid):
    """The body is compressed."""

    code = "encoding_unsupported"
    hint = "Send the body as it is, without Content-Encoding."


class ForwardedMalformed(Invalid):
    """Your own proxy says in no readable way where the request came from."""

    code = "forwarded_malformed"
    hint = "Look at what the proxy in front of Hakika writes into the header named in the message."


class BodyTooLarge(Invalid):
    """The body is longer than this door takes."""

    code = "body_too_large"
    hint = "Send at most 64 KiB; of a statement at most 64 MiB, of a file of payouts 16."


class StatementUnreadable(Invalid):
    """The statement is broken or cut: not a line of it was imported."""

    code = "statement_unreadable"
    hint = "Download the statement again and send the file as it came, unopened."

    def __init__(self, message: str, *, hint: str = "", line: int | None = None) -> None:
        where = "" if line is None else f"Line {line}: "
        super().__init__(where + message, field="file", code=self.code, hint=hint)
        self.line = line


class StatementEncrypted(StatementUnreadable):
    """The statement is locked, and no password or a wrong one came with it."""

    code = "statement_encrypted"
    hint = "Send the password that M-Pesa gave with the statement."


class StatementForeign(StatementUnreadable):
    """The file is something else than an organisation's M-Pesa statement."""

    code = "statement_foreign"
    hint = (
        "Send what the M-Pesa organisation portal exports, as CSV, XLSX or PDF, with its row of "
        "column names (Receipt No., Completion Time, Transaction Status, Paid In, Withdrawn)."
    )


class StatementEmpty(StatementUnreadable):
    """The file has no line to import."""

    code = "statement_empty"
    hint = (
        "Download it again with its whole head: its period, short code, balances and totals. Then "
        "a day on which nothing happened is proven, too."
    )


class StatementTooLarge(StatementUnreadable):
    """The statement is larger than is read at once."""

    code = "statement_too_large"
    hint = "Download it in parts, such as a month each: overlapping parts are welcome."


class StatementLineWrong(StatementUnreadable):
    """One line cannot be true. Not a line was imported."""

    code = "statement_line_wrong"


class StatementIncomplete(StatementUnreadable):
    """The lines do not add up to the totals or balances that the file itself states."""

    code = "statement_incomplete"
    hint = "Lines are missing or changed. Download it again, unfiltered, and send it unopened."


class StatementOfAnother(Invalid):
    """The statement is of a short code that is none of this merchant's in this mode."""

    code = "statement_of_another"
    hint = (
        "Send it with a key of the merchant and mode that has this short code, or put its "
        "credentials first: PUT /v1/merchant/providers."
    )


class StatementAccountUnknown(Invalid):
    """The statement is of an account of which there are no books."""

    code = "statement_account_unknown"
    hint = "Send the statement of the Utility, Working, Merchant or Charges Paid Account."


class IdempotencyKeyMissing(Invalid):
    """A request that moves money came without an idempotency key."""

    code = "idempotency_key_missing"
    hint = (
        "Add the header Idempotency-Key with a value unique to this order, such as order-1234. "
        "Sending the same key again then never charges twice."
    )


class IdempotencyKeyReused(Invalid):
    """The key was used before with another body."""

    code = "idempotency_key_reused"
    hint = "Use a new key for a new request, or repeat the first body exactly."


class Unauthenticated(HakikaError):
    """No key, or none that we know and that is alive."""

    code = "unauthenticated"
    hint = "Send Authorization: Bearer hk_… (or X-API-Key). `hakika keys create` makes a key."


class KeyRevoked(Unauthenticated):
    """The key was revoked."""

    code = "api_key_revoked"
    hint = "Create another key with `hakika keys create` and replace this one."


class KeyExpired(Unauthenticated):
    """The key's time is over."""

    code = "api_key_expired"
    hint = "Use the key that took its place, or create another."


class Forbidden(HakikaError):
    """The key is known, and may not do this."""

    code = "forbidden"
    hint = "Use a key that has the scope named in the message."


class AddressNotAllowed(Forbidden):
    """The key is known, and its owner has said that it is used from elsewhere."""

    code = "address_not_allowed"
    hint = "Use the key from an address on its list, or make another key."


class LiveModeUnavailable(Forbidden):
    """A live key, and no live Daraja credentials of this merchant to act with."""

    code = "live_mode_unavailable"
    hint = "Use a test key, or put the live credentials: PUT /v1/merchant/providers."


class NotFound(HakikaError):
    """No such thing for this key: it does not exist, or belongs to another."""

    code = "not_found"
    hint = "Check the id, and that the key is of the same merchant and mode."


class Conflict(HakikaError):
    """True and possible, but the present state stands in the way."""

    code = "conflict"


class NothingOwed(Conflict):
    """Less is owed to the seller than M-Pesa pays out."""

    code = "nothing_owed"
    hint = "GET /v1/sellers/{id}/balance tells what is owed. From 10 shillings it can be settled."


class ReportBroken(Conflict):
    """What a closed day was signed for is not in the database any more."""

    code = "report_broken"
    hint = (
        "Somebody changed the database behind Hakika's back: `hakika verify` says what. Close the "
        "day again, and its new report names what was changed."
    )


class IdempotencyKeyInProgress(Conflict):
    """The first request with this key is still running."""

    code = "idempotency_key_in_progress"
    hint = "Wait a second and send the same request with the same key again."

    def __init__(self, message: str, *, payment_id: str = "") -> None:
        super().__init__(message)
        self.payment_id = payment_id   # of the request that runs, if it is for a payment


class AssignedAlready(Conflict):
    """Somebody said before what this payment is for, and said something else."""

    code = "assigned_already"
    hint = 'Is that wrong? Assign it once more with "replace": true; its facts keep both.'


class PromptIsOpen(Conflict):
    """A prompt is on this phone now: a second one would only confuse, or be paid twice."""

    code = "prompt_open"
    hint = "Wait for the payment that is named, or for two minutes; then ask with a new key."


class CustomerExists(Conflict):
    """Another customer of this merchant and mode has this phone number."""

    code = "customer_exists"
    hint = "Change the customer that is named, or delete it first."


class KeyReplaced(Conflict):
    """Another API key took the place of this one, which ends soon and rotates no keys any more."""

    code = "api_key_replaced"
    hint = (
        "Use the key that took its place. Was it lost? Rotate that one: with `hakika keys rotate`, "
        "or with a key of the merchant that was not replaced."
    )


class EndpointDisabled(Conflict):
    """Nothing is sent to this webhook endpoint."""

    code = "endpoint_disabled"
    hint = 'Enable it first: PATCH /v1/webhook-endpoints/{id} with {"enabled": true}.'


class SecretOverlap(Conflict):
    """Two secrets of a webhook endpoint sign, and a third would end one that is in use."""

    code = "secret_overlap"
    hint = (
        "Wait until the time that is named. Or send overlap_seconds 0: then both secrets end at "
        "once, and the new one signs alone."
    )


class TooManyEndpoints(Conflict):
    """A merchant has as many webhook endpoints as are allowed."""

    code = "too_many_endpoints"
    hint = "Delete an endpoint that is no longer used."


class ExportUnfinished(Conflict):
    """The export is still being written, so there is no file yet."""

    code = "export_unfinished"
    hint = "Ask for the export again until its state is done; `percent` says how far it is."


class ExportFailed(Conflict):
    """The export could not be written, however often it was tried."""

    code = "export_failed"
    hint = "Ask for a new one, of fewer days; the server's log says what went wrong."


class TooManyExports(Conflict):
    """As many exports as there may be are waiting or being written."""

    code = "too_many_exports"
    hint = "Wait until one of them is done: GET /v1/exports shows them."


class PayoutTooLarge(Conflict):
    """One payout is larger than the merchant's own rules let out at once."""

    code = "payout_too_large"
    hint = "Nothing was sent. Ask for less, or let somebody change the rules: PUT /v1/payout-rules."


class PayeeLimitReached(Conflict):
    """One payee would get more in 24 hours than the merchant's own rules allow."""

    code = "payee_limit"
    hint = "Nothing was sent. Wait until 24 hours have passed, or change the rules."


class PayoutLimitReached(Conflict):
    """More would leave in an hour or a day than the merchant's own rules allow."""

    code = "payout_limit"
    hint = "Nothing was sent. Ask with the same Idempotency-Key later, or change the rules."


class PayeeNotListed(Conflict):
    """The merchant pays listed beneficiaries alone."""

    code = "payee_not_listed"
    hint = "Nothing was sent. List the payee first: POST /v1/beneficiaries."


class PayeeCoolsOff(Conflict):
    """The payee was listed a short while ago and cannot be paid yet."""

    code = "payee_cools_off"
    hint = "Nothing was sent. It goes by itself then; whoever doubts it cancels it meanwhile."


class MoneyOutFrozen(Conflict):
    """All money out of the merchant is frozen: nothing is approved or started meanwhile."""

    code = "money_out_frozen"
    hint = "See why: GET /v1/payout-stops. Somebody else lifts it: DELETE /v1/payout-stops."


class FloatInsufficient(Conflict):
    """Less lies on the short code than was asked for, once what is promised is taken off."""

    code = "float_insufficient"
    hint = (
        "Nothing was sent. Top the account up; then ask M-Pesa for the balance, so that it is "
        "known here: POST /v1/balance/check."
    )


class PaymentNotRefundable(Conflict):
    """There is no money of this payment that could be given back."""

    code = "payment_not_refundable"
    hint = "A refund needs a payment that is completed, and that was not given back already."


class RefundUnderWay(Conflict):
    """One refund of a payment at a time: two might both go through."""

    code = "refund_under_way"
    hint = "Wait for refund.completed or refund.failed of the one that is under way."


class RefundTooLarge(Conflict):
    """The payment does not have that much left to give back."""

    code = "refund_too_large"
    hint = "Ask for what is left, or leave the amount out."


class PayerUnknown(Conflict):
    """M-Pesa masked the number of whoever paid, so nothing can be sent there."""

    code = "payer_unknown"
    hint = "Give it back whole, with method reversal: M-Pesa knows the payer."


class OperatorStopped(Conflict):
    """M-Pesa refused this API operator, and every further try may lock it."""

    code = "operator_stopped"
    hint = (
        "M-Pesa was not asked. Put the mended credentials: PUT /v1/merchant/providers. Were they "
        "right, and only the role or the lock was mended on the portal: DELETE /v1/payout-stops."
    )


class TooMany(HakikaError):
    """More than is allowed in this time."""

    code = "quota_exceeded"
    hint = "Wait for Retry-After seconds, then spread requests as RateLimit says (docs/limits.md)."
    policy: str = ""                       # its name, as in RateLimit-Policy

    def __init__(
        self, message: str, *, hint: str = "", retry_after_seconds: int = 60, policy: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds
        self.policy = policy or self.policy


class PromptedTooOften(TooMany):
    """This phone was asked as often in an hour as a merchant may ask it."""

    code = "prompted_too_often"
    policy = "prompts"
    hint = "Nothing was sent. Let the payer be for an hour: prompting strangers is abuse."


class Unavailable(HakikaError):
    """Not now, and not the caller's fault."""

    code = "unavailable"
    hint = "Send the same request with the same Idempotency-Key again after Retry-After seconds."

    def __init__(self, message: str, *, hint: str = "", retry_after_seconds: int = 5) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class ProviderUnreachable(Unavailable):
    """Daraja could not be asked: nothing was sent to the payer's phone."""

    code = "daraja_unreachable"
    hint = (
        "No prompt was sent. Send the same request with the same Idempotency-Key again after "
        "Retry-After seconds: it tries the same payment again."
    )


class ProviderRefused(HakikaError):
    """Daraja would not do it, and asking the same again will not help."""

    code = "daraja_refused"
    hint = "Mend what Daraja names, then ask again."

    def __init__(self, message: str, *, daraja: Mapping[str, object]) -> None:
        super().__init__(message)
        self.daraja = daraja           # its code, its words, and what they mean


class CollectionsStopped(Unavailable):
    """New live payments are switched off. Callbacks, checks and webhooks go on."""

    code = "collections_stopped"
    hint = "No prompt was sent. Ask again once collections are switched on."


class AskedTooOften(Unavailable):
    """The query budget of this short code is spent for the moment."""

    code = "asked_too_often"
    hint = "Daraja allows few status queries a minute. Hakika asks by itself; or try again later."
