"""Which addresses may be called: a merchant writes a URL, and must not reach our own network by it.

Read in this order: `is_public` and its tables judge an address, `AllowList` is the operator's
exception to them, `check_url` judges what a merchant wrote. `check_url` is a courtesy to whoever
mistypes, and the guard of addresses written as numbers; a name says nothing until it is resolved,
so the check that counts is made in `connections.py`: each address, at each connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Self

from hakika.domain.errors import Invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# We keep our own tables, because `ipaddress.is_global` changes with the patch release of Python and
# holds the two networks marked "public" below to be fine. Source: the IANA special-purpose address
# registries (iana.org/assignments/iana-ipv4-special-registry, …-ipv6-special-registry).
DENIED_IPV4 = tuple(map(IPv4Network, (
    "0.0.0.0/8",          # "this network"; Linux takes 0.0.0.0 to mean itself
    "10.0.0.0/8",         # private
    "100.64.0.0/10",      # carrier-grade NAT; Alibaba's metadata service is 100.100.100.200
    "127.0.0.0/8",        # loopback
    "168.63.129.16/32",   # public, but from within Azure it is the host's own agent
    "169.254.0.0/16",     # link-local; 169.254.169.254 is the metadata service of most clouds
    "172.16.0.0/12",      # private; Docker's default networks
    "192.0.0.0/24",       # protocol assignments; Oracle's metadata service is 192.0.0.192
    "192.0.2.0/24",       # documentation, TEST-NET-1
    "192.88.99.0/24",     # public once: 6to4 relays, withdrawn by RFC 7526
    "192.168.0.0/16",     # private
    "198.18.0.0/15",      # benchmarking
    "198.51.100.0/24",    # documentation, TEST-NET-2
    "203.0.113.0/24",     # documentation, TEST-NET-3
    "224.0.0.0/4",        # multicast
    "240.0.0.0/4",        # class E, and 255.255.255.255, broadcast
)))

# Only 2000::/3 was ever given out to be reached from everywhere (RFC 4291, 2.4). Whatever lies
# outside is denied without a line here: :: and ::1, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard
# (100::/64), SRv6 (5f00::/16), unique local (fc00::/7, with fd00:ec2::254, the metadata service of
# AWS), link-local (fe80::/10), site-local (fec0::/10), multicast (ff00::/8), and what comes next.
PUBLIC_IPV6 = IPv6Network("2000::/3")

DENIED_IPV6 = tuple(map(IPv6Network, (
    "2001::/23",          # protocol assignments: Teredo 2001::/32, benchmarking, ORCHID
    "2001:db8::/32",      # documentation
    "2002::/16",          # 6to4: an IPv4 address in disguise, and relays that carry it
    "3fff::/20",          # documentation
)))

# IPv6 forms of IPv4 addresses: the kernel calls the embedded address, so that is the one we judge.
_IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")
_IPV4_BITS = 2**32 - 1
_NOT_COMPATIBLE = (IPv6Address("::"), IPv6Address("::1"))


@dataclass(frozen=True, slots=True)
class AllowList:
    """Networks that the operator lets webhooks reach although they are not public."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, networks: Iterable[str]) -> Self:
        """Return the list of these CIDR strings.

        Raises:
            ValueError: not a network, or one with host bits set. Mend the setting.
        """
        return cls(tuple(ip_network(network.strip()) for network in networks))

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def is_public(address: Address, allow: AllowList) -> bool:
    """Say whether `address` may be called: it is everyone's to reach, or the operator allows it."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False  # fe80::1%eth0: what it means depends on one of our own network cards
    judged = _embedded(address)
    if address in allow or judged in allow:
        return True
    if isinstance(judged, IPv4Address):
        return not any(judged in network for network in DENIED_IPV4)
    return judged in PUBLIC_IPV6 and not any(judged in network for network in DENIED_IPV6)


def _embedded(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped or IPv4-compatible one, else `address`."""
    if isinstance(address, IPv4Address) or address in _NOT_COMPATIBLE:
        return address
    if address in _IPV4_MAPPED or address in _IPV4_COMPATIBLE:
        return IPv4Address(int(address) & _IPV4_BITS)
    return address


URL_CHARACTERS_MAX = 2048
PORT_MAX = 65535

# Services that read a POST as commands of their own protocol, or that no merchant serves a webhook
# from: a public address is no reason to let somebody fire our requests at another's mail server.
# Short on purpose: it catches slips and the known tricks; the judgement of addresses is the guard.
PORTS_DENIED = {
    21: "FTP", 22: "SSH", 23: "Telnet", 25: "mail", 53: "DNS", 110: "mail", 143: "mail",
    445: "file sharing", 465: "mail", 587: "mail", 993: "mail", 995: "mail", 3306: "MySQL",
    3389: "remote desktop", 5432: "PostgreSQL", 6379: "Redis", 11211: "memcached", 27017: "MongoDB",
}
_PORTS_DEFAULT = {"http": 80, "https": 443}

# What RFC 3986 allows and nothing else. No white space, control character, backslash or letter
# beyond ASCII gets past here, so no two parsers can read one URL in two ways further on.
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*", re.ASCII)
_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?]*)(?P<rest>.*)", re.ASCII)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]{0,5}))?", re.ASCII)

# Underscores are not for host names, but Docker's service names have them, and an allow-list may
# lead there. 253 and 63 are the lengths of DNS (RFC 1035).
_LABEL = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII)

# "A host that ends in a number" (url.spec.whatwg.org): every resolver tries to read it as an
# address, in decimal, octal or hexadecimal, with one to four parts. We take only the usual form.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)

_LOOPBACK = IPv4Address("127.0.0.1")  # what localhost means, whatever a resolver says (RFC 6761)

_FORM = "Write it as https://shop.example/webhooks."


def check_url(url: str, *, livemode: bool, allow: AllowList) -> str:
    """Return `url` in its one normal form, or say why webhooks cannot go there.

    Safe to call with its own result. A name is not resolved here.

    Raises:
        Invalid: code `webhook_url_invalid`; show its message and hint to the merchant.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise _refusal(f"The URL is longer than {URL_CHARACTERS_MAX} characters.", "Shorten it.")
    if not _CHARACTERS.fullmatch(url):
        raise _refusal(
            "The URL contains a space, a backslash or another character that a URL cannot have.",
            "Write a name of other letters as xn--…, and other characters as %XX.",
        )
    if "#" in url:
        raise _refusal("The URL has a fragment, which is never sent.", "Remove # and what follows.")
    parts = _URL.fullmatch(url)
    if parts is None or parts["scheme"].lower() not in _PORTS_DEFAULT:
        raise _refusal("The URL does not begin with https:// or http://.", _FORM)
    scheme = parts["scheme"].lower()
    if livemode and scheme != "https":
        raise _refusal("A live webhook must go to an https:// URL.", "Use https, or a test key.")
    if "@" in parts["authority"]:
        raise _refusal(
            "The URL carries a user name or password.",
            "Remove it: verify the signature of each webhook instead.",
        )
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise _refusal("The host and port of the URL cannot be read.", _FORM)
    host = _checked_host(authority["host"].lower(), allow)
    port = _checked_port(authority["port"] or "", scheme)
    rest = parts["rest"] if parts["rest"].startswith("/") else f"/{parts['rest']}"
    return f"{scheme}://{host}{port}{rest}"


def _checked_host(written: str, allow: AllowList) -> str:
    host = written.removesuffix(".")
    address: Address | None = None
    if host.startswith("[") or _ENDS_IN_NUMBER.fullmatch(host):
        address = _read_literal(host)
        host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    elif not _NAME.fullmatch(host):
        raise _refusal("The URL has no host, or one that is not a host name.", _FORM)
    elif host == "localhost" or host.endswith(".localhost"):
        address = _LOOPBACK
    if address is not None and not is_public(address, allow):
        raise _refusal(
            f"Webhooks are not sent to {host}: that is a private, local or reserved address.",
            "Use a public address. The operator can allow networks of their own with "
            "HAKIKA_WEBHOOK_ALLOWED_NETWORKS.",
        )
    return host


def _read_literal(host: str) -> Address:
    try:
        if host.startswith("["):
            return IPv6Address(host.removeprefix("[").removesuffix("]"))
        return IPv4Address(host)  # refuses short, octal and hexadecimal forms
    except AddressValueError:
        raise _refusal(
            "The URL's host looks like an IP address in an unusual form.",
            "Write it as four decimal numbers, or an IPv6 address in square brackets.",
        ) from None


def _checked_port(written: str, scheme: str) -> str:
    """Return `:port`, or nothing for the scheme's own port."""
    port = int(written) if written else _PORTS_DEFAULT[scheme]
    if not 1 <= port <= PORT_MAX:
        raise _refusal(f"The port of the URL is not between 1 and {PORT_MAX}.", _FORM)
    if port in PORTS_DENIED:
        raise _refusal(
            f"Webhooks are not sent to port {port}: it belongs to {PORTS_DENIED[port]}.",
            "Serve the webhook from another port; 443 is the usual one.",
        )
    return "" if port == _PORTS_DEFAULT[scheme] else f":{port}"


def _refusal(message: str, hint: str) -> Invalid:
    return Invalid(message, field="url", code="webhook_url_invalid", hint=hint)
