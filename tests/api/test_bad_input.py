"""Bad input: every mistake has a clear answer that names the field, and none is our error."""

from __future__ import annotations

import io
import json

import pytest

from tests.api.world import PAYS, new_key

ORDER = {"amount": 500, "currency": "KES", "provider": "mpesa", "phone": PAYS}


def without(field: str) -> dict[str, object]:
    return {name: value for name, value in ORDER.items() if name != field}


async def refused(shop, body=None, *, raw=None):
    """Send a body, as JSON or as it is, and return its problem; nothing may have been made."""
    sent = json.dumps(ORDER | body).encode() if raw is None else raw
    answer = await shop.send(
        "POST", "/v1/payments", idempotency_key=new_key(), data=io.BytesIO(sent),
        headers={"Content-Type": "application/json"},
    )
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["hint"] and answer.body["request_id"]
    assert (await shop.get("/v1/payments")).data == []
    return answer.problem


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("1.50", "amount_has_cents"), ('"1.50"', "amount_has_cents"), ("0", "amount_too_small"),
        ("-5", "amount_too_small"), ("250001", "amount_too_large"), ('"abc"', "amount_invalid"),
        ("1e3", "amount_invalid"), ("true", "amount_invalid"), ("null", "amount_invalid"),
        ('""', "amount_invalid"), ("1" + "0" * 30, "amount_invalid"), ("[500]", "amount_invalid"),
        ('{"KES":500}', "amount_invalid"), ('"\\ud800"', "body_unreadable"),
        ('"٥٠٠"', "amount_invalid"), ("1e400", "amount_invalid"), ("0.000000001", "amount_invalid"),
    ],
)
async def test_an_amount_that_m_pesa_cannot_move_is_refused(shop, amount, code):
    """Nothing is rounded and nothing is guessed."""
    body = json.dumps(without("amount"))[:-1] + f', "amount": {amount}}}'
    status, problem, errors = await refused(shop, raw=body.encode())

    assert status == 400
    assert (problem, errors) in [("invalid_request", [("amount", code)]), (code, [])]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "9" * 5000, "0x10", "01"])
async def test_what_is_no_json_number_is_refused_with_the_whole_body(shop, constant):
    """Python's own reader would take some of these for amounts."""
    body = f'{{"amount": {constant}}}'.encode()

    assert await refused(shop, raw=body) == (400, "body_unreadable", [])


async def test_a_refusal_names_the_field_in_its_sentence(shop):
    """Many programs log the sentence alone: "Field required" helped nobody."""
    told = []
    for body in (without("phone"), ORDER | {"fone": PAYS}, ORDER | {"metadata": {"a": 5}}, {}):
        answer = await shop.send(
            "POST", "/v1/payments", idempotency_key=new_key(), json=body,
        )
        told.append(answer.body["detail"])
    query = await shop.get("/v1/payments?page=2")

    assert told[:2] == ["The field phone is missing.", "There is no field fone here."]
    assert told[2].startswith("metadata.a: ")
    assert told[3] == "4 fields are wrong: amount, currency, provider, phone."
    assert query.problem == (400, "invalid_request", [("page", "unknown_parameter")])
    assert query.body["detail"] == "There is no parameter page here."


async def test_a_body_of_five_thousand_levels_is_too_deep_and_no_word_of_python(shop):
    raw = b'{"metadata": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    answer = await shop.send(
        "POST", "/v1/payments", idempotency_key=new_key(), data=io.BytesIO(raw),
    )

    assert answer.problem == (400, "body_unreadable", [])
    assert answer.body["detail"] == "The body is nested deeper than 10 levels."


@pytest.mark.parametrize("amount", ["500.00", 500.0, "500", 500])
async def test_a_whole_amount_is_taken_however_it_is_written(shop, amount):
    """Languages without integers write 500.0."""
    answer = await shop.order(amount=amount)

    assert (answer.status, answer.data["amount"]) == (202, "500.00")


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        ({"currency": "USD"}, [("currency", "currency_unsupported")]),
        ({"currency": "kes"}, [("currency", "currency_unsupported")]),
        ({"currency": None}, [("currency", "currency_unsupported")]),
        ({"provider": "airtel"}, [("provider", "provider_unsupported")]),
        ({"provider": 5}, [("provider", "provider_unsupported")]),
        ({"phone": "071234567"}, [("phone", "phone_invalid")]),
        ({"phone": "+255712345678"}, [("phone", "phone_invalid")]),
        ({"phone": "٠٧١٢٣٤٥٦٧٨"}, [("phone", "phone_invalid")]),
        ({"phone": ["0712345678"]}, [("phone", "phone_invalid")]),
        ({"phone": -712345678}, [("phone", "phone_invalid")]),
        ({"phone": ""}, [("phone", "phone_invalid")]),
        ({"reference": "ORDER-1234567"}, [("reference", "reference_too_long")]),
        ({"reference": "a@#&"}, [("reference", "reference_invalid")]),
        ({"reference": 5}, [("reference", "reference_invalid")]),
        ({"reference": "Ümlaut"}, [("reference", "reference_invalid")]),
        ({"description": "x" * 14}, [("description", "description_too_long")]),
        ({"description": "T-shirt <b>"}, [("description", "description_invalid")]),
        ({"metadata": {str(n): "x" for n in range(21)}}, [("metadata", "too_long")]),
        ({"metadata": {"n": 5}}, [("metadata.n", "string_type")]),
        ({"metadata": {"": "x"}}, [("metadata..[key]", "string_too_short")]),
        ({"metadata": {"n": "x" * 501}}, [("metadata.n", "string_too_long")]),
        ({"metadata": "text"}, [("metadata", "dict_type")]),
        ({"colour": "red"}, [("colour", "unknown_field")]),
        ({"livemode": True}, [("livemode", "unknown_field")]),
        ({"callback_url": "ftp://shop.example/"}, [("callback_url", "callback_url_invalid")]),
        ({"callback_url": "not a url"}, [("callback_url", "callback_url_invalid")]),
        ({"callback_url": "http://10.0.0.1/"}, [("callback_url", "callback_url_invalid")]),
        ({"callback_url": "http://[::1]/"}, [("callback_url", "callback_url_invalid")]),
        ({"callback_url": "http://169.254.169.254/"}, [("callback_url", "callback_url_invalid")]),
        ({"callback_url": "http://a.example/" + "x" * 2048}, [("callback_url", "string_too_long")]),
        ({"callback_url": 5}, [("callback_url", "string_type")]),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
async def test_a_wrong_field_is_named_with_its_own_code(shop, wrong, errors):
    """A developer mends the field that the answer points at."""
    assert await refused(shop, wrong) == (400, "invalid_request", errors)


@pytest.mark.parametrize("field", list(ORDER))
async def test_a_missing_field_is_named(shop, field):
    """The four that seed 002 asks for."""
    raw = json.dumps(without(field)).encode()

    assert await refused(shop, raw=raw) == (400, "invalid_request", [(field, "missing_field")])


async def test_all_wrong_fields_are_named_at_once(shop):
    """One round of mending, not four."""
    wrong = {"amount": "abc", "currency": "USD", "provider": "x", "phone": "1", "colour": "red"}

    _, _, errors = await refused(shop, wrong)

    assert [field for field, _ in errors] == list(wrong)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"{", b'{"amount": 5', b"[]", b"[1]", b'"text"', b"5", b"null", b"\xff\xfe",
        b'{"amount": "\xff"}', b'\xef\xbb\xbf{"amount": 5}', b"{'amount': 5}", b'{"amount": 5,}',
        b'{"amount": 5, "amount": 6}', b'{"metadata": {"a": "1", "a": "2"}}',
        b"[" * 60_000, b'{"a":' * 400 + b"1" + b"}" * 400, b'{"a":' * 11 + b"1" + b"}" * 11,
        b'{"a":' + b"[" * 800 + b"]" * 800 + b"}",
        b'{"metadata": {"a": "\\u0000"}}', b'{"metadata": {"\\u0000": "a"}}',
        b'{"metadata": {"a": "\\ud800"}}', b'{"\\udc00": 5}', b'{"reference": "\x00"}',
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_a_body_that_cannot_be_read_is_refused_whole(shop, raw):
    """Half an order is no order; and what PostgreSQL cannot keep must be said at the door."""
    assert await refused(shop, raw=raw) == (400, "body_unreadable", [])


@pytest.mark.parametrize("size", [64 * 1024 + 1, 2 * 1024 * 1024])
async def test_a_body_that_is_too_large_is_refused(shop, size):
    """Nobody can fill our memory."""
    raw = json.dumps(ORDER | {"description": "x" * size}).encode()

    assert await refused(shop, raw=raw) == (413, "body_too_large", [])


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_json_body_is_taken_whatever_it_calls_itself(shop, content_type):
    """curl -d says that it sends a form; what counts is that the order can be read."""
    answer = await shop.send(
        "POST", "/v1/payments", idempotency_key=new_key(), data=json.dumps(ORDER).encode(),
        headers={"Content-Type": content_type},
    )

    assert answer.status == 202


async def test_a_body_that_is_a_form_is_refused_with_the_way_out(shop):
    """What curl -d sends by habit."""
    answer = await shop.send(
        "POST", "/v1/payments", idempotency_key=new_key(), data={"amount": "500"},
    )

    assert answer.problem == (400, "body_unreadable", [])
    assert "application/json" in answer.body["hint"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"), ("x" * 256, "invalid_request"),
        ("é", "invalid_request"), ("a\tb", "invalid_request"),
    ],
)
async def test_money_is_not_asked_for_without_a_good_key(shop, key, code):
    """A request without one cannot be repeated safely, and networks make us repeat."""
    answer = await shop.send("POST", "/v1/payments", idempotency_key=key, json=ORDER)

    assert answer.problem[:2] == (400, code)
    assert "Idempotency-Key" in answer.body["detail"] + answer.body["hint"] + str(answer.problem)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=abc", "limit=", "provider=airtel", "status=paid",
        "since=yesterday", "until=2026-13-01T00:00:00Z", "min_amount=abc", "max_amount=1.001",
        "min_amount=NaN", "cursor=abc", "cursor=whe_01kaxb2m8fe2tv5k0c3y7h9q4d", "colour=red",
        "search=", f"search={'x' * 65}", "search=%00", "search=a%00b", "since=%00",
        "since=0001-01-01T00:00:00%2B05:00", "until=9999-12-31T23:59:59-05:00", "since=2026",
        "since=99999999999999999999", "min_amount=" + "9" * 25, "Status=completed",
    ],
)
async def test_a_list_refuses_what_it_does_not_know(shop, query):
    """A filter that is ignored shows a shop payments that it did not ask for."""
    answer = await shop.get(f"/v1/payments?{query}")

    assert answer.status == 400
    assert [field for field, _ in answer.problem[2]] == [query.partition("=")[0]]
    assert answer.body["hint"]


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=" + "9" * 30, "wait=31", "wait=-1", "wait=nan",
              "wait=inf", "limit=0", "limit=101", "since=2026-01-01"],
)
async def test_the_list_of_events_refuses_what_it_does_not_know(shop, query):
    """The same for whoever follows the stream."""
    answer = await shop.get(f"/v1/events?{query}")

    assert answer.status == 400
    assert [field for field, _ in answer.problem[2]] == [query.partition("=")[0]]


@pytest.mark.parametrize("path", [
    "/v1", "/v2/payments", "/v1/payments/", "/v1/payments//timeline", "/v1/paymentss",
    "/v1/payments/abc", "/v1/payments/abc/timeline", "/v1/payments/%00", "/v1/payments/%ff%fe",
    "/v1/payments/pay_01kaxb2m8fe2tv5k0c3y7h9q4d", "/v1/payments/..%2f..%2fetc", "/c/", "/c",
    "/v1/payments/" + "x" * 4000,
])
async def test_what_is_not_there_is_a_problem_too(shop, path):
    """One shape for everything that goes wrong, so that a caller writes one handler."""
    answer = await shop.get(path)

    assert answer.problem == (404, "not_found", [])
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/payments"), ("PUT", "/v1/payments"), ("PATCH", "/v1/payments/pay_1"),
        ("POST", "/v1/events"), ("GET", "/v1/merchant/webhook"), ("OPTIONS", "/v1/payments"),
        ("TRACE", "/v1/payments"), ("GET", "/c/token"),
    ],
)
async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(shop, method, path):
    """RFC 9110 wants them in Allow."""
    answer = await shop.send(method, path)

    assert answer.problem == (405, "method_not_allowed", [])
    assert answer.headers["Allow"]


async def test_head_is_answered_without_a_body(shop):
    """Load balancers and link checkers send it."""
    answer = await shop.send("HEAD", "/v1/payments")

    assert (answer.status, answer.raw) == (405, b"")


@pytest.mark.parametrize("given", ["order-1234.try_2", "a" * 64])
async def test_the_callers_request_id_comes_back(shop, given):
    """So that both sides' logs can be laid side by side."""
    answer = await shop.get("/v1/payments/abc", headers={"X-Request-Id": given})

    assert (answer.headers["X-Request-Id"], answer.body["request_id"]) == (given, given)


@pytest.mark.parametrize("given", ["a" * 65, "a b", "<script>", "é", ""])
async def test_an_unfit_request_id_is_replaced(shop, given):
    """It is written into logs and answers."""
    answer = await shop.get("/v1/payments/abc", headers={"X-Request-Id": given})

    assert answer.headers["X-Request-Id"] == answer.body["request_id"]
    assert answer.body["request_id"] != given and len(answer.body["request_id"]) == 32
