"""Whose word about a client is taken, and how far back.  Every other hop's headers are noise."""

from ipaddress import ip_network

import pytest

from ostiary_proxy.hops import MOST_READ, Came, straight, told

EDGE = "10.1.0.5"
HOPS = tuple(ip_network(it) for it in ("10.1.0.0/16", "192.0.2.7/32", "2001:db8:e::/48"))


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode()) for value in values]


@pytest.mark.parametrize("peer", ["10.2.0.5", "203.0.113.9", "", "unix:", "2001:db8:f::1"])
def test_who_is_no_hop_is_not_believed(peer: str) -> None:
    said = [*forwarded("198.51.100.1"), (b"x-forwarded-host", b"h"), (b"x-forwarded-proto", b"s")]

    assert told(Came(peer), said, HOPS) == Came(peer)


def test_without_hops_nobody_is_believed() -> None:
    assert told(Came(EDGE), forwarded("198.51.100.1"), ()) == Came(EDGE)


@pytest.mark.parametrize(
    ("values", "source"),
    [
        (("198.51.100.1",), "198.51.100.1"),
        (("6.6.6.6, 198.51.100.1",), "198.51.100.1"),
        (("6.6.6.6", "198.51.100.1"), "198.51.100.1"),
        (("6.6.6.6,198.51.100.1, 192.0.2.7",), "198.51.100.1"),
        (("198.51.100.1:4711",), "198.51.100.1"),
        (("[2001:db8::1]:4711",), "2001:db8::1"),
        (("2001:db8::1",), "2001:db8::1"),
        (("::ffff:198.51.100.1",), "198.51.100.1"),
        (("10.1.2.3, 10.1.0.9",), "10.1.2.3"),
        (("198.51.100.1, unknown",), EDGE),
        (("6.6.6.6, _hidden, 192.0.2.7",), "192.0.2.7"),
        (("",), EDGE),
        ((), EDGE),
        ((" , ",), EDGE),
        (("6.6.6.6, " + ", ".join(["192.0.2.7"] * MOST_READ),), "192.0.2.7"),
        (("\x00\xff; DROP", ), EDGE),
    ],
    ids=repr,
)  # fmt: skip
def test_the_client_is_the_last_address_that_is_no_hop(
    values: tuple[str, ...], source: str
) -> None:
    found = told(Came(EDGE), forwarded(*values), HOPS)

    assert (found.source, found.through) == (source, EDGE)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTP", "http"),
        ("http, https", "https"),
        ("javascript", "ws"),
        ("", "ws"),
    ],
)
def test_a_scheme_is_one_of_two_or_as_it_was(proto: str, scheme: str) -> None:
    said = [(b"x-forwarded-proto", proto.encode())] if proto else []

    assert told(Came(EDGE, scheme="ws"), said, HOPS).scheme == scheme


def test_the_host_is_what_the_hop_wrote_last() -> None:
    said = [(b"x-forwarded-host", b"evil.example, MCP.example.com")]

    assert told(Came(EDGE), said, HOPS).host == b"mcp.example.com"
    assert told(Came(f"::ffff:{EDGE}"), said, HOPS).host == b"mcp.example.com"


def test_a_connection_tells_its_own_address_and_scheme() -> None:
    assert straight({"client": ("192.0.2.1", 4711), "scheme": "https"}) == Came(
        "192.0.2.1", scheme="https"
    )
    assert straight({}) == Came("")
