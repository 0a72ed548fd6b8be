"""Which Daraja app and short code each mode uses, from the settings."""

from __future__ import annotations

from hakika.daraja.credentials import Credentials, check_live
from hakika.domain import shortcode
from hakika.settings import Settings


def daraja_accounts(settings: Settings) -> dict[bool, Credentials]:
    """Return the credentials by livemode; live ones only when they are set.

    Raises:
        Invalid: a short code that is none, or a sandbox value among the live ones.
    """
    accounts = {
        False: Credentials(
            consumer_key=settings.sandbox_consumer_key.get_secret_value(),
            consumer_secret=settings.sandbox_consumer_secret.get_secret_value(),
            passkey=settings.sandbox_passkey.get_secret_value(),
            shortcode=shortcode.paybill(settings.sandbox_shortcode),
            base_url=settings.daraja_sandbox_url,
            livemode=False,
        ),
    }
    if settings.has_live_credentials:
        live = Credentials(
            consumer_key=settings.live_consumer_key.get_secret_value(),
            consumer_secret=settings.live_consumer_secret.get_secret_value(),
            passkey=settings.live_passkey.get_secret_value(),
            shortcode=_live_shortcode(settings),
            base_url=settings.daraja_live_url,
            livemode=True,
        )
        accounts[True] = live
    for account in accounts.values():
        check_live(account)
    return accounts


def _live_shortcode(settings: Settings) -> shortcode.Shortcode:
    if settings.live_store_number:
        return shortcode.till(settings.live_shortcode, store_number=settings.live_store_number)
    return shortcode.paybill(settings.live_shortcode)
