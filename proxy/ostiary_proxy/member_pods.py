"""The pods of one member of a group: found by its headless Service, chosen, and connected to.

Resolved by this proxy itself every few seconds, and at once when one cannot be reached.  A session
always comes to the pod that rendezvous names for its key; what belongs to no session goes round.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from ostiary_proxy.pool import CONNECT_SECONDS, Pool
from ostiary_proxy.siblings import Resolve, chosen, plain
from ostiary_proxy.upstream import UnreachableError

REFRESH_SECONDS: Final = 3.0
SOONEST_SECONDS: Final = 0.5
DOWN_SECONDS: Final = 3.0
_HERE: Final = "127.0.0.1"


class MemberPods:
    """Of one member.  `host` empty: it is served by this very process, on `port`."""

    def __init__(
        self,
        host: str,
        port: Callable[[], int],
        *,
        resolve: Resolve,
        clock: Callable[[], float],
    ) -> None:
        self._host, self._port = host, port
        self._resolve, self._clock = resolve, clock
        self._known: frozenset[str] = frozenset() if host else frozenset({_HERE})
        self._looked = float("-inf")
        self._turn = asyncio.Lock()
        self._down: dict[str, float] = {}
        self._pools: dict[str, Pool] = {}
        self._round = 0

    async def choose(self, key: bytes, but: Collection[str] = ()) -> str:
        """An address.  `key` empty: each in turn.  UnreachableError: there is none."""
        await self._refresh(REFRESH_SECONDS if self._known else 0.0)
        living = self._living(but)
        if not living:
            await self._refresh(0.0)
            living = self._living(but)
        if not living:
            raise UnreachableError("NoPods", "No pod of the member answers.")
        if key:
            return chosen(key, living)
        self._round += 1
        return living[self._round % len(living)]

    def _living(self, but: Collection[str]) -> list[str]:
        now = self._clock()
        left = [one for one in self._known if one not in but]
        up = [one for one in left if self._down.get(one, 0.0) <= now]
        return sorted(up or left)

    def lost(self, address: str) -> None:
        """It could not be reached: others are tried first for a moment."""
        now = self._clock()
        self._down = {one: until for one, until in self._down.items() if until > now}
        self._down[address] = now + DOWN_SECONDS
        self._looked = min(self._looked, now - REFRESH_SECONDS)

    def pool(self, address: str) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            for gone in self._pools.keys() - self._known:
                self._pools.pop(gone).close()
            pool = self._pools[address] = Pool(host=address, port=self._port())
        return pool

    def prune(self) -> None:
        for pool in self._pools.values():
            pool.prune()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    async def _refresh(self, age: float) -> None:
        """Look again what is older than that."""
        if not self._host or self._clock() - self._looked < max(age, SOONEST_SECONDS):
            return
        async with self._turn:
            if self._clock() - self._looked < max(age, SOONEST_SECONDS):
                return
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    found = await self._resolve(self._host)
            except (OSError, TimeoutError):
                found = frozenset()  # nobody can tell just now: what was known goes on
            self._looked = self._clock()
        if found:
            self._known = frozenset(map(plain, found))
