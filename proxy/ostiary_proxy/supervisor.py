"""One backend under care: looked at, kept in mind, and served through the gates common to all.

It knows when to look and what a request must pass before the backend sees it (era, concurrency,
streams); how the backend is spoken to is `http_backend` and `stdio_backend`.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final, Protocol

from ostiary_proxy.config import ServerReport
from ostiary_proxy.era import unknown_method, unsupported
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.message import INVALID_PARAMS, INVALID_REQUEST, Message, Rejection
from ostiary_proxy.observe import LookError, Seen
from ostiary_proxy.runtime import Endpoint

FIRST_RETRY_SECONDS: Final = 0.25
LAST_RETRY_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 60.0
"""A server that was fine is looked at again after this, for tools that changed."""
TEND_SECONDS: Final = 5.0
"""Between two rounds of reaping and of seeing whether the backend is still there."""
FIRST_LOOK_SECONDS: Final = 10.0
"""A request waits this long for the first look, which tells the eras."""
STREAMS: Final = 8192
"""GET and listen streams open at once."""

_RETRY: Final = ((b"retry-after", b"1"),)
_log = logging.getLogger("ostiary.backends")


class Backend(Protocol):
    """What the kinds have in common."""

    @property
    def processes(self) -> int: ...

    async def look(self) -> Seen: ...

    async def probe(self) -> None:
        """Raises LookError when it is not there."""

    async def serve(self, exchange: Exchange) -> None: ...

    def reap(self) -> None: ...

    async def close(self) -> None: ...


class Supervised:
    """One backend, and what is known of it."""

    def __init__(self, endpoint: Endpoint, backend: Backend, changed: Callable[[], None]) -> None:
        self.endpoint = endpoint
        """Replaced when a newer config has the same backend."""
        self.backend = backend
        self._changed = changed
        self._again = asyncio.Event()
        self._looked = asyncio.Event()
        self.seen: Seen | None = None
        self.failure: LookError | None = None
        self.open: set[Exchange] = set()
        self._calls = 0
        self._streams = 0

    @property
    def answered_once(self) -> bool:
        return self.seen is not None

    def look_again(self) -> None:
        """Something suggests that what is known is out of date."""
        self._again.set()

    async def run(self) -> None:
        """Until cancelled."""
        wait = FIRST_RETRY_SECONDS
        try:
            while True:
                if await self._look():
                    wait = FIRST_RETRY_SECONDS
                    await self._tend(REFRESH_SECONDS)
                else:
                    await self._tend(wait)
                    wait = min(wait * 2, LAST_RETRY_SECONDS)
        finally:
            await self.backend.close()

    async def _look(self) -> bool:
        before = self.report()
        try:
            self.seen = await self.backend.look()
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
        if self.failure is None or self.failure.reason != "ConnectionRefused":
            # Nobody listens yet while the server's container starts: that tells callers nothing,
            # and they wait on.
            self._looked.set()
        if self.report() != before:
            self._changed()
        return self.failure is None

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
                self.backend.reap()
                self._end_expired()
            if self.failure is None:
                try:
                    await self.backend.probe()
                except LookError:
                    return

    def _end_expired(self) -> None:
        """A token's plain expiry ends held streams; calls in flight may finish."""
        for exchange in tuple(self.open):
            caller = exchange.caller
            expires = math.inf if caller is None else caller.expires
            if exchange.holding and expires <= exchange.runtime.now():
                exchange.interrupt("old")

    def report(self) -> ServerReport:
        server, seen, failure = self.endpoint.server, self.seen, self.failure
        state = "Starting"
        if failure is not None:
            state = "Unavailable"
        elif seen is not None:
            state = "Ready"
        known = seen or Seen()
        return ServerReport(
            namespace=server.namespace,
            name=server.name,
            state=state,
            reason=failure.reason if failure is not None else "",
            message=failure.message if failure is not None else "",
            protocol=known.protocol,
            served=known.served,
            serverName=known.name,
            serverVersion=known.version,
            toolCount=len(known.tools),
            toolsDigest=known.digest,
            tools=known.tools,
            processes=self.backend.processes,
        )

    # one request

    async def serve(self, exchange: Exchange) -> None:
        await self._check_era(exchange)
        message = exchange.message
        exchange.holding = message is None and exchange.verb == "GET"
        if message is not None and message.method == "subscriptions/listen":
            exchange.holding = True
        counted = _counts(message) and not exchange.holding
        self._check_room(exchange, counted)
        gauge = exchange.runtime.metrics.inflight(self._name)
        self._calls += counted
        self._streams += exchange.holding
        self.open.add(exchange)
        gauge.inc()
        try:
            await self.backend.serve(exchange)
        finally:
            gauge.dec()
            self.open.discard(exchange)
            self._calls -= counted
            self._streams -= exchange.holding

    @property
    def _name(self) -> str:
        return f"{self.endpoint.server.namespace}/{self.endpoint.server.name}"

    def _check_room(self, exchange: Exchange, counted: bool) -> None:
        assert exchange.endpoint is not None
        if counted and self._calls >= exchange.endpoint.server.limits.concurrency:
            why = "Too many calls at once; try again."
            raise Refused(failed(503, why, "Busy", headers=_RETRY))
        if exchange.holding and self._streams >= STREAMS:
            why = "Too many open streams; try again."
            raise Refused(failed(503, why, "Busy", headers=_RETRY))

    async def _check_era(self, exchange: Exchange) -> None:
        if self.seen is None:
            await self._first_look()
        seen, message, speaks = self.seen, exchange.message, exchange.spoken
        if seen is None:
            raise Refused(
                failed(503, "The server is not available yet.", "Unavailable", headers=_RETRY)
            )
        if message is None or speaks is None:
            if not seen.legacy:
                raise Refused(_only_post())
        elif speaks.era == "modern" and speaks.version not in seen.modern:
            raise Refused(_not_modern(message, speaks.version, seen))
        elif speaks.era == "legacy" and not seen.legacy:
            raise Refused(_not_legacy(message, seen))

    async def _first_look(self) -> None:
        try:
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._looked.wait()
        except TimeoutError:
            return


def _counts(message: Message | None) -> bool:
    """`server/discover` is never shed: a client that gets a 503 there takes us for legacy."""
    return message is not None and message.kind == "request" and message.method != "server/discover"


def _not_modern(message: Message, version: str, seen: Seen) -> Rejection:
    if message.method == "server/discover":
        # What a legacy server would say: clients that can fall back do.
        return unknown_method(message)
    return unsupported(version, seen.served, message)


def _not_legacy(message: Message, seen: Seen) -> Rejection:
    requested = message.params.get("protocolVersion")
    return Rejection(
        400,
        INVALID_PARAMS,
        "This server speaks only newer revisions, which have no handshake.",
        data={
            "supported": list(seen.served),
            "requested": requested[:64] if isinstance(requested, str) else "",
        },
        id=message.id,
        reason="UnsupportedVersion",
    )


def _only_post() -> Rejection:
    return Rejection(
        405,
        INVALID_REQUEST,
        "Only POST is served here.",
        headers=((b"allow", b"POST"),),
        reason="BadVerb",
    )
