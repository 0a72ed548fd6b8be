"""What must hold of one customer, judged from its rows alone: I8 and I13, as of `invariant.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hakika.domain.customer import Customer, customer_data, erased_data
from hakika.domain.event import EventName
from hakika.domain.ids import CustomerId, MerchantId
from hakika.domain.invariant import StoredEvent, disorder


@dataclass(frozen=True, slots=True)
class CustomerStory:
    """Everything that is stored about one customer; its events as they came."""

    id: CustomerId
    merchant_id: MerchantId
    livemode: bool
    is_erased: bool
    customer: Customer | None               # None: erased, or its row cannot be read
    events: tuple[StoredEvent, ...] = ()


def telling_breaches(story: CustomerStory) -> Iterator[str]:
    """I8: birth and end were told once, and the newest event says what the row says.

    Of an erased customer no event says more than the id.
    """
    if story.customer is None and not story.is_erased:
        yield f"Customer {story.id} has a row that cannot be read."
        return
    names = [event.name for event in story.events]
    changes = names[1:-1] if story.is_erased else names[1:]
    due = [EventName.CUSTOMER_CREATED, *[EventName.CUSTOMER_UPDATED] * len(changes)]
    if story.is_erased:
        due.append(EventName.CUSTOMER_DELETED)
    if names != due:
        yield f"Customer {story.id} has the events {', '.join(names) or 'none'}."
        return
    for event in story.events:
        if event.data is None:
            yield f"Event {event.id} of customer {story.id} cannot be read."
        elif story.is_erased and event.data != erased_data(story.id):
            yield f"Event {event.id} says who the erased customer {story.id} was."
    if story.customer is not None:
        newest = story.events[-1]
        if newest.data is not None and newest.data != customer_data(story.customer):
            yield f"Event {newest.id} does not say what customer {story.id} has in its row."
    yield from disorder(f"customer {story.id}", story.events)


def owner_breaches(story: CustomerStory) -> Iterator[str]:
    """I13: an event belongs to its customer's merchant and mode."""
    for event in story.events:
        if (event.merchant_id, event.livemode) != (story.merchant_id, story.livemode):
            yield (
                f"Event {event.id} belongs to another merchant or mode than its customer "
                f"{story.id}."
            )
