"""Which payee does what: phone numbers to which a B2C brings a fixed outcome or a fixed fault.

Any number not named here is a person, who can hold 500,000 shillings. The index page of the
phones prints `guide`, so that text is for people. What `fault` may say is in `faults.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hakika_simulator import results
from hakika_simulator.numbers import ALWAYS_PAYS, RESULTS_PREFIX

PAYEES_PREFIX = "2547130000"
# A thousand more of each: the payee's two digits follow, and any three after them.
CROWD_PREFIX = "2547131"
# Real short codes do not start with 0, so such a one is nobody's.
NOBODYS_SHORTCODE_PREFIX = "0"


@dataclass(frozen=True, slots=True)
class Payee:
    """What one payee does."""

    says: str
    fault: Mapping[str, Any] = field(default_factory=dict)
    every_other_call: bool = False  # the second call to the same payee goes well


ANYBODY = Payee("is paid")

PAYEES = {
    "01": Payee("is paid; the result is never sent", {"telling": "never"}),
    "02": Payee("is paid; the result comes three times at once", {"telling": "thrice"}),
    "03": Payee("is paid; the result comes before the answer", {"telling": "before_answer"}),
    "04": Payee("is paid; the result comes 90 s late", {"telling": "late"}),
    "05": Payee("is paid; the connection is reset unanswered", {"answer": "reset"}),
    "06": Payee("is paid; the answer is 503 with a web page", {"answer": "outage_html"}),
    "07": Payee("is paid; the answer comes after 90 s at any speed", {"answer": "hang"}),
    "08": Payee(
        "is paid; the answer is 500.003.02 System is busy", {"answer": "busy", "accepted": True}
    ),
    "09": Payee(
        "is paid; the result says 17, and no other comes", {"result_code": "17", "executed": True}
    ),
    "10": Payee(
        "is paid; a result with 100000000 comes first, success 1 s later",
        {"result_code": "100000000", "telling": "after_a_failure"},
    ),
    "11": Payee(
        "is paid; the queue times out first, the result comes 5 s later",
        {"queue_timeout": "then_result"},
    ),
    "12": Payee(
        "is paid; the queue times out, and no result comes",
        {"queue_timeout": "only", "executed": True},
    ),
    "13": Payee("not paid; the queue times out, and no result comes", {"queue_timeout": "only"}),
    "14": Payee("not paid; accepted, then never heard of again", {"accepted": False}),
    "15": Payee(
        "every other call: reset unanswered and not paid; then is paid",
        {"answer": "reset", "accepted": False},
        every_other_call=True,
    ),
    "16": Payee(
        "every other call: 503 with a web page and not paid; then is paid",
        {"answer": "outage_html", "accepted": False},
        every_other_call=True,
    ),
    "17": Payee(
        "every other call: 429 and not paid; then is paid",
        {"answer": "spike_arrest"},
        every_other_call=True,
    ),
    "18": Payee(
        "every other call: 500.003.02 and not paid; then is paid",
        {"answer": "busy"},
        every_other_call=True,
    ),
    "19": Payee(
        "every other call: 500.002.1001 Service is currently under maintenance; then is paid",
        {"answer": "maintenance"},
        every_other_call=True,
    ),
    "20": Payee("not paid; 400.002.02 Invalid PartyB", {"answer": "refused"}),
    "21": Payee("ends with SFC_IC0003: no such number", {"result_code": results.WRONG_RECEIVER}),
    "22": Payee("is paid after an hour; Initiated until then", {"seconds": 3600.0}),
}


def payee_of(phone: str) -> Payee:
    """Return what the payee with `phone` (twelve digits) does when paid by B2C."""
    if phone.startswith(PAYEES_PREFIX):
        return PAYEES.get(phone.removeprefix(PAYEES_PREFIX), ANYBODY)
    if phone.startswith(CROWD_PREFIX):
        return PAYEES.get(phone.removeprefix(CROWD_PREFIX)[:2], ANYBODY)
    if phone.startswith(RESULTS_PREFIX):
        code = str(int(phone.removeprefix(RESULTS_PREFIX)))
        return Payee(f"ends with result {code}", {"result_code": code})
    return ANYBODY


def guide() -> list[tuple[str, str]]:
    """Return each magic payee with what it does, for people."""
    ends = [
        (f"{RESULTS_PREFIX}{code:0>4}", f"ends with {code}: {text}")
        for code, text in results.OPERATOR_CALL_TEXTS.items()
        if code.isdigit() and len(code) <= len("2040") and code != results.PAID
    ]
    faults = [(PAYEES_PREFIX + tail, payee.says) for tail, payee in PAYEES.items()]
    crowd = (
        f"{CROWD_PREFIX}01000",
        f"as {PAYEES_PREFIX}01; of each there are a thousand: {CROWD_PREFIX}, its two digits, any"
        " three",
    )
    nobody = (
        f"{NOBODYS_SHORTCODE_PREFIX}12345",
        f"ends a B2B with {results.WRONG_RECEIVER}, as every short code that starts with"
        f" {NOBODYS_SHORTCODE_PREFIX}",
    )
    return [(ALWAYS_PAYS, "is always paid, however much it holds"), *ends, *faults, crowd, nobody]
