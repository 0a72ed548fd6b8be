"""Reading the JSON bodies of Daraja's calls, field by field, as the gateway reads them.

Sources: daraja.md 4.3 (which API refuses with which code), 7.4 (callback URLs).
"""

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from hakika_simulator.refusals import Refused

RECEIPT = re.compile(r"[A-Z0-9]{10}")
SHORTCODE = re.compile(r"\d{5,7}")
WHOLE = re.compile(r"[0-9]{1,9}")
POSITIVE = re.compile(r"[1-9][0-9]{0,8}")
AMOUNT_SHILLINGS_MAX = 250_000
BANNED_WORDS = re.compile(r"m-?pesa|safaricom|exe|cmd|sql|sequel|quer(y|ies)", re.IGNORECASE)
TUNNELS = re.compile(r"ngrok|mockbin|requestbin", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fields:
    """One call's body. Every method raises what `refuse` makes of the field's name."""

    body: dict[str, Any]
    refuse: Callable[[str], Refused]

    def text(self, name: str, shape: re.Pattern[str]) -> str:
        """Return a field that must have this shape, as text even if sent as a number."""
        value = self.body.get(name)
        text = str(value) if type(value) in (str, int) else ""
        if not shape.fullmatch(text):
            raise self.refuse(name)
        return text

    def short(self, name: str, length_max: int, *, length_min: int = 1) -> str:
        """Return a field that must be there, from `length_min` to `length_max` signs long."""
        value = self.body.get(name)
        text = str(value).strip() if type(value) in (str, int) else ""
        if not length_min <= len(text) <= length_max:
            raise self.refuse(name)
        return text

    def optional(self, name: str, length_max: int) -> str:
        """Return a field that may be missing or empty, but not longer than `length_max`."""
        return "" if self.body.get(name) in (None, "") else self.short(name, length_max)

    def cents(self, name: str) -> int:
        """Return an amount of whole shillings, in cents, whatever limits M-Pesa itself has."""
        return int(self.text(name, POSITIVE)) * 100

    def shillings(self, name: str) -> int:
        """Return an amount of whole shillings within M-Pesa's limits."""
        amount = int(self.text(name, WHOLE))
        if not 1 <= amount <= AMOUNT_SHILLINGS_MAX:
            raise self.refuse(name)
        return amount

    def url(self, name: str, *, production: bool) -> str:
        """Return a URL that Daraja is willing to call."""
        value = self.body.get(name)
        if not isinstance(value, str) or not _may_be_called(value, production):
            raise self.refuse(name)
        return value


async def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object sent; nothing at all if it is no JSON, as the gateway sees it."""
    raw = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return {}
    try:
        parsed = json.loads(raw)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _may_be_called(url: str, production: bool) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host or BANNED_WORDS.search(host + parts.path):
        return False
    return not production or (parts.scheme == "https" and _is_public(host))


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        local = host.endswith((".localhost", ".local", ".internal"))
        return "." in host and not local and not TUNNELS.search(host)
