"""Who may come in: each wrong key has its answer, and no merchant sees another's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi import APIRouter

from hakika.api.app import ROUTERS
from hakika.api.auth import for_sellers, scopes
from hakika.domain.merchant import Scope, mint_key, read_key
from hakika.services import keys
from hakika.services.keys import Wanted
from tests.api.world import new_key, new_person

UNKNOWN = mint_key(5, livemode=False).write()
# The table that a person has thought about: a new route must be added here.
NEEDED = {
    ("GET", "/v1/payments"): Scope.PAYMENTS_READ, ("POST", "/v1/payments"): Scope.PAYMENTS_WRITE,
    ("GET", "/v1/payments/{payment_id}"): Scope.PAYMENTS_READ,
    ("GET", "/v1/payments/{payment_id}/timeline"): Scope.PAYMENTS_READ,
    ("POST", "/v1/payments/{payment_id}/check"): Scope.PAYMENTS_WRITE,
    ("POST", "/v1/express"): Scope.PAYMENTS_WRITE,
    ("POST", "/api/v1/stk-push"): Scope.PAYMENTS_WRITE,
    ("GET", "/api/v1/transactions/{payment_id}"): Scope.PAYMENTS_READ,
    ("GET", "/v1/payouts"): Scope.PAYOUTS_READ, ("POST", "/v1/payouts"): Scope.PAYOUTS_WRITE,
    ("GET", "/v1/payouts/{payout_id}"): Scope.PAYOUTS_READ,
    ("GET", "/v1/payouts/{payout_id}/timeline"): Scope.PAYOUTS_READ,
    ("POST", "/v1/payouts/{payout_id}/approve"): Scope.PAYOUTS_APPROVE,
    ("POST", "/v1/payouts/{payout_id}/cancel"): Scope.PAYOUTS_WRITE,
    ("POST", "/v1/payouts/{payout_id}/resolve"): Scope.PAYOUTS_APPROVE,
    ("POST", "/v1/refunds/{refund_id}/resolve"): Scope.PAYOUTS_APPROVE,
    ("GET", "/v1/refunds"): Scope.REFUNDS_READ, ("POST", "/v1/refunds"): Scope.REFUNDS_WRITE,
    ("GET", "/v1/refunds/{refund_id}"): Scope.REFUNDS_READ,
    ("GET", "/v1/refunds/{refund_id}/timeline"): Scope.REFUNDS_READ,
    ("GET", "/v1/payout-rules"): Scope.PAYOUTS_READ,
    ("PUT", "/v1/payout-rules"): Scope.PAYOUTS_APPROVE,
    ("GET", "/v1/payout-rules/changes"): Scope.AUDIT_READ,
    ("GET", "/v1/beneficiaries"): Scope.PAYOUTS_READ,
    ("POST", "/v1/beneficiaries"): Scope.PAYOUTS_APPROVE,
    ("DELETE", "/v1/beneficiaries/{beneficiary_id}"): Scope.PAYOUTS_WRITE,
    ("GET", "/v1/payout-stops"): Scope.PAYOUTS_READ,
    ("POST", "/v1/payout-stops"): Scope.PAYOUTS_WRITE,
    ("DELETE", "/v1/payout-stops"): Scope.PAYOUTS_APPROVE,
    ("GET", "/v1/floats"): Scope.PAYOUTS_READ,
    ("GET", "/v1/payout-files"): Scope.PAYOUTS_READ,
    ("POST", "/v1/payout-files"): Scope.PAYOUTS_WRITE,
    ("GET", "/v1/payout-files/{file_id}"): Scope.PAYOUTS_READ,
    ("GET", "/v1/payout-files/{file_id}/rows"): Scope.PAYOUTS_READ,
    ("GET", "/v1/payout-files/{file_id}/outcome.csv"): Scope.PAYOUTS_READ,
    ("GET", "/v1/payout-files/{file_id}/outcome.xlsx"): Scope.PAYOUTS_READ,
    ("POST", "/v1/payout-files/{file_id}/start"): Scope.PAYOUTS_WRITE,
    ("POST", "/v1/payout-files/{file_id}/approve"): Scope.PAYOUTS_APPROVE,
    ("POST", "/v1/payout-files/{file_id}/pause"): Scope.PAYOUTS_WRITE,
    ("POST", "/v1/payout-files/{file_id}/resume"): Scope.PAYOUTS_WRITE,
    ("POST", "/v1/payout-files/{file_id}/cancel"): Scope.PAYOUTS_WRITE,
    ("POST", "/v1/exports"): Scope.REPORTS_READ, ("GET", "/v1/exports"): Scope.REPORTS_READ,
    ("GET", "/v1/exports/{export_id}"): Scope.REPORTS_READ,
    ("GET", "/v1/exports/{export_id}/file"): Scope.REPORTS_READ,
    ("GET", "/v1/search"): Scope.PAYMENTS_READ,
    ("POST", "/v1/sellers"): Scope.MERCHANT_WRITE, ("GET", "/v1/sellers"): Scope.MERCHANT_READ,
    ("GET", "/v1/sellers/{seller_id}"): Scope.MERCHANT_READ,
    ("PATCH", "/v1/sellers/{seller_id}"): Scope.MERCHANT_WRITE,
    ("POST", "/v1/sellers/{seller_id}/keys"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/sellers/{seller_id}/balance"): Scope.PAYOUTS_READ,
    ("POST", "/v1/sellers/{seller_id}/settlements"): Scope.PAYOUTS_WRITE,
    ("POST", "/v1/payouts/{payout_id}/record"): Scope.PAYOUTS_WRITE,
    ("POST", "/v1/fee-plans"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/fee-plans"): Scope.MERCHANT_READ,
    ("GET", "/v1/balance"): Scope.REPORTS_READ,
    ("POST", "/v1/payments/mpesa/register-pull"): Scope.MERCHANT_WRITE,
    ("POST", "/v1/payments/mpesa/reconcile"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/reconciliation/runs"): Scope.REPORTS_READ,
    ("GET", "/v1/reconciliation/statements"): Scope.REPORTS_READ,
    ("POST", "/v1/reconciliation/statements"): Scope.REPORTS_WRITE,
    ("GET", "/v1/reconciliation/statements/{statement_id}"): Scope.REPORTS_READ,
    ("GET", "/v1/reconciliation/statements/{statement_id}/lines"): Scope.REPORTS_READ,
    ("GET", "/v1/reconciliation/days"): Scope.REPORTS_READ,
    ("POST", "/v1/reconciliation/days/{day}"): Scope.REPORTS_WRITE,
    ("GET", "/v1/reconciliation/days/{day}/report"): Scope.REPORTS_READ,
    ("GET", "/v1/reconciliation/signing-key"): Scope.REPORTS_READ,
    ("GET", "/v1/reconciliation/discrepancies"): Scope.REPORTS_READ,
    ("GET", "/v1/reconciliation/discrepancies/{discrepancy_id}"): Scope.REPORTS_READ,
    ("PATCH", "/v1/reconciliation/discrepancies/{discrepancy_id}"): Scope.REPORTS_WRITE,
    ("POST", "/v1/reconciliation/discrepancies/{discrepancy_id}/resolve"): Scope.REPORTS_WRITE,
    ("POST", "/v1/payments/mpesa/check-status/{receipt}"): Scope.PAYMENTS_WRITE,
    ("POST", "/v1/inquiries"): Scope.PAYMENTS_WRITE,
    ("POST", "/v1/balance/check"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/inquiries"): Scope.REPORTS_READ,
    ("GET", "/v1/inquiries/{inquiry_id}"): Scope.REPORTS_READ,
    ("GET", "/v1/payments/{payment_id}/evidence"): Scope.AUDIT_READ,
    ("GET", "/v1/ledger/accounts"): Scope.REPORTS_READ,
    ("GET", "/v1/ledger/entries"): Scope.REPORTS_READ,
    ("PATCH", "/v1/merchant"): Scope.MERCHANT_WRITE,
    ("POST", "/v1/merchant/c2b"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/merchant/c2b"): Scope.MERCHANT_READ,
    ("PUT", "/v1/merchant/c2b/validation"): Scope.MERCHANT_WRITE,
    ("POST", "/v1/payments/{payment_id}/assign"): Scope.PAYMENTS_WRITE,
    ("GET", "/v1/customers"): Scope.CUSTOMERS_READ,
    ("POST", "/v1/customers"): Scope.CUSTOMERS_WRITE,
    ("GET", "/v1/customers/{customer_id}"): Scope.CUSTOMERS_READ,
    ("PATCH", "/v1/customers/{customer_id}"): Scope.CUSTOMERS_WRITE,
    ("DELETE", "/v1/customers/{customer_id}"): Scope.CUSTOMERS_WRITE,
    ("GET", "/v1/customers/{customer_id}/payments"): Scope.PAYMENTS_READ,
    ("GET", "/v1/events"): Scope.PAYMENTS_READ,
    ("GET", "/v1/webhook-endpoints"): Scope.WEBHOOKS_READ,
    ("POST", "/v1/webhook-endpoints"): Scope.WEBHOOKS_WRITE,
    ("GET", "/v1/webhook-endpoints/{endpoint_id}"): Scope.WEBHOOKS_READ,
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}"): Scope.WEBHOOKS_WRITE,
    ("DELETE", "/v1/webhook-endpoints/{endpoint_id}"): Scope.WEBHOOKS_WRITE,
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret"): Scope.WEBHOOKS_WRITE,
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test"): Scope.WEBHOOKS_WRITE,
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/recover"): Scope.WEBHOOKS_WRITE,
    ("GET", "/v1/deliveries"): Scope.WEBHOOKS_READ,
    ("GET", "/v1/deliveries/{delivery_id}"): Scope.WEBHOOKS_READ,
    ("POST", "/v1/deliveries/{delivery_id}/redeliver"): Scope.WEBHOOKS_WRITE,
    ("PUT", "/v1/merchant/webhook"): Scope.WEBHOOKS_WRITE,
    ("GET", "/v1/merchant"): Scope.MERCHANT_READ,
    ("GET", "/v1/merchant/providers"): Scope.MERCHANT_READ,
    ("PUT", "/v1/merchant/providers"): Scope.MERCHANT_WRITE,
    ("DELETE", "/v1/merchant/providers"): Scope.MERCHANT_WRITE,
    ("POST", "/v1/merchant/providers/validate"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/merchant/collections"): Scope.MERCHANT_READ,
    ("PUT", "/v1/merchant/collections"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/keys"): Scope.MERCHANT_READ, ("POST", "/v1/keys"): Scope.MERCHANT_WRITE,
    ("POST", "/v1/keys/{key_id}/rotate"): Scope.MERCHANT_WRITE,
    ("DELETE", "/v1/keys/{key_id}"): Scope.MERCHANT_WRITE,
    ("GET", "/v1/requests"): Scope.AUDIT_READ,
    ("GET", "/v1/requests/{request_id}"): Scope.AUDIT_READ,
}
# What a seller's key may use: its own payments, payouts, endpoints and balance, and nothing else.
SELLERS = {
    ("GET", "/v1/payments"), ("POST", "/v1/payments"), ("GET", "/v1/payments/{payment_id}"),
    ("GET", "/v1/payouts"), ("GET", "/v1/payouts/{payout_id}"),
    ("GET", "/v1/sellers/{seller_id}/balance"),
    ("GET", "/v1/webhook-endpoints"), ("POST", "/v1/webhook-endpoints"),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}"),
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}"),
    ("DELETE", "/v1/webhook-endpoints/{endpoint_id}"),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret"),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test"),
    ("POST", "/v1/express"),
    ("POST", "/api/v1/stk-push"), ("GET", "/api/v1/transactions/{payment_id}"),
}
ROUTES = sorted(NEEDED)

# Bodies without which a route answers 400 before it looks for the thing.
BODIES: dict[tuple[str, str], dict[str, str | bool]] = {
    ("PATCH", "/v1/customers/{customer_id}"): {"name": "Somebody"},
    ("POST", "/v1/payments/{payment_id}/assign"): {"assigned_to": "ORDER-7"},
    ("POST", "/v1/payouts/{payout_id}/resolve"): {"went": False},
    ("POST", "/v1/refunds/{refund_id}/resolve"): {"went": False},
    ("POST", "/v1/payouts/{payout_id}/record"): {"reference": "EFT-1"},
    ("PATCH", "/v1/sellers/{seller_id}"): {"settlement": "daily"},
    ("POST", "/v1/sellers/{seller_id}/keys"): {"label": "till"},
    ("PATCH", "/v1/reconciliation/discrepancies/{discrepancy_id}"): {"assigned_to": "Wanjiku"},
    ("POST", "/v1/reconciliation/discrepancies/{discrepancy_id}/resolve"): {"reason": "Seen."},
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}"): {"description": "Somebody's"},
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/recover"): {"since": "2026-01-01T00:00:00Z"},
}


def filled(
    path: str, *, payment: str = "pay_1", endpoint: str = "whe_1", key: str = "key_1",
    customer: str = "cus_1",
) -> str:
    return path.format(
        payment_id=payment, endpoint_id=endpoint, key_id=key, customer_id=customer,
        request_id="req_1", delivery_id="dlv_1", statement_id="stm_1", discrepancy_id="dsc_1",
        seller_id="sel_1",
        day="2020-01-01",
        inquiry_id="inq_1", export_id="exp_1", payout_id="pyo_1", refund_id="ref_1",
        beneficiary_id="ben_1", file_id="bat_1",
        receipt="UKL7RT61SV",
    )


def test_every_route_of_the_api_is_looked_at_here(api_world):
    """A route that was added must be thought of in this file."""
    assert scopes(ROUTERS) == NEEDED
    assert for_sellers(ROUTERS) == SELLERS
    documented = {
        (method.upper(), path) for path, methods in api_world.documented.document["paths"].items()
        for method in methods if path.startswith(("/v1", "/api/v1"))
    }
    assert documented == set(NEEDED)


def test_a_route_that_names_no_scope_stops_the_start():
    """Whoever forgets it has opened a door to everybody."""
    router = APIRouter(prefix="/v1/open")

    @router.get("")
    async def leak() -> str:
        return "everything"

    with pytest.raises(AssertionError, match="/v1/open names 0 scopes"):
        scopes([router])


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_comes_in_without_a_key_that_we_know(shop, method, path):
    """On every route; and the answer does not tell which part of the key was wrong."""
    answers = [
        await shop.send(method, filled(path), key=key)
        for key in ("", "abc", UNKNOWN, UNKNOWN[:-1], "hk_test_")
    ]

    assert {answer.status for answer in answers} == {401}
    assert {answer.code for answer in answers} == {"unauthenticated"}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}


async def test_a_key_of_no_scopes_is_refused_rather_than_made_with_all(shop):
    """Left out is all; an empty list is the mistake of a program."""
    refused = await shop.send("POST", "/v1/keys", json={"scopes": []})
    made = await shop.send("POST", "/v1/keys", json={})

    assert refused.problem == (400, "invalid_request", [("scopes", "list_empty")])
    assert set(made.data["scopes"]) == set(Scope)


async def test_keys_are_listed_a_page_at_a_time_newest_first(shop):
    """Whoever looks for the key that was made just now finds it on top."""
    made = [(await shop.send("POST", "/v1/keys", json={})).data["id"] for _ in range(2)]
    page = await shop.get("/v1/keys?limit=2")
    rest = await shop.get(f"/v1/keys?limit=2&cursor={page.body['page']['next']}")

    assert [each["id"] for each in page.data] == sorted(made, reverse=True)
    assert [len(rest.data), rest.body["page"]["next"]] == [1, None]
    for query in ("cursor=x", "limit=101", "page=2"):
        assert (await shop.get(f"/v1/keys?{query}")).status == 400


async def test_a_key_goes_in_either_header(shop):
    """Seed 002 has X-API-Key; most clients have Bearer."""
    other_header = await shop.get("/v1/payments", key="", headers={"X-API-Key": shop.key})
    either = await shop.get("/v1/payments", headers={"X-API-Key": shop.key})

    assert (other_header.status, either.status) == (200, 200)


async def test_a_key_with_the_right_name_and_another_secret_is_refused(shop):
    """The name of a key is no secret: it is in lists and logs."""
    forged = replace(read_key(shop.key), secret="0" * 32).write()

    answer = await shop.get("/v1/payments", key=forged)

    assert answer.problem == (401, "unauthenticated", [])


@pytest.mark.parametrize("header", ["Basic aGs6aGs=", "Bearer", "hk_test_x", "bearer x y"])
async def test_another_way_to_authenticate_is_refused(shop, header):
    """A client that has Basic built in must be told, not crash us."""
    answer = await shop.get("/v1/payments", key="", headers={"Authorization": header})

    assert answer.problem == (401, "unauthenticated", [])


async def test_the_two_headers_must_not_disagree(shop, other_shop):
    """Which merchant would it be? The bearer's; but never the other one's alone."""
    answer = await shop.get(
        "/v1/payments", key=UNKNOWN, headers={"X-API-Key": other_shop.key},
    )

    assert answer.problem == (401, "unauthenticated", [])


async def test_a_revoked_key_says_so(shop, api_world):
    """At once, in every process; the developer replaces it and does not search for a typo."""
    handle = shop.key.removeprefix("hk_test_")[:8]
    api_world.in_api(keys.revoke(api_world.rt, handle))

    answer = await shop.get("/v1/payments")

    assert answer.problem == (401, "api_key_revoked", [])


async def test_a_live_key_is_refused_where_there_is_no_live_daraja(shop, api_world):
    """A shop that goes live by the wrong server must be told before it charges anyone."""
    _, live = api_world.in_api(
        keys.create(api_world.rt, shop.merchant_id, Wanted(livemode=True)),
    )

    answer = await shop.send(
        "POST", "/v1/payments", key=live, idempotency_key=new_key(),
        json={"amount": 5, "currency": "KES", "provider": "mpesa", "phone": new_person()},
    )

    assert answer.problem == (403, "live_mode_unavailable", [])


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_key_without_the_scope_is_refused_by_name(api_world, session, method, path):
    """A key with every other scope; the answer says which one it lacks."""
    needed = NEEDED[method, path]
    shop = api_world.open_shop(session, scopes=set(Scope) - {needed})

    answer = await shop.send(method, filled(path))

    assert (answer.status, answer.code) == (403, "forbidden")
    said = answer.body.get("title", answer.body["error"]) + answer.body["detail"]
    assert needed in said and needed in answer.body["hint"]


# About a thing of nobody's own: a day is everybody's, and shows each their own.
OF_NOBODY = [
    ("POST", "/v1/reconciliation/days/{day}"), ("GET", "/v1/reconciliation/days/{day}/report"),
]


@pytest.mark.parametrize(
    ("method", "path"), [each for each in ROUTES if "{" in each[1] and each not in OF_NOBODY],
)
async def test_what_belongs_to_another_merchant_is_not_there(shop, other_shop, method, path):
    """Not even its existence is told. (I13)"""
    payment = (await shop.order(phone=new_person())).data["id"]
    endpoint = (
        await shop.send("POST", "/v1/webhook-endpoints", json={"url": "https://a.example/"})
    ).data["id"]

    key = (await shop.get("/v1/keys")).data[0]["id"]
    customer = (await shop.send("POST", "/v1/customers", json={"name": "Otieno"})).data["id"]
    body = {"json": BODIES[method, path]} if (method, path) in BODIES else {}

    theirs = await other_shop.send(
        method, filled(path, payment=payment, endpoint=endpoint, key=key, customer=customer),
        **body,
    )
    absent = await other_shop.send(method, filled(
        path, payment="pay_01kaxb2m8fe2tv5k0c3y7h9q4d", endpoint="whe_01kaxb2m8fe2tv5k0c3y7h9q4d",
        key="key_01kaxb2m8fe2tv5k0c3y7h9q4d", customer="cus_01kaxb2m8fe2tv5k0c3y7h9q4d",
    ), **body)

    assert theirs.problem == absent.problem == (404, "not_found", [])
    assert (await shop.get(f"/v1/payments/{payment}")).status == 200
    assert len((await shop.get("/v1/webhook-endpoints")).data) == 1


async def test_lists_show_a_merchant_only_what_is_theirs(shop, other_shop):
    """By any filter: the search by phone is where such a leak would hurt most."""
    person = new_person()
    await shop.order(phone=person)
    await shop.send("POST", "/v1/webhook-endpoints", json={"url": "https://a.example/"})

    for path in ("/v1/payments", f"/v1/payments?search={person}", "/v1/events",
                 "/v1/webhook-endpoints"):
        assert (await other_shop.get(path)).data == []
