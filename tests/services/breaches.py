"""Every way in which the books of `books.py` are spoilt, and what verify must say of each.

In statements and sentences `{name}` stands for the id of a thing in the books.
"""

from __future__ import annotations

from typing import Any

from tests.services.books import receipt

# What is spoilt; the checks that must see it; and a sentence that must be said, word for word.
SPOILT = {
    "a posting deleted": (
        "delete from postings where payment_id = '{completed}'",
        "I2 I3 I15",
        "The books lack the collection of 1500.00 with receipt " + receipt("completed")
        + " of payment {completed}."),
    "a posting deleted before it was chained": (
        "delete from posting_links; delete from posting_heads; delete from unchained;"
        "insert into unchained select position, merchant_id, livemode from postings;"
        "delete from postings where payment_id = '{late}'",
        "I3 I14 I15", "of payment {late}."),
    "the amount of a posting": (
        "update postings set amount_cents = 1 where payment_id = '{completed}'",
        "I2 I3 I15",
        "The books have the collection of 1500.00 with receipt " + receipt("completed")
        + " of payment {completed} with another amount."),
    "a posting doubled": (
        "alter table postings drop constraint postings_receipt_key;"
        "insert into postings (merchant_id, livemode, move, debit, credit, amount_cents, shortcode,"
        " receipt, payment_id, happened_at, posted_at) select merchant_id, livemode, move, debit,"
        " credit, amount_cents, shortcode, receipt, payment_id, happened_at, posted_at"
        " from postings where payment_id = '{completed}'",
        "I2 I3", "of payment {completed} 2 times."),
    "a posting that no fact made": (
        "insert into postings (merchant_id, livemode, move, debit, credit, amount_cents, shortcode,"
        " receipt, payment_id, happened_at, posted_at) select merchant_id, livemode, move, debit,"
        " credit, amount_cents, shortcode, 'UKL9999999', payment_id, happened_at, posted_at"
        " from postings where payment_id = '{completed}'",
        "I2 I3", "with receipt UKL9999999, which payment {completed} knows nothing of."),
    "a posting of nobody's payment": (
        "insert into postings (merchant_id, livemode, move, debit, credit, amount_cents, shortcode,"
        " receipt, payment_id, happened_at, posted_at) select merchant_id, livemode, move, debit,"
        " credit, amount_cents, shortcode, 'UKL9999999', 'pay_x', happened_at, posted_at"
        " from postings where payment_id = '{completed}'",
        "I2 I3", "The posting of receipt UKL9999999 is of payment pay_x, which is not here."),
    "a seller settled for more than it was ever owed": (
        "insert into postings (merchant_id, livemode, move, debit, credit, amount_cents, shortcode,"
        " receipt, happened_at, posted_at) values ('{shop}', false, 'hold', 'owed:sel_x',"
        " 'held:174379:utility', 100, '174379', 'pyo_x', now(), now() - interval '1 hour')",
        "I2 I3", "Seller sel_x of merchant {shop} was settled for more than it was ever owed."),
    "a payment of a seller who is not there": (
        "update payments set seller_id = 'sel_x' where id = '{pending}'",
        "I11 I13", "{pending} names seller sel_x, who belongs to another merchant or mode, or is"),
    "an endpoint of a seller that hears of others": (
        "insert into sellers values ('sel_y', '{shop}', false, '', 'daily', 'keep', false, null,"
        " now(), now());"
        "update endpoints set seller_id = 'sel_y' where id = '{endpoint}'",
        "I13", "to endpoint {endpoint}, which is not for it."),
    "money told of that nobody could judge": (
        "insert into witnesses values ('UKL8888888', '174379', false, 'pull', '{shop}', 100,"
        " now(), now() - interval '31 minutes', '', null, now() + interval '10 minutes')",
        "I1", "The pull told of receipt UKL8888888 of short code 174379, and nobody could"),
    "a posting of no known move": (
        "update postings set move = 'dreamt' where payment_id = '{completed}'",
        "I2 I3", "The posting of receipt " + receipt("completed")
        + " of payment {completed} cannot be read."),
    "a chained posting of no known move": (
        "update postings set move = 'dreamt' where payment_id = '{completed}'",
        "I2 I3", f"receipt {receipt('completed')}, cannot be read: it was changed."),
    "the newest postings unchained": (
        "delete from posting_links where sequence = (select max(sequence) from posting_links)",
        "I2 I3", "were chained."),
    "the sums of an account": (
        "update account_sums set credits_cents = credits_cents + 1 where account = 'collected'"
        " and merchant_id = '{shop}'",
        "I3", "The sums of account collected of merchant {shop} (test) are not those"),
    "a posting in another mode": (
        "update postings set livemode = not livemode where payment_id = '{completed}'",
        "I3 I13 I15", "belongs to another merchant or mode than its payment {completed}."),
    "the result of a closing": (
        "update day_closings set result = 'red' where number = 2", "I14",
        "says something else than its checkpoint, which was signed."),
    "the summary of a closing": (
        "update day_closings set summary = convert_to(replace(convert_from(summary, 'UTF8'),"
        " 'green', 'grey'), 'UTF8') where number = 2", "I14",
        "says something else than its checkpoint, which was signed."),
    "a checkpoint signed by nobody": (
        "update day_closings set checkpoint = convert_to(replace(convert_from(checkpoint, 'UTF8'),"
        " '\"green\"', '\"red\"'), 'UTF8'), result = 'red' where number = 2", "I14",
        "has a signature that is not of its checkpoint."),
    "a closing taken out": (
        "delete from day_closings where number = 1", "I14",
        "comes after closing 0: those between are gone."),
    "books written anew after a closing": (
        "update posting_links set link = sha256('anew') where merchant_id = '{shop}' and sequence ="
        " (select sequence from day_closings where number = 2)", "I2 I14",
        "which is another one now: the books were written anew."),
    "a balance that M-Pesa reports": (
        "update balances set amount_cents = amount_cents + 1 where source = 'balance'", "I15",
        "M-Pesa reported "),
    "a placeholder for a receipt": (
        "update payments set receipt = 'UAA0000000' where id = '{completed}'",
        "I1 I4 I11", "Payment {completed} has M-Pesa's placeholder UAA0000000 for a receipt."),
    "a receipt on two payments": (
        "alter table payments drop constraint payments_receipt_key;"
        "update payments set receipt = (select receipt from payments where id = '{completed}')"
        " where id = '{late}'",
        "I1 I4 I11",
        f"Receipt {receipt('completed')} of short code 174379 is on several payments: "
        "{completed}, {late}."),
    "a state that no fact led to": (
        "update payments set state = 'unknown' where id = '{pending}'",
        "I4", "Payment {pending} is unknown in its row, and its facts come to pending."),
    "a failure made a success": (
        "update payments set state = 'completed', receipt = 'UKL9999999', failure_code = null,"
        " completed_at = now() where id = '{failed}'",
        "I4 I11", "Payment {failed} is completed, and no fact of it proves that."),
    "another receipt": (
        "update payments set receipt = 'UKL9999999' where id = '{completed}'",
        "I4 I11",
        "Payment {completed} has something else in its row than its facts come to: receipt."),
    "another amount received": (
        "update payments set amount_received_cents = 1 where id = '{late}'",
        "I4 I11", "Payment {late} is completed, and no fact of it proves that."),
    "another amount asked": (
        "update payments set amount_cents = 1 where id = '{completed}'",
        "I8 I11", "Payment {completed} is completed, and no fact of it proves that."),
    "who confirmed": (
        "update payments set confirmed_by = 'stk_query' where id = '{failed}'",
        "I4 I11", "Payment {failed} is failed, and no fact of it proves that."),
    "the reason of a failure": (
        "update payments set failure_code = 'payer_canceled' where id = '{failed}'",
        "I4", "Payment {failed} has something else in its row than its facts come to: failure."),
    "marks of late, disputed and lapsed money": (
        "update payments set late = not late, disputed = not disputed, lapsed = not lapsed,"
        " attempts = 2 where id = '{completed}'",
        "I4",
        "Payment {completed} has something else in its row than its facts come to: "
        "attempts, late, disputed, lapsed."),
    "a row that cannot be read": (
        "update payments set shortcode_kind = 'shop' where id = '{completed}'",
        "I4", "Payment {completed} has a row that cannot be read."),
    "a check taken away": (
        "update payments set next_check_at = null where id = '{pending}'",
        "I5", "Payment {pending} is pending, and neither a check nor a person will look."),
    "a check forgotten": (
        "update payments set next_check_at = now() - interval '1 hour' where id = '{sending}'",
        "I5", "Payment {sending} is sending, and its check is 60 minutes late."),
    "an event never told": (
        "delete from events where subject_id = '{completed}'",
        "I8 I9",
        "Payment {completed} has the events none, and its facts make payment.completed."),
    "an event told twice": (
        "insert into events (id, merchant_id, livemode, name, subject_id, data, created_at)"
        " select 'evt_twice', merchant_id, livemode, name, subject_id, data, created_at"
        " - interval '1 hour' from events where subject_id = '{completed}'",
        "I8",
        "Payment {completed} has the events payment.completed, payment.completed, "
        "and its facts make payment.completed."),
    "another event": (
        "update events set name = 'payment.failed' where subject_id = '{own}'",
        "I8 I9",
        "Payment {own} has the events payment.failed, and its facts make payment.completed."),
    "an event whose words were changed": (
        "update events set data = set_byte(data, 20, 1 # get_byte(data, 20))"
        " where id = '{review_event}'",
        "I8", "Event {review_event} of payment {review} cannot be read."),
    "an event of no payment": (
        "update events set subject_id = 'pay_gone' where id = '{review_event}'",
        "I8", "Event {review_event} tells of payment pay_gone, which is not here."),
    "a number given twice": (
        "update events set sequence = 1 where sequence = 2 and merchant_id = '{shop}'",
        "I8", "Events {unknown_event} and {failed_event} have the same number 1."),
    "a number left out": (
        "update events set sequence = null where id = '{failed_event}'",
        "I8", "Merchant {shop} has no test events with the numbers 2 to 2."),
    "a counter turned back": (
        "update event_counters set last = 0 where merchant_id = '{other}'",
        "I8",
        "The counter of merchant {other} (test) is at 0, and the newest event has number 1."),
    "a delivery never made": (
        "delete from deliveries where id = {foreign_delivery}",
        "I9",
        "Event {foreign_event} has no delivery to endpoint {other_endpoint}, which wanted it."),
    "a delivery never made to a payment's own address": (
        "delete from deliveries where event_id = '{own_event}' and endpoint_id <> '{endpoint}'",
        "I9", "Event {own_event} has no delivery to endpoint whe_"),
    "a delivery made twice": (
        "alter table deliveries drop constraint deliveries_once;"
        "insert into deliveries (event_id, event_created_at, endpoint_id, follows, state,"
        " next_attempt_at, created_at)"
        " select event_id, event_created_at, endpoint_id, false, 'scheduled', now(), now()"
        " from deliveries where id = {foreign_delivery}",
        "I9",
        "Event {foreign_event} has several deliveries to endpoint {other_endpoint}: "
        "{foreign_delivery}, "),
    "a delivery that nobody wanted": (
        "update endpoint_versions set events = array['payment.failed']"
        " where endpoint_id = '{other_endpoint}'",
        "I9",
        "Delivery {foreign_delivery} takes event {foreign_event} to endpoint {other_endpoint}, "
        "which did not want it."),
    "a delivery of no event": (
        "update deliveries set event_id = 'evt_gone' where id = {foreign_delivery}",
        "I9", "Delivery {foreign_delivery} is of event evt_gone, which is not here."),
    "a success without a 2xx": (
        "update attempts set status = 500 where delivery_id = {done}",
        "I9", "Delivery {done} has succeeded, and no attempt of it was answered 2xx."),
    "a success without an attempt": (
        "delete from attempts where delivery_id = {done}",
        "I9", "Delivery {done} has succeeded, and no attempt of it was answered 2xx."),
    "an end without a reason": (
        "update deliveries set state = 'exhausted', finished_at = now(), reason = '',"
        " next_attempt_at = null where id = {foreign_delivery}",
        "I9", "Delivery {foreign_delivery} is exhausted, and does not say why."),
    "a delivery whose turn never comes": (
        "update deliveries set state = 'waiting', finished_at = null, next_attempt_at = null,"
        " begun_at = null, waits_since = now() - interval '1 hour' where id = {foreign_delivery}",
        "I9",
        "Delivery {foreign_delivery} is scheduled, and its next attempt is long overdue."),
    "a delivery forgotten": (
        "update deliveries set state = 'scheduled', finished_at = null,"
        " next_attempt_at = now() - interval '1 hour' where id = {foreign_delivery}",
        "I9",
        "Delivery {foreign_delivery} is scheduled, and its next attempt is long overdue."),
    "one key for two payments": (
        "update payments set idempotency_key = 'key-sending' where id = '{pending}'",
        "I10 I11",
        "One idempotency key of merchant {shop} has several payments: {sending}, {pending}."),
    "what was asked, edited": (
        "update payments set amount_cents = 100 where id = '{pending}'",
        "I11", "Fact 1 of payment {pending} does not agree with its hash"),
    "a payment without its claim": (
        "delete from idempotency_keys where payment_id = '{completed}'",
        "I10", "Payment {completed} has an idempotency key that does not name it."),
    "a claim of nothing": (
        "update idempotency_keys set payment_id = 'pay_gone' where payment_id = '{completed}'",
        "I10",
        "An idempotency key of merchant {shop} names payment pay_gone, "
        "which is not here or has another key."),
    "a payment removed": (
        "delete from payments where id = '{pending}'",
        "I10 I11", "There are 2 facts of payment {pending}, which is not here."),
    "a fact's words edited": (
        "update facts set private = set_byte(private, 20, 1 # get_byte(private, 20))"
        " where payment_id = '{completed}' and sequence = 2",
        "I11", "Fact 2 of payment {completed} cannot be read."),
    "a fact's words taken from another payment": (
        "update facts set private = (select private from facts where payment_id = '{late}'"
        " and sequence = 2) where payment_id = '{completed}' and sequence = 2",
        "I11", "Fact 2 of payment {completed} cannot be read."),
    "a payer taken from another payment": (
        "update payments set private = (select private from payments where id = '{late}')"
        " where id = '{completed}'",
        "I4", "Payment {completed} has a row that cannot be read."),
    "a fact's state edited": (
        "update facts set state = 'unknown' where payment_id = '{completed}' and sequence = 2",
        "I4 I11",
        "Fact 2 of payment {completed} notes that it led to unknown, and it leads to pending."),
    "a fact's time edited": (
        "update facts set heard_at = heard_at - interval '1 microsecond'"
        " where payment_id = '{pending}' and sequence = 1",
        "I4 I11",
        "Fact 1 of payment {pending} does not agree with its hash: it, or its place in the "
        "chain, was changed."),
    "a fact removed": (
        "delete from facts where payment_id = '{completed}' and sequence = 2",
        "I11", "Payment {completed} has lost its fact 2."),
    "the newest facts removed": (
        "delete from facts where payment_id = '{late}' and sequence >= 3",
        "I3 I4 I8 I11", "Payment {late} has lost its facts 3 to 4."),
    "every fact removed": (
        "delete from facts where payment_id = '{pending}'",
        "I11", "Payment {pending} has lost its facts 1 to 2."),
    "a fact added within": (
        "insert into facts select payment_id, sequence, heard_at + interval '1 microsecond', kind,"
        " source, state, private, link from facts where payment_id = '{pending}'"
        " and sequence = 1",
        "I11", "Fact 1 of payment {pending} is there twice."),
    "a fact added at the end": (
        "insert into facts select payment_id, 3, heard_at, kind, source, state, private, link"
        " from facts where payment_id = '{pending}' and sequence = 2",
        "I11", "Fact 3 of payment {pending} cannot be read."),
    "facts in another order": (
        "update facts set sequence = 4 - sequence where payment_id = '{failed}'",
        "I11", "Fact 1 of payment {failed} cannot be read."),
    "another last hash": (
        "update payments set facts_link = '' where id = '{completed}'",
        "I11", "Payment {completed} has another hash in its row than its newest fact has."),
    "a fact of no known kind": (
        "update facts set kind = 'dreamt' where payment_id = '{completed}' and sequence = 2",
        "I11", "Fact 2 of payment {completed} cannot be read."),
    "a delivery to another merchant": (
        "update deliveries set endpoint_id = '{endpoint}' where id = {foreign_delivery}",
        "I9 I13",
        "Delivery {foreign_delivery} takes event {foreign_event} to endpoint {endpoint}, "
        "which is not for it."),
    "a delivery from test to live": (
        "update endpoints set livemode = true where id = '{other_endpoint}'",
        "I13",
        "Delivery {foreign_delivery} takes event {foreign_event} to endpoint {other_endpoint}, "
        "which is not for it."),
    "an event of another merchant": (
        "update events set sequence = null, merchant_id = '{other}' where id = '{review_event}'",
        "I8 I9 I13",
        "Event {review_event} belongs to another merchant or mode than its payment {review}."),
    "an endpoint of another's payment": (
        "update endpoints set payment_id = '{pending}', merchant_id = '{other}'"
        " where payment_id = '{own}'",
        "I13", "belongs to another merchant or mode than its payment {pending}, or that is not"),
    "a payment moved to another customer": (
        "update payments set customer_id = '{erased}' where id = '{own}'",
        "I8 I11", "Fact 1 of payment {own} does not agree with its hash"),
    "a customer removed": (
        "delete from customers where id = '{customer}'",
        "I8 I13", "Event {customer_event} tells of customer {customer}, who is not here."),
    "a customer of another mode": (
        "update customers set livemode = true where id = '{customer}'",
        "I8 I13",
        "Payment {own} names customer {customer}, who belongs to another merchant or mode, or is "
        "not here."),
    "an event of another merchant's customer": (
        "update customers set merchant_id = '{other}' where id = '{erased}'",
        "I8 I13",
        "Event {erased_event} belongs to another merchant or mode than its customer {erased}."),
    "a customer's row from elsewhere": (
        "update customers set private = set_byte(private, 20, 1 # get_byte(private, 20))"
        " where id = '{customer}'",
        "I8", "Customer {customer} has a row that cannot be read."),
    "a customer changed behind everybody's back": (
        "update customers set updated_at = now() where id = '{customer}'",
        "I8", "does not say what customer {customer} has in its row."),
    "a customer never told of": (
        "update events set name = 'customer.updated' where id = '{customer_event}'",
        "I8", "Customer {customer} has the events customer.updated, customer.updated."),
    "an erased customer's event that cannot be read": (
        "update events set data = '' where id = '{erased_event}'",
        "I8", "Event {erased_event} of customer {erased} cannot be read."),
    "a delivery never made of a customer's event": (
        "delete from deliveries where id = {customer_delivery}",
        "I9", "Event {customer_event} has no delivery to endpoint {endpoint}, which wanted it."),
    "a customer told to another merchant": (
        "update deliveries set endpoint_id = '{other_endpoint}' where id = {customer_delivery}",
        "I9 I13",
        "Delivery {customer_delivery} takes event {customer_event} to endpoint {other_endpoint}, "
        "which is not for it."),
}

# What looks odd, and is in order.
_ENDPOINT = (
    "insert into endpoints (id, merchant_id, livemode, url, events, created_at)"
    " values ('whe_new', '{shop}', false, '', array[]::text[], now() - interval '2 hours');"
)

HARMLESS = {
    "money told of that waits for its own callback": (
        "insert into witnesses values ('UKL8888888', '174379', false, 'pull', '{shop}', 100,"
        " now(), now() - interval '14 minutes', '', null, now())"),
    "a check a little late": (
        "update payments set next_check_at = now() - interval '14 minutes'"
        " where id = '{pending}'"),
    "no check while a person looks": (
        "update payments set next_check_at = null where id = '{lapsed}'"),
    "an endpoint that came later": (
        _ENDPOINT + "insert into endpoint_versions values ('whe_new', 1, now(), '', 'standard',"
        " array[]::text[], array[]::text[], true)"),
    "an endpoint that had gone before": (
        _ENDPOINT + "insert into endpoint_versions values"
        " ('whe_new', 1, now() - interval '2 hours', '', 'standard', array[]::text[],"
        "  array[]::text[], true),"
        " ('whe_new', 2, now() - interval '1 hour', '', 'standard', array[]::text[],"
        "  array[]::text[], false)"),
    "an endpoint that wanted something else then": (
        _ENDPOINT + "insert into endpoint_versions values"
        " ('whe_new', 1, now() - interval '1 hour', '', 'standard',"
        "  array['endpoint.disabled'], array[]::text[], true),"
        " ('whe_new', 2, now(), '', 'standard', array[]::text[], array[]::text[], true)"),
    "an event that has no number yet": (
        "update events set sequence = null where merchant_id = '{other}';"
        "update event_counters set last = 0 where merchant_id = '{other}'"),
    "a payment that a statement says was reversed on the portal": (
        "with posted as (insert into postings (merchant_id, livemode, move, debit, credit,"
        " amount_cents, shortcode, receipt, payment_id, happened_at, posted_at, line)"
        " select merchant_id, livemode, 'reversal', 'reversed', debit, amount_cents, shortcode,"
        " 'UKL9999999', payment_id, now(), now(), 'line' from postings"
        " where payment_id = '{completed}' returning position, merchant_id, livemode)"
        " insert into unchained (position, merchant_id, livemode)"
        " select position, merchant_id, livemode from posted"),
    "a delivery dropped for a reason": (
        "update deliveries set state = 'dropped', finished_at = now(), reason = 'Gone.',"
        " next_attempt_at = null where state = 'scheduled'"),
}

# The payment that the truth says something else of, what it says, the check, and the sentence.
UNTRUE: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "another amount": (
        "completed", {"amount_cents": 149_900}, "I1",
        "Payment {completed} says that 1500.00 came, and M-Pesa moved 1499.00 with "
        f"{receipt('completed')}."),
    "another amount, which a query could not know": (
        "awaited", {"amount_cents": 149_900}, "I1",
        "Payment {awaited} says that 1500.00 came, and M-Pesa moved 1499.00 with "
        f"{receipt('awaited')}."),
    "another receipt": (
        "completed", {"receipt": "UKL7777777"}, "I1",
        f"Payment {{completed}} cites the receipt {receipt('completed')}, "
        "which M-Pesa never gave for it."),
    "no money for a completed payment": (
        "awaited", {"state": "failed", "receipt": None}, "I1",
        "Payment {awaited} is receipt_awaited, and M-Pesa has moved no money for it."),
    "money for a failed payment": (
        "failed", {"state": "paid", "receipt": "UKL7777777"}, "I1",
        "Payment {failed} is failed, and M-Pesa moved money: UKL7777777."),
    "money for a canceled payment": (
        "canceled", {"state": "paid", "receipt": "UKL7777777"}, "I1",
        "Payment {canceled} is canceled, and M-Pesa moved money: UKL7777777."),
    "a push of a payment that was never sent": (
        "unsent", {"state": "open", "receipt": None}, "I1",
        "Payment {unsent} says that it was never sent, and M-Pesa carried out a push."),
    "a second push": (
        "pending", {"checkout_request_id": "ws_CO_2", "merchant_request_id": "mr-2"}, "I1",
        "Payment {pending} was pushed 2 times: mr-pending, mr-2."),
    "a callback lost after our thanks": (
        "completed", {"callbacks_sent": [{"status": 200}, {"status": 200}]}, "I12",
        "Payment {completed} has kept 1 callbacks, and 2 were answered with thanks."),
}
