"""What callers send: the bodies and the queries of requests, as documented in /openapi.json.

Checks that are rules live in the domain; these classes call them, so that one request reports all
its wrong fields at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from hakika.domain import account_reference, customer, ids, inquiry, money, msisdn, times
from hakika.domain.errors import Invalid
from hakika.domain.fact import LateAction
from hakika.domain.ids import CustomerId, SellerId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Status


def rule(check: Callable[[Any], Any]) -> BeforeValidator:
    """Return a validator that applies a domain rule and keeps its code and words."""

    def apply(value: Any) -> Any:
        try:
            return check(value)
        except Invalid as error:
            first = error.errors[0]
            raise PydanticCustomError(
                first.code, "{message}", {"message": first.message},
            ) from None

    return BeforeValidator(apply)


def _short_text(field: str, characters_max: int) -> BeforeValidator:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Invalid(f"The {field} is a text.", field=field, code=f"{field}_invalid")
        if len(value) > characters_max:
            raise Invalid(
                f"The {field} has {len(value)} characters; M-Pesa takes {characters_max}. "
                "It is never cut, because two orders would then look alike.",
                field=field, code=f"{field}_too_long",
            )
        if not account_reference.SAFE.fullmatch(value):
            raise Invalid(
                f"The {field} may have letters, digits, spaces, dots and dashes only.",
                field=field, code=f"{field}_invalid",
            )
        return value

    return rule(check)


def one_of(field: str, only: str) -> BeforeValidator:
    """Return the rule of a field for which one value alone is served."""
    def check(value: Any) -> Any:
        if value != only:
            raise Invalid(
                f"The {field} must be {only!r}; it is the only one served.",
                field=field, code=f"{field}_unsupported",
            )
        return value

    return rule(check)


def fit_customer_id(value: Any) -> Any:
    """Return `value` when it is written like a customer's id. Raises: Invalid."""
    if not isinstance(value, str) or not ids.is_id(value, "cus"):
        raise Invalid(
            "This is not the id of a customer.", field="customer_id", code="customer_unknown",
        )
    return value


def _seller_id(value: Any) -> Any:
    if not isinstance(value, str) or not ids.is_id(value, "sel"):
        raise Invalid(
            "This is not the id of a seller.", field="seller", code="seller_unknown",
        )
    return SellerId(value)


SellerName = Annotated[
    SellerId, rule(_seller_id), WithJsonSchema({"type": "string", "pattern": "^sel_"}),
]
Phone = Annotated[
    Msisdn, rule(msisdn.parse),
    WithJsonSchema({
        "type": "string",
        "description": "0712345678, 254712345678, +254 712 345 678, …",
    }),
]
Amount = Annotated[
    Money, rule(money.parse_payment_amount),
    WithJsonSchema({
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": 250_000}, {"type": "string"}],
        "description": "Whole shillings, 1 to 250000: 500 or \"500.00\".",
    }),
]
MetadataName = Annotated[str, StringConstraints(min_length=1, max_length=40)]
MetadataText = Annotated[str, StringConstraints(max_length=500)]
Metadata = Annotated[
    dict[MetadataName, MetadataText],
    Field(
        max_length=customer.METADATA_KEYS_MAX, description="Your own texts, kept and given back.",
    ),
]
CustomerName = Annotated[
    str, rule(customer.read_name),
    WithJsonSchema({"type": "string", "maxLength": customer.NAME_CHARACTERS_MAX}),
]
CustomerEmail = Annotated[
    str, rule(customer.read_email),
    WithJsonSchema({"type": "string", "maxLength": customer.EMAIL_CHARACTERS_MAX}),
]
CustomerReference = Annotated[
    str, rule(customer.read_reference),
    WithJsonSchema({
        "type": "string", "maxLength": customer.REFERENCE_CHARACTERS_MAX,
        "description": "Your own id of this person.",
    }),
]


Receipt = Annotated[
    str, rule(inquiry.read_receipt),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9]{10}$"}),
]


class AssignRequest(BaseModel):
    """Say what unasked money is for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "assigned_to": "ORDER-1001",
    }]})

    assigned_to: Annotated[str, StringConstraints(
        min_length=1, max_length=100, strip_whitespace=True,
    )] = Field(description="Your own name for it: an order, an invoice, a customer.")
    replace: StrictBool = Field(
        False, description="Put it in the place of what it was assigned to before.",
    )


class PayingCustomer(BaseModel):
    """What you know of the payer. Kept when no customer has the payer's phone yet."""

    model_config = ConfigDict(extra="forbid")

    name: CustomerName = ""
    email: CustomerEmail = ""
    reference: CustomerReference = ""
    metadata: Metadata = {}


class PaymentRequest(BaseModel):
    """Ask a payer for money."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{
            "amount": 500, "currency": "KES", "provider": "mpesa", "phone": "0712345678",
            "reference": "ORDER-1234", "description": "T-shirt",
            "metadata": {"order": "1234"},
        }]},
    )

    amount: Amount
    currency: Annotated[Literal["KES"], one_of("currency", "KES")]
    provider: Annotated[Literal["mpesa"], one_of("provider", "mpesa")]
    phone: Annotated[Phone, Field(description="The payer.")]
    reference: Annotated[
        str, _short_text("reference", account_reference.CHARACTERS_MAX),
        Field(description="The account reference that the payer sees. Left out: one is made."),
    ] = ""
    description: Annotated[
        str, _short_text("description", account_reference.DESCRIPTION_CHARACTERS_MAX),
        Field(description="What it is for."),
    ] = ""
    metadata: Metadata = {}
    callback_url: Annotated[
        str, Field(max_length=2048, description="One more webhook address, for this payment only."),
    ] = ""
    shortcode: Annotated[
        str, Field(max_length=10, description="Which of your short codes. Left out: the default."),
    ] = ""
    customer_id: Annotated[CustomerId, rule(fit_customer_id)] | None = Field(
        None, description="One of your customers.",
    )
    customer: PayingCustomer | None = Field(
        None, description="Instead of customer_id: find the customer with this phone, or make one "
        "of what stands here; {} makes one of the phone alone.",
    )


def _moment(value: Any) -> datetime:
    """Return a time in UTC; one without a zone is taken as UTC."""
    try:
        when = datetime.fromisoformat(value)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Invalid(
            "This is not a time. Write it like 2026-01-31T09:00:00Z, with + as %2B.",
            field="time", code="time_invalid",
        ) from None


def fit_for_search() -> BeforeValidator:
    """Return the rule of a text that is searched for."""

    def check(value: Any) -> Any:
        if "\x00" in value:
            raise Invalid("A search has no NUL character.", field="search", code="search_invalid")
        return value

    return rule(check)


def cursor_of(prefix: str) -> BeforeValidator:
    """Return the rule of a cursor in a list of things whose ids have `prefix`."""

    def check(value: Any) -> Any:
        if not ids.is_id(value, prefix):
            raise Invalid(
                "This is not a cursor. Pass the `page.next` of the page before.",
                field="cursor", code="cursor_invalid",
            )
        return value

    return rule(check)


Moment = Annotated[datetime, rule(_moment)]
Day = Annotated[
    date, rule(lambda value: times.read_day(value, field="day")),
    WithJsonSchema({"type": "string", "format": "date"}),
]


def _named(value: Any) -> Any:
    """Refuse a list that names nothing: who made it by a program did not mean everything."""
    if value == []:
        raise Invalid(
            "An empty list names nothing. Name at least one, or leave the field out.",
            field="list", code="list_empty",
        )
    return value


# For a list that, left out, means everything.
NAMES_SOME = rule(_named)


class PaymentQuery(BaseModel):
    """How a list of payments is narrowed. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    provider: Literal["mpesa"] | None = None
    status: Status | None = None
    since: Moment | None = Field(None, description="Created at or after (RFC 3339).")
    until: Moment | None = Field(None, description="Created before (RFC 3339).")
    search: Annotated[str, fit_for_search()] | None = Field(
        None, max_length=64, min_length=1,
        description="A whole receipt, reference, phone number, checkout id or payment id.",
    )
    customer: Annotated[str, rule(fit_customer_id)] | None = Field(
        None, description="The id of a customer.",
    )
    seller: SellerName | None = Field(None, description="The id of a seller.")
    min_amount: str | None = Field(None, max_length=20, description="In shillings.")
    max_amount: str | None = Field(None, max_length=20, description="In shillings.")
    unassigned: bool | None = Field(
        None, description="true: only what came unasked, and nobody has said what it is for.",
    )
    late_action: LateAction | None = Field(
        None, description="Only what came late while this was set, such as hold.",
    )
    cursor: Annotated[str, cursor_of("pay")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class TimelineQuery(BaseModel):
    """Which page of what was heard about a payment."""

    model_config = ConfigDict(extra="forbid")

    cursor: int = Field(0, ge=0, lt=2**31, description="`page.next` of the page before.")
    limit: int = Field(100, ge=1, le=100)


class EventQuery(BaseModel):
    """Where to go on in the stream of events."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, le=2**62, description="The last `sequence` you have.")
    wait: float = Field(0, ge=0, le=30, description="Seconds to wait for the next event.")
    limit: int = Field(100, ge=1, le=100)
