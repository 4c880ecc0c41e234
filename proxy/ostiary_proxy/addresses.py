"""The addresses of a name, looked up again and again, and which of them are passed over for now.

No other source of addresses is believed.  Who may use them is `siblings` and `member_pods`.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Final

SOONEST_SECONDS: Final = 0.5
RESOLVE_SECONDS: Final = 5.0
DOWN_SECONDS: Final = 3.0

Resolve = Callable[[str], Awaitable[frozenset[str]]]
"""A name's addresses; OSError when nobody can tell."""


RESOLV_CONF: Final = Path("/etc/resolv.conf")


def absolute(name: str, resolv_conf: str) -> str:
    """A Service's name (`<name>.<namespace>.svc`) in full, by the search list that the kubelet
    writes.  As it is, the resolver would look below `svc.<domain>` first, where the owner of a
    namespace called `svc` could answer in its place."""
    if not name.endswith(".svc"):
        return name
    for line in resolv_conf.splitlines():
        words = line.split()
        if words[:1] == ["search"]:
            domains = [word.removeprefix("svc.") for word in words[1:] if word.startswith("svc.")]
            return f"{name}.{domains[0].rstrip('.')}." if domains else name
    return name


@cache
def _resolv_conf() -> str:
    try:
        return RESOLV_CONF.read_text()
    except OSError:
        return ""


async def by_dns(name: str) -> frozenset[str]:
    loop = asyncio.get_running_loop()
    asked = absolute(name, _resolv_conf())
    found = await loop.getaddrinfo(asked, None, type=socket.SOCK_STREAM)
    return frozenset(str(where[0]) for *_, where in found)


class Addresses:
    """Of one name."""

    def __init__(self, name: str, *, resolve: Resolve, clock: Callable[[], float]) -> None:
        self._name = name
        self._resolve, self._clock = resolve, clock
        self._turn = asyncio.Lock()
        self._looked = float("-inf")
        self._down: dict[str, float] = {}

    async def look(self, age: float = 0.0) -> frozenset[str] | None:
        """Look again.  None: somebody just did, or did within `age` seconds; empty: nobody can tell
        just now.  Either way what was known goes on."""
        if not self._is_due(age):
            return None
        async with self._turn:
            if not self._is_due(age):
                return None
            try:
                async with asyncio.timeout(RESOLVE_SECONDS):
                    found = await self._resolve(self._name)
            except (OSError, TimeoutError):
                found = frozenset()
            self._looked = self._clock()
        return found

    def _is_due(self, age: float) -> bool:
        return self._clock() - self._looked >= max(age, SOONEST_SECONDS)

    def is_up(self, address: str) -> bool:
        return self._down.get(address, 0.0) <= self._clock()

    def lost(self, address: str) -> None:
        """It could not be reached: it is passed over for a moment."""
        now = self._clock()
        self._down = {one: until for one, until in self._down.items() if until > now}
        self._down[address] = now + DOWN_SECONDS
