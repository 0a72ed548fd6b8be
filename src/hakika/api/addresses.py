"""Where a request came from: nobody outside can write an address that we believe. (faults.md C5)

Only when the peer is one of our own proxies is a header read, only the one that the settings name,
and from the right: the first address that is not our proxy is the client. What stands left of it,
anyone can write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from fastapi import Request

from hakika.domain.errors import ForwardedMalformed
from hakika.settings import Settings

# Some proxies write the port of the connection behind the address.
_WITH_PORT = re.compile(r"\[(?P<v6>[^\[\]]+)\](?::[0-9]{1,5})?|(?P<v4>[0-9.]+):[0-9]{1,5}")

# What RFC 7239 lets a proxy write that does not know, or will not tell.
_UNTOLD = re.compile(r"unknown|_[A-Za-z0-9._-]+", re.ASCII | re.IGNORECASE)

# RFC 7239, section 4: elements between commas, pairs between semicolons, values bare or quoted.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rf'{_TOKEN}|"(?:[^"\\]|\\.)*"'
_PAIR = re.compile(rf"({_TOKEN})=({_VALUE})")
_ELEMENT = re.compile(rf"(?:{_TOKEN}=(?:{_VALUE}))(?:;{_TOKEN}=(?:{_VALUE}))*")
_BETWEEN = re.compile(r"[ \t]*,[ \t]*")


def client_address(request: Request, settings: Settings) -> str:
    """Return the address that the request came from.

    Where our own proxy says `unknown` we know no more than the proxy's own address.

    Raises:
        ForwardedMalformed: our own proxy says something that is no address.
    """
    address = peer_address(request)
    if not is_in(address, settings.trusted_proxies):
        return address
    hops = _hops(request.headers.getlist(settings.proxy_header), settings.proxy_header)
    while hops and is_in(address, settings.trusted_proxies):
        hop = hops.pop()
        nearest = plain(hop)
        if nearest is None:
            if not _UNTOLD.fullmatch(hop):
                raise _malformed(settings.proxy_header)
            break
        address = nearest
    return address


def peer_address(request: Request) -> str:
    """Return the address at the other end of the connection."""
    host = request.client.host if request.client else ""
    return plain(host) or host


def is_in(address: str, networks: Sequence[str]) -> bool:
    """Say whether `address` is one, and in one of `networks`."""
    return bool(networks) and _is_in(address, tuple(networks))


@lru_cache(maxsize=4096)
def _is_in(address: str, networks: tuple[str, ...]) -> bool:
    peer = plain(address)
    return peer is not None and any(ip_address(peer) in ip_network(each) for each in networks)


def _hops(lines: list[str], header: str) -> list[str]:
    """Return what the proxies wrote, the nearest last."""
    match header:
        case "x-forwarded-for":
            return [hop.strip() for line in lines for hop in line.split(",")]
        case "forwarded":
            return _forwarded(", ".join(lines))
        case _:
            if len(lines) > 1:
                raise _malformed(header)
            return [line.strip() for line in lines]


def _forwarded(text: str) -> list[str]:
    """Return the `for` of each element of a Forwarded header (RFC 7239).

    The whole of it must be well written: an open quotation mark that a stranger sent would else
    swallow what our proxy wrote behind it.
    """
    hops, position = [], 0
    while position < len(text):
        element = _ELEMENT.match(text, position)
        if element is None:
            raise _malformed("forwarded")
        named = [value for name, value in _PAIR.findall(element[0]) if name.lower() == "for"]
        if len(named) > 1:
            raise _malformed("forwarded")
        hops.append(_bare(named[0]) if named else "unknown")
        position = element.end()
        if position < len(text):
            between = _BETWEEN.match(text, position)
            if between is None or between.end() == len(text):
                raise _malformed("forwarded")
            position = between.end()
    return hops


def _bare(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _malformed(header: str) -> ForwardedMalformed:
    return ForwardedMalformed(f"The header {header}, as it arrived, does not tell an address.")


@lru_cache(maxsize=4096)
def plain(text: str) -> str | None:
    """Return the address in `text` in its plainest form: without port, zone or IPv6 dress."""
    bare = _WITH_PORT.fullmatch(text)
    try:
        address: IPv4Address | IPv6Address = ip_address(
            (bare["v4"] or bare["v6"]) if bare else text,
        )
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address)))
    return str(address)
