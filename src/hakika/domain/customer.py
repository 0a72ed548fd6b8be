"""A customer: a merchant's own record of a person who pays.

Everything in it is personal data. It is sealed wherever it is stored, and gone when the customer is
deleted; what stays is the id, so that payments can go on naming it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hakika.domain.errors import Invalid
from hakika.domain.ids import CustomerId, MerchantId
from hakika.domain.msisdn import Mask, Msisdn
from hakika.domain.times import written

NAME_CHARACTERS_MAX = 100
REFERENCE_CHARACTERS_MAX = 100
EMAIL_CHARACTERS_MAX = 254  # what a path in SMTP leaves for an address (RFC 5321, 4.5.3.1.3)

METADATA_KEYS_MAX = 20

# Only a mail that arrives proves an address; this refuses what is certainly none.
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+")

_SPACES = re.compile(r"\s+")
_APOSTROPHES = re.compile("['`\u00b4\u2018\u2019\u02bc]")
_OUTER_SIGNS = re.compile(r"^[\W_]+|[\W_]+$")
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Details:
    """What a merchant says of a person. Its repr says nothing of it."""

    name: str = field(default="", repr=False)
    phone: Msisdn | None = None
    email: str = field(default="", repr=False)
    reference: str = field(default="", repr=False)         # the merchant's own id of the person
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer, living. All times are UTC."""

    id: CustomerId
    merchant_id: MerchantId
    livemode: bool
    details: Details
    created_at: datetime
    updated_at: datetime


def customer_data(customer: Customer) -> dict[str, Any]:
    """Return `customer` as its merchant reads it: in answers and in the data of events, alike."""
    details = customer.details
    return {
        "id": customer.id,
        "merchant_id": customer.merchant_id,
        "livemode": customer.livemode,
        "name": details.name or None,
        "phone": details.phone.digits if details.phone else None,
        "email": details.email or None,
        "reference": details.reference or None,
        "metadata": dict(details.metadata),
        "created_at": written(customer.created_at),
        "updated_at": written(customer.updated_at),
    }


def erased_data(customer_id: CustomerId) -> dict[str, Any]:
    """Return the data of every event of a deleted customer, the earlier ones too."""
    return {"id": customer_id}


def check(details: Details) -> Details:
    """Return `details` when they say who is meant and are no more than is kept. Raises: Invalid."""
    if not (details.name or details.phone or details.email or details.reference):
        raise Invalid(
            "A customer needs a name, a phone, an email or a reference.",
            field="name", code="customer_empty",
        )
    if len(details.metadata) > METADATA_KEYS_MAX:
        raise Invalid(
            f"A customer may have {METADATA_KEYS_MAX} texts in its metadata.",
            field="metadata", code="too_long",
        )
    return details


def changed(customer: Customer, changes: Mapping[str, Any], *, now: datetime) -> Customer:
    """Return `customer` with `changes` by field: None removes, and metadata is merged.

    In the metadata too None removes, one text or all. What changes nothing gives `customer` back.

    Raises:
        Invalid: nothing would be left that says who is meant, or too much metadata.
    """
    fields = {name: value for name, value in changes.items() if name != "metadata"}
    for name in fields.keys() - {"phone"}:
        fields[name] = fields[name] or ""
    if "metadata" in changes:
        fields["metadata"] = _merged(customer.details.metadata, changes["metadata"])
    details = check(replace(customer.details, **fields))
    if details == customer.details:
        return customer
    return replace(customer, details=details, updated_at=now)


def _merged(
    present: Mapping[str, str], changes: Mapping[str, str | None] | None,
) -> dict[str, str]:
    if changes is None:
        return {}
    merged = {**present, **changes}
    return {name: text for name, text in merged.items() if text is not None}


def the_one_behind(
    mask: Mask, payer_name: str, customers: Iterable[Customer],
) -> CustomerId | None:
    """Return the only customer who may be behind a masked number, or None: nobody, or several.

    A mask alone fits one stranger in a thousand. Where M-Pesa tells the payer's name and the
    customer has one, they must share a word.
    """
    told = words_sought(payer_name)
    fitting = [
        each for each in customers
        if each.details.phone is not None and mask.fits(each.details.phone)
        and (not told or not each.details.name or told & words_sought(each.details.name))
    ]
    return fitting[0].id if len(fitting) == 1 else None


def read_name(value: object) -> str:
    """Return a name, its spaces put in order. Raises: Invalid."""
    return _text(value, field="name", characters_max=NAME_CHARACTERS_MAX)


def read_reference(value: object) -> str:
    """Return the merchant's own id of a person, its spaces put in order. Raises: Invalid."""
    return _text(value, field="reference", characters_max=REFERENCE_CHARACTERS_MAX)


def read_email(value: object) -> str:
    """Return an email address as it was written. Raises: Invalid. The text is not repeated."""
    text = _text(value, field="email", characters_max=EMAIL_CHARACTERS_MAX)
    if text and not _EMAIL.fullmatch(text):
        raise Invalid("This is not an email address.", field="email", code="email_invalid")
    return text


def _text(value: object, *, field: str, characters_max: int) -> str:
    if not isinstance(value, str):
        raise Invalid(f"The {field} is a text.", field=field, code=f"{field}_invalid")
    text = _SPACES.sub(" ", value).strip()
    if len(text) > characters_max:
        raise Invalid(
            f"The {field} has {len(text)} characters; {characters_max} are kept.",
            field=field, code=f"{field}_too_long",
        )
    if any(unicodedata.category(each) == "Cc" for each in text):
        raise Invalid(
            f"The {field} has characters that nobody can see.", field=field,
            code=f"{field}_invalid",
        )
    return text


def words_of(details: Details) -> frozenset[str]:
    """Return the words by which a customer is found: of name and reference, and the whole email.

    A word is what stands between spaces; one with signs in it is found by its parts as well.
    """
    words = set()
    for text in (details.name, details.reference):
        for word in words_sought(text):
            words |= {word, *_SIGNS.split(word)}
    return frozenset(words | words_sought(details.email)) - {""}


def words_sought(text: str) -> frozenset[str]:
    """Return the words of a search, in the one spelling in which words are kept.

    Capitals, accents and apostrophes do not count: Ng'ang'a is found as nganga, and the reverse.
    """
    plain = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text))
    folded = "".join(each for each in plain if not unicodedata.combining(each)).casefold()
    return frozenset(_OUTER_SIGNS.sub("", word) for word in folded.split()) - {""}
