"""One backend under care: looked at, kept in mind, and served through the gates common to all.

It knows when to look and what a request must pass before the backend sees it (era, concurrency,
streams); how the backend is spoken to is `http_backend` and `stdio_backend`.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, Protocol

from ostiary_proxy.bridge import Bridge, discover
from ostiary_proxy.cells import not_bridged
from ostiary_proxy.config import ServerReport
from ostiary_proxy.era import LEGACY, MODERN, VERSION
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.message import Rejection
from ostiary_proxy.mirror import written
from ostiary_proxy.observe import LookError, Seen
from ostiary_proxy.open_streams import end_expired, is_held, only_post
from ostiary_proxy.policy import Target
from ostiary_proxy.room import Room
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.sources import Source
from ostiary_proxy.standing import check
from ostiary_proxy.witness import HandshakeRefusedError

FIRST_RETRY_SECONDS: Final = 0.25
LAST_RETRY_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 60.0
"""A server that was fine is looked at again after this, for tools that changed."""
TEND_SECONDS: Final = 5.0
"""Between two rounds of reaping and of seeing whether the backend is still there."""
FIRST_LOOK_SECONDS: Final = 10.0
"""A request waits this long for the first look, which tells the eras."""
LONGEST_MESSAGE: Final = 1024
_RETRY: Final = ((b"retry-after", b"1"),)
_log = logging.getLogger("ostiary.backends")


class Backend(Protocol):
    """What the kinds have in common."""

    @property
    def processes(self) -> int: ...

    @property
    def source(self) -> Source: ...

    async def look(self) -> Seen: ...

    async def probe(self) -> None:
        """Raises LookError when it is not there."""

    async def serve(self, exchange: Exchange) -> None: ...

    def reap(self) -> None: ...

    async def close(self) -> None: ...


class Supervised:
    """One backend, and what is known of it."""

    def __init__(
        self, endpoint: Endpoint, backend: Backend, bridge: Bridge, changed: Callable[[], None]
    ) -> None:
        self.endpoint = endpoint
        """Replaced when a newer config has the same backend."""
        self.backend = backend
        self.bridge = bridge
        self._changed = changed
        self._again = asyncio.Event()
        self._looked = asyncio.Event()
        self.seen: Seen | None = None
        self.failure: LookError | None = None
        self.open: set[Exchange] = set()
        self._room = Room()
        self._known_at = -math.inf

    @property
    def answered_once(self) -> bool:
        return self.seen is not None

    @property
    def reported(self) -> bool:
        return True

    def recheck(self, endpoint: Endpoint) -> Iterator[tuple[Target, ...]]:
        """Of what waits for its caller's answer; see `bridge`."""
        return self.bridge.recheck(endpoint)

    def look_again(self) -> None:
        """Something suggests that what is known is out of date."""
        self._again.set()

    async def run(self) -> None:
        """Until cancelled."""
        wait = FIRST_RETRY_SECONDS
        try:
            while True:
                if self.endpoint.is_remote:
                    await self._tend(math.inf)
                    await self._look()
                elif await self._look():
                    wait = FIRST_RETRY_SECONDS
                    await self._tend(REFRESH_SECONDS)
                else:
                    await self._tend(wait)
                    wait = min(wait * 2, LAST_RETRY_SECONDS)
        finally:
            self.bridge.close()
            await self.backend.close()

    async def _look(self) -> bool:
        before = self.report()
        try:
            self.seen = await self.backend.look()
            self.bridge.saw(self.seen)
            self._know(self.seen)
            self.failure = None
        except LookError as err:
            if self.failure is None or self.failure.message != err.message:
                server = self.endpoint.server
                _log.warning(
                    "look failed: server=%s/%s reason=%s message=%s",
                    server.namespace,
                    server.name,
                    err.reason,
                    err.message,
                )
            self.failure = err
        starting = self.failure is not None and self.failure.reason == "ConnectionRefused"
        if not starting or self.endpoint.outside is not None:
            # Nobody listens yet while the server's container starts: that tells callers nothing,
            # and they wait on.
            self._looked.set()
        if self.report() != before:
            self._changed()
        return self.failure is None

    def _know(self, seen: Seen) -> None:
        """What is shown and called is held against this."""
        book = self.endpoint.rules.pinned.book
        book.on_news = self.look_again
        book.saw(seen.digest, seen.tools, hints=seen.hints, twins=seen.twins)
        self._known_at = asyncio.get_running_loop().time()

    async def known(self, exchange: Exchange) -> None:
        """Before a pinned tool set is asked what it approves: that something is known of it, and
        of a server that is looked at for callers alone, nothing too old."""
        del exchange
        pinned = self.endpoint.rules.pinned
        age = asyncio.get_running_loop().time() - self._known_at
        if pinned.mode == "Enforce" and not pinned.book.looked:
            self._again.set()
            await self._first_look()
        elif self.endpoint.is_remote and age > REFRESH_SECONDS:
            self._again.set()

    async def _tend(self, seconds: float) -> None:
        """Rest, but for reaping and probing; cut short by trouble."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, TEND_SECONDS)):
                    await self._again.wait()
                self._again.clear()
                return
            except TimeoutError:
                self.bridge.reap()
                self.backend.reap()
                end_expired(self.open)
            if self.failure is None:
                try:
                    await self.backend.probe()
                except LookError:
                    return

    def report(self) -> ServerReport:
        server, seen, failure = self.endpoint.server, self.seen, self.failure
        state = "Unavailable" if failure else "Ready" if seen else "Starting"
        known = seen or Seen()
        return ServerReport(
            namespace=server.namespace,
            name=server.name,
            state=state,
            reason=failure.reason if failure is not None else "",
            message=failure.message[:LONGEST_MESSAGE] if failure is not None else "",
            protocol=known.protocol,
            served=(*LEGACY, *MODERN) if seen is not None else (),
            notBridged=not_bridged(legacy=bool(known.legacy), modern=bool(known.modern)),
            serverName=known.name,
            serverVersion=known.version,
            toolCount=len(known.tools),
            toolsDigest=known.digest,
            tools=known.tools,
            suspects=known.suspects,
            processes=self.backend.processes,
        )

    # one request

    def write_headers(self, exchange: Exchange) -> None:
        """`Mcp-Param-*` of a modern call whose transport has no headers: nothing is there to be
        compared, and what lies behind wants them."""
        modern = exchange.spoken is not None and exchange.spoken.era == "modern"
        if modern and self.seen is not None and exchange.message is not None:
            exchange.write_headers(written(self.seen.mirrored, exchange.message))

    async def serve(self, exchange: Exchange) -> None:
        if self.seen is None:
            await self._first_look()
            check(exchange, self.endpoint)
            if exchange.headerless:
                self.write_headers(exchange)
        exchange.holding = is_held(exchange)
        with self._room.taken(exchange):
            gauge = exchange.runtime.metrics.inflight(self._name)
            self.open.add(exchange)
            gauge.inc()
            try:
                await self._pass(exchange)
                if self.failure is not None:
                    self._again.set()  # it answers: what is known is out of date
            finally:
                gauge.dec()
                self.open.discard(exchange)

    @property
    def _name(self) -> str:
        return f"{self.endpoint.server.namespace}/{self.endpoint.server.name}"

    async def _pass(self, exchange: Exchange) -> None:
        """To the backend: as it is where both speak one era, over the bridge otherwise."""
        seen, message = self.seen, exchange.message
        asks_who = message is not None and message.method == "server/discover"
        modern = exchange.spoken is not None and exchange.spoken.era == "modern"
        if asks_who and modern and (seen is None or not seen.modern):
            await discover(exchange, seen)
            return
        if seen is None:
            raise Refused(_unavailable(self.failure))
        if message is None and exchange.headers.get(VERSION, b"").decode("latin-1") in MODERN:
            raise Refused(only_post())
        if not (seen.modern if modern else seen.legacy):
            await self.bridge.serve(exchange, seen)
            return
        try:
            await self.backend.serve(exchange)
        except HandshakeRefusedError:
            # The first to try has told us: its like are served in the backend's own era.
            self.seen = replace(seen, legacy=())
            await self.bridge.serve(exchange, self.seen)
        except Refused as refused:
            # A client takes any error here for an older server, and remembers it (fact 9).
            if not (asks_who and modern) or refused.rejection.status < 500 or exchange.answering:
                raise
            await discover(exchange, seen)

    async def _first_look(self) -> None:
        if self.endpoint.is_remote:
            self._looked.clear()
            self._again.set()
        try:
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._looked.wait()
        except TimeoutError:
            return


def _unavailable(failure: LookError | None) -> Rejection:
    """What a caller is told of it: never where the backend is, or what it said."""
    if failure is not None and failure.reason == "CredentialsRefused":
        why = "The server refused the proxy's request: it wants credentials."
        return failed(502, why, "BackendRefused")
    return failed(503, "The server is not available yet.", "Unavailable", headers=_RETRY)
