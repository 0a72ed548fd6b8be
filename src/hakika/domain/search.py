"""What a person may mean who types something into a search box. Read `read` first.

Most texts may mean several things: nine digits are a phone number and an account reference. Each
meaning is looked up by an index of its own (`store/search.py`), and each result says by which of
them it was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from hakika.domain import ids, msisdn
from hakika.domain.errors import Invalid
from hakika.domain.money import Money, parse
from hakika.domain.times import NAIROBI

QUERY_CHARACTERS_MAX = 100

# A payer's message tells the minute, a payment is asked for up to two minutes before, and people
# round what they remember.
AROUND = timedelta(minutes=15)


class What(StrEnum):
    """What a text may name."""

    PAYMENT_ID = "payment_id"
    RECEIPT = "receipt"
    CHECKOUT_ID = "checkout_id"
    MERCHANT_REQUEST_ID = "merchant_request_id"
    CONVERSATION_ID = "conversation_id"
    PHONE = "phone"
    REFERENCE = "reference"
    AMOUNT_AND_TIME = "amount_and_time"


@dataclass(frozen=True, slots=True)
class Named:
    """Something that is known by this very text."""

    what: What
    text: str

    def __str__(self) -> str:
        return _WORDS[self.what]


@dataclass(frozen=True, slots=True)
class Around:
    """Money of this amount, from `since` to before `until` (UTC)."""

    amount: Money
    since: datetime
    until: datetime
    what: What = What.AMOUNT_AND_TIME

    def __str__(self) -> str:
        since, until = self.since.astimezone(NAIROBI), self.until.astimezone(NAIROBI)
        return f"KES {self.amount} from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} in Nairobi"


Meaning = Named | Around

_WORDS = {
    What.PAYMENT_ID: "a payment's id", What.RECEIPT: "a receipt",
    What.CHECKOUT_ID: "a checkout request id", What.MERCHANT_REQUEST_ID: "a merchant request id",
    What.CONVERSATION_ID: "a conversation id",
    What.PHONE: "a phone number", What.REFERENCE: "an account reference",
}

_RECEIPT = re.compile(r"[A-Z0-9]{6,20}", re.ASCII)
_CHECKOUT_ID = re.compile(r"ws_CO_\d{10,40}", re.ASCII)
_CONVERSATION_ID = re.compile(r"AG_\d{8}_[0-9a-zA-Z]{8,40}", re.ASCII)
# So are an order's own conversation ids (OriginatorConversationID).
_MERCHANT_REQUEST_ID = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+", re.ASCII)


def read(text: str, *, now: datetime) -> tuple[Meaning, ...]:
    """Return everything that `text` may mean, at `now` (UTC): at least one meaning.

    Times in it are Nairobi's. A day without a year, and a time without a day, are the last ones
    that there were.

    Raises:
        Invalid: with code `search_vague`, when it names nothing that one could look for, or only
            half of it: an amount without a day, or a day without an amount.
    """
    text = " ".join(text.split())
    if not any(each.isalnum() for each in text):
        raise _vague("There is no letter and no digit in it.")
    moment = _moment(text, now=now)
    return (moment,) if moment else tuple(_named(text))


def hint(text: str, meanings: Sequence[Meaning]) -> str:
    """Return what to try when nothing was found by any of the `meanings` of `text`."""
    found_by = " and as ".join(str(each) for each in meanings)
    said = f"Looked for as {found_by}; nothing of this mode is known by it. "
    if isinstance(meanings[0], Around):
        return said + "Try the day alone, or the receipt, which says it for certain."
    if any(each.what is What.PHONE for each in meanings):
        return said + (
            "Of money that nobody asked for, M-Pesa shows no whole number: try the receipt, or the "
            "amount and the day."
        )
    if _AMOUNT.fullmatch(text):
        return said + f"Is it an amount? Say when, too: {text} 2026-01-31 14:05."
    return said + "Names are looked for whole, not in part; the receipt says it for certain."


def _vague(why: str) -> Invalid:
    return Invalid(
        why, field="q", code="search_vague",
        hint="Search for a receipt, a phone number, a reference, an id, or an amount with its "
        "time, such as 1500 2026-01-31 14:05.",
    )


def _named(text: str) -> Iterator[Named]:
    if ids.is_id(text.lower(), "pay"):
        yield Named(What.PAYMENT_ID, text.lower())
        return
    if _CHECKOUT_ID.fullmatch(text):
        yield Named(What.CHECKOUT_ID, text)
        return
    if _CONVERSATION_ID.fullmatch(text):
        yield Named(What.CONVERSATION_ID, text)
        return
    if _RECEIPT.fullmatch(text.upper()):
        yield Named(What.RECEIPT, text.upper())
    with suppress(Invalid):  # it is none, then
        yield Named(What.PHONE, msisdn.parse(text).digits)
    if _MERCHANT_REQUEST_ID.fullmatch(text):
        yield Named(What.MERCHANT_REQUEST_ID, text)
        yield Named(What.CONVERSATION_ID, text)
    yield Named(What.REFERENCE, text)


# An amount as people write it, then what marks it as one: nobody's reference looks like these.
_AMOUNT = re.compile(
    r"(?P<kes>kes|kshs?|sh)?\.? ?(?P<digits>\d{1,3}(?:,\d{3})+|\d{1,9})(?P<cents>\.\d{1,2})?"
    r"(?: ?(?P<sign>/[=-]|kes|kshs?|bob))?", re.ASCII | re.IGNORECASE,
)

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)
# Whole, or three letters of it: Mary is not March.
_MONTH = rf"(?P<name>{'|'.join(rf'{each[:3]}(?:{each[3:]})?' for each in _MONTHS)}|sept)\.?"
_BEGINS, _ENDS = r"(?:^|(?<=[ ,T]))(?:on )?", r"(?=[ ,T]|$)"
_DAYS = tuple(re.compile(_BEGINS + form + _ENDS, re.ASCII | re.IGNORECASE) for form in (
    r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})",
    r"(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})[-/.](?P<year>\d{4}|\d{2})",
    rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH}(?:,? (?P<year>\d{{4}}))?",
    rf"{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>\d{{4}}))?",
    r"(?P<ago>today|yesterday|leo|jana)",
))
_CLOCK = re.compile(
    r"(?:^|(?<=[ ,T]))(?:at )?"
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?(?: ?(?P<half>[ap])m)?"
    r"|(?P<bare>\d{1,2}) ?(?P<bare_half>[ap])m)(?=[ ,]|$)", re.ASCII | re.IGNORECASE,
)
_AGO = {"today": 0, "leo": 0, "yesterday": 1, "jana": 1}
_CENTURY, _CENTURY_YEARS = 2000, 100   # a year of two digits is of this one
_YEARS = range(2007, 2107)   # of M-Pesa; another number is no year
_NOON = 12


def _moment(text: str, *, now: datetime) -> Around | None:
    """Return the amount and the time that `text` says, or None: it says no such thing."""
    local = now.astimezone(NAIROBI)
    rest, day = _without_day(text, today=local.date())
    rest, clock = _without_clock(rest)
    rest = rest.strip(" ,T")
    amount = _AMOUNT.fullmatch(rest)
    if day is None and clock is None:
        if amount and (amount["kes"] or amount["sign"] or "," in amount["digits"]):
            raise _vague("An amount alone is of too many payments: say the day, too.")
        return None
    if not rest:
        raise _vague("A time alone is of too many payments: say the amount, too.")
    if amount is None:
        return None
    cents = parse(amount["digits"].replace(",", "") + (amount["cents"] or ""))
    return Around(cents, *_span(day, clock, local=local))


def _without_day(text: str, *, today: date) -> tuple[str, date | None]:
    """Return what is left of `text` without the day in it, and that day."""
    for form in _DAYS:
        found = form.search(text)
        if found and (day := _day(found, today=today)):
            return text[:found.start()] + " " + text[found.end():], day
    return text, None


def _day(found: re.Match[str], *, today: date) -> date | None:
    parts = found.groupdict()
    if parts.get("ago"):
        return today - timedelta(days=_AGO[parts["ago"].lower()])
    name, year = parts.get("name"), int(parts["year"] or today.year)
    month = _month(name) if name else int(parts["month"])
    year += _CENTURY if year < _CENTURY_YEARS else 0
    if year not in _YEARS:
        return None
    try:
        day = date(year, month, int(parts["day"]))
        if parts["year"]:
            return day
        return day if day <= today else day.replace(year=today.year - 1)
    except ValueError:
        return None  # the 31st of November


def _month(name: str) -> int:
    return next(at for at, each in enumerate(_MONTHS, 1) if each.startswith(name.lower()[:3]))


def _without_clock(text: str) -> tuple[str, time | None]:
    """Return what is left of `text` without the time of day in it, and that time."""
    found = _CLOCK.search(text)
    if found is None:
        return text, None
    hour = int(found["hour"] or found["bare"])
    half = (found["half"] or found["bare_half"] or "").lower()
    if half and not 1 <= hour <= _NOON:
        return text, None
    if half:
        hour = hour % _NOON + (_NOON if half == "p" else 0)
    try:
        clock = time(hour, int(found["minute"] or 0))
    except ValueError:
        return text, None
    return text[:found.start()] + " " + text[found.end():], clock


def _span(
    day: date | None, clock: time | None, *, local: datetime,
) -> tuple[datetime, datetime]:
    """Return from when to when to look: around the time, or the whole day."""
    if clock is None:
        assert day is not None, "one of the two was said"
        since = datetime.combine(day, time(), NAIROBI)
        return since, since + timedelta(days=1)
    moment = datetime.combine(day or local.date(), clock, NAIROBI)
    if day is None and moment > local + AROUND:
        moment -= timedelta(days=1)
    return moment - AROUND, moment + AROUND + timedelta(minutes=1)
