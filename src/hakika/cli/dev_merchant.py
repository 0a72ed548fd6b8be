"""The merchant of `hakika dev`, and its test key: made once, the same at every start."""

from __future__ import annotations

from hakika.cli import dev_folder
from hakika.domain.errors import Unauthenticated
from hakika.domain.ids import MerchantId
from hakika.services import keys, merchants
from hakika.services.keys import Wanted
from hakika.services.runtime import Runtime, open_runtime
from hakika.settings import Settings

NAME = "Demo shop"


async def key_and_merchant(settings: Settings) -> dict[str, str]:
    """Return `api_key`, a test key that may do everything, and the `merchant_id` it is of."""
    async with open_runtime(settings) as rt:
        text = dev_folder.key(settings.data)
        try:
            key = await keys.authenticate(rt, text)
        except Unauthenticated:  # there is none yet, or it was revoked
            key, text = await keys.create(
                rt, await _merchant(rt), Wanted(livemode=False, label="hakika dev"),
            )
            dev_folder.remember_key(settings.data, text)
    return {"api_key": text, "merchant_id": key.merchant_id}


async def _merchant(rt: Runtime) -> MerchantId:
    for each in await merchants.all_of_them(rt):
        if each.name == NAME:
            return each.id
    return (await merchants.create(rt, NAME)).id
