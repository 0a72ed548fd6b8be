"""The gateway's plain error body, called E1 in daraja.md 4.1, raised from wherever it is due.

`answers.py` turns it into an HTTP answer.
"""

WRONG_CREDENTIALS = "Wrong credentials"


class Refused(Exception):
    """Daraja says no at once and nothing was executed. Let it reach the app: it answers."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


class TooFast(Exception):
    """An app passed its limit of calls. Let it reach the app: it answers 429."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self.per_second, self.burst = per_second, burst
        super().__init__(f"more than {per_second:g} calls a second")


def invalid_field(field: str) -> Refused:
    """Return the refusal for one field that is missing, misspelt or wrong."""
    return Refused(400, "400.002.02", f"Bad Request - Invalid {field}")


def invalid_request(field: str) -> Refused:
    """Return the same from C2B and Transaction Status, which use a code of their own."""
    return Refused(400, "400.003.02", f"Bad Request - Invalid {field}")


def failed(message: str) -> Refused:
    """Return `500.001.1001`, the code with many meanings: only `message` tells which."""
    return Refused(500, "500.001.1001", message)


# Each refusal is made anew: an exception that is raised again and again keeps every traceback.


def invalid_token() -> Refused:
    """Return the refusal of a token that is unknown, expired or killed."""
    return Refused(404, "404.001.03", "Invalid Access Token")


def invalid_token_of_c2b() -> Refused:
    """Return the same from C2B and Transaction Status."""
    return Refused(400, "400.003.01", "Invalid Access Token")


def invalid_token_of_balance() -> Refused:
    """Return the same from Account Balance and B2C."""
    return Refused(401, "401.002.01", "Error Occurred - Invalid Access Token")


def invalid_token_of_pull() -> Refused:
    """Return the same from Pull."""
    return Refused(401, "401.001", "Invalid Access Token")


def invalid_shortcode_of_pull() -> Refused:
    """Return the refusal of a short code that is not registered for Pull."""
    return Refused(400, "400.001", "Invalid ShortCode")


def urls_are_registered() -> Refused:
    """Return the refusal to register C2B URLs over others: the portal deletes them first."""
    return Refused(500, "500.003.1001", "Urls are already registered")


def internal_error() -> Refused:
    """Return the plain failure of Daraja itself."""
    return Refused(500, "500.003.1001", "Internal Server Error")


def duplicate_originator() -> Refused:
    """Return the refusal of an order whose OriginatorConversationID was used before."""
    return Refused(500, "500.002.1001", "Duplicate OriginatorConversationID.")


def not_authorized() -> Refused:
    """Return the refusal of B2C v3 to a short code that has only v1."""
    text = "You are not authorized to initiate this transaction"
    return Refused(403, "403.002.1001", text)


def spike_arrested() -> Refused:
    """Return the refusal of a caller who is too fast, in the form that is not a 429."""
    return Refused(500, "500.003.02", "Error Occurred: Spike Arrest Violation")


def invalid_header() -> Refused:
    """Return the refusal of a call without a bearer token."""
    return Refused(404, "404.001.04", "Invalid Authentication Header")


def wrong_credentials() -> Refused:
    """Return the refusal of a password that does not fit."""
    return failed(WRONG_CREDENTIALS)


def being_processed() -> Refused:
    """Return what a query hears while the payer has not answered."""
    return failed("The transaction is being processed")


def subscriber_locked() -> Refused:
    """Return the refusal of a second prompt on one phone."""
    return failed(
        "Unable to lock subscriber, a transaction is already in process for the current subscriber"
    )
