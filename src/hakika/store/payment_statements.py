"""The statements that bear, move and read payments, put together from parts. Read `change`.

PostgreSQL opens every table and index that a statement names, used or not: all parts together cost
a third more than those that one payment needs.
"""

from __future__ import annotations

from functools import cache
from typing import LiteralString

from hakika.store import ledger

COLUMNS: LiteralString = """
    id, merchant_id, livemode, origin, explained, state, amount_cents, customer_id, seller_id,
    platform_fee_cents, private,
    shortcode_kind, shortcode, store_number, callback_url, idempotency_key, attempts,
    merchant_request_id, receipt,
    amount_received_cents, confirmed_by, strength, failure_code,
    failure_daraja_code, failure_reason, payer_message, payer_message_sw,
    retryable, late, late_action, disputed, lapsed,
    facts_count, facts_link, asked_at, next_check_at, checks, created_at, updated_at, completed_at
"""

_BORN: LiteralString = """
    insert into payments (""" + COLUMNS + """, phone_hash, reference_hash)
    select %(id)s, %(merchant_id)s, %(livemode)s, %(origin)s, %(explained)s,
        %(state)s, %(amount_cents)s, %(customer_id)s, %(seller_id)s::text,
        %(platform_fee_cents)s::bigint,
        %(private)s, %(shortcode_kind)s, %(shortcode)s, %(store_number)s, %(callback_url)s,
        %(idempotency_key)s, %(attempts)s, %(merchant_request_id)s, %(receipt)s,
        %(amount_received_cents)s, %(confirmed_by)s,
        %(strength)s, %(failure_code)s, %(failure_daraja_code)s, %(failure_reason)s,
        %(payer_message)s, %(payer_message_sw)s, %(retryable)s, %(late)s,
        %(late_action)s, %(disputed)s, %(lapsed)s,
        %(facts_count)s, %(facts_link)s, %(asked_at)s::timestamptz, %(next_check_at)s::timestamptz,
        %(checks)s, %(created_at)s, %(updated_at)s, %(completed_at)s::timestamptz,
        %(phone_hash)s, %(reference_hash)s
"""

_FACT: LiteralString = """
    insert into facts (payment_id, sequence, heard_at, kind, source, state, private, link)
    select %(id)s, %(facts_count)s, %(heard_at)s, %(kind)s, %(source)s, %(state)s,
        %(fact_private)s, %(facts_link)s
"""

_CLAIMED: LiteralString = """
    with claimed as (
        insert into idempotency_keys
            (merchant_id, livemode, operation, key, fingerprint, payment_id, created_at)
        values (%(merchant_id)s, %(livemode)s, 'payments', %(idempotency_key)s, %(fingerprint)s,
            %(id)s, %(created_at)s)
        on conflict do nothing
        returning payment_id
    )
"""

_PROMPTED: LiteralString = """
    , prompted as (
        insert into open_prompts (merchant_id, livemode, phone_hash, payment_id, opened_at)
        select %(merchant_id)s, %(livemode)s, %(phone_hash)s, payment_id, %(created_at)s
          from claimed
        on conflict (merchant_id, livemode, phone_hash)
            do update set payment_id = excluded.payment_id, opened_at = excluded.opened_at
            where open_prompts.opened_at < %(forgotten)s
        returning payment_id
    )
"""

_NOT_TO_BE_PROMPTED: LiteralString = """
    , case when exists (select from claimed) then
        case when (select count(*) from (
                select from payments where phone_hash = %(phone_hash)s
                   and livemode = %(livemode)s and created_at > %(hour_ago)s
                 limit %(prompts_max)s) as lately) >= %(prompts_max)s
            then refuse('too_many_prompts')
            when not exists (select from prompted) then refuse('prompt_open') end end
"""

_OWN_ENDPOINT: LiteralString = """
    , extra as (
        insert into endpoints
            (id, merchant_id, livemode, url, dialect, events, signs_with, payment_id, created_at)
        select %(endpoint_id)s, %(merchant_id)s, %(livemode)s, %(callback_url)s,
            signer.dialect, '{}', signer.id, born.id, %(created_at)s
        from born join endpoints signer on signer.id = %(signs_with)s
    )
"""

OPEN_PROMPT: LiteralString = """
    select payment_id from open_prompts
     where merchant_id = %(merchant_id)s and livemode = %(livemode)s
       and phone_hash = %(phone_hash)s and opened_at >= %(forgotten)s
"""

# `facts_count` is the version: it grows with every fact. Whoever was overtaken writes nothing.
_MOVED: LiteralString = """
    with moved as (
        update payments set
            state = %(state)s, explained = %(explained)s, attempts = %(attempts)s,
            merchant_request_id = %(merchant_request_id)s, private = %(private)s,
            checkout_hash = %(checkout_hash)s, receipt = %(receipt)s,
            amount_received_cents = %(amount_received_cents)s, confirmed_by = %(confirmed_by)s,
            strength = %(strength)s, failure_code = %(failure_code)s,
            failure_daraja_code = %(failure_daraja_code)s, failure_reason = %(failure_reason)s,
            payer_message = %(payer_message)s, payer_message_sw = %(payer_message_sw)s,
            retryable = %(retryable)s,
            late = %(late)s, late_action = %(late_action)s, disputed = %(disputed)s,
            lapsed = %(lapsed)s,
            facts_count = %(facts_count)s, facts_link = %(facts_link)s, asked_at = %(asked_at)s,
            next_check_at = %(next_check_at)s, checks = %(checks)s, updated_at = %(updated_at)s,
            completed_at = %(completed_at)s
        where id = %(id)s and state = %(state_before)s and facts_count = %(facts_count_before)s
        returning id, merchant_id, livemode
    )
"""

_TOLD: LiteralString = """
    , told as (
        insert into events
            (id, merchant_id, livemode, seller_id, name, subject_id, data, created_at)
        select each.id, moved.merchant_id, moved.livemode, %(seller_id)s::text, each.name, moved.id,
            each.data, %(heard_at)s
        from moved, unnest(%(event_ids)s::text[], %(event_names)s::text[], %(event_data)s::bytea[])
            with ordinality as each (id, name, data, place)
        order by each.place
        returning id, name, position
    ), due as (
        insert into deliveries
            (event_id, event_created_at, endpoint_id, follows, state, next_attempt_at, created_at)
        select told.id, %(heard_at)s, endpoints.id, %(follows)s, 'scheduled', %(heard_at)s,
            %(heard_at)s
        from told join (
            select id, events from endpoints
             where merchant_id = %(merchant_id)s and livemode = %(livemode)s
               and payment_id is null and deleted_at is null and disabled_at is null
               and (seller_id is null or seller_id = %(seller_id)s)
            union all
            select id, events from endpoints
             where payment_id = %(id)s and deleted_at is null and disabled_at is null
        ) as endpoints on endpoints.events = '{}' or told.name = any(endpoints.events)
        order by told.position
        returning id
    )
"""

# Only what a seller collected, who is settled for each payment.
_UNSETTLED: LiteralString = """
    , to_settle as (
        insert into unsettled (payment_id, seller_id, noted_at)
        select moved.id, sellers.id, %(heard_at)s
          from moved join sellers on sellers.id = %(seller_id)s
         where sellers.schedule = 'per_payment'
        on conflict do nothing
    )
"""

_ANSWERED: LiteralString = """
    , answered as (
        update idempotency_keys set answer = %(answer)s
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and operation = 'payments' and key = %(idempotency_key)s and answer is null
           and exists (select from moved)
    )
"""

_PROMPT_CLOSED: LiteralString = """
    , prompt_closed as (
        delete from open_prompts
         where merchant_id = %(merchant_id)s and livemode = %(livemode)s
           and phone_hash = %(phone_hash)s and payment_id = %(id)s
           and exists (select from moved)
    )
"""

_PROMPT_OPENED: LiteralString = """
    , prompt_opened as (
        insert into open_prompts (merchant_id, livemode, phone_hash, payment_id, opened_at)
        select merchant_id, livemode, %(phone_hash)s, id, %(heard_at)s from moved
        on conflict (merchant_id, livemode, phone_hash)
            do update set payment_id = excluded.payment_id, opened_at = excluded.opened_at
            where open_prompts.opened_at < %(forgotten)s
        returning payment_id
    )
"""

LOCK: LiteralString = "select " + COLUMNS + " from payments where id = %(id)s for update"

GET: LiteralString = "select " + COLUMNS + " from payments where id = %(id)s"

READ: LiteralString = (
    "select " + COLUMNS + " from payments where id = %(id)s and merchant_id = %(merchant_id)s"
    " and livemode = %(livemode)s"
)

READ_BY_CHECKOUT_ID: LiteralString = (
    "select " + COLUMNS + " from payments where checkout_hash = %(checkout_hash)s"
    " and merchant_id = %(merchant_id)s and livemode = %(livemode)s"
)

FACTS: LiteralString = """
    select payment_id, sequence, heard_at, kind, source, state, private, link
      from facts where payment_id = %(id)s order by sequence
"""


@cache
def begin(*, rings: bool, has_own: bool) -> LiteralString:
    """Return the statement that bears a payment that is asked for, with the parts it needs."""
    return (
        _CLAIMED + (_PROMPTED if rings else "")
        + ", born as (" + _BORN + (" from prompted" if rings else " from claimed")
        + " returning id), heard as (" + _FACT + " from born)"
        + (_OWN_ENDPOINT if has_own else "")
        + " select exists (select from born) as is_born"
        + (_NOT_TO_BE_PROMPTED if rings else "")
    )


@cache
def change(
    *, posts: int, tells: bool, answers: bool, closes: bool, opens: bool, settles: bool = False,
) -> LiteralString:
    """Return the statement that moves a payment, with the parts that this move needs."""
    return (
        _MOVED + ", heard as (" + _FACT + " from moved)"
        + (ledger.written(posts) if posts else "")
        + (_UNSETTLED if settles else "")
        + (_TOLD if tells else "") + (_ANSWERED if answers else "")
        + (_PROMPT_CLOSED if closes else "") + (_PROMPT_OPENED if opens else "")
        + (" select (select count(*) from due)" if tells else " select 0") + " as deliveries"
        + (", case when not exists (select from prompt_opened) then refuse('prompt_open') end"
           if opens else "")
        + " from moved"
    )


@cache
def collect(*, posts: int, tells: bool) -> LiteralString:
    """Return the statement that bears a payment that came unasked, paid as it is."""
    return (
        " with moved as (" + _BORN + " returning id, merchant_id, livemode)"
        + ", heard as (" + _FACT + " from moved)"
        + (ledger.written(posts) if posts else "") + (_TOLD if tells else "")
        + (" select (select count(*) from due)" if tells else " select 0")
        + " as deliveries from moved"
    )
