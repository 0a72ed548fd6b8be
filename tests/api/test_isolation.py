"""No merchant reaches another's things, and no mode the other's, on any route of the API. (I13)

The table of routes is the API's own: a new route is tried as soon as it stands, and one that this
file cannot try, because it does not know what to put in its path or what it shows, fails by name.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from hakika.api.app import ROUTERS
from hakika.api.auth import scopes
from hakika.domain.ids import MerchantId
from hakika.domain.times import NAIROBI
from hakika.services import exports, keys, request_log
from hakika.services.keys import Wanted
from hakika.settings import SANDBOX_PASSKEY
from tests.api.test_days import closed, paid, statement
from tests.api.test_statements import imported
from tests.api.world import Answer, Shop, World, new_key, new_person

MERCHANTS = 5
PAIRS = 10

ROUTES = sorted(scopes(ROUTERS))
# About a thing of nobody's own: what they show of it is tried in tests of their own.
OF_NOBODY = {
    ("POST", "/v1/reconciliation/days/{day}"), ("GET", "/v1/reconciliation/days/{day}/report"),
    ("POST", "/v1/payments/mpesa/check-status/{receipt}"),
}
ABOUT_ONE = sorted(  # what deletes comes last
    (each for each in ROUTES if "{" in each[1] and each not in OF_NOBODY),
    key=lambda each: (each[0] == "DELETE", each),
)
LISTS = [path for method, path in ROUTES if method == "GET" and "{" not in path]

# What a list shows of what is its merchant's own: by this it is seen that the list was tried.
SHOWS = {
    "/v1/payments": "payment_id", "/v1/payouts": "payout_id", "/v1/payout-files": "file_id",
    "/v1/refunds": "refund_id", "/v1/events": "settled_id",
    "/v1/keys": "key_id",
    "/v1/webhook-endpoints": "endpoint_id", "/v1/deliveries": "delivery_id",
    "/v1/merchant": "merchant_id", "/v1/merchant/providers": "provider_id",
    "/v1/merchant/c2b": "shortcode",
    "/v1/customers": "customer_id", "/v1/requests": "request_id",
    "/v1/ledger/entries": "settled_id", "/v1/ledger/accounts": "sum", "/v1/balance": "sum",
    "/v1/reconciliation/runs": "run_id", "/v1/reconciliation/statements": "statement_id",
    "/v1/reconciliation/discrepancies": "discrepancy_id", "/v1/reconciliation/days": "shortcode",
    "/v1/inquiries": "inquiry_id",
    "/v1/search": "payment_id", "/v1/exports": "export_id",
    "/v1/payout-rules": "sum", "/v1/payout-rules/changes": "sum",
    "/v1/beneficiaries": "beneficiary_id", "/v1/payout-stops": "merchant_id",
    "/v1/floats": "shortcode",
    "/v1/sellers": "seller_id", "/v1/fee-plans": "plan_id",
}

# The log of requests has everything that a merchant typed, another's ids too. So it is always
# looked at for one request alone; and a search is always for something.
ONLY = {"/v1/requests": "?idempotency_key={log_key}", "/v1/search": "?q={reference}"}

# What is everybody's: the key that all reports are signed with.
SHARED = {"/v1/reconciliation/signing-key"}

# Lists that a test key may not see at all.
LIVE_ONLY = {"/v1/merchant/collections"}

# What narrows a list to another's thing, where a leak would hurt most.
NARROWED = {
    "/v1/payments": (
        "?search={person}", "?search={payment_id}", "?search={reference}",
        "?customer={customer_id}",
    ),
    "/v1/search": ("?q={person}", "?q={payment_id}", "?q={reference}"),
    "/v1/customers": ("?phone={person}", "?search=isolated"),
    "/v1/requests": ("?idempotency_key={log_key}&key={own_key_id}", "?key={own_key_id}"),
    "/v1/deliveries": ("?endpoint={endpoint_id}", "?event={event_id}"),
    "/v1/fee-plans": ("?seller={seller_id}",), "/v1/payouts": ("?seller={seller_id}",),
}

# Routes that name a thing, and not in their path.
NAMED: Mapping[tuple[str, str], str] = {
    ("POST", "/v1/merchant/providers/validate"): "?shortcode={shortcode}",
    ("DELETE", "/v1/merchant/providers"): "?shortcode={shortcode}",
    ("DELETE", "/v1/payout-stops"): "?key={merchant_id}:test",
}

ALL_NAMED = [*NAMED, *ABOUT_ONE]

# Bodies without which a route answers 400 before it looks for the thing.
BODIES: Mapping[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/payments/{payment_id}/assign"): {"assigned_to": "ORDER-7"},
    ("POST", "/v1/payouts/{payout_id}/record"): {"reference": "EFT-1"},
    ("POST", "/v1/payouts/{payout_id}/resolve"): {"went": False},
    ("POST", "/v1/refunds/{refund_id}/resolve"): {"went": False},
    ("PATCH", "/v1/sellers/{seller_id}"): {"settlement": "on_demand"},
    ("POST", "/v1/sellers/{seller_id}/keys"): {},
    ("PATCH", "/v1/reconciliation/discrepancies/{discrepancy_id}"): {"assigned_to": "Wanjiku"},
    ("POST", "/v1/reconciliation/discrepancies/{discrepancy_id}/resolve"): {"reason": "Seen."},
    ("PATCH", "/v1/customers/{customer_id}"): {"email": "isolated@shop.example"},
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}"): {"description": "x"},
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/recover"): {"since": "2026-01-01T00:00:00Z"},
}

# What a route says of one's own thing here, when that is not of the kind it is for.
CONFLICTS: Mapping[tuple[str, str], str] = {
    ("POST", "/v1/payments/{payment_id}/assign"): "conflict",
    ("POST", "/v1/payouts/{payout_id}/record"): "conflict",      # it is not sent by hand
    ("POST", "/v1/sellers/{seller_id}/settlements"): "nothing_owed",
    ("POST", "/v1/payouts/{payout_id}/approve"): "forbidden",    # nobody approves their own
    ("POST", "/v1/payouts/{payout_id}/resolve"): "forbidden",
    ("POST", "/v1/refunds/{refund_id}/resolve"): "forbidden",
    ("DELETE", "/v1/payout-stops"): "forbidden",                 # nor lifts what they froze
    ("POST", "/v1/payout-files/{file_id}/approve"): "forbidden",
    ("POST", "/v1/payout-files/{file_id}/pause"): "conflict",    # it has not begun, or has ended
    ("POST", "/v1/payout-files/{file_id}/resume"): "conflict",
    ("POST", "/v1/payout-files/{file_id}/start"): "float_insufficient",
}

# Five merchants with one thing of each kind are made before the first test.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Owner:
    """A merchant with one thing of each kind, in test mode, and a live key that has none."""

    shop: Shop
    live_key: str
    has: Mapping[str, str]

    @property
    def marks(self) -> list[bytes]:
        """What no other merchant's answer, and none of the other mode's, may hold."""
        return [text.encode() for name, text in self.has.items() if name != "merchant_id"]

    async def try_(
        self, method: str, path: str, has: Mapping[str, str], *, live: bool = False,
    ) -> Answer:
        """Send a request about what somebody `has`."""
        return await self.shop.send(
            method, path.format(**has), key=self.live_key if live else None,
            idempotency_key=None if method == "GET" else new_key(),
            **({"json": BODIES[method, path]} if (method, path) in BODIES else {}),
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owners(api_world: World) -> AsyncIterator[list[Owner]]:
    """Some merchants, made once for this file."""
    async with aiohttp.ClientSession() as session:
        yield [await made(api_world, session, number) for number in range(MERCHANTS)]


async def made(world: World, session: aiohttp.ClientSession, number: int) -> Owner:
    shop = world.open_shop(session)
    _, live_key = world.in_api(keys.create(
        world.rt, MerchantId(shop.merchant_id), Wanted(livemode=True),
    ))
    has = {
        "merchant_id": shop.merchant_id, "person": new_person(), "reference": f"ISOLATED-{number}",
        "shortcode": str(601_000 + number), "log_key": f"ISOLATED-LOG-{number}",
        "sum": f"{77_101 + number}.00",
    }
    endpoint = await shop.send("POST", "/v1/webhook-endpoints", json={"url": "https://a.example/"})
    settled = (
        await shop.order(idempotency_key=has["log_key"], amount=has["sum"])
    ).data["id"]
    await shop.settled(settled)
    delivery = (await shop.get("/v1/deliveries")).data[0]
    customer = await shop.send(
        "POST", "/v1/customers", json={"name": f"Isolated {number}", "phone": has["person"]},
    )
    payment = await shop.order(
        phone=has["person"], reference=has["reference"], customer_id=customer.data["id"],
    )
    spare = await shop.send("POST", "/v1/keys", json={})
    provider = await shop.send("PUT", "/v1/merchant/providers", json={
        "provider": "mpesa", "mpesa": {
            "env": "sandbox", "consumer_key": "own-consumer-key", "consumer_secret": "own-secret",
            "passkey": SANDBOX_PASSKEY, "shortcode": has["shortcode"],
            "initiator": "nobody", "security_credential": "bm9ib2R5",
        },
    })
    inquiry = await shop.send("POST", "/v1/balance/check", json={})
    out = await sent_out(shop, has)
    beneficiary = await guarded(shop, has)
    run = await shop.send("POST", "/v1/payments/mpesa/reconcile", json={})
    day = f"{datetime.now(NAIROBI) - timedelta(days=1):%Y-%m-%d}"
    await paid(shop, has["shortcode"], [datetime.fromisoformat(f"{day}T09:00Z").timestamp()])
    file = await statement(shop, has["shortcode"], day)
    statement_id = (await imported(shop, file))["id"]
    await closed(shop, day)
    await closed(shop, f"{datetime.now(NAIROBI) - timedelta(days=2):%Y-%m-%d}")  # unproven
    discrepancy, = (await shop.get("/v1/reconciliation/discrepancies")).data
    world.in_api(request_log.write_notes(world.rt))
    export = await shop.send("POST", "/v1/exports", json={"what": "payments", "format": "csv"})
    while (await shop.get(f"/v1/exports/{export.data['id']}")).data["state"] != "done":
        world.in_api(exports.work_off(world.rt))
    logged, = (await shop.get(f"/v1/requests?idempotency_key={has['log_key']}")).data
    return Owner(shop, live_key, has | await sold_through(shop, has["person"]) | {
        "run_id": run.data["id"], "export_id": export.data["id"],
        "request_id": logged["id"], "own_key_id": logged["key_id"],
        "settled_id": settled, "payment_id": payment.data["id"], "endpoint_id": endpoint.data["id"],
        "delivery_id": delivery["id"], "event_id": delivery["event_id"],
        "key_id": spare.data["id"], "provider_id": provider.data["id"],
        "customer_id": customer.data["id"], "statement_id": statement_id,
        "discrepancy_id": discrepancy["id"],
        "inquiry_id": inquiry.data["id"], **out, "beneficiary_id": beneficiary,
    })


async def sent_out(shop: Shop, has: Mapping[str, str]) -> dict[str, str]:
    """Order a payout and a refund, and send a file of payouts; return their ids."""
    sold = (await shop.order(shortcode=has["shortcode"])).data["id"]
    await shop.settled(sold)
    refund, payout = [
        await shop.send(
            "POST", f"/v1/{what}", json=body, idempotency_key=f"{has['log_key']}-{what}",
        ) for what, body in (
            ("refunds", {"payment_id": sold}),
            ("payouts", {"amount": 50, "phone": has["person"]}),
        )
    ]
    file = await shop.send(
        "POST", "/v1/payout-files", data=f"phone,amount\n{has['person']},50\n".encode(),
    )
    return {
        "refund_id": refund.data["id"], "payout_id": payout.data["id"], "file_id": file.data["id"],
    }


async def guarded(shop: Shop, has: Mapping[str, str]) -> str:
    """Guard a merchant's money; return the id of a beneficiary."""
    await shop.send("PUT", "/v1/payout-rules", json={"day_max": has["sum"]})
    await shop.send("POST", "/v1/payout-stops", json={})
    listed = await shop.send("POST", "/v1/beneficiaries", json={"phone": has["person"]})
    return str(listed.data["id"])


async def sold_through(shop: Shop, person: str) -> dict[str, str]:
    """Give a merchant a seller with a fee of its own; return their ids."""
    seller = await shop.send("POST", "/v1/sellers", json={
        "name": "Isolated", "payout_account": {"type": "phone", "phone": person},
    })
    plan = await shop.send("POST", "/v1/fee-plans", json={
        "seller_id": seller.data["id"], "basis_points": 150,
    })
    return {"seller_id": seller.data["id"], "plan_id": plan.data["id"]}


def pairs(owners: list[Owner], route: str) -> list[tuple[Owner, Owner]]:
    """Return random pairs of a merchant and another whose thing it tries to reach."""
    chance = random.Random(route)
    return [(one, other) for one, other in (chance.sample(owners, 2) for _ in range(PAIRS))]


@pytest.mark.parametrize(("method", "path"), ABOUT_ONE, ids=map(" ".join, ABOUT_ONE))
async def test_another_merchants_thing_is_not_there_and_nor_is_the_other_modes(
    owners: list[Owner], method: str, path: str,
):
    """Ten random pairs: 403 or 404 whatever is done to it, and no word of what it is."""
    for one, other in pairs(owners, method + path):
        answers = [
            await one.try_(method, path, other.has),
            await one.try_(method, path, one.has, live=True),
            await one.try_(method, path, other.has, live=True),
        ]

        assert {answer.status for answer in answers} <= {403, 404}, f"{method} {path}"
        for answer in answers:
            named = path.format(**other.has).encode(), path.format(**one.has).encode()
            said = answer.raw.replace(named[0], b"").replace(named[1], b"")
            shown = [mark for mark in other.marks if mark in said and mark not in b"".join(named)]
            assert shown == [], f"{method} {path}"


@pytest.mark.parametrize(("method", "path"), NAMED)
async def test_what_is_named_in_a_query_is_as_far_away(
    owners: list[Owner], method: str, path: str,
):
    for one, other in pairs(owners, method + path):
        for live in (False, True):
            answer = await one.try_(method, path + NAMED[method, path], other.has, live=live)

            assert answer.status in {403, 404}, f"{method} {path}"


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_has_nothing_of_another_merchant_or_mode(owners: list[Owner], path: str):
    """However it is narrowed; and it does show what is one's own, so it was truly tried."""
    assert path in {*SHOWS, *LIVE_ONLY, *SHARED}, f"say what GET {path} shows of a merchant's own"
    for one, other in pairs(owners, path):
        only = ONLY.get(path, "")
        own = await one.try_("GET", path + only, one.has)
        narrowed = [each.format(**other.has) for each in NARROWED.get(path, ())]
        answers = [await one.try_("GET", path + query, other.has) for query in (only, *narrowed)]
        live = await one.try_("GET", path + only, one.has, live=True)

        if path in SHOWS:
            assert one.has[SHOWS[path]].encode() in own.raw, path
        elif path in LIVE_ONLY:
            assert own.status == 403, path
        for answer in (own, *answers, live):
            assert [mark for mark in other.marks if mark in answer.raw] == [], path
        assert [mark for mark in one.marks if mark in live.raw] == [], path


@pytest.mark.parametrize(("method", "path"), ALL_NAMED, ids=map(" ".join, ALL_NAMED))
async def test_ones_own_thing_is_there(owners: list[Owner], method: str, path: str):
    """Else all the refusals above would say nothing. Runs last: some of it deletes."""
    own = owners[sum(map(ord, path)) % MERCHANTS]
    answer = await own.try_(method, path + NAMED.get((method, path), ""), own.has)

    assert answer.status < 300 or answer.body["code"] == CONFLICTS.get((method, path)), (
        f"{method} {path}: {answer.raw!r}"
    )
