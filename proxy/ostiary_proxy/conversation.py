"""One client on one connection that goes both ways: HTTP+SSE, or a WebSocket.

Each message is an exchange of its own: decided by the policy in force at that moment, limited,
served and audited as a POST is.  A legacy session lives as long as the connection, with the stream
of the server's own words held for it; self-contained requests need none.  How bytes come and go is
the doors' business (`sse_door`, `websocket_door`).
"""

import asyncio
from typing import Any, Final, Protocol

from ostiary_proxy import ways
from ostiary_proxy.batch import is_batch, split
from ostiary_proxy.carried import Answer, Carry, inner
from ostiary_proxy.era import LEGACY, SESSION, VERSION, VERSION_KEY
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.http_request import mirrored
from ostiary_proxy.inbox import Inbox, Part
from ostiary_proxy.message import Message, Rejection, decode, encode, parse
from ostiary_proxy.policy import Caller, Deny, Target, decide
from ostiary_proxy.runtime import Endpoint

KEEP_ALIVE_SECONDS: Final = 15.0
FIRST_SECONDS: Final = 60.0
"""A connection that has said nothing by then is closed."""
IDLE_SECONDS: Final = 3600.0
"""And one without a session that has nothing running."""
REOPEN_SECONDS: Final = 0.5
MOST_RUNNING: Final = 256

_ADMITTED: Final = Target("protocol")
_LAST_EVENT: Final = b"last-event-id"
_FULL: Final = failed(503, "Too many requests at once on this connection.", "Busy")


class Line(Protocol):
    """The connection's far end."""

    async def say(self, message: bytes) -> None: ...

    async def live(self) -> None:
        """A sign of life, while there is nothing to say."""

    def alive(self) -> bool: ...


class Conversation:
    """From the first message to the end of the connection."""

    def __init__(self, outer: Exchange, line: Line, carry: Carry) -> None:
        self._outer = outer
        self._line = line
        self._carry = carry
        self.inbox = Inbox()
        self.ended = ""
        """Why it is over; empty while it is not."""
        self._session = b""
        self._version = ""
        self._spoke = False
        self._heard = asyncio.get_running_loop().time()
        self._running: dict[tuple[type, Any], Exchange] = {}
        self._held: Exchange | None = None

    def read(self, body: bytes) -> list[Part]:
        """What is in one body; an array only where the session's revision has them."""
        if not is_batch(body):
            return [parse(body)]
        try:
            return list(split(body, self._version))
        except Refused as refused:
            return [refused.rejection]

    def end(self, why: str) -> None:
        self.ended = self.ended or why
        self.inbox.wake()

    async def run(self) -> None:
        runtime = self._outer.runtime
        stop = runtime.subscribe(self._look)
        self._outer.on_cut = self._on_cut
        try:
            async with asyncio.TaskGroup() as group:
                while (part := await self._next()) is not None:
                    await self._take(part, group)
                if self._held is not None:
                    self._held.interrupt("gone")
            await self._leave()
        finally:
            stop()
            self._outer.on_cut = None

    def _on_cut(self) -> None:
        """The client has left."""
        for exchange in (*self._running.values(), *([self._held] if self._held else ())):
            exchange.interrupt("gone")
        self.end("gone")

    def _look(self) -> None:
        """A new config, or the beginning of a drain: may it go on?"""
        runtime, caller = self._outer.runtime, self._outer.caller
        way = None
        if runtime.snapshot is not None:
            way = ways.find(runtime.snapshot.endpoints, self._outer.scope["path"])
        assert caller is not None
        if way is None or not _may_stay(caller, way.endpoint):
            self.end("revoked")
        elif runtime.draining and not self._running:
            self.end("draining")

    async def _next(self) -> Part | None:
        """The next message; None at the end."""
        while not self.ended:
            part = await self.inbox.get(KEEP_ALIVE_SECONDS)
            self._check_time(part)
            if self.ended:
                break
            if part is not None:
                return part
            await self._line.live()
        return None

    def _check_time(self, part: Part | None) -> None:
        now, caller = asyncio.get_running_loop().time(), self._outer.caller
        assert caller is not None
        if part is not None:
            self._heard = now
            self._spoke = True
        patience = IDLE_SECONDS if self._spoke else FIRST_SECONDS
        if caller.expires <= self._outer.runtime.now():
            self.end("expired")
        elif not self._line.alive():
            self.end("gone")
        elif now - self._heard > patience and not self._running and not self._version:
            self.end("idle")
        elif self._outer.runtime.draining and not self._running:
            self.end("draining")

    # one message

    async def _take(self, part: Part, group: asyncio.TaskGroup) -> None:
        if isinstance(part, Rejection) or part.kind != "request":
            await self._tell(part, group)
        elif part.method == "initialize" and not _modern(part):
            await self._begin(part)
        elif len(self._running) >= MOST_RUNNING:
            await self._carry(self._inner(part), _refusal(part))
        else:
            exchange = self._inner(part)
            self._running[(type(part.id), part.id)] = exchange
            group.create_task(self._ask(exchange, part))

    async def _ask(self, exchange: Exchange, part: Message) -> None:
        try:
            await self._carry(exchange, part)
        finally:
            if self._running.get((type(part.id), part.id)) is exchange:
                del self._running[(type(part.id), part.id)]

    async def _tell(self, part: Part, group: asyncio.TaskGroup) -> None:
        """What has no answer goes out in the order in which it was said."""
        if isinstance(part, Message) and part.method == "notifications/cancelled":
            asked = self._asked(part.params.get("requestId"))
            if asked is not None and asked.spoken is not None and asked.spoken.era == "modern":
                asked.interrupt("gone")  # what a closed stream is to HTTP
                return
        await self._carry(self._inner(part), part)
        began = isinstance(part, Message) and part.method == "notifications/initialized"
        if began and self._version and self._held is None:
            group.create_task(self._hold())

    def _asked(self, ident: object) -> Exchange | None:
        return self._running.get((type(ident), ident)) if isinstance(ident, str | int) else None

    def _inner(self, part: Part) -> Exchange:
        answered = isinstance(part, Rejection) or part.kind == "request"
        answer = Answer(self._say if answered else _nothing, _nothing_more)
        exchange = inner(self._outer, answer, self._headers(part))
        exchange.headerless = True
        return exchange

    def _headers(self, part: Part | None) -> dict[bytes, bytes]:
        headers = {b"user-agent": self._outer.headers.get(b"user-agent", b"")}
        version = _modern(part) if isinstance(part, Message) else ""
        if version and isinstance(part, Message):
            return {
                **headers,
                VERSION: version.encode("latin-1", "replace"),
                **dict(mirrored(part)),
            }
        if self._session:
            headers[SESSION] = self._session
        if self._version:
            headers[VERSION] = self._version.encode()
        return headers

    async def _say(self, message: bytes) -> None:
        # One line, however the backend has set it.
        broken = b"\n" in message or b"\r" in message
        await self._line.say(encode(decode(message)) if broken else message)

    # the session

    async def _begin(self, part: Message) -> None:
        """A handshake; what the client says next belongs to the session that it begins."""
        await self._leave()
        said: list[bytes] = []

        async def keep(message: bytes) -> None:
            said.append(message)
            await self._say(message)

        answer = Answer(keep, _nothing_more)
        exchange = inner(self._outer, answer, self._headers(part))
        await self._ask(exchange, part)
        data = decode(said[-1]) if said else None
        result = data.get("result") if isinstance(data, dict) else None
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        if version in LEGACY:
            self._session = answer.headers.get(SESSION, b"")
            self._version = version

    async def _hold(self) -> None:
        """The server's own words, for as long as there is a session."""
        last_id: bytes | None = None
        while not self.ended:
            headers = self._headers(None)
            if last_id is not None:
                headers[_LAST_EVENT] = last_id
            answer = Answer(self._say, _nothing_more)
            held = self._held = inner(self._outer, answer, headers, "GET")
            await self._carry(held, None)
            last_id = answer.last_id or last_id
            if self.ended:
                return
            if held.cut in ("revoked", "draining"):
                self.end(held.cut)
            elif answer.status == 404:
                self.end("lost")
            elif answer.status != 200:
                return  # the server offers none
            else:
                await asyncio.sleep(REOPEN_SECONDS)

    async def _leave(self) -> None:
        """Give back what the session holds at the server."""
        session, headers = self._session, self._headers(None)
        self._session, self._version = b"", ""
        if session:
            answer = Answer(_nothing, _nothing_more)
            await self._carry(inner(self._outer, answer, headers, "DELETE"), None)


def _modern(part: Message) -> str:
    """The revision that a self-contained message names; empty for any other."""
    meta = part.params.get("_meta")
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) and version not in LEGACY else ""


def _refusal(part: Message) -> Rejection:
    return Rejection(_FULL.status, _FULL.code, _FULL.message, id=part.id, reason=_FULL.reason)


async def _nothing(message: bytes) -> None:
    """Nobody waits for it."""


async def _nothing_more() -> None:
    """The connection has signs of life of its own."""


def _may_stay(caller: Caller, endpoint: Endpoint) -> bool:
    return endpoint.knows(caller) and not isinstance(
        decide(_ADMITTED, caller, endpoint.rules), Deny
    )
