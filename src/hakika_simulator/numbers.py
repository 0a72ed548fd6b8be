"""Which payer does what: phone numbers that bring a fixed outcome or a fixed fault.

Any number not named here is a person: its prompt waits on the phone page. The index page of the
phones prints `GUIDE`, so that text is for people.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from hakika_simulator import results

ALWAYS_PAYS = "254708374149"
NUMBER = re.compile(r"254[17]\d{8}")
NUMBER_AS_TYPED = re.compile(r"(?:\+?254|0)?([17]\d{8})")


class Answer(Enum):
    """What a caller gets to read. Those in `NOT_EXECUTED` ring no phone and move no money."""

    ACK = auto()
    RESET = auto()
    OUTAGE_HTML = auto()
    SPIKE_ARREST = auto()
    CLOSED = auto()
    HANG = auto()
    TRUNCATED = auto()
    HTML = auto()
    EMPTY = auto()
    HUGE = auto()
    WITHOUT_ID = auto()
    RESPONSE_CODE_1 = auto()
    ENVELOPE = auto()
    BUSY = auto()
    STALE_TOKEN = auto()
    NO_MERCHANT = auto()
    FORBIDDEN_HTML = auto()
    # These only happen to operators' calls.
    REFUSED = auto()
    INTERNAL_ERROR = auto()
    MAINTENANCE = auto()
    QUOTA = auto()


NOT_EXECUTED = frozenset(
    {
        Answer.SPIKE_ARREST,
        Answer.CLOSED,
        Answer.EMPTY,
        Answer.RESPONSE_CODE_1,
        Answer.ENVELOPE,
        Answer.BUSY,
        Answer.STALE_TOKEN,
        Answer.NO_MERCHANT,
        Answer.FORBIDDEN_HTML,
        Answer.REFUSED,
        Answer.INTERNAL_ERROR,
        Answer.MAINTENANCE,
        Answer.QUOTA,
    }
)


class Telling(Enum):
    """How the merchant's callback URL hears of the outcome."""

    ONCE = auto()
    NEVER = auto()
    THRICE = auto()
    BEFORE_ANSWER = auto()
    LATE = auto()
    AFTER_HALF_A_MINUTE = auto()
    AFTER_FORGERIES = auto()
    AFTER_A_FAILURE = auto()


class Query(Enum):
    """What STK query says of the outcome."""

    TRUE = auto()
    UNDER_PROCESSING_FOR_A_MINUTE = auto()
    PROCESSED_UNTIL_TOLD = auto()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one payer does. `result_code` None means that a person answers the prompt."""

    says: str
    result_code: str | None = results.PAID
    answer: Answer = Answer.ACK
    telling: Telling = Telling.ONCE
    query: Query = Query.TRUE
    pays_another_amount: bool = False

    @property
    def is_magic(self) -> bool:
        """Whether no person is needed; such numbers may be pushed as often as one likes."""
        return self.result_code is not None


PERSON = Behaviour("shows its prompt on the phone page", result_code=None)

PAYS_WITH_FAULT = {
    "01": Behaviour("pays; the callback is never sent", telling=Telling.NEVER),
    "02": Behaviour("pays; the callback comes three times at once", telling=Telling.THRICE),
    "03": Behaviour(
        "pays; the callback comes before the push is answered", telling=Telling.BEFORE_ANSWER
    ),
    "04": Behaviour("pays; the callback comes 90 s late", telling=Telling.LATE),
    "05": Behaviour("pays; the push's connection is reset unanswered", answer=Answer.RESET),
    "06": Behaviour("pays; the push is answered 503 with a web page", answer=Answer.OUTAGE_HTML),
    "07": Behaviour("not executed; the push is answered 429", answer=Answer.SPIKE_ARREST),
    "08": Behaviour(
        "pays; forged callbacks come before the genuine one", telling=Telling.AFTER_FORGERIES
    ),
    "09": Behaviour(
        "pays; a callback with 1037 comes first, success 1 s later",
        telling=Telling.AFTER_A_FAILURE,
    ),
    "10": Behaviour(
        "pays; no callback; the query says 4999 for a minute, then 0",
        telling=Telling.NEVER,
        query=Query.UNDER_PROCESSING_FOR_A_MINUTE,
    ),
    "11": Behaviour("pays one shilling less than ordered (2 for 1)", pays_another_amount=True),
    "12": Behaviour(
        "pays; the query says 'being processed' until the callback comes after 30 s",
        telling=Telling.AFTER_HALF_A_MINUTE,
        query=Query.PROCESSED_UNTIL_TOLD,
    ),
}

ODD_ANSWERS = {
    "01": Behaviour("not executed; the connection is closed unanswered", answer=Answer.CLOSED),
    "02": Behaviour("pays; the answer comes after 90 s at any speed", answer=Answer.HANG),
    "03": Behaviour("pays; 200 with JSON cut off in the middle", answer=Answer.TRUNCATED),
    "04": Behaviour("pays; 200 with a web page", answer=Answer.HTML),
    "05": Behaviour("not executed; 500 with an empty body", answer=Answer.EMPTY),
    "06": Behaviour("pays; 200 with a body of 10 MB", answer=Answer.HUGE),
    "07": Behaviour("pays; 200 without a CheckoutRequestID", answer=Answer.WITHOUT_ID),
    "08": Behaviour("not executed; 200 with ResponseCode 1", answer=Answer.RESPONSE_CODE_1),
    "09": Behaviour("not executed; 500 with a SOAP-like fault", answer=Answer.ENVELOPE),
    "10": Behaviour("not executed; 500.003.02 System is busy", answer=Answer.BUSY),
    "11": Behaviour("every other push: 404.001.03, then it pays", answer=Answer.STALE_TOKEN),
    "12": Behaviour("not executed; Merchant does not exist", answer=Answer.NO_MERCHANT),
    "13": Behaviour("not executed; 403 with a web page", answer=Answer.FORBIDDEN_HTML),
}

FAULTS_PREFIX = "2547110000"
# A thousand more payers of each fault, for one phone can be asked only once at a time: the fault's
# two digits follow, and any three after them.
CROWD_PREFIX = "2547113"
ANSWERS_PREFIX = "2547120000"
RESULTS_PREFIX = "25470000"


def behaviour_of(phone: str) -> Behaviour:
    """Return what the payer with `phone` (twelve digits) does when pushed."""
    if phone == ALWAYS_PAYS:
        return Behaviour("always pays after 1 s")
    if phone.startswith(FAULTS_PREFIX):
        return PAYS_WITH_FAULT.get(phone.removeprefix(FAULTS_PREFIX), PERSON)
    if phone.startswith(CROWD_PREFIX):
        return PAYS_WITH_FAULT.get(phone.removeprefix(CROWD_PREFIX)[:2], PERSON)
    if phone.startswith(ANSWERS_PREFIX):
        return ODD_ANSWERS.get(phone.removeprefix(ANSWERS_PREFIX), PERSON)
    if phone.startswith(RESULTS_PREFIX):
        code = str(int(phone.removeprefix(RESULTS_PREFIX)))
        return Behaviour(f"ends with result {code}", result_code=code)
    return PERSON


def number_from(typed: str) -> str | None:
    """Return the twelve digits of a Kenyan number in any usual spelling, or None."""
    found = NUMBER_AS_TYPED.fullmatch(re.sub(r"[\s()-]", "", typed))
    return f"254{found[1]}" if found else None


def guide() -> list[tuple[str, str]]:
    """Return each magic number with what it does, for people."""
    ends = [
        (f"{RESULTS_PREFIX}{code:0>4}", f"ends with {code}: {text}")
        for code, text in results.TEXTS.items()
        if code.isdigit() and code != results.PAID
    ]
    faults = [(FAULTS_PREFIX + tail, does.says) for tail, does in PAYS_WITH_FAULT.items()]
    answers = [(ANSWERS_PREFIX + tail, does.says) for tail, does in ODD_ANSWERS.items()]
    crowd = (
        f"{CROWD_PREFIX}01000",
        f"as {FAULTS_PREFIX}01; of each fault there are a thousand: {CROWD_PREFIX}, its two"
        " digits, any three",
    )
    return [(ALWAYS_PAYS, behaviour_of(ALWAYS_PAYS).says), *ends, *faults, crowd, *answers]
