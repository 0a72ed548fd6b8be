"""Where a request came from: nobody outside can write an address that we believe. (faults.md C5)"""

from __future__ import annotations

import pytest
from fastapi import Request

from hakika.api.requests import client_address

PROXIES = ("10.0.0.0/8", "192.168.1.5/32", "fd00::/8")
SAFARICOM = "196.201.214.200"
STRANGER = "41.90.1.2"
OUR_PROXY = "10.0.0.7"


def came_from(peer: str | None, *forwarded: str, proxies: tuple[str, ...] = PROXIES) -> str:
    request = Request({
        "type": "http", "client": (peer, 40000) if peer else None,
        "headers": [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded],
    })
    return client_address(request, proxies)


@pytest.mark.parametrize("forwarded", [
    (), (SAFARICOM,), (f"{SAFARICOM}, {SAFARICOM}",), (SAFARICOM, SAFARICOM), ("",), ("unknown",),
])
def test_a_stranger_is_not_believed_about_where_they_are(forwarded):
    """The header is read only from our own proxies."""
    assert came_from(STRANGER, *forwarded) == STRANGER


@pytest.mark.parametrize("forwarded", [(), (SAFARICOM,), (f"{SAFARICOM}, {OUR_PROXY}",)])
def test_without_proxies_the_peer_is_the_client(forwarded):
    """The default: nothing in front of us is trusted."""
    assert came_from(OUR_PROXY, *forwarded, proxies=()) == OUR_PROXY


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ((SAFARICOM,), SAFARICOM),
        ((f"{STRANGER}, {SAFARICOM}",), SAFARICOM),          # what a stranger wrote stands left
        ((f"{SAFARICOM}, {STRANGER}",), STRANGER),           # a stranger spoofs an allowed address
        ((SAFARICOM, STRANGER), STRANGER),                   # the same in two lines
        ((f"{SAFARICOM}, {STRANGER}, 10.0.0.9",), STRANGER),  # through two proxies of ours
        ((f"{STRANGER},{SAFARICOM} ,10.0.0.9, 192.168.1.5",), SAFARICOM),
        ((f"  {SAFARICOM}  ",), SAFARICOM),
        (("10.0.0.9",), "10.0.0.9"),                         # only proxies: the outermost of them
        ((), OUR_PROXY),
    ],
)
def test_the_client_is_the_first_address_from_the_right_that_is_not_our_proxy(forwarded, address):
    """What stands left of it, anyone can write."""
    assert came_from(OUR_PROXY, *forwarded) == address


@pytest.mark.parametrize("hop", [
    "unknown", "_hidden", "", "1.2.3", "999.1.1.1", "1.2.3.4.5", "0x7f.1", "٤١.٩٠.١.٢", "::g",
    "[::1", "1.2.3.4:", "1.2.3.4:123456", "for=1.2.3.4", "1.2.3.4 5",
])
def test_what_is_no_address_ends_the_search(hop):
    """Beyond it we know nothing; and an allowed address left of it is not believed."""
    assert came_from(OUR_PROXY, f"{SAFARICOM}, {hop}".encode().decode("latin-1")) == OUR_PROXY


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        (f"{SAFARICOM}:443", SAFARICOM), ("[2c0f:fe38::1]:443", "2c0f:fe38::1"),
        ("[2c0f:fe38::1]", "2c0f:fe38::1"), ("2c0f:FE38:0::1", "2c0f:fe38::1"),
        (f"::ffff:{SAFARICOM}", SAFARICOM), (f"[::ffff:{SAFARICOM}]:443", SAFARICOM),
        ("fe80::1%eth0", "fe80::1"), ("fe80::1%<script>", "fe80::1"),
    ],
)
def test_an_address_is_read_in_every_dress(hop, address):
    """Azure writes ports, dual-stack hosts write IPv4 as IPv6, link-local ones name a card."""
    assert came_from(OUR_PROXY, hop) == address


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (f"::ffff:{SAFARICOM}", SAFARICOM), (f"::ffff:{OUR_PROXY}", STRANGER),
        ("fd00::7", STRANGER), ("fd00::7%eth0", STRANGER),
        ("testclient", "testclient"), (None, ""),
    ],
)
def test_a_peer_is_read_in_every_dress_too(peer, address):
    """On a dual-stack socket, Safaricom's own address comes as ::ffff:196.201.214.200."""
    assert came_from(peer, STRANGER) == address


@pytest.mark.parametrize("name", ["forwarded", "x-real-ip", "client-ip", "x-forwarded-host"])
def test_no_other_header_is_believed(name):
    """Each more header is one more that a proxy may forget to overwrite."""
    request = Request({
        "type": "http", "client": (OUR_PROXY, 1),
        "headers": [(name.encode(), f"for={SAFARICOM}".encode()), (name.encode(), b"1.1.1.1")],
    })

    assert client_address(request, PROXIES) == OUR_PROXY
