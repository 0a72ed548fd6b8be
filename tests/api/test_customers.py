"""Customers over HTTP: made, changed, found, and erased for good."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from hakika.domain.merchant import Scope
from tests.api.customers import (
    ABSENT,
    WANJIKU,
    change,
    erase,
    found,
    key_of,
    made,
    make,
    spelled,
    told,
)
from tests.api.world import new_person
from tests.vault import opened

TABLES = """
    select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema')
"""
EVERYTHING = "select coalesce(string_agg(t::text, ' '), '') as rows from {} t"


async def test_a_customer_is_made_and_read(shop):
    phone = new_person()
    answer = await make(shop, phone=spelled(phone), **WANJIKU)
    customer = answer.data

    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/customers/{customer['id']}"
    assert customer | WANJIKU | {"phone": phone, "livemode": False} == customer
    assert (await shop.get(answer.headers["Location"])).data == customer


@pytest.mark.parametrize("spelling", ["0{}", "254{}", "+254{}", "{}"])
async def test_a_phone_belongs_to_one_customer_however_it_is_written(shop, spelling):
    """Two records of one person split what is known of them. The answer says whose it is."""
    phone = new_person()
    first = await made(shop, phone=phone, name="Wanjiku")

    answer = await make(shop, phone=spelling.format(phone[3:]), name="Kamau")

    assert answer.problem == (409, "customer_exists", [])
    assert first["id"] in answer.body["detail"]
    assert phone[3:] not in answer.raw.decode()


async def test_one_phone_at_the_same_moment_makes_one_customer(shop):
    phone = new_person()

    answers = await asyncio.gather(*(make(shop, phone=phone) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert len(await told(shop)) == 1


async def test_merchants_and_modes_may_know_the_same_person(shop, other_shop):
    phone = new_person()
    live = key_of(shop, livemode=True)

    answers = [
        await make(shop, phone=phone), await make(other_shop, phone=phone),
        await shop.send("POST", "/v1/customers", key=live, json={"phone": phone}),
    ]

    assert [answer.status for answer in answers] == [201] * 3


async def test_what_is_left_out_of_a_change_stays_and_null_removes(shop):
    customer = await made(shop, phone=new_person(), **WANJIKU)

    after = (await change(
        shop, customer, name="W. Kamau", email=None, metadata={"shop": "Kisumu", "tier": None},
    )).data

    assert after["updated_at"] > customer["updated_at"]
    assert after == customer | {
        "name": "W. Kamau", "email": None, "metadata": {"shop": "Kisumu"},
        "updated_at": after["updated_at"],
    }
    assert (await shop.get(f"/v1/customers/{customer['id']}")).data == after


async def test_a_phone_may_change_but_not_to_somebody_elses(shop):
    old, new, taken = new_person(), new_person(), new_person()
    customer, other = await made(shop, phone=old), await made(shop, phone=taken)

    refused = await change(shop, customer, phone=taken)
    await change(shop, customer, phone=new)

    assert refused.problem == (409, "customer_exists", [])
    assert other["id"] in refused.body["detail"]
    assert await found(shop, f"phone={new}") == [customer["id"]]
    assert await found(shop, f"phone={old}") == []


async def test_changes_at_the_same_moment_are_all_kept(shop):
    """Each adds a text; none overwrites what another has just written."""
    customer = await made(shop, name="Otieno")

    await asyncio.gather(*(
        change(shop, customer, metadata={f"name {number}": "text"}) for number in range(8)
    ))

    after = (await shop.get(f"/v1/customers/{customer['id']}")).data
    assert len(after["metadata"]) == 8


async def test_each_change_is_told_once_and_in_order(shop):
    customer = await made(shop, **WANJIKU)
    after = (await change(shop, customer, name="Wanjiku")).data
    await change(shop, customer, name="Wanjiku")  # changes nothing

    assert await told(shop) == [
        ("customer.created", customer["id"], customer),
        ("customer.updated", customer["id"], after),
    ]


async def test_endpoints_that_want_it_are_told(shop):
    wanting = [
        {}, {"events": ["customer.created", "customer.deleted"]}, {"events": ["payment.completed"]},
    ]
    every, picky, _ = [
        (await shop.send(
            "POST", "/v1/webhook-endpoints", json={"url": "https://shop.example/"} | each,
        )).data["id"] for each in wanting
    ]
    await shop.order(callback_url="https://shop.example/own")  # no place for customers

    customer = await made(shop, name="Otieno")
    await change(shop, customer, name="Achieng")
    await erase(shop, customer)

    rows = shop.world.rows(
        "select endpoint_id, name from deliveries join events on events.id = event_id"
        " where subject_id = %s order by deliveries.id", customer["id"],
    )
    assert {(row["endpoint_id"], row["name"]) for row in rows} == {
        (every, "customer.created"), (every, "customer.updated"), (every, "customer.deleted"),
        (picky, "customer.created"), (picky, "customer.deleted"),
    }
    assert len(rows) == 5


async def test_a_deleted_customer_is_gone_for_every_route(shop):
    phone = new_person()
    customer = await made(shop, phone=phone, **WANJIKU)

    assert (await erase(shop, customer)).status == 204
    again = [
        await shop.get(f"/v1/customers/{customer['id']}"), await change(shop, customer, name="X"),
        await erase(shop, customer), await shop.get(f"/v1/customers/{customer['id']}/payments"),
    ]

    assert [answer.problem for answer in again] == [(404, "not_found", [])] * 4
    assert await found(shop, "search=wanjiku") == await found(shop, f"phone={phone}") == []
    assert (await make(shop, phone=phone)).status == 201


def dump(world):
    """Return every row of every table, with its sealed bytes in hexadecimal."""
    tables = world.rows(TABLES)
    rows = (world.rows(EVERYTHING.format(table["name"]))[0]["rows"] for table in tables)
    return " ".join(rows).lower()


def traces(text, of):
    """Return how often something stands in a dump: as it is, and as bytes in two spellings."""
    low = of.lower()
    return [text.count(low), text.count(of.encode().hex()), text.count(low.encode().hex())]


async def test_whoever_has_the_database_alone_learns_of_nobody(shop):
    """Not while the customer lives, and not afterwards. (faults.md C8)"""
    name, phone = f"Kipchirchir{random.randrange(10**9)}", new_person()
    customer = await made(
        shop, name=name, phone=phone, email=f"{name}@example.com", reference=name,
        metadata={"a": name},
    )
    await change(shop, customer, metadata={"b": name})
    await shop.order(phone=phone, customer_id=customer["id"])
    living = dump(shop.world)
    await erase(shop, customer)
    erased = dump(shop.world)

    assert customer["id"] in living and customer["id"] in erased  # it was the right database
    for planted in (name, phone, phone[3:]):
        assert traces(living, planted) == traces(erased, planted) == [0, 0, 0]


async def test_an_erased_customer_is_unknown_even_to_the_holder_of_the_key(shop):
    """Row and events: nothing is left to be opened but the id."""
    name, phone = "Kipchirchir", new_person()
    customer = await made(shop, name=name, phone=phone, email="k@example.com")
    await change(shop, customer, reference="MEMBER-78")
    await erase(shop, customer)

    (row,) = shop.world.rows("select * from customers where id = %s", customer["id"])
    events = shop.world.rows("select id, data from events where subject_id = %s", customer["id"])
    said = [
        opened(shop.world.database_url, shop.merchant_id, f"events.data {each['id']}", each["data"])
        for each in events
    ]

    assert (row["private"], row["word_hashes"]) == (b"", [])
    assert {row[f"{name}_hash"] for name in ("phone", "msisdn", "tail", "reference")} == {None}
    assert said == [f'{{"id":"{customer["id"]}"}}'.encode()] * 3
    gone = {"id": customer["id"]}
    assert await told(shop) == [
        (f"customer.{what}", customer["id"], gone) for what in ("created", "updated", "deleted")
    ]


async def test_customers_are_found_by_whole_words(shop):
    phone = new_person()
    first = (await made(shop, phone=phone, **WANJIKU))["id"]
    second = (await made(shop, name="Ng'ang'a Kamau", email="kamau@example.com"))["id"]
    await made(shop, name="Otieno")
    expected = {
        "wanjiku": [first], "KAMAU": [second, first], "kamau wanjiku": [first], "nganga": [second],
        "kamau otieno": [], "wanj": [], "wanjiku@example.com": [first], "member-77": [first],
        "!!!": [], "%25": [], "example.com": [],
        phone: [first], spelled(phone): [first],
    }

    assert {search: await found(shop, f"search={search}") for search in expected} == expected


async def test_what_a_customer_was_called_finds_it_no_more(shop):
    customer = await made(shop, name="Wanjiku")
    await change(shop, customer, name="Njeri")

    assert await found(shop, "search=wanjiku") == []
    assert await found(shop, "search=njeri") == [customer["id"]]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_paging_walks_over_every_customer_once_newest_first(shop, limit):
    ids = [(await made(shop, name=f"Otieno {number}"))["id"] for number in range(5)]
    walked, cursor = [], ""
    while True:
        answer = await shop.get(f"/v1/customers?search=otieno&limit={limit}{cursor}")
        walked += [each["id"] for each in answer.data]
        if answer.body["page"]["next"] is None:
            break
        cursor = f"&cursor={answer.body['page']['next']}"

    assert walked == ids[::-1]


@pytest.mark.parametrize("query", [
    "search=", "search=a%00b", f"search={'x' * 301}", "phone=abc", "phone=", "cursor=pay_1",
    "cursor=x", "limit=0", "limit=101", "limit=x", "name=otieno", "email=a@b.ke",
])
async def test_a_list_refuses_what_it_cannot_take(shop, query):
    assert (await shop.get(f"/v1/customers?{query}")).problem[:2] == (400, "invalid_request")


@pytest.mark.parametrize(("wrong", "errors"), [
    ({}, [("name", "customer_empty")]),
    ({"metadata": {"a": "b"}}, [("name", "customer_empty")]),
    ({"name": " \t"}, [("name", "customer_empty")]),
    ({"name": "x" * 101}, [("name", "name_too_long")]),
    ({"name": 5}, [("name", "name_invalid")]),
    ({"name": "a\u0007b"}, [("name", "name_invalid")]),
    ({"phone": "071234567"}, [("phone", "phone_invalid")]),
    ({"phone": "+255712345678"}, [("phone", "phone_invalid")]),
    ({"email": "nobody"}, [("email", "email_invalid")]),
    ({"email": "x" * 250 + "@b.ke"}, [("email", "email_too_long")]),
    ({"reference": "x" * 101}, [("reference", "reference_too_long")]),
    ({"reference": ["x"]}, [("reference", "reference_invalid")]),
    ({"name": "x", "id": ABSENT}, [("id", "unknown_field")]),
    ({"name": "x", "livemode": True}, [("livemode", "unknown_field")]),
    ({"name": "x", "metadata": {"a": 1}}, [("metadata.a", "string_type")]),
    ({"name": "x", "metadata": {"a": "x" * 501}}, [("metadata.a", "string_too_long")]),
    ({"name": "x", "metadata": {"": "x"}}, [("metadata..[key]", "string_too_short")]),
    ({"name": "x", "metadata": {"a" * 41: "x"}}, None),
    ({"name": "x", "metadata": {str(each): "x" for each in range(21)}}, [("metadata", "too_long")]),
    ({"name": "x", "metadata": "text"}, [("metadata", "dict_type")]),
    ({"name": 5, "email": "nobody"}, [("name", "name_invalid"), ("email", "email_invalid")]),
])
async def test_a_customer_that_cannot_be_kept_is_refused(shop, wrong, errors):
    """Each wrong field is named, and nothing is made."""
    status, code, named = (await make(shop, **wrong)).problem

    assert (status, code) == (400, "invalid_request")
    assert errors is None or named == errors
    assert await found(shop, "") == [] and await told(shop) == []


@pytest.mark.parametrize("raw", [
    b"", b"[]", b"null", b'{"name": "a\\u0000b"}', b'{"name": "\\ud800"}', b'{"name": "\xff"}',
    b'{"name": "a", "name": "b"}', b'{"name"',
])
async def test_a_body_that_cannot_be_read_is_refused(shop, raw):
    customer = await made(shop, name="Otieno")
    answers = [
        await shop.send("POST", "/v1/customers", data=raw),
        await shop.send("PATCH", f"/v1/customers/{customer['id']}", data=raw),
    ]

    assert [answer.problem for answer in answers] == [(400, "body_unreadable", [])] * 2


@pytest.mark.parametrize(("wrong", "errors"), [
    ({"name": None, "reference": None}, [("name", "customer_empty")]),
    ({"phone": "abc"}, [("phone", "phone_invalid")]),
    ({"name": "x" * 101}, [("name", "name_too_long")]),
    ({"deleted_at": None}, [("deleted_at", "unknown_field")]),
    ({"metadata": {str(each): "x" for each in range(20)}}, [("metadata", "too_long")]),
    ({"metadata": {"a": 5}}, [("metadata.a", "string_type")]),
])
async def test_a_change_that_cannot_be_kept_is_refused(shop, wrong, errors):
    customer = await made(shop, name="Otieno", reference="7", metadata={"tier": "gold"})

    assert (await change(shop, customer, **wrong)).problem == (400, "invalid_request", errors)
    assert (await shop.get(f"/v1/customers/{customer['id']}")).data == customer


@pytest.mark.parametrize(
    "badly", ["1", "cus_", "pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "cus_%00", ABSENT],
)
async def test_an_id_of_nobody_is_not_found(shop, badly):
    assert (await shop.get(f"/v1/customers/{badly}")).problem == (404, "not_found", [])


async def test_a_key_of_the_other_mode_sees_no_customer(shop):
    """(I13)"""
    customer = await made(shop, phone=new_person(), **WANJIKU)
    live = key_of(shop, livemode=True)
    path = f"/v1/customers/{customer['id']}"

    answers = [
        await shop.send(method, where, key=live, **body) for method, where, body in [
            ("GET", path, {}), ("PATCH", path, {"json": {"name": "X"}}), ("DELETE", path, {}),
            ("GET", f"{path}/payments", {}),
        ]
    ]

    assert [answer.problem for answer in answers] == [(404, "not_found", [])] * 4
    for query in ("", "search=wanjiku", f"phone={customer['phone']}"):
        assert await found(shop, query, key=live) == []
    assert (await shop.get(path)).data == customer


async def test_another_merchant_finds_nobody(shop, other_shop):
    """(I13)"""
    phone = new_person()
    customer = await made(shop, phone=phone, **WANJIKU)
    payment = (await shop.order(phone=phone, customer_id=customer["id"])).data

    for query in ("", "search=wanjiku", f"phone={phone}"):
        assert await found(other_shop, query) == []
    theirs = await other_shop.order(customer_id=customer["id"])
    assert theirs.problem == (400, "invalid_request", [("customer_id", "customer_unknown")])
    assert (await other_shop.get(f"/v1/payments?customer={customer['id']}")).data == []
    assert (await shop.get(f"/v1/payments/{payment['id']}")).data["customer_id"] == customer["id"]


async def test_a_key_that_may_not_read_customers_hears_of_them_by_their_ids(shop):
    """No event is left out, because that would look like a loss."""
    customer = await made(shop, **WANJIKU)
    payments_alone = key_of(shop, scopes={Scope.PAYMENTS_READ})

    assert await told(shop, key=payments_alone) == [
        ("customer.created", customer["id"], {"id": customer["id"]}),
    ]
    assert (await told(shop))[0][2] == customer


async def test_ten_pairs_of_merchants_and_customers_never_meet(shop, other_shop):
    """(I13)"""
    theirs = {
        each: [(await made(each, name="Otieno"))["id"] for _ in range(5)]
        for each in (shop, other_shop)
    }
    pairs = [*itertools.product(theirs[shop], [other_shop]),
             *itertools.product(theirs[other_shop], [shop])]

    answers = [await stranger.get(f"/v1/customers/{each}") for each, stranger in pairs]

    assert [answer.status for answer in answers] == [404] * 10
