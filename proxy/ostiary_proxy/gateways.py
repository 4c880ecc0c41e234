"""Which addresses are those of a group's gateway: what the group's headless Service holds now.

Looked up by this proxy itself when it matters, at once when an address is new, and again when what
is known is a few seconds old.  An answer that nobody can renew is believed for a moment only; a
name that is gone holds nothing.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

from ostiary_proxy.addresses import Addresses, Resolve
from ostiary_proxy.config import GroupLink
from ostiary_proxy.siblings import plain

REFRESH_SECONDS: Final = 3.0
HOLD_SECONDS: Final = 30.0
"""While the name cannot be asked for, what was known goes on for this long, and no longer."""
MOST: Final = 256
"""Names kept at once; beyond, all are looked up anew."""
_NOBODY: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""What a resolver says of a name that has no address: an answer, and no failure."""


class _Gateway:
    """Of one group."""

    def __init__(self, name: str, *, resolve: Resolve, clock: Callable[[], float]) -> None:
        self._resolve, self._clock = resolve, clock
        self._addresses = Addresses(name, resolve=self._ask, clock=clock)
        self._known: frozenset[str] = frozenset()
        self._told = float("-inf")

    async def _ask(self, name: str) -> frozenset[str]:
        try:
            found = await self._resolve(name)
        except socket.gaierror as err:
            if err.errno not in _NOBODY:
                raise
            found = frozenset()
        self._known, self._told = frozenset(map(plain, found)), self._clock()
        return self._known

    def knows(self, address: str) -> bool:
        return address in self._known and self._age <= REFRESH_SECONDS

    async def holds(self, address: str) -> bool | None:
        """None: nobody can tell just now."""
        if not self.knows(address):
            await self._addresses.look()
        if self._age > HOLD_SECONDS:
            return None
        return address in self._known

    @property
    def _age(self) -> float:
        return self._clock() - self._told


class Gateways:
    """Of all groups that the servers of this proxy are members of."""

    def __init__(self, *, resolve: Resolve, clock: Callable[[], float] = time.monotonic) -> None:
        self._resolve, self._clock = resolve, clock
        self._of: dict[str, _Gateway] = {}

    def known(self, links: tuple[GroupLink, ...], address: str) -> tuple[GroupLink, ...]:
        """Whose gateway has this address, as far as it is known without asking."""
        return tuple(
            link for link in links if link.pods in self._of and self._of[link.pods].knows(address)
        )

    async def at(self, links: tuple[GroupLink, ...], address: str) -> tuple[GroupLink, ...] | None:
        """Whose gateway has this address.  None: of some of them nobody can tell just now, and it
        is none of the others'."""
        named = [link for link in links if link.pods]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._gateway(link.pods).holds(address)) for link in named]
        answers = [task.result() for task in asked]
        found = tuple(link for link, held in zip(named, answers, strict=True) if held)
        return None if not found and None in answers else found

    def _gateway(self, name: str) -> _Gateway:
        found = self._of.get(name)
        if found is None:
            if len(self._of) >= MOST:
                self._of.clear()
            found = self._of[name] = _Gateway(name, resolve=self._resolve, clock=self._clock)
        return found
