"""Where a request came from: nobody outside can write an address that we believe. (faults.md C5)"""

from __future__ import annotations

import pytest
from fastapi import Request

from hakika.api.addresses import client_address
from hakika.domain.errors import ForwardedMalformed
from hakika.settings import read_settings

PROXIES = ("10.0.0.0/8", "192.168.1.5/32", "fd00::/8")
SAFARICOM = "196.201.214.200"
STRANGER = "41.90.1.2"
OUR_PROXY = "10.0.0.7"
HEADERS = {
    "x-forwarded-for": STRANGER, "forwarded": f"for={STRANGER}", "x-real-ip": STRANGER,
}


def came_from(
    peer: str | None, *lines: str, proxies: tuple[str, ...] = PROXIES,
    header: str = "x-forwarded-for", sent_as: str = "",
) -> str:
    request = Request({
        "type": "http", "client": (peer, 40000) if peer else None,
        "headers": [((sent_as or header).encode(), line.encode("latin-1")) for line in lines],
    })
    return client_address(request, read_settings(
        {}, trusted_proxies=proxies, proxy_header=header,
    ))


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


@pytest.mark.parametrize("hop", ["unknown", "Unknown", "_hidden", "_a.b-c"])
@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_where_our_proxy_will_not_tell_we_know_no_more_than_the_proxy(header, hop):
    """RFC 7239 allows it; and an allowed address left of it is not believed."""
    line = f"{SAFARICOM}, {hop}" if header == "x-forwarded-for" else f"for={SAFARICOM}, for={hop}"

    assert came_from(OUR_PROXY, line, header=header) == OUR_PROXY


@pytest.mark.parametrize("hop", [
    "", "1.2.3", "999.1.1.1", "1.2.3.4.5", "0x7f.1", "٤١.٩٠.١.٢", "::g", "[::1", "1.2.3.4:",
    "1.2.3.4:123456", "for=1.2.3.4", "1.2.3.4 5", "_", "_a b",
])
def test_what_our_own_proxy_writes_must_be_an_address(hop):
    """To guess would be to take a stranger for the proxy, which a key may be allowed from."""
    with pytest.raises(ForwardedMalformed):
        came_from(OUR_PROXY, f"{SAFARICOM}, {hop}".encode().decode("latin-1"))


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


@pytest.mark.parametrize(("header", "line"), HEADERS.items())
@pytest.mark.parametrize("sent_as", [*HEADERS, "client-ip", "x-forwarded-host"])
def test_only_the_header_of_the_settings_is_believed(header, line, sent_as):
    """A proxy overwrites or adds to one header; the others it lets pass as strangers wrote them."""
    told = came_from(OUR_PROXY, HEADERS.get(sent_as, line), header=header, sent_as=sent_as)

    assert told == (STRANGER if sent_as == header else OUR_PROXY)


@pytest.mark.parametrize(("header", "line"), HEADERS.items())
def test_no_header_is_read_from_a_stranger(header, line):
    """The header is read only from our own proxies, whichever it is."""
    assert came_from(SAFARICOM, line, header=header) == SAFARICOM


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ((f"for={SAFARICOM}",), SAFARICOM),
        ((f"For={SAFARICOM};proto=https;by=10.0.0.1",), SAFARICOM),
        ((f'proto=https;for="{SAFARICOM}:443"',), SAFARICOM),
        (('for="[2c0f:fe38::1]:443"',), "2c0f:fe38::1"),
        (('for="[2C0F:fe38::1]"',), "2c0f:fe38::1"),
        ((f"for={SAFARICOM}, for={STRANGER}",), STRANGER),
        ((f"for={SAFARICOM}", f"for={STRANGER} , for=10.0.0.9"), STRANGER),
        ((f'for="{SAFARICOM}\\"", for={STRANGER}',), STRANGER),
        ((f'for={SAFARICOM};x="a, b; for=c", for={STRANGER}',), STRANGER),
        (("proto=https",), OUR_PROXY), ((), OUR_PROXY),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(lines, address):
    """nginx and HAProxy can write it; commas and semicolons may stand in quotation marks."""
    assert came_from(OUR_PROXY, *lines, header="forwarded") == address


@pytest.mark.parametrize("line", [
    f'for="{SAFARICOM}, for={STRANGER}',              # an open quotation mark swallows our proxy's
    f"for={SAFARICOM} for={STRANGER}", f"for={SAFARICOM};for={STRANGER}", f"for={STRANGER},",
    f"for={STRANGER};", f", for={STRANGER}", f"for = {STRANGER}", f"for={STRANGER}:80", "for=[::1]",
    "for", "for=", STRANGER, f'for="{STRANGER}"x', "for=1.2.3",
])
def test_a_malformed_forwarded_is_refused_whole(line):
    """Half of it may be a stranger's: nobody can tell which half."""
    with pytest.raises(ForwardedMalformed):
        came_from(OUR_PROXY, line, header="forwarded")


@pytest.mark.parametrize("lines", [
    (f"{SAFARICOM}, {STRANGER}",), (SAFARICOM, STRANGER), ("",), ("nonsense",),
])
def test_x_real_ip_is_one_address(lines):
    """Two of them, and one is a stranger's."""
    with pytest.raises(ForwardedMalformed):
        came_from(OUR_PROXY, *lines, header="x-real-ip")
