"""Which addresses a `remote` may have: those of the internet, less every one that means something
here.  Pure.

Whoever writes an MCPServer chooses its URL, and the proxy stands inside the cluster: an address
that leads back there (or to the node, the cloud's metadata, another protocol's embedding of any of
them) is refused, whatever a name resolves to and however it was written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_KINDS: Final = {
    "an unspecified address": ("0.0.0.0/8", "::/128"),
    "a loopback address": ("127.0.0.0/8", "::1/128"),
    "a link-local address": ("169.254.0.0/16", "fe80::/10"),
    "a private address": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    "an address that carriers share (CGNAT)": ("100.64.0.0/10",),
    "a cloud's own address": ("168.63.129.16/32",),
    "a multicast address": ("224.0.0.0/4", "ff00::/8"),
    "an IPv4 address inside an IPv6 one": ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96"),
    "a NAT64 address": ("64:ff9b::/96", "64:ff9b:1::/48"),
    "a 6to4 address": ("2002::/16", "192.88.99.0/24"),
    "a Teredo address": ("2001::/32",),
    "an address that is reserved": (
        "192.0.0.0/24",
        "192.0.2.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    ),
}
"""The first kind that fits names it."""
_TABLE: Final = tuple(
    (kind, tuple(ip_network(text) for text in networks)) for kind, networks in _KINDS.items()
)
_GLOBAL_IPV6: Final = ip_network("2000::/3")
"""All that was ever given out for the internet."""
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
"""Upper half of an interface id whose lower half is an IPv4 address."""


@dataclass(frozen=True, slots=True)
class Guard:
    closed: tuple[Network, ...] = ()
    """The cluster's own networks that lie in the internet's space."""
    loopback: bool = field(default=False, kw_only=True)

    def refusal(self, text: str) -> str | None:
        """What the address is, where no remote may be; None: it is good."""
        address = ip_address(text)
        if self.loopback and address.is_loopback and address in _LOOPBACK[address.version]:
            return None
        for kind, networks in _TABLE:
            if _within(address, networks):
                return kind
        if isinstance(address, IPv6Address):
            if address not in _GLOBAL_IPV6:
                return "an address that is reserved"
            if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
                return "an IPv4 address inside an IPv6 one"
        return "an address of this cluster" if _within(address, self.closed) else None


_LOOPBACK: Final[dict[int, Network]] = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}
_NEVER_A_SERVICE: Final = frozenset(
    {
        "an unspecified address",
        "a loopback address",
        "a link-local address",
        "a multicast address",
        "a cloud's own address",
    }
)


def guard(closed: Iterable[str], *, loopback: bool) -> Guard:
    return Guard(tuple(ip_network(text) for text in closed), loopback=loopback)


@dataclass(frozen=True, slots=True)
class ServiceGuard:
    """The same for a Service of the cluster, which is private by nature."""

    loopback: bool = field(default=False, kw_only=True)

    def refusal(self, text: str) -> str | None:
        kind = Guard(loopback=self.loopback).refusal(text)
        return kind if kind in _NEVER_A_SERVICE else None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == it.version and address in it for it in networks)
