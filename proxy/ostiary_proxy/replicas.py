"""Which pod serves a request: the owner of its session or of its modern caller, in one hop.

What holds nothing (handshakes, lists, anonymous requests, modern calls to an HTTP backend) is
served wherever it arrives.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ostiary_proxy import input_state
from ostiary_proxy import recipe as recipes
from ostiary_proxy.addresses import Resolve
from ostiary_proxy.config import GroupBackend, HttpBackend, StdioBackend
from ostiary_proxy.era import SESSION
from ostiary_proxy.exchange import FORWARDED, NOT_HERE, Exchange, Refused, failed
from ostiary_proxy.forward import NotServedError, forward, pool_from
from ostiary_proxy.message import INVALID_REQUEST, Message, Rejection
from ostiary_proxy.modern import CATALOGUE, affinity_key
from ostiary_proxy.pool import Pool
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.siblings import Siblings, plain

REMEMBERED: Final = 4096
HOPS: Final = 4
"""Pods that are tried before the request is served here."""


@dataclass(frozen=True, slots=True)
class Place:
    """What decides on the pod."""

    key: bytes
    owner: str = ""
    """The address in the session's id, or in the state of a held call."""


class Replicas:
    """The other pods of the servers of this proxy."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        resolve: Resolve,
        port: Callable[[], int],
        spawn: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
    ) -> None:
        self._runtime = runtime
        self._resolve = resolve
        self._port = port
        self._spawn = spawn
        self._of: dict[str, tuple[Siblings, asyncio.Task[None]]] = {}
        self._pools: dict[str, Pool] = {}
        self._places: dict[tuple[bytes, bytes], Place] = {}

    def apply(self, names: set[str]) -> None:
        """Follow these names and no others."""
        wanted = names - {""} if self._runtime.address else set()
        for name in self._of.keys() - wanted:
            self._of.pop(name)[1].cancel()
        for name in wanted - self._of.keys():
            siblings = Siblings(
                name,
                plain(self._runtime.address),
                resolve=self._resolve,
                clock=asyncio.get_running_loop().time,
            )
            self._of[name] = (siblings, self._spawn(siblings.run()))

    def close(self) -> None:
        self.apply(set())
        for pool in self._pools.values():
            pool.close()

    async def serve(self, exchange: Exchange, ready: bool, starting: bool = False) -> bool:
        """True: another pod has answered.  `ready`: this one could; `starting`: its server has not
        come up yet."""
        assert exchange.endpoint is not None
        followed = self._of.get(exchange.endpoint.server.pods)
        if FORWARDED in exchange.headers:
            await self._believe(exchange, followed[0] if followed else None, ready)
            return False
        if exchange.through is not None:
            # The gateway chose this pod; to another one it would not come from the gateway.
            if starting and followed is not None and len(followed[0].living()) > 1:
                # It finds pods that no Service names yet; another one may be up.
                raise Refused(_not_here())
            return False
        place = self._place(exchange) if followed is not None else None
        if followed is None or place is None:
            return False
        siblings = followed[0]
        if not siblings.known:
            await siblings.refresh()
        if place.owner not in ("", siblings.own) and not siblings.known:
            raise Refused(_unknown_siblings())
        return await self._pass_on(exchange, siblings, place)

    async def _pass_on(self, exchange: Exchange, siblings: Siblings, place: Place) -> bool:
        tried: set[str] = set()
        for _ in range(HOPS):
            address = await siblings.owner(place.key, place.owner, tried)
            if address == siblings.own:
                break
            exchange.hop = address
            try:
                now = asyncio.get_running_loop().time()
                await forward(exchange, self._pool(address), now)
            except NotServedError as err:
                tried.add(address)
                if err.gone:
                    await siblings.lost(address)
            else:
                return True
        exchange.hop = ""
        return False

    async def _believe(self, exchange: Exchange, siblings: Siblings | None, ready: bool) -> None:
        """The mark counts between pods of this server alone."""
        client = exchange.scope.get("client") or ("", 0)
        if siblings is None or not await siblings.holds(plain(client[0])):
            raise Refused(_not_a_sibling())
        if not ready:
            raise Refused(_not_here())
        exchange.via = "sibling"

    def _place(self, exchange: Exchange) -> Place | None:
        """None: any pod will do."""
        message, speaks = exchange.message, exchange.spoken
        if message is None or speaks is None or speaks.era == "legacy":
            ident = exchange.headers.get(SESSION)
            handshake = message is not None and message.method == "initialize"
            return None if ident is None or handshake else self._session(exchange, ident)
        held = self._held(exchange, message)
        if held is not None:
            return held
        assert exchange.endpoint is not None
        assert exchange.caller is not None
        server, backend = exchange.endpoint.server, exchange.endpoint.server.backend
        mode = backend.process if isinstance(backend, StdioBackend) else "PerSession"
        if (
            isinstance(backend, HttpBackend | GroupBackend)
            or mode == "Shared"
            or server.sessionAffinity == "Request"
            or exchange.caller.kind == "anonymous"
            or message.kind != "request"
            or message.method in CATALOGUE
        ):
            return None
        user, capabilities, version = affinity_key(exchange, message, mode)
        return Place(sha256(user + version.encode() + b"|" + capabilities).digest())

    def _held(self, exchange: Exchange, message: Message) -> Place | None:
        """Where the call waits whose question this answers; None: it answers none of ours."""
        state = message.params.get("requestState")
        if state is None:
            return None
        assert exchange.endpoint is not None
        assert exchange.caller is not None
        waiting = input_state.unseal(
            state,
            message,
            exchange.caller,
            exchange.endpoint.sealer,
            server=exchange.endpoint.server.uid,
            now=self._runtime.now(),
        )
        if waiting is None or not waiting.pod:
            return None
        return Place(waiting.ident.encode(), plain(waiting.pod))

    def _session(self, exchange: Exchange, ident: bytes) -> Place | None:
        assert exchange.endpoint is not None
        assert exchange.caller is not None
        known = self._places.get((ident, exchange.caller.digest))
        if known is not None:
            return known
        endpoint, now = exchange.endpoint, self._runtime.now()
        text, server = ident.decode("latin-1"), endpoint.server.uid
        recipe = recipes.unseal(text, exchange.caller, endpoint.sealer, server, now)
        if recipe is None:
            return None
        place = Place(recipe.nonce, plain(recipe.owner.address))
        if len(self._places) >= REMEMBERED:
            self._places.clear()
        self._places[ident, exchange.caller.digest] = place
        return place

    def _pool(self, address: str) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            self._prune()
            own = plain(self._runtime.address)
            pool = self._pools[address] = pool_from(own, address, self._port())
        return pool

    def _prune(self) -> None:
        """Pods come and go."""
        living = {address for siblings, _ in self._of.values() for address in siblings.living()}
        for address in self._pools.keys() - living:
            self._pools.pop(address).close()


def _not_a_sibling() -> Rejection:
    why = "Ostiary-Forwarded is for the pods of this server, and this address is none of them."
    return Rejection(403, INVALID_REQUEST, why, reason="NotASibling")


def _not_here() -> Rejection:
    headers = ((b"retry-after", b"1"), (NOT_HERE, b"1"))
    return failed(503, "This pod is not ready yet.", "NotReady", headers=headers)


def _unknown_siblings() -> Rejection:
    why = "The pod that holds this session cannot be found just now: the name does not resolve."
    return failed(503, why, "SiblingsUnknown", headers=((b"retry-after", b"1"),))
