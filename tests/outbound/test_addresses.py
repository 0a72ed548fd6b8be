"""Which addresses may be called, and what is said about a URL when it is registered."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from itertools import chain, product

import pytest
from yarl import URL

from hakika.domain.errors import Invalid
from hakika.outbound.addresses import (
    PORTS_DENIED,
    URL_CHARACTERS_MAX,
    AllowList,
    check_url,
    is_public,
)

NOBODY = AllowList()

# The brief of faults.md C3, written down a second time: the code's tables are not asked.
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32",
    "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4", "255.255.255.255/32", "169.254.169.254/32", "100.100.100.200/32",
    "::/128", "::1/128", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
    "2001::/32", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16",
    "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    "fd00:ec2::254/128", "fd20:ce::254/128", "4000::/3", "200::/7",
    "::ffff:127.0.0.0/104", "::ffff:10.0.0.0/104", "::ffff:169.254.169.254/128",
    "::127.0.0.0/104", "::192.168.0.0/112", "::ffff:0.0.0.0/104",
)


@pytest.mark.parametrize("network", NOT_PUBLIC)
def test_no_address_of_a_special_network_is_public(network):
    """A merchant's URL must not become a way into the operator's own network."""
    inside = ip_network(network)

    for address in (inside[0], inside[inside.num_addresses // 2], inside[-1]):
        assert not is_public(address, NOBODY), address


@pytest.mark.parametrize("address", [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
    "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "196.201.214.200",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e", "2c0f:fe38::1", "::ffff:8.8.8.8",
])
def test_the_neighbours_of_special_networks_are_public(address):
    """A table that is too wide would silence a merchant for no reason."""
    assert is_public(ip_address(address), NOBODY)


def test_python_knows_no_special_network_that_we_call_public():
    """A second opinion, from another reader of the IANA registries, over the whole of IPv4."""
    everywhere = range(0, 2**32, 2**18)
    where_small_ones_are = chain.from_iterable(
        range(int(start), int(start) + 2**16, 2**8)
        for start in map(IPv4Address, ("192.0.0.0", "192.88.0.0", "198.51.0.0", "203.0.0.0"))
    )
    for address in map(IPv4Address, chain(everywhere, where_small_ones_are)):
        if is_public(address, NOBODY):
            assert address.is_global and not address.is_multicast, address


@pytest.mark.parametrize("address", ["2606:4700::1%eth0", "::1%lo", "fe80::1%2"])
def test_an_address_with_a_zone_is_never_public(address):
    """What it means depends on our own network cards, even where a network is allowed."""
    assert not is_public(ip_address(address), AllowList.parse(["::/0"]))


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1", "10.9.9.9"])
def test_the_operator_may_allow_a_network(address):
    allow = AllowList.parse(["127.0.0.0/8", " 10.0.0.0/8"])

    assert is_public(ip_address(address), allow)


@pytest.mark.parametrize("address", ["::1", "192.168.0.1", "::ffff:192.168.0.1", "fd00::1"])
def test_an_allowed_network_allows_no_other(address):
    assert not is_public(ip_address(address), AllowList.parse(["127.0.0.0/8", "0.0.0.0/8"]))


def test_ipv6_loopback_is_allowed_by_its_own_name():
    assert is_public(ip_address("::1"), AllowList.parse(["::1/128"]))


@pytest.mark.parametrize("network", ["10.0.0.1/8", "ten", "", "10.0.0.0/33"])
def test_a_mistyped_network_is_refused(network):
    with pytest.raises(ValueError, match=r"."):
        AllowList.parse([network])


def test_an_allow_list_holds_networks():
    allow = AllowList.parse(["10.0.0.0/8", "fd00::/8"])

    assert allow.networks == (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8"))


@pytest.mark.parametrize(("written", "normal"), [
    ("https://shop.example/hooks", "https://shop.example/hooks"),
    ("HTTPS://Shop.Example./Hooks?A=B&c=%2F", "https://shop.example/Hooks?A=B&c=%2F"),
    ("https://shop.example", "https://shop.example/"),
    ("https://shop.example?a=1", "https://shop.example/?a=1"),
    ("https://shop.example:443/", "https://shop.example/"),
    ("http://shop.example:80/", "http://shop.example/"),
    ("https://shop.example:/", "https://shop.example/"),
    ("https://shop.example:80/", "https://shop.example:80/"),
    ("https://shop.example:65535/", "https://shop.example:65535/"),
    ("https://shop.example:08443/", "https://shop.example:8443/"),
    ("https://xn--mller-kva.example/", "https://xn--mller-kva.example/"),
    ("http://my_shop:8000/", "http://my_shop:8000/"),
    ("https://shop.example/a@b:c;d,e!$'()*+~/..", "https://shop.example/a@b:c;d,e!$'()*+~/.."),
    ("https://8.8.8.8/", "https://8.8.8.8/"),
    ("https://8.8.8.8./", "https://8.8.8.8/"),
    ("https://[2606:4700:4700:0:0:0:0:1111]/", "https://[2606:4700:4700::1111]/"),
    ("https://8.8.8.8.nip.io/", "https://8.8.8.8.nip.io/"),
])
def test_a_url_has_one_normal_form(written, normal):
    """What is stored is what is called, and registering a URL twice is noticed."""
    assert check_url(written, livemode=False, allow=NOBODY) == normal
    assert check_url(normal, livemode=False, allow=NOBODY) == normal


@pytest.mark.parametrize("url", [
    "", "shop.example", "//shop.example", "ftp://shop.example", "file:///etc/passwd",
    "gopher://shop.example/", "javascript:alert(1)", "https:shop.example", "https:/shop.example",
    "https://", "https:///hooks", "https://:443/", "https://./", "https://?a", "https:// /",
    "https://user@shop.example/", "https://user:pass@shop.example/", "https://@shop.example/",
    "https://shop.example:pass@10.0.0.1/", "https://shop.example#here", "https://shop.example/#",
    "https://shop.example:0/", "https://shop.example:65536/", "https://shop.example:99999/",
    "https://shop.example:000443/", "https://shop.example:-1/", "https://shop.example:1a/",
    "https://shop.example:80:80/", "https://shop.example:+80/",
    "https://shop.example/a b", " https://shop.example/", "https://shop.example/\n",
    "https://shop.example/\r\nHost: x", "https://shop.example/\t", "https://shop.example/\x00",
    "https://shop.example/\x7f", "https://shop.example/\u00a0", "https:\\\\shop.example\\",
    "https://shop.example\\@10.0.0.1/", "https://müller.example/", "https://shop。example/",
    "http\u017f://shop.example/", "https://shop..example/", "https://.shop.example/",
    "https://-shop.example/", "https://shop-.example/", "https://shop.example../",
    "https://" + "a" * 64 + ".example/", "https://" + "a." * 127 + "example/",
    "https://%73hop.example/", "https://shop.example%2f@x/", "https://[shop.example]/",
    "https://[::1/", "https://::1/", "https://[2606:4700::1%25eth0]/", "https://[2606:4700::1]x/",
    "https://[2606:4700::1]./", "https://[8.8.8.8]/", "https://1.2.3.4.5/", "https://1.2.3/",
    "https://shop.example/" + "a" * URL_CHARACTERS_MAX,
])
def test_a_url_that_could_be_misread_is_refused(url):
    with pytest.raises(Invalid) as refused:
        check_url(url, livemode=False, allow=NOBODY)

    assert [(error.field, error.code) for error in refused.value.errors] == [
        ("url", "webhook_url_invalid"),
    ]
    assert refused.value.message.endswith(".") and refused.value.hint.endswith(".")


def test_a_live_webhook_is_never_sent_in_the_clear():
    assert check_url("http://shop.example/", livemode=False, allow=NOBODY)

    with pytest.raises(Invalid, match="https"):
        check_url("http://shop.example/", livemode=True, allow=NOBODY)


def test_the_longest_url_is_taken():
    longest = "https://shop.example/".ljust(URL_CHARACTERS_MAX, "a")

    assert check_url(longest, livemode=True, allow=NOBODY) == longest


@pytest.mark.parametrize("port", PORTS_DENIED)
def test_a_port_of_another_protocol_is_refused_even_where_the_operator_allows(port):
    """Redis and mail servers read a POST as commands: the classic use of a forged request."""
    with pytest.raises(Invalid, match=str(port)):
        check_url(f"http://10.0.0.1:{port}/", livemode=False, allow=AllowList.parse(["10.0.0.0/8"]))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "a.localhost", "LOCALHOST."])
def test_a_developer_may_allow_their_own_machine(host):
    allow = AllowList.parse(["127.0.0.0/8"])

    assert check_url(f"http://{host}:3000/", livemode=False, allow=allow)
    with pytest.raises(Invalid, match="private, local or reserved"):
        check_url(f"http://{host}:3000/", livemode=False, allow=NOBODY)


PIECES = (
    "http:", "/", "//", "\\", "@", ":", "80", "[", "]", "::1", "127.0.0.1", "0x7f.1",
    "shop.example", ".", "%31", "?", "#", " ", "é",
)


def test_what_we_check_is_what_aiohttp_calls():
    """Two parsers that disagree on the host are a hole: ours must refuse what theirs might bend."""
    taken = 0
    for pieces in product(("http:", "https:"), ("//", "/", "\\\\"), PIECES, PIECES, PIECES):
        written = "".join(pieces)
        try:
            checked = check_url(written, livemode=False, allow=NOBODY)
        except Invalid:
            continue
        taken += 1
        called = URL(checked)
        ours = checked.split("/")[2]
        assert ours in {called.raw_host, f"{called.raw_host}:{called.port}"}, written
        assert (URL(written).raw_host or "").removesuffix(".") == called.raw_host, written
        assert called.raw_host not in {"127.0.0.1", "::1", "0x7f.1"}, written
    assert taken > 50
