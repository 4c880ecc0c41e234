"""Who sent a request, where a proxy of somebody else's brought it.  Pure.

X-Forwarded-For, -Proto and -Host are anybody's to write.  They are read only when the connection
comes from a hop that the cluster's admin named, and of the list in -For only as far back as hops go
on vouching for each other.  What is believed is for the audit, for the Host check and for the URLs
that we tell: who is a pod of ours is told by the connection's own address alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from ostiary_proxy.asgi import Scope
from ostiary_proxy.guard import Network

FOR: Final = b"x-forwarded-for"
PROTO: Final = b"x-forwarded-proto"
HOST: Final = b"x-forwarded-host"
MOST_READ: Final = 32
"""Entries of X-Forwarded-For, from its end."""


@dataclass(frozen=True, slots=True)
class Came:
    """How a request came here."""

    source: str
    """The client's address: the connection's, or what the hops before it say."""
    through: str = ""
    """The connection's address, where that is a hop."""
    scheme: str = "http"
    """What the client spoke: with the hop, where that says so."""
    host: bytes = b""
    """Which Host the client asked the hop for; empty: the one of the request."""


def straight(scope: Scope) -> Came:
    """As the connection itself tells."""
    peer = scope.get("client") or ("", 0)
    return Came(peer[0], scheme=scope.get("scheme", "http"))


def told(plain: Came, headers: Iterable[tuple[bytes, bytes]], hops: tuple[Network, ...]) -> Came:
    """`plain`: as the connection tells; `headers`: as they came, repeated ones too."""
    if not hops or not _is_hop(_address(plain.source), hops):
        return plain
    given = list(headers)
    scheme = _last(given, PROTO).lower()
    return Came(
        source=_client(plain.source, given, hops),
        through=plain.source,
        scheme=scheme.decode() if scheme in (b"http", b"https") else plain.scheme,
        host=_last(given, HOST).lower(),
    )


def _client(peer: str, headers: list[tuple[bytes, bytes]], hops: tuple[Network, ...]) -> str:
    """The last one that is no hop; of nothing but hops the first."""
    found = peer
    entries = _entries(headers, FOR)
    for _, entry in zip(range(MOST_READ), entries, strict=False):
        address = _address(entry.decode("latin-1"))
        if address is None:
            break
        found = str(address)
        if not _is_hop(address, hops):
            break
    return found


def _entries(headers: list[tuple[bytes, bytes]], name: bytes) -> Iterator[bytes]:
    """Of all such headers as of one list, the last first."""
    for key, value in reversed(headers):
        if key == name:
            for entry in reversed(value.split(b",")):
                yield entry.strip(b" \t")


def _last(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """What the hop itself wrote: it stands behind whatever the client had written there."""
    return next(_entries(headers, name), b"")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Some hops add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_hop(address: IPv4Address | IPv6Address | None, hops: tuple[Network, ...]) -> bool:
    return address is not None and any(
        address.version == it.version and address in it for it in hops
    )
