"""The merchant of `hakika dev`, its test key, and its short code at the simulator.

Made once, the same at every start. With all that the simulator can be asked for, so that every
command of the documentation works with the key that is printed.
"""

from __future__ import annotations

import asyncio
import base64
from urllib.request import ProxyHandler, Request, build_opener

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hakika.cli import dev_folder, screen
from hakika.domain.errors import ProviderRefused, Unauthenticated, Unavailable
from hakika.domain.ids import MerchantId
from hakika.domain.merchant import ApiKey
from hakika.domain.money import Money
from hakika.domain.provider import Secrets
from hakika.domain.shortcode import WhenUnheard
from hakika.services import inquiries, keys, merchants, providers, registrations
from hakika.services.keys import Wanted
from hakika.services.runtime import Runtime, open_runtime
from hakika.settings import Settings

NAME = "Demo shop"

# The simulator's own API operator; and a Safaricom number, which it does not call.
OPERATOR, OPERATOR_PASSWORD = "testapi", "Simulated#1"
NOMINATED_NUMBER = "254722000000"

# What lies on each account of the short code to be sent, in shillings.
FLOAT_SHILLINGS = 1_000_000

SIMULATOR_SECONDS_MAX = 10.0


async def key_and_merchant(settings: Settings) -> dict[str, str]:
    """Return `api_key`, a test key that may do everything, and the `merchant_id` it is of."""
    async with open_runtime(settings, public_url=settings.public_url) as rt:
        text = dev_folder.key(settings.data)
        try:
            key = await keys.authenticate(rt, text)
        except Unauthenticated:  # there is none yet, or it was revoked
            key, text = await keys.create(
                rt, await _merchant(rt), Wanted(livemode=False, label="hakika dev"),
            )
            dev_folder.remember_key(settings.data, text)
        if settings.daraja_sandbox_url == settings.simulator_url:
            await _shortcode(rt, key, settings)
    return {"api_key": text, "merchant_id": key.merchant_id}


async def _merchant(rt: Runtime) -> MerchantId:
    for each in await merchants.all_of_them(rt):
        if each.name == NAME:
            return each.id
    return (await merchants.create(rt, NAME)).id


async def _shortcode(rt: Runtime, key: ApiKey, settings: Settings) -> None:
    """Put credentials of the simulator's short code, unless there are some, and register it.

    Registered at each start, since Hakika may be at another port than before.
    """
    shortcode = rt.shared_account.shortcode
    present = [each.shortcode.number for each in await providers.find(rt, key)]
    if not present:
        certificate = await asyncio.to_thread(_certificate, settings.simulator_url)
        provider = await providers.put(rt, key, providers.Wanted(
            shortcode, Secrets(
                "simulated", "simulated", rt.shared_account.passkey, OPERATOR,
                _encrypted(OPERATOR_PASSWORD, certificate),
            ), nominated_number=NOMINATED_NUMBER,
        ))
        await asyncio.to_thread(_fund, settings.simulator_url, shortcode.number)
        await inquiries.ask_soon(rt, provider)
    elif shortcode.number not in present:
        return  # a developer's own, who knows what is registered of them
    try:
        await registrations.register_c2b(
            rt, key, shortcode.number, when_unheard=WhenUnheard.COMPLETED,
        )
        if not present:
            await registrations.register_pull(rt, key, shortcode.number)
    except (ProviderRefused, Unavailable) as error:
        screen.margin().print(f"{shortcode.number} is not registered: {error.message}")


def _certificate(simulator: str) -> bytes:
    return _asked(Request(f"{simulator}/_simulator/certificate"))


def _fund(simulator: str, shortcode: str) -> None:
    """Put money on the accounts that B2C and B2B are paid from, as one does on the portal."""
    for account in ("utility", "working"):
        _asked(Request(
            f"{simulator}/_simulator/portal/floats", method="POST",
            headers={"Content-Type": "application/json"}, data=orjson.dumps({
                "shortcode": shortcode, "from": "bank", "to": account,
                "amount_cents": Money.shillings(FLOAT_SHILLINGS).cents,
            }),
        ))


def _asked(request: Request) -> bytes:
    opener = build_opener(ProxyHandler({}))    # it is on this machine, whatever stands before it
    with opener.open(request, timeout=SIMULATOR_SECONDS_MAX) as answer:
        return bytes(answer.read())


def _encrypted(password: str, certificate: bytes) -> str:
    """Return a password as Safaricom wants an operator's: encrypted for its certificate."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(public, rsa.RSAPublicKey), "the simulator's certificate is of RSA"
    return base64.b64encode(public.encrypt(password.encode(), padding.PKCS1v15())).decode()
