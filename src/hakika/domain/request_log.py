"""The request log: what was asked of the API and what became of it, with nothing in it to steal.

It is for finding out why an integration does what it does, for 30 days. It is no evidence: the
facts are. A crash may lose the last second of it, and a flood of requests cuts it short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from hakika.domain.ids import KeyId, LoggedRequestId, MerchantId
from hakika.domain.masking import HIDDEN, mask_text
from hakika.domain.times import written

KEPT_FOR = timedelta(days=30)

# A body is kept whole up to this length; of a longer one only the length is known.
BODY_BYTES_MAX = 8 * 1024

_PATH_CHARACTERS_MAX = 500

# Nothing that is shorter looks like a number of a person, or like a secret.
_MASKED_CHARACTERS_MIN = 7

# Headers are a webhook endpoint's own: a way into somebody's system, whatever they are called.
_SECRET_NAMES = re.compile(
    r"password|passkey|passphrase|secret|authorization|api_?key|consumer_?key|token|cookie"
    r"|credential|^pin$|private_?key|initiator|^headers$",
    re.IGNORECASE,
)
_PERSON_NAMES = re.compile(
    r"phone|msisdn|party_?[ab]$|e_?mail|^name$|(?:first|middle|last|full|customer|payer)_?name$"
    r"|id_?number|^search$|^q$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request, as it is kept."""

    id: LoggedRequestId
    started_at: datetime
    merchant_id: MerchantId | None     # None: nobody was authenticated
    livemode: bool | None
    key_id: KeyId | None
    request_id: str                    # X-Request-Id
    method: str
    route: str                         # the template, such as /v1/payments/{payment_id}
    path: str
    query: Mapping[str, Any]           # masked
    status: int | None                 # None: the caller hung up before there was an answer
    error_code: str | None
    duration_ms: float
    idempotency_key: str | None
    replayed: bool
    client_address: str
    body: Any                          # masked; None: there was none, or none that can be shown
    body_bytes: int
    response_bytes: int | None


def masked_body(raw: bytes) -> Any:
    """Return what may be kept of a body: JSON with every secret and every person hidden.

    None for what is no JSON: nobody knows what is in it.
    """
    if not raw or len(raw) > BODY_BYTES_MAX:
        return None
    try:
        return masked("", json.loads(raw))
    except (ValueError, RecursionError):
        return None


def masked_query(query: bytes) -> dict[str, Any]:
    """Return the parameters of a request, hidden like those of a body."""
    if not query:
        return {}
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return {_masked_text(name): masked(name, value) for name, value in pairs}


def masked_path(path: str) -> str:
    """Return a path with everything hidden that looks like a number or a secret."""
    return _masked_text(path[:_PATH_CHARACTERS_MAX])


def masked(name: str, value: Any) -> Any:
    """Return `value`, which stands under `name`, with every secret and every person hidden."""
    if value is None or isinstance(value, bool) or value == "":
        return value
    hides_secrets, hides_people = _meaning(name)
    if hides_secrets:
        return HIDDEN
    match value:
        case dict():
            return {_masked_name(each): masked(each, inner) for each, inner in value.items()}
        case list():
            return [masked(name, each) for each in value]
    text = value if isinstance(value, str) else str(value)
    shown = _masked_text(text)
    if hides_people:
        return shown if "••••" in shown else HIDDEN
    return value if shown == text else shown


@lru_cache(maxsize=1024)
def _meaning(name: str) -> tuple[bool, bool]:
    """Say whether a field of this name holds a secret, and whether it names a person."""
    return _SECRET_NAMES.search(name) is not None, _PERSON_NAMES.search(name) is not None


def _masked_text(text: str) -> str:
    """Return `text` masked, and as it can be written in UTF-8, whatever somebody sent."""
    if len(text) < _MASKED_CHARACTERS_MIN and text.isascii():
        return text
    return mask_text(text if text.isascii() else text.encode("utf-8", "replace").decode())


_masked_name = lru_cache(maxsize=1024)(_masked_text)


def request_data(request: LoggedRequest) -> dict[str, Any]:
    """Return a logged request as its merchant reads it."""
    return {
        "id": request.id, "request_id": request.request_id,
        "started_at": written(request.started_at), "livemode": request.livemode,
        "key_id": request.key_id, "method": request.method, "route": request.route,
        "path": request.path, "query": dict(request.query), "status": request.status,
        "error_code": request.error_code, "duration_ms": request.duration_ms,
        "idempotency_key": request.idempotency_key, "replayed": request.replayed,
        "client_address": request.client_address, "body": request.body,
        "body_bytes": request.body_bytes, "response_bytes": request.response_bytes,
    }


def searchable_from(since: datetime | None, *, now: datetime) -> datetime:
    """Return from when on a search looks: not further back than requests are kept."""
    earliest = now - KEPT_FOR
    return earliest if since is None else max(since, earliest)
