"""The pods of this server, as its headless Service names them, and which of them owns what.

Resolved by this proxy itself, every few seconds and at once when something does not fit; no other
source of addresses is believed.  An unreachable one is passed over for a moment.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Final

from ostiary_proxy.addresses import Addresses, Resolve

REFRESH_SECONDS: Final = 3.0
ALONE_SECONDS: Final = 15.0
"""Between two looks while there is no other pod; what does not fit is looked up at once."""

_log = logging.getLogger("ostiary.siblings")


class Siblings:
    """Of one server."""

    def __init__(
        self, name: str, own: str, *, resolve: Resolve, clock: Callable[[], float]
    ) -> None:
        self._name = name
        self.own = own
        self._addresses = Addresses(name, resolve=resolve, clock=clock)
        self._known: frozenset[str] | None = None

    @property
    def known(self) -> bool:
        """Somebody has told at least once."""
        return self._known is not None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS if len(self.living()) > 1 else ALONE_SECONDS)

    async def refresh(self) -> None:
        """Look again, unless somebody just did."""
        found = await self._addresses.look()
        if not found:
            return
        # The family of our own address alone: that is the one that hops come from.
        six = ":" in self.own
        addresses = frozenset(one for one in map(plain, found) if (":" in one) == six)
        if addresses != self._known:
            _log.info("pods=%s of=%s", ",".join(sorted(addresses)), self._name)
        self._known = addresses

    def living(self, but: Collection[str] = ()) -> list[str]:
        others = [
            address
            for address in self._known or ()
            if address not in but and self._addresses.is_up(address)
        ]
        return [*(one for one in others if one != self.own), self.own]

    async def holds(self, address: str) -> bool:
        """Is this the address of a pod of this server?"""
        if address not in (self._known or ()):
            await self.refresh()
        return address in (self._known or ())

    async def owner(self, key: bytes, named: str, but: Collection[str]) -> str:
        """The pod that a session names, as long as it lives; else the one that comes after it."""
        if named == self.own:
            return self.own
        up = named not in but and self._addresses.is_up(named)
        if named and up and await self.holds(named):
            return named
        return chosen(key, self.living(but))

    async def lost(self, address: str) -> None:
        """It could not be reached."""
        self._addresses.lost(address)
        await self.refresh()


def chosen(key: bytes, addresses: Iterable[str]) -> str:
    """By rendezvous: whoever asks finds the same one, and few move when one comes or goes."""
    return max(addresses, key=lambda address: sha256(key + b"|" + address.encode()).digest())


def plain(address: str) -> str:
    """One spelling per address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
