"""What is registered with M-Pesa once for each short code, so that it tells of its collections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hakika.daraja.errors import DarajaRefused, DarajaSilent, DarajaUnreachable
from hakika.domain.callback import Door
from hakika.domain.errors import Invalid, ProviderRefused, Unavailable
from hakika.domain.fact import Reason
from hakika.domain.merchant import ApiKey
from hakika.domain.provider import Provider
from hakika.domain.shortcode import WhenUnheard
from hakika.services import providers
from hakika.services.runtime import Runtime
from hakika.store import reconciliation

TRY_AGAIN = "Register again after Retry-After seconds; twice does no harm."


async def register_c2b(
    rt: Runtime, key: ApiKey, shortcode: str = "", *, when_unheard: WhenUnheard,
) -> Provider:
    """Have M-Pesa tell us of every payment to a short code, asked for or not.

    Raises:
        NotFound: no such credentials.
        ProviderRefused: Daraja did not register the addresses, and says why.
        Unavailable: Daraja could not be asked, or did not answer. Register again.
    """
    provider = await providers.chosen(rt, key, shortcode)
    with _failures():
        await rt.daraja.register_c2b(
            providers.credentials(rt, provider), when_unheard=when_unheard,
            confirmation_url=rt.callback_url(provider.id, Door.CONFIRMATION),
            validation_url=rt.callback_url(provider.id, Door.VALIDATION),
        )
    return provider


async def register_pull(rt: Runtime, key: ApiKey, shortcode: str = "") -> Provider:
    """Have M-Pesa list a short code's collections, and read the list from now on.

    Raises:
        Invalid: the credentials lack the nominated number.
        NotFound, ProviderRefused, Unavailable: as `register_c2b`.
    """
    provider = await providers.chosen(rt, key, shortcode)
    if not provider.nominated_number:
        raise Invalid(
            "M-Pesa asks for the Safaricom number that is nominated for this short code.",
            field="mpesa.nominated_number", code="nominated_number_missing",
            hint="Put the credentials again with nominated_number: PUT /v1/merchant/providers.",
        )
    with _failures():
        await rt.daraja.register_pull(
            providers.credentials(rt, provider), nominated_number=provider.nominated_number,
            callback_url=rt.callback_url(provider.id, Door.CONFIRMATION),
        )
    async with rt.store.autocommit() as tx:
        await reconciliation.register(tx, provider.id, next_pull_at=rt.now())
    return provider


@contextmanager
def _failures() -> Iterator[None]:
    """Raise what Daraja did as what the caller may do next."""
    try:
        yield
    except DarajaRefused as failure:
        raise refusal(failure.reason) from None
    except DarajaUnreachable as failure:
        raise Unavailable(
            "M-Pesa could not be reached. Nothing was registered.", hint=TRY_AGAIN,
            retry_after_seconds=failure.retry_after_seconds,
        ) from None
    except DarajaSilent:
        raise Unavailable(
            "M-Pesa did not say whether it registered the short code.", hint=TRY_AGAIN,
        ) from None


def refusal(reason: Reason) -> ProviderRefused:
    """Return the error that says what Daraja would not do, and why."""
    return ProviderRefused(f"Daraja refused: {reason.developer_message}", daraja={
        "code": reason.daraja_code or None, "message": reason.daraja_message or None,
        "meaning": reason.developer_message, "payer_message": reason.payer_message,
        "retryable": reason.retryable,
    })
