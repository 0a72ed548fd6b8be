"""Fills Hakika's database with payments that look like old ones, many in a second.

Real lifecycles, made over HTTP before, are the templates. Each new payment is a template with an
id, a payer, a reference, a receipt and times of its own, mapped and sealed by Hakika's own code,
because lists read it. Everything else about it (facts, event, delivery, attempt, idempotency key)
is copied inside PostgreSQL: nobody reads it, it only has to be in the way. So `hakika verify` would
be red after this, and runs before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from hakika.domain import ids
from hakika.domain.fact import Reason
from hakika.domain.ids import MerchantId, PaymentId
from hakika.domain.money import Money
from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import Payment, State
from hakika.services.runtime import Runtime
from hakika.store.keyring import Sealer
from hakika.store.payment_rows import payment_of, payment_values

Connection = AsyncConnection[DictRow]

DAYS = 90                # how far back the payments go
CHUNK = 10_000           # payments of one transaction
ONE_CANCELED_IN = 25
COMMON_PRICE = Money.shillings(50)
ONE_FAILED_IN = 5_000    # rare enough that a list of them must not look at all the others

_RANDOM_BITS = 74        # of an id
_NO_MONEY = Reason("payer_canceled", "1032", "The payer canceled.", "Canceled.", "Umeghairi.")

_SETTINGS: LiteralString = """
    set local synchronous_commit = off; set local session_replication_role = replica;
    set local statement_timeout = 0
"""
_COPIES: LiteralString = """
    create temporary table copies (payment_id text, template_id text, idempotency_key text)
        on commit drop
"""
_COLUMNS: LiteralString = """
    select attname::text as name from pg_attribute
     where attrelid = %(table)s::regclass and attnum > 0 and not attisdropped
       and attidentity = '' order by attnum
"""
# As if M-Pesa's list had been read: it tells of each receipt a second time.
_WITNESSES: LiteralString = """
    insert into witnesses
    select receipt, shortcode, livemode, 'pull', merchant_id, amount_cents, created_at, created_at,
           '', id, null
      from payments join copies on copies.payment_id = payments.id where receipt is not null
"""
_NUMBERS: LiteralString = """
    update event_counters n set last = (
        select max(sequence) from events e
         where e.merchant_id = n.merchant_id and e.livemode = n.livemode)
"""


@dataclass(frozen=True, slots=True)
class _Copied:
    """How the rows of one table that belong to a template are copied for its copies."""

    table: str
    rows: LiteralString                    # the templates' rows, with their payment as template_id
    other: Mapping[str, LiteralString]     # the columns that differ; c is the copy


_EVENT_ID: LiteralString = "'evt' || substr(c.payment_id, 4)"
_RECEIPT: LiteralString = "'GR' || lpad(substr(c.idempotency_key, 8), 8, '0')"    # `receipt_of`

_TABLES = (
    _Copied(
        "idempotency_keys",
        "select payment_id as template_id, idempotency_keys.* from idempotency_keys"
        " where payment_id = any(%(templates)s)",
        {"payment_id": "c.payment_id", "key": "c.idempotency_key"},
    ),
    _Copied(
        "facts",
        "select payment_id as template_id, facts.* from facts"
        " where payment_id = any(%(templates)s)",
        {"payment_id": "c.payment_id"},
    ),
    _Copied(
        "postings",
        "select payment_id as template_id, postings.* from postings"
        " where payment_id = any(%(templates)s)",
        {
            "payment_id": "c.payment_id", "receipt": _RECEIPT,
            "happened_at": "(select created_at from payments where id = c.payment_id)",
        },
    ),
    _Copied(
        "events",
        "select subject_id as template_id, events.* from events"
        " where subject_id = any(%(templates)s)",
        {
            "id": _EVENT_ID, "subject_id": "c.payment_id",
            "sequence": "(select last from event_counters n where n.merchant_id = t.merchant_id"
            " and n.livemode = t.livemode) + row_number() over ()",
        },
    ),
    _Copied(
        "deliveries",
        "select events.subject_id as template_id, deliveries.* from deliveries join events"
        " on events.id = deliveries.event_id and events.created_at = deliveries.event_created_at"
        " where events.subject_id = any(%(templates)s)",
        {"event_id": _EVENT_ID},
    ),
    _Copied(
        "attempts",
        "select events.subject_id as template_id, attempts.* from attempts"
        " join deliveries on deliveries.id = attempts.delivery_id join events"
        " on events.id = deliveries.event_id and events.created_at = deliveries.event_created_at"
        " where events.subject_id = any(%(templates)s)",
        # With the endpoint, which the index of deliveries begins with: else each look reads all.
        {"delivery_id": "(select id from deliveries where endpoint_id = any(array("
            f"select id from endpoints)) and event_id = {_EVENT_ID})"},
    ),
)


async def fill(
    rt: Runtime, merchant_id: MerchantId, *, templates: Sequence[PaymentId], until: int,
    progress: Callable[[int, int], None],
) -> None:
    """Add payments until the merchant has `until` of them; then have PostgreSQL look at all.

    `progress` is called with how many there are, and `until`.
    """
    async with rt.store.pool.connection() as connection:
        count = await _count(connection)
        async with rt.store.autocommit() as tx:
            sealer = await tx.sealer(merchant_id)
        rows = await (await connection.execute(
            "select * from payments where id = any(%s)", [list(templates)],
        )).fetchall()
        models = [payment_of(row, sealer) for row in rows]
        for each in _TABLES:
            await _take_templates(connection, each, templates)
        while count < until:
            chunk = range(count, min(count + CHUNK, until))
            await _add(connection, [_like(models, n, now=rt.now()) for n in chunk], sealer)
            count = chunk.stop
            progress(count, until)
        await connection.execute("set statement_timeout = 0")
        await connection.execute("vacuum (analyze)")
        await connection.execute("reset statement_timeout")


async def _take_templates(
    connection: Connection, each: _Copied, templates: Sequence[PaymentId],
) -> None:
    """Put the templates' rows of a table apart, in a small table that ends with the connection."""
    name = sql.Identifier(f"template_{each.table}")
    await connection.execute(
        sql.SQL("create temporary table {} as ").format(name) + sql.SQL(each.rows),
        {"templates": list(templates)},
    )
    await connection.execute(sql.SQL("analyze {}").format(name))


async def _count(connection: Connection) -> int:
    row = await (await connection.execute("select count(*) as payments from payments")).fetchone()
    assert row is not None
    return int(row["payments"])


def _like(models: Sequence[Payment], number: int, *, now: datetime) -> tuple[Payment, PaymentId]:
    """Return the payment of this number, and the template that it is like."""
    chance = random.Random(number)  # the same payment in every run, but for its time
    template = models[number % len(models)]
    created_at = now - timedelta(days=DAYS * chance.random())
    milliseconds = int(created_at.timestamp() * 1000)
    bits = ids.uuid7_bits(
        milliseconds=milliseconds, random_bits=chance.getrandbits(_RANDOM_BITS),
    )
    price = COMMON_PRICE if has_common_price(number) else template.amount
    made = replace(
        template, id=PaymentId(ids.write("pay", bits)), payer=Msisdn(phone_of(number)),
        reference=reference_of(number), receipt=receipt_of(number),
        idempotency_key=f"growth-{number}", checkout_request_id=checkout_of(number),
        merchant_request_id=f"growth-{number}-1", amount=price, amount_received=price,
        asked_at=created_at, created_at=created_at, updated_at=created_at, completed_at=created_at,
    )
    if number % ONE_CANCELED_IN == 0:
        failed = number % ONE_FAILED_IN == 0
        made = replace(
            made, state=State.FAILED if failed else State.CANCELED, failure=_NO_MONEY,
            receipt="", amount_received=None, completed_at=None,
        )
    return made, template.id


def has_common_price(number: int) -> bool:
    """Say whether a payment is of the price that every second one has."""
    return number % 2 == 0


def checkout_of(number: int) -> str:
    """Return the checkout request id of a payment."""
    return f"ws_CO_{number:024d}"


def phone_of(number: int) -> str:
    """Return the payer's number of a payment; every tenth payment is of the same payer."""
    return f"25411{number // 10:07d}"


def reference_of(number: int) -> str:
    """Return the account reference of a payment."""
    return f"G{number}"


def receipt_of(number: int) -> str:
    """Return the receipt of a payment, if it was paid."""
    return f"GR{number:08d}"


async def _add(
    connection: Connection, payments: Sequence[tuple[Payment, PaymentId]], sealer: Sealer,
) -> None:
    async with connection.transaction():
        await connection.execute(_SETTINGS)
        await connection.execute(_COPIES)
        names = await _columns(connection, "payments")
        await _copy_in(connection, "payments", names, (
            _in_order(payment_values(payment, sealer), names) for payment, _ in payments
        ))
        await _copy_in(connection, "copies", ("payment_id", "template_id", "idempotency_key"), (
            (payment.id, template_id, payment.idempotency_key) for payment, template_id in payments
        ))
        for each in _TABLES:
            await _copy_rows(connection, each)
        await connection.execute(_WITNESSES)
        await connection.execute(_NUMBERS)


def _in_order(values: Mapping[str, Any], names: Sequence[str]) -> Sequence[Any]:
    return [values[name] for name in names]


async def _columns(connection: Connection, table: str) -> list[str]:
    rows = await connection.execute(_COLUMNS, {"table": table})
    return [row["name"] for row in await rows.fetchall()]


async def _copy_in(
    connection: Connection, table: str, names: Sequence[str], rows: Any,
) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names)),
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)


async def _copy_rows(connection: Connection, each: _Copied) -> None:
    names = await _columns(connection, each.table)
    await connection.execute(sql.SQL(
        "insert into {} ({}) select {} from {} t join copies c on c.template_id = t.template_id",
    ).format(
        sql.Identifier(each.table), sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(
            sql.SQL(each.other[name]) if name in each.other else sql.Identifier("t", name)
            for name in names
        ),
        sql.Identifier(f"template_{each.table}"),
    ))
