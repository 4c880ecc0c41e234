"""Clients of one era at a backend of the other: the two cells where nothing can be just relayed.

    a modern client, a legacy backend: `modern_client`
    a legacy client, a modern backend: `legacy_client`

Both work on channels (`upstreams.Source`), so they know of no transport.
"""

from collections.abc import Callable, Iterator
from typing import Final

from ostiary_proxy import discovery, trace
from ostiary_proxy.config import HttpBackend, Server, StdioBackend
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.legacy_client import LegacyClients
from ostiary_proxy.message import encode
from ostiary_proxy.modern_client import ModernClients
from ostiary_proxy.observe import Seen
from ostiary_proxy.policy import Target
from ostiary_proxy.recipe import Owner
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.seats import check_user
from ostiary_proxy.sources import Source
from ostiary_proxy.standing import permitted

IDLE_SECONDS: Final = 600.0
"""Of an upstream session over HTTP."""


class Bridge:
    """One backend's."""

    def __init__(
        self,
        source: Source,
        server: Server,
        *,
        owner: Owner,
        now: Callable[[], float],
        on_repair: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_repair`: a session, or what stands for one upstream, was begun anew."""
        backend = server.backend
        idle = backend.idleSeconds if isinstance(backend, StdioBackend) else IDLE_SECONDS
        name = f"{server.namespace}/{server.name}"
        self._source = source
        outside = backend.outside if isinstance(backend, HttpBackend) else None
        self._tells_baggage = outside is None or outside.source != "remote"
        self.modern = ModernClients(
            source,
            uid=server.uid,
            pod=owner.address,
            name=name,
            now=now,
            idle_seconds=idle,
            on_repair=on_repair,
        )
        self.legacy = LegacyClients(
            source,
            uid=server.uid,
            owner=owner,
            name=name,
            now=now,
            idle_seconds=idle,
            on_repair=on_repair,
        )

    def saw(self, seen: Seen) -> None:
        """What a new look found."""
        self._source.mirrored.clear()
        self._source.mirrored.update(seen.mirrored)

    async def serve(self, exchange: Exchange, seen: Seen) -> None:
        check_user(self._source.mode, exchange)
        if exchange.message is not None:
            exchange.message = trace.from_headers(
                exchange.message, exchange.headers, baggage=self._tells_baggage
            )
        if exchange.spoken is not None and exchange.spoken.era == "modern":
            await self.modern.serve(exchange, seen)
        else:
            await self.legacy.serve(exchange, seen)

    def recheck(self, endpoint: Endpoint) -> Iterator[tuple[Target, ...]]:
        """Give up each call that waits for a caller who may no longer do it; yields what each
        decision was about."""
        for held in self.modern.holds:
            if not permitted(held.caller, held.targets, endpoint):
                self.modern.holds.revoke(held)
            yield held.targets

    def reap(self) -> None:
        self.modern.reap()
        self.legacy.reap()

    def close(self) -> None:
        self.modern.close()
        self.legacy.close()


async def discover(exchange: Exchange, seen: Seen | None) -> None:
    """The proxy's own answer to `server/discover`."""
    assert exchange.message is not None
    body = {"jsonrpc": "2.0", "id": exchange.message.id, "result": discovery.discovered(seen)}
    await exchange.reply(200, encode(body))
