"""What callers of `/v1/customers` send and get, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hakika.api.inputs import (
    CustomerEmail,
    CustomerName,
    CustomerReference,
    Metadata,
    MetadataName,
    MetadataText,
    Phone,
    cursor_of,
    fit_for_search,
)
from hakika.api.schemas import CustomerData, Page


class CustomerRequest(BaseModel):
    """Make a customer. Something must say who is meant: a name, phone, email or reference."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "name": "Wanjiku Kamau", "phone": "0712345678", "email": "wanjiku@example.com",
        "reference": "MEMBER-77", "metadata": {"tier": "gold"},
    }]})

    name: CustomerName = ""
    phone: Phone | None = None
    email: CustomerEmail = ""
    reference: CustomerReference = ""
    metadata: Metadata = {}


class CustomerChange(BaseModel):
    """Change a customer. What is left out stays; null removes; metadata is merged, text by text."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "email": None, "metadata": {"tier": "silver", "invited_by": None},
    }]})

    name: CustomerName | None = None
    phone: Phone | None = None
    email: CustomerEmail | None = None
    reference: CustomerReference | None = None
    metadata: dict[MetadataName, MetadataText | None] | None = Field(
        None, max_length=40, description="Each text is set, or removed by null. Null removes all.",
    )


class CustomerQuery(BaseModel):
    """How a list of customers is narrowed. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, fit_for_search()] | None = Field(
        None, max_length=300, min_length=1,
        description="Whole words of the name or reference, the whole email, or a phone number.",
    )
    phone: Phone | None = None
    cursor: Annotated[str, cursor_of("cus")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class CustomerPaymentsQuery(BaseModel):
    """Which page of a customer's payments."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, cursor_of("pay")] | None = Field(
        None, description="`page.next` of the page before.",
    )
    limit: int = Field(50, ge=1, le=100)


class CustomerAnswer(BaseModel):
    """One customer."""

    success: Literal[True] = True
    data: CustomerData


class CustomersAnswer(BaseModel):
    """A page of customers, newest first."""

    success: Literal[True] = True
    data: list[CustomerData]
    page: Page
