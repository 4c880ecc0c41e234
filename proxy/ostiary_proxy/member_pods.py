"""The pods of one member of a group: found by its headless Service, chosen, and connected to.

Resolved by this proxy itself every few seconds, and at once when one cannot be reached.  A session
always comes to the pod that rendezvous names for its key; what belongs to no session goes round.
"""

from collections.abc import Callable, Collection
from typing import Final

from ostiary_proxy.addresses import Addresses, Resolve
from ostiary_proxy.forward import pool_from
from ostiary_proxy.pool import Pool
from ostiary_proxy.siblings import chosen, plain
from ostiary_proxy.upstream import UnreachableError

REFRESH_SECONDS: Final = 3.0
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
        own: str = "",
    ) -> None:
        """`own`: the address that members know us by; empty: whichever the system takes."""
        self._port, self._own = port, own
        self._addresses = Addresses(host, resolve=resolve, clock=clock) if host else None
        self._known: frozenset[str] = frozenset() if host else frozenset({_HERE})
        self._stale = False
        self._pools: dict[str, Pool] = {}
        self._round = 0
        self._closed = False

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
        left = [one for one in self._known if one not in but]
        up = [one for one in left if self._addresses is None or self._addresses.is_up(one)]
        return sorted(up or left)

    def lost(self, address: str) -> None:
        """It could not be reached: others are tried first for a moment."""
        if self._addresses is not None:
            self._addresses.lost(address)
            self._stale = True

    def pool(self, address: str) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            for gone in self._pools.keys() - self._known:
                self._pools.pop(gone).retire()
            pool = self._pools[address] = self._made(address)
        return pool

    def _made(self, address: str) -> Pool:
        pool = self._new(address)
        if self._closed:
            pool.retire()  # for what was under way; nobody would close what it kept
        return pool

    def _new(self, address: str) -> Pool:
        if self._own and (":" in self._own) == (":" in address):
            return pool_from(self._own, address, self._port())
        return Pool(host=address, port=self._port())

    def prune(self) -> None:
        for pool in self._pools.values():
            pool.prune()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.retire()
        self._pools.clear()
        self._closed = True

    async def _refresh(self, age: float) -> None:
        """Look again what is older than that."""
        if self._addresses is None:
            return
        found = await self._addresses.look(0.0 if self._stale else age)
        if found is not None:
            self._stale = False
        if found:
            self._known = frozenset(map(plain, found))
