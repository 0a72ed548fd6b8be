"""HTTP as the command line speaks it: to an API or a simulator, one JSON document at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from hakika.cli.failure import EXIT_MISASKED, CommandFailed

ANSWER_SECONDS_MAX = 60.0


class NoAnswer(CommandFailed):
    """Nothing came back that can be read; the request may have been carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON object that came with it."""

    status: int
    body: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        """Say whether the request was done."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what every HTTP status says


def ask(
    url: str, *, key: str = "", body: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET `url`, or POST `body` to it: JSON, or a file as it is. One that says no is an answer.

    Raises:
        NoAnswer: ask again, with the same Idempotency-Key when it moves money.
        CommandFailed: `url` is none.
    """
    status, raw = _exchanged(url, key=key, body=body, headers=headers)
    return _read(status, raw)


def download(url: str, *, key: str) -> bytes:
    """Return what `url` answers, byte for byte.

    Raises:
        NoAnswer: nothing came back, or an answer that says no.
        CommandFailed: `url` is none.
    """
    status, raw = _exchanged(url, key=key)
    if status != HTTPStatus.OK:
        raise NoAnswer(f"{url} answers {status}.")
    return raw


def _exchanged(
    url: str, *, key: str = "", body: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in {"http", "https"} or not host:
        raise CommandFailed(f"{url!r} is not a web address.", exit_code=EXIT_MISASKED)
    request = Request(url, headers={"Accept": "application/json", **(headers or {})})
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    if isinstance(body, bytes):
        request.data = body
        request.add_header("Content-Type", "application/octet-stream")
    elif body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with _opener(host).open(request, timeout=ANSWER_SECONDS_MAX) as response:
            return response.status, response.read()
    except HTTPError as refusal:
        return refusal.code, refusal.read()
    except (URLError, HTTPException, OSError) as error:
        raise NoAnswer(f"{url} does not answer: {getattr(error, 'reason', error)}.") from error


def _read(status: int, raw: bytes) -> Answer:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise NoAnswer(f"An answer with status {status} is not JSON. Is that address Hakika's?")
    return Answer(status, body)


def _opener(host: str) -> OpenerDirector:
    """Return what opens addresses; the proxy of the environment is not for this machine itself."""
    return build_opener(ProxyHandler({})) if _is_this_machine(host) else build_opener()


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
