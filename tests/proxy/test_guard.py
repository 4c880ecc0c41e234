"""Security row 14: what a remote's address may be, in every spelling that reaches a socket."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.guard import Guard, ServiceGuard, guard

GOOD = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "2001:4860:4860::8888",
]

BAD = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "169.254.169.254": "link-local",
    "169.254.170.2": "link-local",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "10.0.0.1": "private",
    "10.96.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fec0::1": "private",
    "100.64.0.1": "CGNAT",
    "100.100.100.200": "CGNAT",
    "100.127.255.255": "CGNAT",
    "168.63.129.16": "a cloud's own",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "::ffff:127.0.0.1": "inside an IPv6",
    "::ffff:7f00:1": "inside an IPv6",
    "::ffff:8.8.8.8": "inside an IPv6",
    "::ffff:0:127.0.0.1": "inside an IPv6",
    "::127.0.0.1": "inside an IPv6",
    "::7f00:1": "inside an IPv6",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::8.8.8.8": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "2002:7f00:1::": "6to4",
    "2002:a9fe:a9fe::1": "6to4",
    "192.88.99.1": "6to4",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2a00:1450::5efe:7f00:1": "inside an IPv6",
    "2a00:1450::200:5efe:a00:1": "inside an IPv6",
    "192.0.0.192": "reserved",
    "192.0.2.1": "reserved",
    "198.18.0.1": "reserved",
    "198.51.100.1": "reserved",
    "203.0.113.9": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "2001:db8::1": "reserved",
    "2001:10::1": "reserved",
    "3fff::1": "reserved",
    "4000::1": "reserved",
    "5f00::1": "reserved",
    "1::1": "reserved",
    "203.0.114.7": "this cluster",
    "2a02:6b8::1": "this cluster",
}

SPELLINGS = {
    "decimal": "2130706433",
    "octal": "0177.0.0.1",
    "octal, long": "0000000177.0.0.01",
    "hexadecimal": "0x7f000001",
    "hexadecimal octets": "0x7f.0x0.0x0.0x1",
    "two parts": "127.1",
    "three parts": "127.0.1",
    "mixed": "0x7f.1",
    "one part, private": "167772161",
    "metadata in decimal": "2852039166",
    "metadata in hexadecimal": "0xa9fea9fe",
    "metadata in octal": "0251.0376.0251.0376",
    "zero": "0",
}


@pytest.mark.parametrize("address", GOOD)
def test_the_internet_is_open(address: str) -> None:
    assert Guard().refusal(address) is None


@pytest.mark.parametrize(("address", "kind"), BAD.items(), ids=BAD)
def test_what_means_something_here_is_closed(address: str, kind: str) -> None:
    found = guard(["203.0.114.0/24", "2a02:6b8::/32"], loopback=False).refusal(address)

    assert found is not None
    assert kind in found


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_number_that_the_resolver_takes_for_an_address_is_judged_as_that(spelling: str) -> None:
    """Such a host never passes the CRD; were it to, the resolver makes one address of it."""
    found = socket.getaddrinfo(spelling, 443, type=socket.SOCK_STREAM)

    assert all(Guard().refusal(str(it[4][0])) is not None for it in found)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_the_local_role_reaches_its_own_machine(address: str) -> None:
    assert guard((), loopback=True).refusal(address) is None


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"])
def test_the_local_role_reaches_no_other_place_of_its_network(address: str) -> None:
    assert guard((), loopback=True).refusal(address) is not None


@pytest.mark.parametrize("address", ["10.96.4.1", "192.168.3.4", "fd00::7", "100.64.1.1"])
def test_a_service_is_private_by_nature(address: str) -> None:
    assert ServiceGuard().refusal(address) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "ff02::1"])
def test_a_service_is_never_the_node_or_the_proxy_itself(address: str) -> None:
    assert ServiceGuard().refusal(address) is not None


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_in_any_embedding_is_refused(number: int) -> None:
    for prefix in (0xFFFF << 32, 0x64FF9B << 96, 0x2002 << 112 | number << 80, 0x20010000 << 96):
        text = socket.inet_ntop(socket.AF_INET6, (prefix | number).to_bytes(16, "big"))
        assert Guard().refusal(text) is not None
